//! What the tax authority reports: one refund that it has paid. No personal data.

use jiff::Timestamp;
use kezek_domain::ledger::PostingKind;
use kezek_domain::{System, Tiyn};
use kezek_stage::{Money, Shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An answer for a case whose money goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The tax authority has paid (A11c).
    Paid {
        /// The effect key of our confirmation.
        confirmation_key: String,
        /// The tax authority's number of the refund: posted once per number.
        number: String,
        /// How much, in tiyn, above zero.
        amount_tiyn: Tiyn,
        /// When, by the tax authority's account of business time.
        paid_at: Timestamp,
    },
    /// The applicant has claimed: the tax authority's term begins (A11c).
    Claimed {
        /// The effect key of our confirmation.
        confirmation_key: String,
        /// When, by the tax authority's account of business time.
        claimed_at: Timestamp,
    },
}

impl Shape for Answer {
    const KIND: &'static str = "refund.answer";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        let confirmation_key = "refund/01990000-0000-7000-8000-000000000001/demo-payment-1".to_owned();
        let at = Timestamp::constant(1_756_789_200, 0);
        vec![
            Self::Paid {
                confirmation_key: confirmation_key.clone(),
                number: "demo-refund-1".to_owned(),
                amount_tiyn: Tiyn(78_640),
                paid_at: at,
            },
            Self::Claimed { confirmation_key, claimed_at: at },
        ]
    }
}

impl kezek_stage::Answer for Answer {
    fn label(&self) -> &'static str {
        match self {
            Self::Paid { .. } => "paid",
            Self::Claimed { .. } => "claimed",
        }
    }
    fn money(&self) -> Option<Money> {
        match self {
            Self::Paid { number, amount_tiyn, .. } => Some(Money {
                kind: PostingKind::Returned,
                provider: System::TaxAuthority.label().to_owned(),
                number: number.clone(),
                amount: *amount_tiyn,
            }),
            Self::Claimed { .. } => None,
        }
    }
}
