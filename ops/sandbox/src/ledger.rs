//! What the stand-ins were asked to do, by effect key: how often they were called, and what came of
//! it. The judge of "exactly once" reads this side, not ours.
//!
//! Holds places in the population, never numbers, names or telephones.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use kezek_domain::Tiyn;
use serde::{Deserialize, Serialize};

/// Everything asked and done since the start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// RP DRN: by key.
    pub registrations: BTreeMap<String, Registration>,
    /// RP DRN's payment service: by key.
    pub orders: BTreeMap<String, Order>,
    /// Production centre: by key.
    pub cards: BTreeMap<String, Card>,
    /// Tax authority: by key.
    pub confirmations: BTreeMap<String, Confirmation>,
    /// Text messages: by key. Each call is a message sent.
    pub sms: BTreeMap<String, Notice>,
    /// Personal cabinet: by key. The first call alone is a message.
    pub cabinet: BTreeMap<String, Notice>,
    /// Calls of each service, whatever came of them.
    pub calls: BTreeMap<String, u64>,
    /// Requests that contradict earlier ones or what is known.
    pub conflicts: Vec<Conflict>,
    /// Messages sent to the callback address, and how many sendings they took.
    pub callbacks: Callbacks,
    /// Keys of registrations by coupon.
    #[serde(skip)]
    coupons: HashMap<String, String>,
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistrationState {
    /// Under way.
    Open,
    /// Refused when asked.
    Refused,
    /// Cancelled.
    Cancelled,
    /// Closed: issued.
    Closed,
}

/// A registration in RP DRN.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Registration {
    /// Place in the population.
    pub person: usize,
    /// The coupon; none where refused.
    pub coupon: Option<String>,
    /// The code of the refusal, where refused.
    pub refusal: Option<String>,
    /// What became of it.
    pub state: RegistrationState,
    /// Digest of the request, to notice another one under the same key.
    pub request_sha256: String,
    /// How often it was asked for.
    pub calls: u32,
    /// How often its cancellation was asked for.
    pub cancel_calls: u32,
    /// How often its closing was asked for.
    pub close_calls: u32,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderState {
    /// To be paid.
    Open,
    /// Paid in full.
    Paid,
    /// Withdrawn.
    Withdrawn,
}

/// An order of the payment service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// Its number.
    pub number: String,
    /// The application's coupon.
    pub coupon: String,
    /// How much is to be paid.
    pub amount: Tiyn,
    /// Until when.
    pub until: Timestamp,
    /// What became of it.
    pub state: OrderState,
    /// What was paid, whenever.
    pub payments: Vec<Payment>,
    /// How often it was asked for.
    pub calls: u32,
    /// How often its withdrawal was asked for.
    pub withdraw_calls: u32,
}

impl Order {
    /// All that was paid.
    #[must_use]
    pub fn paid(&self) -> Tiyn {
        Tiyn(self.payments.iter().map(|payment| payment.amount.0).sum())
    }
}

/// A payment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Payment {
    /// The provider's number.
    pub number: String,
    /// How much.
    pub amount: Tiyn,
    /// When, business time.
    pub at: Timestamp,
    /// Confirmations that were sent; 0 for a lost one.
    pub confirmations: u32,
}

/// What the production centre made of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardResult {
    /// Not yet anything.
    Waiting,
    /// A good card.
    Produced {
        /// Its number.
        card_number: String,
    },
    /// A faulty card.
    Defect {
        /// The centre's code.
        code: String,
    },
    /// Not made.
    IncomingControlFailed {
        /// The centre's code.
        code: String,
    },
}

/// An order at the production centre.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Card {
    /// The application's coupon.
    pub coupon: String,
    /// What came of it.
    pub result: CardResult,
    /// How often it was ordered.
    pub calls: u32,
}

/// A confirmation of non-performance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Confirmation {
    /// The application's coupon, where it has one.
    pub coupon: Option<String>,
    /// How much is claimed.
    pub amount: Tiyn,
    /// The payments it names.
    pub payments: Vec<String>,
    /// How often it was confirmed.
    pub calls: u32,
    /// The refund, once paid.
    pub refund: Option<Refund>,
}

