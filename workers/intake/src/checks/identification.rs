//! A3.3: Digital-ID has identified the person. Between its thresholds a human judges.

use crate::doubt::Doubt;
use crate::sheet::Verdict;
use kezek_domain::rules::Refusal;
use kezek_gateway::Match;

/// Whether the session is the person's.
#[must_use]
pub const fn judge(answer: Match) -> Verdict {
    match answer {
        Match::Matched => Verdict::Passed("matched"),
        Match::NotMatched => Verdict::Failed(Refusal::NotIdentified, "not-matched"),
        Match::Unsure => Verdict::Unsure(Doubt::IdentificationUnsure, "unsure"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a3_3_unsure_is_neither_yes_nor_no() {
        assert_eq!(judge(Match::Matched), Verdict::Passed("matched"));
        assert_eq!(judge(Match::NotMatched), Verdict::Failed(Refusal::NotIdentified, "not-matched"));
        assert_eq!(judge(Match::Unsure), Verdict::Unsure(Doubt::IdentificationUnsure, "unsure"));
    }
}
