//! What may be answered to a question of exemption. No answer names a ground of exemption: it would say what kind of
//! person the applicant is, and answers are kept outside the sealed dossier.

use kezek_domain::rules::Duty;
use kezek_stage::Shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Which of two duties counts, where filing and assessment lie on both sides of a change.
    Duty {
        /// The duty.
        duty: Duty,
    },
    /// The person is exempt: on the ground that was declared, or by this decision.
    Exempt,
    /// No privilege: the duty is due.
    Pay,
    /// Ask the register again.
    AskAgain,
}

impl Shape for Answer {
    const KIND: &'static str = "exemption.answer";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        let duty = Duty {
            outcome: kezek_domain::dossier::DutyOutcome::Payable { amount: kezek_domain::Tiyn(78_640) },
            mrp: kezek_domain::Tiyn(393_200),
            legal_basis: "Tax Code of 25 December 2017, article 615".to_owned(),
            citation: "law on the republican budget for 2025; verified".to_owned(),
        };
        vec![Self::Duty { duty }, Self::Exempt, Self::Pay, Self::AskAgain]
    }
}

impl kezek_stage::Answer for Answer {
    fn label(&self) -> &'static str {
        match self {
            Self::Duty { .. } => "duty",
            Self::Exempt => "exempt",
            Self::Pay => "pay",
            Self::AskAgain => "ask-again",
        }
    }
}
