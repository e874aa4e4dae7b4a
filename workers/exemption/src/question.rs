//! What goes to a human, to whom, and what may be answered.

use crate::Answer;
use jiff::Timestamp;
use kezek_domain::dossier::{AskedQuestion, DutyOutcome, Questions};
use kezek_domain::rules::{Duty, Rules};
use kezek_domain::{Fault, Tiyn};
use kezek_stage::{Choice, Question};

/// What a machine may not decide about the duty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The duty changed between filing and now, and the two differ.
    DutyDiffers {
        /// By the day of filing.
        at_filing: Box<Duty>,
        /// By today.
        now: Box<Duty>,
    },
    /// The applicant does not let SIK be asked (A3.1).
    ConsentDenied,
    /// SIK does not know the person.
    NotFound,
    /// SIK names a status that nobody has mapped to a ground.
    Unmapped,
    /// The applicant declares an exemption that SIK does not know: awards and residence in an institution may well be
    /// kept elsewhere.
    DeclaredUnknown,
}

impl Doubt {
    /// The stable word.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::DutyDiffers { .. } => "duty-differs",
            Self::ConsentDenied => "sik-consent-denied",
            Self::NotFound => "sik-person-not-found",
            Self::Unmapped => "sik-status-unmapped",
            Self::DeclaredUnknown => "declared-exemption-unknown",
        }
    }

    /// One of each, to see at start that the rules can ask it.
    #[must_use]
    pub fn samples() -> Vec<Self> {
        let duty = || {
            Box::new(Duty {
                outcome: DutyOutcome::Payable { amount: Tiyn::ZERO },
                mrp: Tiyn::ZERO,
                legal_basis: String::new(),
                citation: String::new(),
            })
        };
        vec![
            Self::DutyDiffers { at_filing: duty(), now: duty() },
            Self::ConsentDenied,
            Self::NotFound,
            Self::Unmapped,
            Self::DeclaredUnknown,
        ]
    }

    /// The key of its rule.
    #[must_use]
    pub fn key(&self) -> String {
        format!("exemption.{}", self.label())
    }

    /// What was found, in a word; for the duty both amounts.
    fn finding(&self) -> String {
        match self {
            Self::DutyDiffers { at_filing, now } => {
                format!("at filing {}, now {}", at_filing.amount(), now.amount())
            }
            Self::ConsentDenied | Self::NotFound | Self::Unmapped | Self::DeclaredUnknown => self.label().to_owned(),
        }
    }

    /// Every answer that this stage knows for it; the rule says which are offered.
    #[must_use]
    pub fn possible(&self) -> Vec<Choice<Answer>> {
        let choice = |label: &str, answer| Choice { label: label.to_owned(), answer };
        match self {
            Self::DutyDiffers { at_filing, now } => vec![
                choice("duty-at-filing", Answer::Duty { duty: (**at_filing).clone() }),
                choice("duty-now", Answer::Duty { duty: (**now).clone() }),
            ],
            Self::ConsentDenied | Self::NotFound | Self::Unmapped | Self::DeclaredUnknown => vec![
                choice("pay", Answer::Pay),
                choice("exempt", Answer::Exempt),
                choice("ask-again", Answer::AskAgain),
            ],
        }
    }

    /// The question as its rule says.
    ///
    /// # Errors
    /// As [`Question::by_rule`].
    pub fn question(&self, rules: &Rules, late: bool) -> Result<Question<Answer>, Fault> {
        Question::by_rule(rules, &self.key(), self.finding(), self.possible(), late)
    }
}

/// Writes down that a question is being asked; once while it waits.
#[must_use]
pub fn asked(filed: Option<Questions>, doubt: &Doubt, question: &Question<Answer>, at: Timestamp) -> Questions {
    let mut questions = filed.unwrap_or(Questions { asked: Vec::new() });
    let waits = questions.asked.iter().any(|q| q.question == doubt.label() && q.choice.is_none());
    if !waits {
        questions.asked.push(AskedQuestion {
            question: doubt.label().to_owned(),
            choices: question.choices.iter().map(|c| c.label.clone()).collect(),
            asked_at: at,
            choice: None,
            answered_by: None,
            answered_at: None,
        });
    }
    questions
}

/// Writes down what was chosen for the question that waits; who chose stands in the journal.
#[must_use]
pub fn answered(filed: Option<Questions>, answer: &Answer, at: Timestamp) -> Option<Questions> {
    use kezek_stage::Answer as _;
    let mut questions = filed?;
    if let Some(waiting) = questions.asked.iter_mut().rev().find(|q| q.choice.is_none()) {
        waiting.choice = Some(answer.label().to_owned());
        waiting.answered_at = Some(at);
    }
    Some(questions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kezek_domain::Role;

    #[test]
    fn a3_14_a_question_to_the_head_never_names_a_ground() {
        for doubt in [Doubt::ConsentDenied, Doubt::NotFound, Doubt::Unmapped, Doubt::DeclaredUnknown] {
            let question = doubt.question(Rules::built_in(), false).expect("a rule");
            assert_eq!(question.role, Role::Head);
            assert!(question.choices.len() >= 2);
            let told = serde_json::to_string(&question).expect("a question is JSON");
            assert!(!told.contains("622"), "{told}");
            let late = doubt.question(Rules::built_in(), true).expect("a rule");
            assert_eq!(late.role, Role::Committee);
        }
    }

    #[test]
    fn a_question_asked_again_while_it_waits_is_one_question() {
        let at = Timestamp::UNIX_EPOCH;
        let question = Doubt::Unmapped.question(Rules::built_in(), false).expect("a rule");
        let once = asked(None, &Doubt::Unmapped, &question, at);
        assert_eq!(asked(Some(once.clone()), &Doubt::Unmapped, &question, at), once);
        let closed = answered(Some(once), &Answer::AskAgain, at);
        assert_eq!(asked(closed, &Doubt::Unmapped, &question, at).asked.len(), 2);
    }
}
