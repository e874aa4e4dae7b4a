//! What the door brings: an officer's decision whose signature has been verified (A11a, A11b).

use jiff::Timestamp;
use kezek_domain::dossier::{CancelReason, Decision, DecisionOutcome};
use kezek_stage::Shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The officer's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To production (A11a).
    Approve {
        /// Who, when, by which signature.
        signed: Signed,
    },
    /// Cancelled (A11b).
    Cancel {
        /// Why, from the closed list.
        reason: CancelReason,
        /// Who, when, by which signature.
        signed: Signed,
    },
    /// The author takes his cancellation back before it takes effect.
    TakeBack {
        /// The officer's account.
        account: String,
        /// When, in business time.
        at: Timestamp,
    },
}

/// A verified signature over the decision.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signed {
    /// The officer's account.
    pub account: String,
    /// When, in business time.
    pub decided_at: Timestamp,
    /// Digest of the signature, in hex.
    pub signature_sha256: String,
    /// Name and version of the verifier.
    pub verified_by: String,
    /// The detached signature itself (CMS, DER, base64): filed with the sealed decision, as evidence.
    pub cms: String,
    /// Digest of the signer's IIN: two officers must be two persons.
    #[serde(default)]
    pub signer_sha256: String,
    /// The exact bytes that were signed, base64: the evidence is whole.
    #[serde(default)]
    pub content: String,
    /// The verifier's own answer, where it is another system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifier_answer: Option<String>,
    /// The revision of the case's file that the page showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The documentation code that the page showed (A4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation_code: Option<String>,
}

/// The signature holds the officer's certificate, so it is not printed.
impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed")
            .field("account", &self.account)
            .field("decided_at", &self.decided_at)
            .field("signature_sha256", &self.signature_sha256)
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// Who signed; nobody where a cancellation is taken back.
    #[must_use]
    pub const fn signed(&self) -> Option<&Signed> {
        match self {
            Self::Approve { signed } | Self::Cancel { signed, .. } => Some(signed),
            Self::TakeBack { .. } => None,
        }
    }

    /// Whose answer it is.
    #[must_use]
    pub fn author(&self) -> Option<&str> {
        match self {
            Self::Approve { signed } | Self::Cancel { signed, .. } => Some(&signed.account),
            Self::TakeBack { account, .. } => Some(account),
        }
    }

    /// The section that the decision is filed as; nothing where there is none.
    #[must_use]
    pub fn decision(&self) -> Option<Decision> {
        let (outcome, reason, signed) = match self {
            Self::Approve { signed } => (DecisionOutcome::Approved, None, signed),
            Self::Cancel { reason, signed } => (DecisionOutcome::Cancelled, Some(*reason), signed),
            Self::TakeBack { .. } => return None,
        };
        Some(Decision {
            outcome,
            reason,
            officer: signed.account.clone(),
            decided_at: signed.decided_at,
            signature_sha256: signed.signature_sha256.clone(),
            signature_verified_by: signed.verified_by.clone(),
            cms: signed.cms.clone(),
            signed_content: signed.content.clone(),
            verifier_answer: signed.verifier_answer.clone(),
        })
    }
}

impl Shape for Answer {
    const KIND: &'static str = "review.answer";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        let signed = Signed {
            account: "reviewer-75".to_owned(),
            decided_at: Timestamp::UNIX_EPOCH,
            signature_sha256: "00".repeat(32),
            verified_by: "kezek-cms/1".to_owned(),
            cms: "MAA=".to_owned(),
            signer_sha256: "11".repeat(32),
            content: "e30=".to_owned(),
            verifier_answer: None,
            revision: None,
            documentation_code: None,
        };
        let cancel = |reason| Self::Cancel { reason, signed: signed.clone() };
        let mut all: Vec<_> = CancelReason::ALL.iter().map(|r| cancel(*r)).collect();
        all.push(Self::Approve { signed: signed.clone() });
        all.push(Self::TakeBack { account: signed.account.clone(), at: signed.decided_at });
        all
    }
}

impl kezek_stage::Answer for Answer {
    fn label(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Cancel { .. } => "cancel",
            Self::TakeBack { .. } => "take-back",
        }
    }
}
