//! How an issuance may end.

use jiff::Timestamp;
use kezek_domain::dossier::Handover;
use kezek_domain::ledger::PostingKind;
use kezek_domain::{CaseId, Tiyn};
use kezek_stage::{Booking, Fault, SectionDraft};
use serde_json::{Value, json};

/// The closed set of results. A card nobody fetches goes on waiting: that is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The card was handed over in person (A11d); the state has performed and earned the duty.
    HandedOver {
        /// What is filed.
        handover: Handover,
        /// The duty, where there was one and it is held.
        earned: Option<Booking>,
    },
}

/// The duty that performing earns: what is due and held, once per case. Anything held beyond it stays held, so that
/// closing opens its refund.
#[must_use]
pub(crate) fn earned(case: CaseId, due: Tiyn, held: Tiyn) -> Option<Booking> {
    let amount = due.min(held);
    amount.is_positive().then(|| Booking {
        kind: PostingKind::Earned,
        amount,
        source: "kezek".to_owned(),
        reference: format!("duty/{case}"),
    })
}

impl kezek_stage::Outcome for Outcome {
    fn label(&self) -> &'static str {
        match self {
            Self::HandedOver { .. } => "handed-over",
        }
    }
    fn samples() -> Vec<Self> {
        let handover =
            Handover { officer: "issuer-75".to_owned(), at: Timestamp::UNIX_EPOCH, old_card: "returned".to_owned() };
        let duty = earned(CaseId(uuid::Uuid::nil()), Tiyn(78_640), Tiyn(78_640));
        vec![Self::HandedOver { handover: handover.clone(), earned: duty }, Self::HandedOver { handover, earned: None }]
    }
    fn sections(&self) -> Result<Vec<SectionDraft>, Fault> {
        match self {
            Self::HandedOver { handover, .. } => Ok(vec![SectionDraft::of(handover)?]),
        }
    }
    fn bookings(&self) -> Vec<Booking> {
        match self {
            Self::HandedOver { earned, .. } => earned.iter().cloned().collect(),
        }
    }
    fn facts(&self) -> Value {
        match self {
            Self::HandedOver { handover, earned } => json!({
                "account": handover.officer,
                "old_card": handover.old_card,
                "earned_tiyn": earned.as_ref().map_or(0, |b| b.amount.0),
            }),
        }
    }
}
