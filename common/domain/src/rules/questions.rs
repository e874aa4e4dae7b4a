//! Whatever "goes to a human": to which role, with which allowed answers, until when, and what a passed deadline
//! leads to. Words of the questions and of their answers are here too; what an answer does is the stage's.

use super::Refusal;
use super::calendar::Calendar;
use super::time::{almaty_date, almaty_day_end};
use crate::actor::Role;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One text for officers, in three languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// In Kazakh.
    pub kk: String,
    /// In Russian.
    pub ru: String,
    /// In English.
    pub en: String,
}

/// What a passed deadline leads to. Never to an answer that nobody gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It stays asked, listed as late.
    StaysAsked,
    /// Another role is asked instead, without a deadline.
    Asks(Role),
}

/// The rule of one question.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionRule {
    /// Stage and finding, such as `intake.portrait-unsure`.
    pub key: String,
    /// Who is asked.
    pub role: Role,
    /// The allowed answers, in the order in which they are offered.
    pub choices: Vec<String>,
    /// Working days until it is late; the day of asking is not counted.
    pub working_days: u32,
    late: String,
    kk: String,
    ru: String,
    en: String,
    /// Where it is said, and what of it is ours.
    pub citation: String,
}

/// All questions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionRules {
    #[serde(rename = "version")]
    _version: Date,
    question: Vec<QuestionRule>,
    choice: BTreeMap<String, Words>,
    review: ReviewRule,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReviewRule {
    let_pass: BTreeSet<Refusal>,
    days: u32,
}

const STAYS_ASKED: &str = "stays-asked";

impl QuestionRules {
    pub(super) fn check(&self) -> Result<(), String> {
        for rule in &self.question {
            let key = &rule.key;
            if self.question.iter().filter(|other| other.key == *key).count() > 1 {
                return Err(format!("{key} is listed twice"));
            }
            if rule.choices.len() < 2 || rule.choices.iter().collect::<BTreeSet<_>>().len() != rule.choices.len() {
                return Err(format!("{key}: give two choices or more, each once"));
            }
            if let Some(unknown) = rule.choices.iter().find(|c| !self.choice.contains_key(*c)) {
                return Err(format!("{key}: there are no words for the choice {unknown}"));
            }
            if !(1..=90).contains(&rule.working_days) {
                return Err(format!("{key}: working_days is {}, must be from 1 to 90", rule.working_days));
            }
            if rule.late != STAYS_ASKED && Role::parse(&rule.late).is_none_or(|role| role == rule.role) {
                return Err(format!("{key}: late is {}, must be {STAYS_ASKED} or another role", rule.late));
            }
            if [&rule.kk, &rule.ru, &rule.en].iter().any(|text| text.trim().is_empty()) {
                return Err(format!("{key}: the text is missing in a language"));
            }
        }
        if !(1..=3650).contains(&self.review.days) {
            return Err(format!("review.days is {}, must be from 1 to 3650", self.review.days));
        }
        // what the law itself closes is nobody's to open
        let closed = [Refusal::OutOfLegalBasis, Refusal::NotCitizen, Refusal::OutsideWindow, Refusal::OtherReason];
        match closed.iter().find(|refusal| self.review.let_pass.contains(refusal)) {
            Some(refusal) => Err(format!("review.let_pass names {refusal}, which no officer may set aside")),
            None => Ok(()),
        }
    }

    /// The rule of a question by its key.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&QuestionRule> {
        self.question.iter().find(|rule| rule.key == key)
    }

    /// All rules, in the order of the file.
    #[must_use]
    pub fn all(&self) -> &[QuestionRule] {
        &self.question
    }

    /// What a choice means, in words.
    #[must_use]
    pub fn choice(&self, label: &str) -> Option<&Words> {
        self.choice.get(label)
    }

    /// Whether a human may set this refusal aside by judgement; otherwise only the registers can lift it.
    #[must_use]
    pub fn may_let_pass(&self, refusal: Refusal) -> bool {
        self.review.let_pass.contains(&refusal)
    }

    /// Calendar days after filing in which the review of a refusal may be asked for.
    #[must_use]
    pub const fn review_days(&self) -> u32 {
        self.review.days
    }
}

