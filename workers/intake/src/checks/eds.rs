//! A3.12: the applicant's own signature over exactly the bytes that were sent, judged at the instant of filing.

use crate::sheet::Verdict;
use kezek_domain::rules::Refusal;
use kezek_gateway::eds::Verification;

/// Whether the verifier shows the signature to be the applicant's.
#[must_use]
pub const fn judge(verification: &Verification) -> Verdict {
    match verification {
        Verification::Verified(_) => Verdict::Passed("verified"),
        Verification::NotVerified { reason } => Verdict::Failed(Refusal::SignatureInvalid, reason.label()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kezek_gateway::eds::Reason;

    #[test]
    fn a3_12_anything_but_verified_is_refused_with_its_reason() {
        for reason in [Reason::OtherPerson, Reason::ContentDiffers, Reason::NoSigner, Reason::NotForSigning] {
            let verdict = judge(&Verification::NotVerified { reason });
            assert_eq!(verdict, Verdict::Failed(Refusal::SignatureInvalid, reason.label()));
        }
    }
}
