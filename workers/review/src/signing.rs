//! What an officer signs, and whether he did (A11a: approved with an EDS).
//!
//! The exact bytes are a JSON document without blanks, its members in alphabetical order. They bind the decision to
//! the case, to ticket, revision and documentation code that the page showed, to its time, to the officer's account and
//! to what the applicant signed, so a signature fits one decision on one state of one case and cannot be used again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kezek_domain::dossier::CancelReason;
use kezek_domain::{CaseId, Iin, Ticket};
use kezek_gateway::eds::{Asked, Reason, SignerRole, Verification, Verifier};
use kezek_stage::{DoorError, Fault};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::answer::Signed;

/// A decision that an officer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// To production (A11a).
    Approve,
    /// Cancel (A11b).
    Cancel(CancelReason),
}

impl Allowed {
    /// All of them, in the order in which a page offers them.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Approve).chain(CancelReason::ALL.iter().map(|r| Self::Cancel(*r)))
    }
    /// `approve` or `cancel`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Cancel(_) => "cancel",
        }
    }
    /// Why, for a cancellation.
    #[must_use]
    pub const fn reason(self) -> Option<CancelReason> {
        match self {
            Self::Approve => None,
            Self::Cancel(reason) => Some(reason),
        }
    }
}

/// Alphabetical, so that what is written is canonical.
#[derive(Serialize)]
struct Paper<'a> {
    account: &'a str,
    application_sha256: &'a str,
    at: Timestamp,
    case: CaseId,
    decision: &'static str,
    documentation_code: &'a str,
    format: &'static str,
    reason: Option<CancelReason>,
    revision: i64,
    ticket: Ticket,
}

/// The state of a case that a page shows and a decision is bound to.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// The case.
    pub case: CaseId,
    /// Its ticket.
    pub ticket: Ticket,
    /// The revision of its file.
    pub revision: i64,
    /// When the page was made, business time.
    pub at: Timestamp,
    /// Digest of what the applicant signed, hexadecimal.
    pub application_sha256: &'a str,
    /// The register's documentation code (A4.1).
    pub documentation_code: &'a str,
}

/// The exact bytes to sign.
///
/// # Errors
/// Never in practice: permanent, where the document cannot be written.
pub fn content(decision: Allowed, account: &str, shown: &Shown<'_>) -> Result<Vec<u8>, Fault> {
    let paper = Paper {
        account,
        application_sha256: shown.application_sha256,
        at: shown.at,
        case: shown.case,
        decision: decision.label(),
        documentation_code: shown.documentation_code,
        format: "kezek-decision/2",
        reason: decision.reason(),
        revision: shown.revision,
        ticket: shown.ticket,
    };
    serde_json::to_vec(&paper).map_err(|_| Fault::permanent("decision-unwritable", "the document to sign"))
}

/// Whose signature it must be, and at which instant it is judged.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub officer: &'a Iin,
    pub account: &'a str,
    pub at: Timestamp,
}

/// Verifies the officer's signature over the exact bytes.
///
/// # Errors
/// 422 where the signature is not his over these bytes, with the reason and what to do; 503 where that cannot be
/// found out just now.
pub(crate) async fn verify(
    verifier: &Verifier,
    content: &[u8],
    cms: &str,
    expected: Expected<'_>,
    shown: &Shown<'_>,
) -> Result<Signed, DoorError> {
    let Expected { officer, account, at } = expected;
    let wrong = |what: &str| DoorError::invalid(vec![("/signature".to_owned(), what.to_owned())]);
    let der = STANDARD.decode(cms).map_err(|_| wrong("not base64: send the detached CMS (DER) in base64"))?;
    let asked = Asked { content, signature: &der, expected: officer, role: SignerRole::Officer, at };
    match verifier.judge(asked).await {
        Verification::Verified(evidence) => Ok(Signed {
            account: account.to_owned(),
            decided_at: at,
            signature_sha256: evidence.evidence_sha256,
            verified_by: evidence.verifier,
            cms: STANDARD.encode(&der),
            signer_sha256: hex::encode(Sha256::digest(evidence.signer_iin.expose())),
            content: STANDARD.encode(content),
            verifier_answer: evidence.answer,
            revision: Some(shown.revision),
            documentation_code: Some(shown.documentation_code.to_owned()),
        }),
        Verification::NotVerified { reason } if reason.is_undetermined() => Err(DoorError::unavailable(
            "whether the signature and its certificate stand cannot be found out just now; nothing was decided, send it \
             again",
        )),
        Verification::NotVerified { reason } => {
            let mut error =
                DoorError::new(422, "signature-not-verified", format!("{}: {}", reason.label(), remedy(reason)));
            error.more = Some(("reason", reason.label().to_owned()));
            Err(error)
        }
    }
}

const fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::Undecodable | Reason::NotDetached => "send a detached CMS signature (DER, base64)",
        Reason::NoSigner | Reason::SeveralSigners => "sign once, with one key",
        Reason::NoCertificate => "include the signer's certificate in the signature",
        Reason::NotTrusted => "sign with a key of the national certification authority",
        Reason::OutOfValidity | Reason::Revoked => "sign with a key whose certificate is valid today",
        Reason::RevocationUnknown | Reason::VerifierUnavailable => "send it again later",
        Reason::TimestampDiffers => "sign anew: the timestamp in the signature is of another signature",
        Reason::NotForSigning => "sign with the key for signing, not the one for authentication",
        Reason::WrongRole | Reason::NoIin => "sign with a key of a person or of an organisation's employee",
        Reason::OtherPerson => "sign with the key of the person to whom this account belongs",
        Reason::ContentDiffers => "load the case anew and sign exactly the bytes under `signing` for this decision",
    }
}
