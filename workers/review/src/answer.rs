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
    /// The section that the decision is filed as.
    #[must_use]
    pub fn decision(&self) -> Decision {
        let (outcome, reason, signed) = match self {
            Self::Approve { signed } => (DecisionOutcome::Approved, None, signed),
            Self::Cancel { reason, signed } => (DecisionOutcome::Cancelled, Some(*reason), signed),
        };
        Decision {
            outcome,
            reason,
            officer: signed.account.clone(),
            decided_at: signed.decided_at,
            signature_sha256: signed.signature_sha256.clone(),
            signature_verified_by: signed.verified_by.clone(),
            cms: signed.cms.clone(),
        }
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
        };
        let cancel = |reason| Self::Cancel { reason, signed: signed.clone() };
        let mut all: Vec<_> = CancelReason::ALL.iter().map(|r| cancel(*r)).collect();
        all.push(Self::Approve { signed: signed.clone() });
        all
    }
}

impl kezek_stage::Answer for Answer {
    fn label(&self) -> &'static str {
        match self {
            Self::Approve { .. } => "approve",
            Self::Cancel { .. } => "cancel",
        }
    }
}
