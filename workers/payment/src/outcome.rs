//! The closed set of results, with the money that each of them books.

use crate::Parts;
use crate::duty::Taken;
use jiff::Timestamp;
use kezek_domain::dossier::Payment;
use kezek_domain::ledger::PostingKind;
use kezek_domain::{Fault, System, Tiyn};
use kezek_gateway::PaidPart;
use kezek_stage::{Booking, SectionDraft};
use serde_json::{Value, json};

/// How collecting the duty ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The duty is covered (A3.15).
    Paid {
        /// What is filed.
        payment: Payment,
        /// Payments found by asking, whose confirmations have not come yet.
        found: Parts,
    },
    /// The term passed; the order is withdrawn.
    Lapsed {
        /// Parts found by asking: they are posted, and the law gives them back.
        found: Parts,
    },
}

impl Outcome {
    /// The duty is covered by what was taken; `now` dates a payment that carries no date.
    pub(crate) fn paid(taken: &Taken, now: Timestamp) -> Self {
        let payment =
            Payment { amount: taken.sum(), numbers: taken.numbers(), confirmed_at: taken.last().unwrap_or(now) };
        Self::Paid { payment, found: taken.found().to_vec() }
    }

    const fn found(&self) -> &Parts {
        match self {
            Self::Paid { found, .. } | Self::Lapsed { found } => found,
        }
    }
}

impl kezek_stage::Outcome for Outcome {
    fn label(&self) -> &'static str {
        match self {
            Self::Paid { .. } => "paid",
            Self::Lapsed { .. } => "lapsed",
        }
    }
    fn samples() -> Vec<Self> {
        let at = Timestamp::constant(1_756_789_200, 0);
        let part = PaidPart { number: "demo-payment-1".to_owned(), amount: Tiyn(40_000), at };
        let payment = Payment { amount: Tiyn(78_640), numbers: vec!["demo-payment-1".to_owned()], confirmed_at: at };
        vec![Self::Paid { payment, found: Vec::new() }, Self::Lapsed { found: vec![part] }]
    }
    fn sections(&self) -> Result<Vec<SectionDraft>, Fault> {
        match self {
            Self::Paid { payment, .. } => Ok(vec![SectionDraft::of(payment)?]),
            Self::Lapsed { .. } => Ok(Vec::new()),
        }
    }
    fn bookings(&self) -> Vec<Booking> {
        let received = |part: &PaidPart| Booking {
            kind: PostingKind::Received,
            amount: part.amount,
            // the very names under which the confirmation would be posted: whichever comes first counts
            source: System::RpDrn.label().to_owned(),
            reference: part.number.clone(),
        };
        self.found().iter().map(received).collect()
    }
    fn facts(&self) -> Value {
        let found = self.found().len();
        match self {
            Self::Paid { payment, .. } => {
                json!({ "amount_tiyn": payment.amount, "payments": payment.numbers.len(), "found_by_asking": found })
            }
            Self::Lapsed { .. } => json!({ "found_by_asking": found }),
        }
    }
}
