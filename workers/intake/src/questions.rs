//! The memory of questions: which findings a human has let pass, so that a later question does not lose them.

use crate::answer::question;
use crate::doubt::Doubt;
use jiff::Timestamp;
use kezek_domain::dossier::{AskedQuestion, Questions};
use kezek_domain::rules::{Rules, almaty_date, almaty_day_end};
use std::collections::BTreeSet;

/// The findings that were let pass.
#[must_use]
pub fn accepted(filed: Option<&Questions>) -> BTreeSet<Doubt> {
    let asked = filed.map_or(&[][..], |q| &q.asked);
    asked.iter().filter(|q| q.choice.is_some()).filter_map(|q| Doubt::parse(&q.question)).collect()
}

/// The finding that waits for an answer.
#[must_use]
pub fn pending(filed: Option<&Questions>) -> Option<Doubt> {
    filed?.asked.iter().rev().find(|q| q.choice.is_none()).and_then(|q| Doubt::parse(&q.question))
}

/// Writes down that a finding was let pass.
#[must_use]
pub fn let_pass(filed: Option<Questions>, finding: Doubt, at: Timestamp) -> Questions {
    let mut questions = asked(filed, finding, at);
    for entry in questions.asked.iter_mut().filter(|q| q.question == finding.label() && q.choice.is_none()) {
        // who answered, and why, stands in the journal with the answer itself
        entry.choice = entry.choices.first().cloned();
        entry.answered_at = Some(at);
    }
    questions
}

/// Writes down that a finding is being asked about; once while it waits.
#[must_use]
pub fn asked(filed: Option<Questions>, finding: Doubt, at: Timestamp) -> Questions {
    let mut questions = filed.unwrap_or(Questions { asked: Vec::new() });
    if pending(Some(&questions)) != Some(finding) {
        questions.asked.push(AskedQuestion {
            question: finding.label().to_owned(),
            choices: question(finding).choices.into_iter().map(|c| c.label).collect(),
            asked_at: at,
            choice: None,
            answered_by: None,
            answered_at: None,
        });
    }
    questions
}

/// Until when a question asked now is not late.
#[must_use]
pub fn due(rules: &Rules, now: Timestamp) -> Timestamp {
    let term = rules.terms().question_working_days;
    almaty_day_end(rules.calendar().due(almaty_date(now), term).date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_let_pass_survives_the_next_question() {
        let at = Timestamp::UNIX_EPOCH;
        let first = asked(None, Doubt::BirthDateDiffers, at);
        assert_eq!(pending(Some(&first)), Some(Doubt::BirthDateDiffers));
        let answered = let_pass(Some(first), Doubt::BirthDateDiffers, at);
        assert_eq!(pending(Some(&answered)), None);
        let second = asked(Some(answered), Doubt::PortraitUnsure, at);
        assert_eq!(accepted(Some(&second)), BTreeSet::from([Doubt::BirthDateDiffers]));
        assert_eq!(pending(Some(&second)), Some(Doubt::PortraitUnsure));
    }

    #[test]
    fn a_question_asked_twice_is_written_down_once() {
        let once = asked(None, Doubt::PortraitUnsure, Timestamp::UNIX_EPOCH);
        let twice = asked(Some(once.clone()), Doubt::PortraitUnsure, Timestamp::UNIX_EPOCH);
        assert_eq!(once, twice);
    }
}
