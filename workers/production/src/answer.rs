//! What the centre reports, and what a person of the centre decides when asked. The card's number is a keyed digest.

use jiff::Timestamp;
use kezek_stage::Shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An answer for a case that waits for its card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The card is made (A3.18).
    Produced {
        /// The effect key of the order.
        order_key: String,
        /// The keyed digest of the card's number, in hex: the number itself is personal data.
        card_number_digest: String,
        /// When, by the centre's account of business time.
        at: Option<Timestamp>,
    },
    /// The card that was made is faulty.
    Defect {
        /// The effect key of the order.
        order_key: String,
        /// The centre's code.
        code: String,
        /// When, by the centre's account of business time.
        at: Option<Timestamp>,
    },
    /// Incoming control found fault with the order (A5.4).
    IncomingControlFailed {
        /// The effect key of the order.
        order_key: String,
        /// The centre's code.
        code: String,
        /// When, by the centre's account of business time.
        at: Option<Timestamp>,
    },
    /// A person: look at the payment once more (A5.3).
    CheckAgain,
    /// A person: make it again.
    Remake,
    /// A person: give up.
    Cancel {
        /// Why.
        reason: CancelReason,
    },
}

/// Why a person of the centre gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CancelReason {
    /// The duty is not settled (A5.3).
    Unpaid,
    /// Incoming control rejects the order (A5.4).
    IncomingControl,
    /// No remake came out well.
    RemakesUsedUp,
}

impl CancelReason {
    /// The word for journal, metrics and the register.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unpaid => "unpaid-at-production",
            Self::IncomingControl => "incoming-control",
            Self::RemakesUsedUp => "remakes-used-up",
        }
    }
}

impl Answer {
    /// The order that the answer is about; a person's answer is about the question.
    pub(crate) fn order_key(&self) -> Option<&str> {
        match self {
            Self::Produced { order_key, .. }
            | Self::Defect { order_key, .. }
            | Self::IncomingControlFailed { order_key, .. } => Some(order_key),
            Self::CheckAgain | Self::Remake | Self::Cancel { .. } => None,
        }
    }
}

impl Shape for Answer {
    const KIND: &'static str = "production.answer";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        let order_key = || "print/01990000-0000-7000-8000-000000000001/0".to_owned();
        let code = || "demo-laminate".to_owned();
        let at = Some(Timestamp::constant(1_756_789_200, 0));
        vec![
            Self::Produced { order_key: order_key(), card_number_digest: "00".repeat(32), at },
            Self::Defect { order_key: order_key(), code: code(), at },
            Self::IncomingControlFailed { order_key: order_key(), code: code(), at: None },
            Self::CheckAgain,
            Self::Remake,
            Self::Cancel { reason: CancelReason::IncomingControl },
        ]
    }
}

impl kezek_stage::Answer for Answer {
    fn label(&self) -> &'static str {
        match self {
            Self::Produced { .. } => "produced",
            Self::Defect { .. } => "defect",
            Self::IncomingControlFailed { .. } => "incoming-control-failed",
            Self::CheckAgain => "check-again",
            Self::Remake => "remake",
            Self::Cancel { .. } => "cancel",
        }
    }
}
