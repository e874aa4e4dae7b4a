//! A3.5: none of the five attributes has changed since the present card began; otherwise the service centre.

use crate::sheet::Verdict;
use kezek_domain::dossier::ChangedAttribute;
use kezek_domain::rules::Refusal;

/// Whether civil-status records know of a change.
#[must_use]
pub fn judge(changed: &[ChangedAttribute]) -> Verdict {
    match changed.first() {
        None => Verdict::Passed("unchanged"),
        Some(attribute) => Verdict::Failed(Refusal::DataChanged, attribute.label()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a3_5_each_of_the_five_attributes_sends_to_the_centre() {
        assert_eq!(judge(&[]), Verdict::Passed("unchanged"));
        for attribute in ChangedAttribute::ALL {
            let verdict = judge(&[*attribute]);
            assert_eq!(verdict, Verdict::Failed(Refusal::DataChanged, attribute.label()));
        }
        assert!(Refusal::DataChanged.csc());
    }
}
