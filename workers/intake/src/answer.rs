//! What may be answered to a question of intake. A choice is a whole answer; which are offered, to whom and until
//! when is a rule.

use crate::doubt::Doubt;
use kezek_domain::rules::{Refusal, Rules};
use kezek_stage::{Choice, DecodeError, Fault, Question, Shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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
    /// A human has looked at an automated refusal: check again and set this refusal aside.
    LetPass {
        /// The refusal.
        refusal: Refusal,
    },
    /// A human has looked at an automated refusal: check again, with nothing set aside.
    LookAgain {
        /// The refusal.
        refusal: Refusal,
    },
}

impl Shape for Answer {
    const KIND: &'static str = "intake.answer";
    const VERSION: u32 = 2;
    /// What version 1 could say means the same in version 2.
    fn upgrade(from: u32, body: Value) -> Result<Value, DecodeError> {
        match from {
            1 => Ok(body),
            _ => Err(DecodeError::NoWayUp { kind: Self::KIND, from, to: Self::VERSION }),
        }
    }
    fn samples() -> Vec<Self> {
        vec![
            Self::GoOn { finding: Doubt::BirthDateDiffers },
            Self::Refuse { refusal: Refusal::NotIdentified },
            Self::LetPass { refusal: Refusal::PhotoUnfit },
            Self::LookAgain { refusal: Refusal::PersonNotFound },
        ]
    }
}

impl kezek_stage::Answer for Answer {
    fn label(&self) -> &'static str {
        match self {
            Self::GoOn { .. } => "go-on",
            Self::Refuse { .. } => "refuse",
            Self::LetPass { .. } => "let-pass",
            Self::LookAgain { .. } => "look-again",
        }
    }
}

/// What a human is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// What a machine may not decide.
    Doubt(Doubt),
    /// An automated refusal that the applicant disputes.
    Disputed(Refusal),
}

/// What stands before a disputed refusal's code in the memory of questions.
const DISPUTED: &str = "refusal-disputed/";

impl Asked {
    /// Everything that may be asked.
    pub fn all() -> impl Iterator<Item = Self> {
        let disputed = Refusal::ALL.iter().map(|refusal| Self::Disputed(*refusal));
        Doubt::ALL.into_iter().map(Self::Doubt).chain(disputed)
    }

    /// The key of its rule.
    #[must_use]
    pub fn key(self, rules: &Rules) -> String {
        match self {
            Self::Doubt(doubt) => format!("intake.{}", doubt.label()),
            Self::Disputed(refusal) if rules.questions().may_let_pass(refusal) => "intake.refusal-disputed".to_owned(),
            Self::Disputed(_) => "intake.register-refusal-disputed".to_owned(),
        }
    }

    /// The word by which the memory of questions knows it.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::Doubt(doubt) => doubt.label().to_owned(),
            Self::Disputed(refusal) => format!("{DISPUTED}{refusal}"),
        }
    }

    /// Reads a label.
    #[must_use]
    pub fn parse(label: &str) -> Option<Self> {
        match label.strip_prefix(DISPUTED) {
            Some(code) => Refusal::parse(code).map(Self::Disputed),
            None => Doubt::parse(label).map(Self::Doubt),
        }
    }

    /// Every answer that this stage knows for it; the rule says which are offered.
    #[must_use]
    pub fn possible(self) -> Vec<Choice<Answer>> {
        let choice = |label: &str, answer| Choice { label: label.to_owned(), answer };
        match self {
            Self::Doubt(finding) => {
                let refusal = finding.refusal();
                let go_on = if finding.blocks() { "ask-again" } else { "go-on" };
                vec![
                    choice(go_on, Answer::GoOn { finding }),
                    choice(refusal.closing().label(), Answer::Refuse { refusal }),
                ]
            }
            Self::Disputed(refusal) => vec![
                choice("let-pass", Answer::LetPass { refusal }),
                choice("ask-again", Answer::LookAgain { refusal }),
                choice("upheld", Answer::Refuse { refusal }),
            ],
        }
    }

    /// The question as its rule says; once `late`, of whom the rule names instead.
    ///
    /// # Errors
    /// As [`Question::by_rule`].
    pub fn question(self, rules: &Rules, late: bool) -> Result<Question<Answer>, Fault> {
        let finding = match self {
            Self::Doubt(doubt) => doubt.label(),
            Self::Disputed(refusal) => refusal.label(),
        };
        Question::by_rule(rules, &self.key(rules), finding, self.possible(), late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kezek_domain::Role;
    use kezek_stage::Answer as _;

    #[test]
    fn every_finding_has_a_way_on_and_a_way_out() {
        for finding in Doubt::ALL {
            let question = Asked::Doubt(finding).question(Rules::built_in(), false).expect("a rule");
            let labels: Vec<_> = question.choices.iter().map(|c| c.answer.label()).collect();
            assert_eq!(labels, ["go-on", "refuse"]);
            assert_ne!(question.choices[0].label, question.choices[1].label);
            assert_eq!(Doubt::parse(finding.label()), Some(finding));
        }
    }

    #[test]
    fn s22_every_automated_refusal_can_be_put_to_the_head_and_upheld() {
        for asked in Asked::all() {
            assert_eq!(Asked::parse(&asked.label()), Some(asked));
            let Asked::Disputed(refusal) = asked else { continue };
            let question = asked.question(Rules::built_in(), false).expect("a rule");
            assert_eq!(question.role, Role::Head);
            let offered: Vec<_> = question.choices.iter().map(|c| c.label.as_str()).collect();
            assert!(offered.ends_with(&["ask-again", "upheld"]), "{offered:?}");
            assert_eq!(offered.contains(&"let-pass"), Rules::built_in().questions().may_let_pass(refusal));
            assert_eq!(asked.question(Rules::built_in(), true).map(|q| q.role), Ok(Role::Committee));
        }
    }
}
