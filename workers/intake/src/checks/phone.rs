//! A3.2: the telephone is the applicant's own, says the base of citizens' mobile numbers.

use crate::sheet::Verdict;
use kezek_domain::rules::Refusal;
use kezek_gateway::PhoneAnswer;

/// Whether the number is bound to the person.
#[must_use]
pub const fn judge(answer: PhoneAnswer) -> Verdict {
    match answer {
        PhoneAnswer::Bound => Verdict::Passed("bound"),
        PhoneAnswer::NotBound => Verdict::Failed(Refusal::PhoneNotBound, "somebody-elses"),
        PhoneAnswer::NotInBase => Verdict::Failed(Refusal::PhoneNotBound, "not-in-base"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a3_2_the_telephone_must_be_the_applicants() {
        assert_eq!(judge(PhoneAnswer::Bound), Verdict::Passed("bound"));
        assert_eq!(judge(PhoneAnswer::NotBound), Verdict::Failed(Refusal::PhoneNotBound, "somebody-elses"));
        assert_eq!(judge(PhoneAnswer::NotInBase), Verdict::Failed(Refusal::PhoneNotBound, "not-in-base"));
    }
}
