//! What the payment service reports: one payment for one order. No personal data, and nothing of the payer.

use jiff::Timestamp;
use kezek_domain::ledger::PostingKind;
use kezek_domain::{System, Tiyn};
use kezek_stage::{Money, Shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An answer for a case that waits for its duty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// A payment has arrived (A3.15): the whole duty, or a part of it.
    Confirmed {
        /// The effect key of our order.
        order_key: String,
        /// The provider's number of the payment: its money is posted once per number.
        number: String,
        /// How much, in tiyn, above zero.
        amount_tiyn: Tiyn,
        /// When it was paid, by the provider's account of business time.
        at: Timestamp,
    },
}

impl Shape for Answer {
    const KIND: &'static str = "payment.answer";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        vec![Self::Confirmed {
            order_key: "charge/01990000-0000-7000-8000-000000000001/duty".to_owned(),
            number: "demo-payment-1".to_owned(),
            amount_tiyn: Tiyn(78_640),
            at: Timestamp::constant(1_756_789_200, 0),
        }]
    }
}

impl kezek_stage::Answer for Answer {
    fn label(&self) -> &'static str {
        match self {
            Self::Confirmed { .. } => "confirmed",
        }
    }
    fn money(&self) -> Option<Money> {
        match self {
            Self::Confirmed { number, amount_tiyn, .. } => Some(Money {
                kind: PostingKind::Received,
                provider: System::RpDrn.label().to_owned(),
                number: number.clone(),
                amount: *amount_tiyn,
            }),
        }
    }
}
