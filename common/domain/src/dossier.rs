//! What is known about a case: sections, each written by one stage once per visit; the latest is read.
//!
//! Every section is a plain struct with a name and a version. No `flatten`, no `untagged`: what is filed
//! today must be readable in years. What holds personal data has a `Debug` that prints its name alone.

mod form;
mod read;
mod sections;

pub use form::{Consent, Form, Language, Reason};
pub use read::FieldError;
pub use sections::{
    AskedQuestion, CancelReason, ChangedAttribute, CheckOutcome, CheckResult, Decision, DecisionOutcome, Document,
    DutyAssessment, DutyOutcome, Exemption, Findings, Handover, Identity, Payment, PaymentOrder, Production,
    ProductionResult, Proposal, ProposalState, Questions, Refund, Registration, Review,
};

use crate::label::labelled;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

labelled! {
    /// A section of the dossier.
    pub enum Section {
        /// What the applicant filled in (A3.8).
        Form = "form",
        /// Who the registers say the applicant is (A3.2).
        Identity = "identity",
        /// The present ID card (A3.7).
        Document = "document",
        /// Every check of intake with its result (A3.1–A3.12).
        Findings = "findings",
        /// Coupon and documentation code (A3.13).
        Registration = "registration",
        /// Whether and what duty is due (A3.14, A3.15).
        DutyAssessment = "duty-assessment",
        /// The exemption by social status (A3.14).
        Exemption = "exemption",
        /// The order to pay (A3.15).
        PaymentOrder = "payment-order",
        /// The confirmed payment (A3.15, A5.3).
        Payment = "payment",
        /// The reviewer's decision (A11a, A11b).
        Decision = "decision",
        /// A decision that does not count yet (A11a, A11b).
        Proposal = "proposal",
        /// What the production centre made (A3.18).
        Production = "production",
        /// The card handed over (A11d).
        Handover = "handover",
        /// The confirmation of non-performance (A11c).
        Refund = "refund",
        /// Questions put to people and their answers.
        Questions = "questions",
        /// Which automated refusal a human is asked to look at.
        Review = "review",
    }
}

/// A struct that is filed as a section.
pub trait Filed: Serialize + DeserializeOwned + JsonSchema {
    /// The section it is filed as.
    const SECTION: Section;
    /// The version of its shape, from 1.
    const VERSION: u32;
}

#[cfg(test)]
mod tests;
