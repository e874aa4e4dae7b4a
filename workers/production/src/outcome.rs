//! The closed set of results.

use crate::CancelReason;
use jiff::Timestamp;
use kezek_domain::Fault;
use kezek_domain::dossier::{Production as Made, ProductionResult};
use kezek_stage::SectionDraft;
use serde_json::{Value, json};

/// How the making of the card ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The card is made (A3.18).
    Produced {
        /// What is filed.
        made: Made,
    },
    /// It has to be made again.
    Defective {
        /// The number of the remake: the next job's.
        next: u32,
        /// What is filed.
        made: Made,
    },
    /// A person gave up.
    Cancelled {
        /// Why.
        reason: CancelReason,
    },
}

impl kezek_stage::Outcome for Outcome {
    fn label(&self) -> &'static str {
        match self {
            Self::Produced { .. } => "produced",
            Self::Defective { .. } => "defective",
            Self::Cancelled { .. } => "cancelled",
        }
    }
    fn samples() -> Vec<Self> {
        let made = |result, card_number| Made {
            order_key: "print/01990000-0000-7000-8000-000000000001/0".to_owned(),
            attempt: 1,
            result,
            card_number,
            at: Timestamp::constant(1_756_789_200, 0),
        };
        vec![
            Self::Produced { made: made(ProductionResult::Produced, Some(format!("hmac-sha256:{}", "00".repeat(32)))) },
            Self::Defective { next: 1, made: made(ProductionResult::Defect, None) },
            Self::Cancelled { reason: CancelReason::Unpaid },
            Self::Cancelled { reason: CancelReason::IncomingControl },
            Self::Cancelled { reason: CancelReason::RemakesUsedUp },
        ]
    }
    fn sections(&self) -> Result<Vec<SectionDraft>, Fault> {
        match self {
            Self::Produced { made } | Self::Defective { made, .. } => Ok(vec![SectionDraft::of(made)?]),
            Self::Cancelled { .. } => Ok(Vec::new()),
        }
    }
    fn facts(&self) -> Value {
        match self {
            Self::Produced { made } => json!({ "making": made.attempt }),
            Self::Defective { next, .. } => json!({ "remake": next }),
            Self::Cancelled { reason } => json!({ "reason": reason.label() }),
        }
    }
}
