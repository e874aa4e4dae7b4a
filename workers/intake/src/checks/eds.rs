//! A3.12: the applicant's own signature over exactly the bytes that were sent, judged at the instant of filing.

use crate::sheet::Verdict;
use kezek_domain::Fault;
use kezek_domain::rules::Refusal;
use kezek_gateway::eds::{Reason, Verification};

/// Whether the verifier shows the signature to be the applicant's.
///
/// # Errors
/// Transient, `revocation-unknown`, where the authority's list of revoked certificates says nothing just now: that
/// tells nothing against the applicant, so nobody is refused for it.
pub fn judge(verification: &Verification) -> Result<Verdict, Fault> {
    match verification {
        Verification::Verified(_) => Ok(Verdict::Passed("verified")),
        Verification::NotVerified { reason: reason @ Reason::RevocationUnknown } => Err(Fault::transient(
            reason.label(),
            "the list of revoked certificates is missing, out of date or another authority's: renew it",
        )),
        Verification::NotVerified { reason } => Ok(Verdict::Failed(Refusal::SignatureInvalid, reason.label())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a3_12_anything_but_verified_is_refused_with_its_reason() {
        for reason in [Reason::OtherPerson, Reason::ContentDiffers, Reason::NoSigner, Reason::NotForSigning] {
            let verdict = judge(&Verification::NotVerified { reason });
            assert_eq!(verdict, Ok(Verdict::Failed(Refusal::SignatureInvalid, reason.label())));
        }
    }

    #[test]
    fn a3_12_unknown_revocation_is_a_technical_failure_and_no_refusal() {
        let fault = judge(&Verification::NotVerified { reason: Reason::RevocationUnknown }).err();
        assert_eq!(fault.map(|f| (f.is_transient(), f.cause())), Some((true, "revocation-unknown")));
    }
}
