//! The memory of questions: which findings a human has let pass and which refusals he has lifted, so that a later
//! question does not lose them.

use crate::answer::Asked;
use crate::doubt::Doubt;
use jiff::Timestamp;
use kezek_domain::dossier::{AskedQuestion, Questions};
use kezek_domain::rules::Refusal;
use std::collections::BTreeSet;

/// What is written down where a human sets an automated refusal aside.
const LET_PASS: &str = "let-pass";

fn answered(filed: Option<&Questions>) -> impl Iterator<Item = (Asked, &str)> {
    let asked = filed.map_or(&[][..], |q| &q.asked);
    asked.iter().filter_map(|q| Some((Asked::parse(&q.question)?, q.choice.as_deref()?)))
}

/// The findings that were let pass.
#[must_use]
pub fn accepted(filed: Option<&Questions>) -> BTreeSet<Doubt> {
    let doubt = |(asked, choice)| match asked {
        Asked::Doubt(doubt) if choice != doubt.refusal().closing().label() => Some(doubt),
        Asked::Doubt(_) | Asked::Disputed(_) => None,
    };
    answered(filed).filter_map(doubt).collect()
}

/// The refusals that were lifted.
#[must_use]
pub fn lifted(filed: Option<&Questions>) -> BTreeSet<Refusal> {
    let refusal = |(asked, choice)| match asked {
        Asked::Disputed(refusal) if choice == LET_PASS => Some(refusal),
        Asked::Disputed(_) | Asked::Doubt(_) => None,
    };
    answered(filed).filter_map(refusal).collect()
}

/// Whether a disputed refusal was looked at.
#[must_use]
pub fn looked_at(filed: Option<&Questions>, refusal: Refusal) -> bool {
    answered(filed).any(|(asked, _)| asked == Asked::Disputed(refusal))
}

/// What waits for an answer.
#[must_use]
pub fn pending(filed: Option<&Questions>) -> Option<Asked> {
    filed?.asked.iter().rev().find(|q| q.choice.is_none()).and_then(|q| Asked::parse(&q.question))
}

/// Writes down what was chosen; `choices` are those that were offered.
#[must_use]
pub fn chosen(filed: Option<Questions>, what: Asked, choice: &str, choices: &[String], at: Timestamp) -> Questions {
    let mut questions = asked(filed, what, choices, at);
    for entry in questions.asked.iter_mut().filter(|q| q.question == what.label() && q.choice.is_none()) {
        // who answered, and why, stands in the journal with the answer itself
        entry.choice = Some(choice.to_owned());
        entry.answered_at = Some(at);
    }
    questions
}

/// Writes down what is being asked; once while it waits.
#[must_use]
pub fn asked(filed: Option<Questions>, what: Asked, choices: &[String], at: Timestamp) -> Questions {
    let mut questions = filed.unwrap_or(Questions { asked: Vec::new() });
    if pending(Some(&questions)) != Some(what) {
        questions.asked.push(AskedQuestion {
            question: what.label(),
            choices: choices.to_vec(),
            asked_at: at,
            choice: None,
            answered_by: None,
            answered_at: None,
        });
    }
    questions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered() -> Vec<String> {
        ["go-on", "refused"].map(str::to_owned).to_vec()
    }

    #[test]
    fn what_was_let_pass_survives_the_next_question() {
        let at = Timestamp::UNIX_EPOCH;
        let (first, second) = (Asked::Doubt(Doubt::BirthDateDiffers), Asked::Doubt(Doubt::PortraitUnsure));
        let asking = asked(None, first, &offered(), at);
        assert_eq!(pending(Some(&asking)), Some(first));
        let answered = chosen(Some(asking), first, "go-on", &offered(), at);
        assert_eq!(pending(Some(&answered)), None);
        let next = asked(Some(answered), second, &offered(), at);
        assert_eq!(accepted(Some(&next)), BTreeSet::from([Doubt::BirthDateDiffers]));
        assert_eq!(pending(Some(&next)), Some(second));
    }

    #[test]
    fn a_question_asked_twice_is_written_down_once() {
        let once = asked(None, Asked::Doubt(Doubt::PortraitUnsure), &offered(), Timestamp::UNIX_EPOCH);
        let twice = asked(Some(once.clone()), Asked::Doubt(Doubt::PortraitUnsure), &offered(), Timestamp::UNIX_EPOCH);
        assert_eq!(once, twice);
    }

    #[test]
    fn s22_only_a_refusal_that_was_let_pass_is_lifted() {
        let at = Timestamp::UNIX_EPOCH;
        let photo = Asked::Disputed(Refusal::PhotoUnfit);
        let again = chosen(None, photo, "ask-again", &offered(), at);
        assert!(looked_at(Some(&again), Refusal::PhotoUnfit) && lifted(Some(&again)).is_empty());
        let passed = chosen(Some(again), photo, LET_PASS, &offered(), at);
        assert_eq!(lifted(Some(&passed)), BTreeSet::from([Refusal::PhotoUnfit]));
        assert!(accepted(Some(&passed)).is_empty() && !looked_at(Some(&passed), Refusal::PhotoMismatch));
    }
}
