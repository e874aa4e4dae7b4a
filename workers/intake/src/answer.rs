//! What the Committee may answer to a question of intake. A choice is a whole answer.

use crate::doubt::Doubt;
use kezek_domain::Role;
use kezek_domain::rules::Refusal;
use kezek_stage::{Choice, Question, Shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Check again and let this finding pass; findings accepted earlier stay accepted.
    GoOn {
        /// What was found.
        finding: Doubt,
    },
    /// The application does not go on.
    Refuse {
        /// Why.
        refusal: Refusal,
    },
}

impl Shape for Answer {
    const KIND: &'static str = "intake.answer";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        vec![Self::GoOn { finding: Doubt::BirthDateDiffers }, Self::Refuse { refusal: Refusal::NotIdentified }]
    }
}

impl kezek_stage::Answer for Answer {
    fn label(&self) -> &'static str {
        match self {
            Self::GoOn { .. } => "go-on",
            Self::Refuse { .. } => "refuse",
        }
    }
}

/// The question about a finding.
#[must_use]
pub fn question(finding: Doubt) -> Question<Answer> {
    let refusal = finding.refusal();
    let go_on = if finding.blocks() { "ask-again" } else { "go-on" };
    Question {
        key: format!("intake.{}", finding.label()),
        role: Role::Committee,
        finding: finding.label().to_owned(),
        choices: vec![
            Choice { label: go_on.to_owned(), answer: Answer::GoOn { finding } },
            Choice { label: refusal.closing().label().to_owned(), answer: Answer::Refuse { refusal } },
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kezek_stage::Answer as _;

    #[test]
    fn every_finding_has_a_way_on_and_a_way_out() {
        for finding in Doubt::ALL {
            let question = question(finding);
            let labels: Vec<_> = question.choices.iter().map(|c| c.answer.label()).collect();
            assert_eq!(labels, ["go-on", "refuse"]);
            assert_ne!(question.choices[0].label, question.choices[1].label);
            assert_eq!(Doubt::parse(finding.label()), Some(finding));
        }
    }
}
