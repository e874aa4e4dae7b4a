//! A2: the applicant is a citizen of the Republic of Kazakhstan.

use crate::sheet::Verdict;
use kezek_domain::rules::Refusal;
use kezek_gateway::PersonRecord;

/// Whether the person is a citizen.
#[must_use]
pub fn judge(record: &PersonRecord) -> Verdict {
    if record.is_citizen() { Verdict::Passed("citizen") } else { Verdict::Failed(Refusal::NotCitizen, "other-country") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    #[test]
    fn a2_only_citizens() {
        assert_eq!(judge(&record()), Verdict::Passed("citizen"));
        let mut other = record();
        other.citizenship = "643".to_owned();
        assert_eq!(judge(&other), Verdict::Failed(Refusal::NotCitizen, "other-country"));
    }
}
