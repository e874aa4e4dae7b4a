//! How a review may end.

use crate::answer::Answer;
use kezek_domain::dossier::{CancelReason, Decision};
use kezek_stage::{Fault, SectionDraft, Shape as _};
use serde_json::{Value, json};

/// The closed set of results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// To production (A11a).
    Approved(Decision),
    /// Cancelled for a reason of the closed list (A11b); the registration in RP DRN is cancelled with it.
    Cancelled(CancelReason, Decision),
}

impl Outcome {
    /// The decision itself.
    #[must_use]
    pub const fn decision(&self) -> &Decision {
        match self {
            Self::Approved(decision) | Self::Cancelled(_, decision) => decision,
        }
    }
}

impl kezek_stage::Outcome for Outcome {
    fn label(&self) -> &'static str {
        match self {
            Self::Approved(_) => "approved",
            Self::Cancelled(..) => "cancelled",
        }
    }
    fn samples() -> Vec<Self> {
        let of = |answer: &Answer| {
            let decision = answer.decision()?;
            Some(match decision.reason {
                None => Self::Approved(decision),
                Some(reason) => Self::Cancelled(reason, decision),
            })
        };
        Answer::samples().iter().filter_map(of).collect()
    }
    fn sections(&self) -> Result<Vec<SectionDraft>, Fault> {
        Ok(vec![SectionDraft::of(self.decision())?])
    }
    fn facts(&self) -> Value {
        let decision = self.decision();
        json!({
            "account": decision.officer,
            "reason": decision.reason.map(CancelReason::label),
            "signature_sha256": decision.signature_sha256,
        })
    }
}
