//! What goes to a human, to whom, and what may be answered.

use crate::Answer;
use jiff::Timestamp;
use kezek_domain::Role;
use kezek_domain::dossier::{AskedQuestion, Questions};
use kezek_domain::rules::Duty;
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

    /// The question, to the Committee where the law is in doubt and to the region's head where a person is.
    #[must_use]
    pub fn question(&self) -> Question<Answer> {
        let choice = |label: &str, answer| Choice { label: label.to_owned(), answer };
        let exempt = || choice("exempt", Answer::Exempt);
        let pay = || choice("pay", Answer::Pay);
        let again = || choice("ask-again", Answer::AskAgain);
        let (role, finding, choices) = match self {
            Self::DutyDiffers { at_filing, now } => (
                Role::Committee,
                format!("at filing {}, now {}", at_filing.amount(), now.amount()),
                vec![
                    choice("duty-at-filing", Answer::Duty { duty: (**at_filing).clone() }),
                    choice("duty-now", Answer::Duty { duty: (**now).clone() }),
                ],
            ),
            Self::ConsentDenied => (Role::Head, self.label().to_owned(), vec![pay(), again()]),
            Self::NotFound | Self::Unmapped => (Role::Head, self.label().to_owned(), vec![pay(), exempt(), again()]),
            Self::DeclaredUnknown => (Role::Head, self.label().to_owned(), vec![exempt(), pay()]),
        };
        Question { key: format!("exemption.{}", self.label()), role, finding, choices }
    }
}

/// Writes down that a question is being asked; once while it waits.
#[must_use]
pub fn asked(filed: Option<Questions>, doubt: &Doubt, at: Timestamp) -> Questions {
    let mut questions = filed.unwrap_or(Questions { asked: Vec::new() });
    let waits = questions.asked.iter().any(|q| q.question == doubt.label() && q.choice.is_none());
    if !waits {
        questions.asked.push(AskedQuestion {
            question: doubt.label().to_owned(),
            choices: doubt.question().choices.into_iter().map(|c| c.label).collect(),
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

    #[test]
    fn a3_14_a_question_to_the_head_never_names_a_ground() {
        for doubt in [Doubt::ConsentDenied, Doubt::NotFound, Doubt::Unmapped, Doubt::DeclaredUnknown] {
            let question = doubt.question();
            assert_eq!(question.role, Role::Head);
            assert!(question.choices.len() >= 2);
            let told = serde_json::to_string(&question).expect("a question is JSON");
            assert!(!told.contains("622"), "{told}");
        }
    }

    #[test]
    fn a_question_asked_again_while_it_waits_is_one_question() {
        let at = Timestamp::UNIX_EPOCH;
        let once = asked(None, &Doubt::Unmapped, at);
        assert_eq!(asked(Some(once.clone()), &Doubt::Unmapped, at), once);
        let closed = answered(Some(once), &Answer::AskAgain, at);
        assert_eq!(asked(closed, &Doubt::Unmapped, at).asked.len(), 2);
    }
}
