//! The sections that stages write.

use super::{Filed, Section};
use crate::ids::{CaseId, Coupon};
use crate::iin::Sex;
use crate::label::labelled;
use crate::money::Tiyn;
use crate::region::Region;
use crate::text::masked;
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! filed {
    ($($name:ident),+ $(,)?) => {$(
        impl Filed for $name {
            const SECTION: Section = Section::$name;
            const VERSION: u32 = 1;
        }
    )+};
}

filed!(
    Identity,
    Document,
    Findings,
    Registration,
    DutyAssessment,
    Exemption,
    PaymentOrder,
    Payment,
    Decision,
    Proposal,
    Production,
    Handover,
    Refund,
    Questions,
    Review,
);

masked!(Identity, Document, Exemption, Decision, Proposal);

/// Who the registers say the applicant is (A3.2, A3.4–A3.6). Holds no portrait.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identity {
    /// Surname, as registered.
    pub surname: String,
    /// Given name, as registered.
    pub given_name: String,
    /// Patronymic, where there is one.
    pub patronymic: Option<String>,
    /// Birth date, as registered; may legitimately differ from the IIN's.
    pub birth_date: Date,
    /// Sex, as registered.
    pub sex: Sex,
    /// Citizenship code; `398` is the Republic of Kazakhstan (A2).
    pub citizenship: String,
    /// Country of birth: all that is printed of the birthplace (A0.2).
    pub birth_country: String,
    /// Region of the registered residence, where its code is mapped.
    pub registered_region: Option<Region>,
    /// Whether the registration is permanent (A3.6).
    pub registered_permanently: bool,
    /// Legal capacity (A3.4).
    pub capable: bool,
    /// What civil-status records say has changed (A3.5).
    pub changed: Vec<ChangedAttribute>,
}

labelled! {
    /// An attribute whose change sends the applicant to the service centre (A3.5).
    pub enum ChangedAttribute {
        /// Surname.
        Surname = "surname",
        /// Given name.
        GivenName = "given-name",
        /// Patronymic.
        Patronymic = "patronymic",
        /// Date of birth.
        BirthDate = "birth-date",
        /// Nationality (ethnicity).
        Nationality = "nationality",
    }
}

/// The present ID card as registered (A3.7).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// Nine digits; may start with zero.
    pub number: String,
    /// First day of validity.
    pub begins: Date,
    /// Last day of validity, as registered; never computed.
    pub ends: Option<Date>,
    /// The register's status code; `00` is valid.
    pub status: String,
}

/// Every check of intake with its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Findings {
    /// In the order they were made.
    pub checks: Vec<CheckResult>,
    /// The rules they were judged by.
    pub rule_version: String,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// The line of law, such as `A3.6`.
    pub check: String,
    /// What came of it.
    pub outcome: CheckOutcome,
    /// A closed-set word saying more; no personal data.
    pub detail_code: String,
}

labelled! {
    /// What came of a check.
    pub enum CheckOutcome {
        /// As the law wants it.
        Passed = "passed",
        /// Against the law.
        Failed = "failed",
        /// For a human.
        Unsure = "unsure",
    }
}

/// The registration in RP DRN (A3.13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Registration {
    /// The coupon's number.
    pub coupon: Coupon,
    /// When the register took it.
    pub registered_at: Timestamp,
    /// The documentation code the register gave (A4.1).
    pub documentation_code: String,
}

/// Whether duty is due, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DutyOutcome {
    /// The duty is due.
    Payable {
        /// In tiyn.
        amount: Tiyn,
    },
    /// No duty for this ground of issuing, whoever applies.
    FreeByGround {
        /// The ground, a label.
        ground: String,
    },
    /// This person is exempt (A3.14).
    ExemptByStatus {
        /// The exemption ground, such as `622-6`.
        ground: String,
    },
}

impl DutyOutcome {
    /// `payable`, `free-by-ground` or `exempt-by-status`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Payable { .. } => "payable",
            Self::FreeByGround { .. } => "free-by-ground",
            Self::ExemptByStatus { .. } => "exempt-by-status",
        }
    }

    /// What is to be paid; zero where nothing is.
    #[must_use]
    pub const fn amount(&self) -> Tiyn {
        match self {
            Self::Payable { amount } => *amount,
            Self::FreeByGround { .. } | Self::ExemptByStatus { .. } => Tiyn::ZERO,
        }
    }
}

/// The duty as assessed for this case (A3.14, A3.15).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DutyAssessment {
    /// Whether duty is due.
    pub outcome: DutyOutcome,
    /// What is to be paid; zero where nothing is.
    pub amount: Tiyn,
    /// The line of the Tax Code.
    pub legal_basis: String,
    /// The rules it was judged by.
    pub rule_version: String,
    /// The monthly calculation index it rests on.
    pub mrp: Tiyn,
}

/// The exemption by social status (A3.14): the ground and a digest of the answer, not the answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exemption {
    /// The ground of article 622, where one holds.
    pub ground: Option<String>,
    /// Digest of the answer, in hex.
    pub evidence_sha256: String,
    /// How many statuses the answer named.
    pub statuses_count: u32,
}

/// The order to pay (A3.15).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PaymentOrder {
    /// Our stable key: case and obligation, never the visit.
    pub key: String,
    /// The provider's number for it.
    pub number: String,
    /// What is to be paid.
    pub amount: Tiyn,
    /// Until when, in business time.
    pub until: Timestamp,
}

