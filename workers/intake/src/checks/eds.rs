//! A3.12: the applicant's own signature over exactly the bytes that were sent, judged at the instant of filing.

use crate::sheet::Verdict;
use kezek_domain::Fault;
use kezek_domain::rules::Refusal;
use kezek_gateway::eds::Verification;

/// Whether the verifier shows the signature to be the applicant's.
///
/// # Errors
/// Transient where nothing could be found out just now (`revocation-unknown`, `verifier-unavailable`): that tells
/// nothing against the applicant, so nobody is refused for it.
pub fn judge(verification: &Verification) -> Result<Verdict, Fault> {
    match verification {
        Verification::Verified(_) => Ok(Verdict::Passed("verified")),
        Verification::NotVerified { reason } if reason.is_undetermined() => Err(Fault::transient(
            reason.label(),
            "revocation or the verifier cannot be asked: see signatures.crl_file and signatures.ncanode_url",
        )),
        Verification::NotVerified { reason } => Ok(Verdict::Failed(Refusal::SignatureInvalid, reason.label())),
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
            assert_eq!(verdict, Ok(Verdict::Failed(Refusal::SignatureInvalid, reason.label())));
        }
    }

    #[test]
    fn a3_12_what_could_not_be_found_out_is_a_technical_failure_and_no_refusal() {
        for reason in [Reason::RevocationUnknown, Reason::VerifierUnavailable] {
            let fault = judge(&Verification::NotVerified { reason }).err();
            assert_eq!(fault.map(|f| (f.is_transient(), f.cause())), Some((true, reason.label())));
        }
    }
}
