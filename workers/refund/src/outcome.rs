//! The closed set of results.

use crate::Part;
use crate::coverage::forfeit_reference;
use jiff::Timestamp;
use jiff::civil::date;
use kezek_domain::dossier::Refund as Filed;
use kezek_domain::ledger::PostingKind;
use kezek_domain::{CaseId, Fault, Tiyn};
use kezek_stage::{Booking, SectionDraft};
use serde_json::{Value, json};

/// How giving back ended. The law then closes the case as the refund remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was nothing to give back.
    NothingHeld,
    /// The tax authority has paid everything (A11c).
    Refunded {
        /// What is filed.
        filed: Filed,
    },
    /// Nobody claimed in time: what is left falls to the state.
    ClaimLapsed {
        /// The case, for the references of the bookings.
        case: CaseId,
        /// What is left of each payment.
        forfeited: Vec<Part>,
    },
}

impl kezek_stage::Outcome for Outcome {
    fn label(&self) -> &'static str {
        match self {
            Self::NothingHeld => "nothing-held",
            Self::Refunded { .. } => "refunded",
            Self::ClaimLapsed { .. } => "claim-lapsed",
        }
    }
    fn samples() -> Vec<Self> {
        let at = Timestamp::constant(1_756_789_200, 0);
        let case = CaseId(uuid::Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001));
        let filed = Filed {
            confirmation_key: format!("refund/{case}/demo-payment-1"),
            amount: Tiyn(78_640),
            confirmed_at: at,
            paid_at: Some(at),
            claim_until: date(2028, 9, 2),
            claimed_at: None,
            pay_until: None,
        };
        let part = Part { number: "demo-payment-1".to_owned(), amount: Tiyn(78_640), at };
        vec![Self::NothingHeld, Self::Refunded { filed }, Self::ClaimLapsed { case, forfeited: vec![part] }]
    }
    fn sections(&self) -> Result<Vec<SectionDraft>, Fault> {
        match self {
            Self::Refunded { filed } => Ok(vec![SectionDraft::of(filed)?]),
            Self::NothingHeld | Self::ClaimLapsed { .. } => Ok(Vec::new()),
        }
    }
    fn bookings(&self) -> Vec<Booking> {
        match self {
            Self::NothingHeld | Self::Refunded { .. } => Vec::new(),
            Self::ClaimLapsed { case, forfeited } => forfeited
                .iter()
                .map(|part| Booking {
                    kind: PostingKind::Earned,
                    amount: part.amount,
                    source: "kezek".to_owned(),
                    reference: forfeit_reference(*case, &part.number),
                })
                .collect(),
        }
    }
    fn facts(&self) -> Value {
        match self {
            Self::NothingHeld => Value::Null,
            Self::Refunded { filed } => json!({ "amount_tiyn": filed.amount }),
            Self::ClaimLapsed { forfeited, .. } => {
                let sum = forfeited.iter().fold(0_i64, |sum, part| sum.saturating_add(part.amount.0));
                json!({ "forfeited_tiyn": sum, "payments": forfeited.len() })
            }
        }
    }
}
