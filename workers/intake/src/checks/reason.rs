//! A7: only because of expiry. Judged before any register is asked: it needs none.

use crate::sheet::Verdict;
use kezek_domain::dossier::Reason;
use kezek_domain::rules::Refusal;

/// Whether the reason is served online.
#[must_use]
pub const fn judge(reason: Reason) -> Verdict {
    match reason {
        Reason::Expiry => Verdict::Passed("expiry"),
        Reason::Loss => Verdict::Failed(Refusal::OtherReason, "loss"),
        Reason::Damage => Verdict::Failed(Refusal::OtherReason, "damage"),
        Reason::DataChange => Verdict::Failed(Refusal::OtherReason, "data-change"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a6_a7_only_expiry_is_served_online() {
        assert_eq!(judge(Reason::Expiry), Verdict::Passed("expiry"));
        for other in [Reason::Loss, Reason::Damage, Reason::DataChange] {
            assert!(matches!(judge(other), Verdict::Failed(Refusal::OtherReason, _)), "{other}");
        }
    }
}
