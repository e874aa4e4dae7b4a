//! What the door brings: an officer has handed the card over (A4.3, A11d).

use jiff::Timestamp;
use kezek_domain::Coupon;
use kezek_stage::Shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of the old card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OldCard {
    /// Given back and withdrawn.
    Returned,
    /// The person says it is lost.
    Lost,
    /// The person says it is stolen.
    Stolen,
    /// Withdrawn earlier, elsewhere.
    WithdrawnBefore,
}

impl OldCard {
    /// The label that the dossier keeps.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Returned => "returned",
            Self::Lost => "lost",
            Self::Stolen => "stolen",
            Self::WithdrawnBefore => "withdrawn-before",
        }
    }
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Returned, Self::Lost, Self::Stolen, Self::WithdrawnBefore];
}

/// The card has changed hands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// In person, against the coupon, identity checked.
    HandedOver {
        /// The coupon that the person showed; must be the case's (A11d).
        coupon: Coupon,
        /// The officer's account.
        account: String,
        /// When, in business time.
        at: Timestamp,
        /// What became of the old card.
        old_card: OldCard,
    },
}

impl Shape for Answer {
    const KIND: &'static str = "issuance.answer";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        let of = |old_card| {
            Some(Self::HandedOver {
                coupon: Coupon::parse("DEMO-2025-000001").ok()?,
                account: "issuer-75".to_owned(),
                at: Timestamp::UNIX_EPOCH,
                old_card,
            })
        };
        OldCard::ALL.into_iter().filter_map(of).collect()
    }
}

impl kezek_stage::Answer for Answer {
    fn label(&self) -> &'static str {
        match self {
            Self::HandedOver { .. } => "handed-over",
        }
    }
}
