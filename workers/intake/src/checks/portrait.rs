//! A3.11: the photograph shows the person whose portrait GBDFL holds, says Digital-ID. Kept apart from A3.10: a good
//! photograph of somebody else, and a bad one of the right person, are two findings.

use crate::doubt::Doubt;
use crate::sheet::Verdict;
use kezek_domain::rules::Refusal;
use kezek_gateway::Match;

/// Whether the photograph is the person's.
#[must_use]
pub const fn judge(answer: Match) -> Verdict {
    match answer {
        Match::Matched => Verdict::Passed("matched"),
        Match::NotMatched => Verdict::Failed(Refusal::PhotoMismatch, "not-matched"),
        Match::Unsure => Verdict::Unsure(Doubt::PortraitUnsure, "unsure"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a3_11_another_face_is_refused_and_an_unsure_one_asked() {
        assert_eq!(judge(Match::Matched), Verdict::Passed("matched"));
        assert_eq!(judge(Match::NotMatched), Verdict::Failed(Refusal::PhotoMismatch, "not-matched"));
        assert_eq!(judge(Match::Unsure), Verdict::Unsure(Doubt::PortraitUnsure, "unsure"));
    }
}