impl QuestionRule {
    /// What a passed deadline leads to.
    #[must_use]
    pub fn late(&self) -> Late {
        Role::parse(&self.late).map_or(Late::StaysAsked, Late::Asks)
    }

    /// Who is asked: the role of the rule, or once late the one it names instead.
    #[must_use]
    pub fn asked_of(&self, late: bool) -> Role {
        match (late, self.late()) {
            (true, Late::Asks(role)) => role,
            (true, Late::StaysAsked) | (false, _) => self.role,
        }
    }

    /// The question in words.
    #[must_use]
    pub fn words(&self) -> Words {
        Words { kk: self.kk.clone(), ru: self.ru.clone(), en: self.en.clone() }
    }

    /// Until when a question asked now is not late: the end of the last Almaty day of its term.
    #[must_use]
    pub fn until(&self, calendar: &Calendar, asked: Timestamp) -> Timestamp {
        almaty_day_end(calendar.due(almaty_date(asked), self.working_days).date)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;
    use std::collections::BTreeMap;

    fn replaced(from: &str, to: &str) -> Option<String> {
        let text = include_str!("../../rules/questions.toml");
        assert!(text.contains(from), "{from}");
        let files = BTreeMap::from([("questions.toml".to_owned(), text.replacen(from, to, 1))]);
        Rules::parse(&files).err().map(|fault| fault.to_string())
    }

    #[test]
    fn a_question_is_asked_until_the_end_of_its_last_working_day() -> Result<(), jiff::Error> {
        let rules = Rules::built_in();
        let rule = rules.questions().find("intake.portrait-unsure").unwrap();
        let until = rule.until(rules.calendar(), "2025-09-02T10:00:00+05:00".parse()?);
        assert_eq!(until, "2025-09-05T00:00:00+05:00".parse()?);
        Ok(())
    }

    #[test]
    fn a_passed_deadline_has_a_stated_consequence_for_every_question() {
        for rule in Rules::built_in().questions().all() {
            match rule.late() {
                Late::StaysAsked => assert_eq!(rule.asked_of(true), rule.role, "{}", rule.key),
                Late::Asks(role) => assert_ne!(role, rule.role, "{}", rule.key),
            }
            assert_eq!(rule.asked_of(false), rule.role);
        }
        let disputed = Rules::built_in().questions().find("intake.refusal-disputed").unwrap();
        assert_eq!((disputed.role, disputed.asked_of(true)), (Role::Head, Role::Committee));
    }

    #[test]
    fn a_rule_that_cannot_be_asked_is_refused_by_name() {
        let told = |from, to| replaced(from, to).unwrap_or_default();
        assert!(told("late = \"stays-asked\"", "late = \"yes\"").contains("intake.several-persons: late is yes"));
        assert!(told("choices = [\"ask-again\", \"refused\"]", "choices = [\"refused\"]").contains("two choices"));
        assert!(told("choices = [\"ask-again\", \"refused\"]", "choices = [\"refused\", \"x\"]").contains("choice x"));
        assert!(told("working_days = 2", "working_days = 0").contains("working_days is 0"));
        assert!(told("    \"not-identified\"", "    \"outside-window\"").contains("outside-window"));
    }

    #[test]
    fn s22_no_human_may_set_aside_what_the_law_itself_closes() {
        let questions = Rules::built_in().questions();
        assert!(questions.may_let_pass(Refusal::PhotoUnfit));
        for refusal in [Refusal::OutOfLegalBasis, Refusal::NotCitizen, Refusal::OutsideWindow, Refusal::OtherReason] {
            assert!(!questions.may_let_pass(refusal), "{refusal}");
        }
    }
}