/// A refund that was paid out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refund {
    /// The tax authority's number.
    pub number: String,
    /// How much.
    pub amount: Tiyn,
    /// When, business time.
    pub paid_at: Timestamp,
}

/// A message to the applicant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Notice {
    /// Place in the population; none for an unknown address.
    pub person: Option<usize>,
    /// Digest of address and text: the same words to the same person under two keys show.
    pub text_sha256: String,
    /// How often it was asked for.
    pub calls: u32,
    /// How often it was sent.
    pub effects: u32,
}

/// A request that contradicts what is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Conflict {
    /// Which service.
    pub service: String,
    /// Under which key.
    pub key: String,
    /// What does not fit.
    pub what: String,
}

/// Messages to the callback address.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Callbacks {
    /// Messages to be delivered.
    pub messages: u64,
    /// Of these, acknowledged.
    pub acknowledged: u64,
    /// Sendings it took.
    pub sendings: u64,
}

/// The provider's and the tax authority's statement.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Statements {
    /// All payments.
    pub payments: Vec<PaymentLine>,
    /// All refunds.
    pub refunds: Vec<RefundLine>,
}

/// A line of the provider's statement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PaymentLine {
    /// The application's coupon.
    pub coupon: String,
    /// The order's key.
    pub order_key: String,
    /// The payment's number.
    pub number: String,
    /// How much, in tiyn.
    pub amount: Tiyn,
    /// When, business time.
    pub at: Timestamp,
}

/// A line of the tax authority's statement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefundLine {
    /// The application's coupon, where it has one.
    pub coupon: Option<String>,
    /// The confirmation's key.
    pub confirmation_key: String,
    /// The refund's number.
    pub number: String,
    /// The payments given back.
    pub payments: Vec<String>,
    /// How much, in tiyn.
    pub amount: Tiyn,
    /// When, business time.
    pub paid_at: Timestamp,
}

impl Ledger {
    /// Notes a contradiction.
    pub fn conflict(&mut self, service: &str, key: &str, what: &str) {
        self.conflicts.push(Conflict { service: service.to_owned(), key: key.to_owned(), what: what.to_owned() });
    }

    /// Notes a new registration.
    pub fn register(&mut self, key: &str, row: Registration) {
        if let Some(coupon) = &row.coupon {
            self.coupons.insert(coupon.clone(), key.to_owned());
        }
        self.registrations.insert(key.to_owned(), row);
    }

    /// The registration with this coupon, to be changed.
    pub fn by_coupon_mut(&mut self, coupon: &str) -> Option<&mut Registration> {
        self.registrations.get_mut(self.coupons.get(coupon)?)
    }

    /// The key and the registration with this coupon.
    #[must_use]
    pub fn by_coupon(&self, coupon: &str) -> Option<(&str, &Registration)> {
        let (key, row) = self.registrations.get_key_value(self.coupons.get(coupon)?)?;
        Some((key.as_str(), row))
    }

    /// The payment with this number.
    #[must_use]
    pub fn payment(&self, number: &str) -> Option<&Payment> {
        self.orders.values().flat_map(|order| &order.payments).find(|payment| payment.number == number)
    }

    /// Both statements, in order of keys.
    #[must_use]
    pub fn statements(&self) -> Statements {
        let payments = self.orders.iter().flat_map(|(key, order)| {
            order.payments.iter().map(|payment| PaymentLine {
                coupon: order.coupon.clone(),
                order_key: key.clone(),
                number: payment.number.clone(),
                amount: payment.amount,
                at: payment.at,
            })
        });
        let refunds = self.confirmations.iter().filter_map(|(key, row)| {
            row.refund.as_ref().map(|refund| RefundLine {
                coupon: row.coupon.clone(),
                confirmation_key: key.clone(),
                number: refund.number.clone(),
                payments: row.payments.clone(),
                amount: refund.amount,
                paid_at: refund.paid_at,
            })
        });
        Statements { payments: payments.collect(), refunds: refunds.collect() }
    }
}
