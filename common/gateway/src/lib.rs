//! The way to the systems of the state: the gateway's envelope and both its channels, one typed
//! operation per question, signature verification, and the taxonomy of what can fail.
//!
//! Business negatives ("not found", "denied", "not bound") are variants of an operation's answer;
//! a [`GatewayFault`] is a technical failure and nothing else. Neither holds personal data.
//! Payloads that are not public are ours and carry service ids named `demo-…`.

mod answer;
mod channel;
mod civil_acts;
mod config;
pub mod consent;
pub mod eds;
pub mod envelope;
mod fault;
pub mod identity;
pub mod incoming;
pub mod notice;
pub mod orders;
pub mod person;
pub mod phone;
pub mod production;
pub mod registration;
mod stamp;
pub mod statement;
pub mod status;
pub mod tax;
pub mod wsse;
pub mod xml;

pub use channel::{Accepted, Gateway};
pub use config::{CodeMeaning, ConfigProblem, GatewayConfig};
pub use consent::{Consent, ConsentAnswer};
pub use fault::GatewayFault;
pub use identity::Match;
pub use orders::{OrderAnswer, OrderState, PaidPart, WithdrawAnswer};
pub use person::{Address, AddressKind, Capability, Document, PersonAnswer, PersonRecord, PortraitAnswer};
pub use phone::PhoneAnswer;
pub use production::CardOrder;
pub use registration::{CouponAnswer, RegisterAnswer, RegisterRequest, RegistrationState};
pub use statement::{Did, STATING, Stated};
pub use status::{SikAnswer, SocialStatus};
pub use tax::Claim;

/// The service ids that we ask, and those of the messages that arrive.
pub mod service_ids {
    /// GBDFL: a person's record.
    pub const PERSON: &str = "GBDFL_UniversalServiceSync";
    /// KDP: consent of the data subject.
    pub const CONSENT: &str = "demo-kdp-consent";
    /// GBDFL: a person's portrait.
    pub const PORTRAIT: &str = "demo-gbdfl-portrait";
    /// BMG: is this number this person's?
    pub const PHONE: &str = "demo-bmg-binding";
    /// Digital-ID: whose session is it?
    pub const SESSION: &str = "demo-digital-id-session";
    /// Digital-ID: is this the person's face?
    pub const FACE: &str = "demo-digital-id-portrait";
    /// ZAGS IS: what changed since?
    pub const CHANGES: &str = "demo-zags-changes";
    /// SIK: social statuses.
    pub const STATUSES: &str = "demo-sik-statuses";
    /// RP DRN: register an application.
    pub const REGISTER: &str = "demo-rpdrn-register";
    /// RP DRN: what became of a registration.
    pub const REGISTRATION_STATE: &str = "demo-rpdrn-state";
    /// RP DRN: cancel a registration.
    pub const CANCEL: &str = "demo-rpdrn-cancel";
    /// RP DRN: the card was issued.
    pub const CLOSE: &str = "demo-rpdrn-close";
    /// RP DRN payment service: create an order.
    pub const CREATE_ORDER: &str = "demo-rpdrn-create-order";
    /// RP DRN payment service: withdraw an order.
    pub const WITHDRAW_ORDER: &str = "demo-rpdrn-withdraw-order";
    /// RP DRN payment service: what became of an order.
    pub const ORDER_STATE: &str = "demo-rpdrn-order-state";
    /// Production centre: make a card (asynchronous).
    pub const PRODUCTION_ORDER: &str = "demo-production-order";
    /// Tax authority: the service was not performed (asynchronous).
    pub const NON_PERFORMANCE: &str = "demo-tax-non-performance";
    /// A text message.
    pub const SMS: &str = "demo-sms";
    /// A message in the personal cabinet.
    pub const CABINET: &str = "demo-cabinet";
    /// RP DRN: what it has done for us, by key.
    pub const RP_DRN_STATEMENT: &str = "demo-rpdrn-statement";
    /// Production centre: what it has done for us, by key.
    pub const PRODUCTION_STATEMENT: &str = "demo-production-statement";
    /// Tax authority: what it has done for us, by key.
    pub const TAX_STATEMENT: &str = "demo-tax-statement";
    /// Personal cabinet: what it has done for us, by key.
    pub const CABINET_STATEMENT: &str = "demo-cabinet-statement";
    /// Arrives: a payment was made.
    pub const PAYMENT_CONFIRMED: &str = "demo-payment-confirmed";
    /// Arrives: what the production centre made of an order.
    pub const PRODUCTION_RESULT: &str = "demo-production-result";
    /// Arrives: the applicant has claimed a refund at the tax authority.
    pub const TAX_CLAIM_FILED: &str = "demo-tax-claim-filed";
    /// Arrives: the tax authority has paid a refund.
    pub const TAX_REFUND_PAID: &str = "demo-tax-refund-paid";
}