/// The confirmed payment (A3.15, A5.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Payment {
    /// The sum of the payments.
    pub amount: Tiyn,
    /// The provider's numbers of the payments.
    pub numbers: Vec<String>,
    /// When the last of them was confirmed.
    pub confirmed_at: Timestamp,
}

/// The reviewer's decision (A11a, A11b).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// What was decided.
    pub outcome: DecisionOutcome,
    /// Why, for a cancellation.
    pub reason: Option<CancelReason>,
    /// The officer's account.
    pub officer: String,
    /// When, in business time.
    pub decided_at: Timestamp,
    /// Digest of the signature, in hex.
    pub signature_sha256: String,
    /// Who verified it, with version.
    pub signature_verified_by: String,
    /// The signature itself, the evidence of the decision: base64 of the detached CMS. Never shown.
    pub cms: String,
    /// The exact bytes that were signed, base64; empty in decisions from before they were kept.
    #[serde(default)]
    pub signed_content: String,
    /// The verifier's own answer as it came (revocation, timestamp), where it is another system. Never shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verifier_answer: Option<String>,
}

/// A decision that does not count yet: a second officer must take it alike, or its author may take it back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proposal {
    /// The decision.
    pub decision: Decision,
    /// What became of it.
    pub state: ProposalState,
    /// The visit of the review that it belongs to.
    pub visit: u32,
    /// Digest of the signer's IIN: the second officer is another person.
    pub signer_sha256: String,
    /// Until when the case was to wait without it.
    pub review_until: Option<Timestamp>,
    /// When a cancellation takes effect; until then its author may take it back.
    pub effective_at: Option<Timestamp>,
}

impl Proposal {
    /// Whether another decision is the same in kind and reason.
    #[must_use]
    pub fn agrees_with(&self, other: &Decision) -> bool {
        self.decision.outcome == other.outcome && self.decision.reason == other.reason
    }
}

labelled! {
    /// What became of a decision that does not count yet.
    pub enum ProposalState {
        /// It waits for a second officer.
        AwaitingSecond = "awaiting-second",
        /// A cancellation that takes effect soon.
        Cooling = "cooling",
        /// Its author took it back.
        TakenBack = "taken-back",
        /// The second officer decided otherwise.
        Overruled = "overruled",
    }
}

impl ProposalState {
    /// Whether it may still come to count.
    #[must_use]
    pub const fn stands(self) -> bool {
        matches!(self, Self::AwaitingSecond | Self::Cooling)
    }
}

labelled! {
    /// What the reviewer decided.
    pub enum DecisionOutcome {
        /// To production (A11a).
        Approved = "approved",
        /// Cancelled (A11b).
        Cancelled = "cancelled",
    }
}

labelled! {
    /// Why the reviewer cancelled (A11b).
    pub enum CancelReason {
        /// The photograph does not meet the requirements.
        PhotoQuality = "photo-quality",
        /// The specimen signature does not meet the requirements.
        SignatureQuality = "signature-quality",
        /// The officer needs additional verification.
        AdditionalVerification = "additional-verification",
    }
}

/// What the production centre reported (A3.18, A5.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Production {
    /// Our stable key of the order.
    pub order_key: String,
    /// From 1; more after a defect.
    pub attempt: u32,
    /// What came of it.
    pub result: ProductionResult,
    /// The number of the card, where one was made.
    pub card_number: Option<String>,
    /// When, in business time.
    pub at: Timestamp,
}

labelled! {
    /// What came of an order to the production centre.
    pub enum ProductionResult {
        /// A card.
        Produced = "produced",
        /// Incoming control or the making failed.
        Defect = "defect",
    }
}

/// The card handed over in person against the coupon (A4.3, A11d).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Handover {
    /// The officer's account.
    pub officer: String,
    /// When, in business time.
    pub at: Timestamp,
    /// What became of the old card, a label.
    pub old_card: String,
}

/// The confirmation of non-performance and its fate at the tax authority (A11c).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refund {
    /// Our stable key: case and payment.
    pub confirmation_key: String,
    /// What is to be given back.
    pub amount: Tiyn,
    /// When it was confirmed.
    pub confirmed_at: Timestamp,
    /// When the tax authority reported payment.
    pub paid_at: Option<Timestamp>,
    /// Last day of the claim.
    pub claim_until: Date,
    /// When the applicant claimed, as the tax authority reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// Until when the tax authority is to pay what was claimed; each time that passes without, it is moved on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_until: Option<Timestamp>,
}

/// Questions put to people, with their answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Questions {
    /// In the order they were asked.
    pub asked: Vec<AskedQuestion>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedQuestion {
    /// What was asked, a label.
    pub question: String,
    /// The closed list to choose from, labels.
    pub choices: Vec<String>,
    /// When, in business time.
    pub asked_at: Timestamp,
    /// What was chosen.
    pub choice: Option<String>,
    /// The account that chose.
    pub answered_by: Option<String>,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
}

/// Why this case was opened: an automated refusal of another one is to be looked at by a human.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Review {
    /// The case that was refused; it stays closed.
    pub of: CaseId,
    /// Why it was refused: the code of a refusal.
    pub refusal: String,
    /// When the review was asked for, in business time.
    pub asked_at: Timestamp,
}
