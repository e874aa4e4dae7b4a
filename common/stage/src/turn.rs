//! What a stage returns, and the closed vocabulary around it.

use crate::file::CaseHead;
use crate::kit::ConfigError;
use crate::shape::Shape;
use crate::{Stage, Subject};
use jiff::Timestamp;
use kezek_domain::dossier::{Filed, Section};
use kezek_domain::fault::Fault;
use kezek_domain::ledger::PostingKind;
use kezek_domain::rules::{NoticeKind, Rules};
use kezek_domain::{Coupon, Role, Tiyn};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::time::Duration;

/// What a stage's work comes to.
#[derive(Debug)]
pub enum Turn<S: Stage> {
    /// The stage has decided; the service's flow says where the outcome leads.
    Done(S::Outcome),
    /// The case waits for a person or an answer.
    Hold(Hold<S::Answer>),
    /// Not yet: the same job again after about this long; spends no attempt.
    Again(Duration),
}

/// A wait for a person or an answer, possibly with a deadline on the business clock.
#[derive(Clone, Debug)]
pub struct Hold<A> {
    /// When [`Stage::lapse`] is asked; `None` waits for ever.
    pub until: Option<Timestamp>,
    /// A question with a closed list of answers, where the wait is for a human's judgement.
    pub question: Option<Question<A>>,
    /// Sections that the wait itself files (e.g. the payment order).
    pub files: Vec<SectionDraft>,
    /// Notices that go with the wait.
    pub notices: Vec<NoticeKind>,
}

impl<A> Hold<A> {
    /// A wait until an instant of the business clock.
    #[must_use]
    pub const fn until(until: Timestamp) -> Self {
        Self { until: Some(until), question: None, files: Vec::new(), notices: Vec::new() }
    }
    /// A wait without a deadline.
    #[must_use]
    pub const fn open() -> Self {
        Self { until: None, question: None, files: Vec::new(), notices: Vec::new() }
    }
    /// Adds a question.
    #[must_use]
    pub fn asking(mut self, question: Question<A>) -> Self {
        self.question = Some(question);
        self
    }
    /// Files a section with the wait.
    #[must_use]
    pub fn filing(mut self, draft: SectionDraft) -> Self {
        self.files.push(draft);
        self
    }
    /// Tells the applicant.
    #[must_use]
    pub fn notify(mut self, notice: NoticeKind) -> Self {
        self.notices.push(notice);
        self
    }
}

/// Whatever "goes to a human": answered by a role from a closed list, with a reason.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Question<A> {
    /// Key of the question's text, stable.
    pub key: String,
    /// Who may answer.
    pub role: Role,
    /// What was found: a label, never personal data.
    pub finding: String,
    /// The whole answers that may be chosen.
    pub choices: Vec<Choice<A>>,
}

impl<A> Question<A> {
    /// The question as its rule says: whom, with which of the stage's possible answers, in the rule's order. Once
    /// `late`, of whom the rule names instead.
    ///
    /// # Errors
    /// Permanent, where there is no such rule or it names an answer that the stage does not know: both are found at
    /// start by whoever asks [`Question::is_ruled`] there.
    pub fn by_rule(
        rules: &Rules,
        key: &str,
        finding: impl Into<String>,
        possible: Vec<Choice<A>>,
        late: bool,
    ) -> Result<Self, Fault> {
        let unruled = |what: String| Fault::permanent("question-unruled", what);
        let rule = rules.questions().find(key).ok_or_else(|| unruled(format!("no rule for the question {key}")))?;
        let mut possible: Vec<Option<Choice<A>>> = possible.into_iter().map(Some).collect();
        let mut choices = Vec::with_capacity(rule.choices.len());
        for label in &rule.choices {
            let found = possible.iter_mut().find(|c| c.as_ref().is_some_and(|c| c.label == *label));
            let choice = found.and_then(Option::take).ok_or_else(|| unruled(format!("{key} offers {label}")))?;
            choices.push(choice);
        }
        Ok(Self { key: key.to_owned(), role: rule.asked_of(late), finding: finding.into(), choices })
    }

    /// Refuses rules by which a question cannot be asked.
    ///
    /// # Errors
    /// Names the question and what its rule lacks, or offers beyond what the stage knows.
    pub fn is_ruled(rules: &Rules, key: &str, possible: Vec<Choice<A>>) -> Result<(), ConfigError> {
        match Self::by_rule(rules, key, "", possible, false) {
            Ok(_) => Ok(()),
            Err(fault) => Err(ConfigError::at("rules/questions.toml", fault.to_string())),
        }
    }
}

impl<A> Hold<A> {
    /// A wait for the answer to a question, until it is late by its rule; without a deadline once it is late.
    #[must_use]
    pub fn asks(rules: &Rules, question: Question<A>, now: Timestamp, late: bool) -> Self {
        let rule = rules.questions().find(&question.key).filter(|_| !late);
        let until = rule.map(|rule| rule.until(rules.calendar(), now));
        Self { until, ..Self::open() }.asking(question)
    }
}

/// One allowed answer of a question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Choice<A> {
    /// What the person chooses.
    pub label: String,
    /// What the stage then receives.
    pub answer: A,
}

/// A section about to be written into the dossier.
#[derive(Clone, Debug)]
pub struct SectionDraft {
    /// Which section.
    pub section: Section,
    /// Version of its shape.
    pub version: u32,
    /// Its body; encrypted by the store.
    pub body: Value,
}

impl SectionDraft {
    /// The draft of a typed section.
    ///
    /// # Errors
    /// Permanent, where the section cannot be written as JSON.
    pub fn of<T: Filed>(section: &T) -> Result<Self, Fault> {
        Ok(Self {
            section: T::SECTION,
            version: T::VERSION,
            body: serde_json::to_value(section)
                .map_err(|_| Fault::permanent("section-unwritable", T::SECTION.label()))?,
        })
    }
}

/// A ledger posting that an outcome makes for its case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// What happened to the money.
    pub kind: PostingKind,
    /// How much, in tiyn, above zero.
    pub amount: Tiyn,
    /// Who numbers it: an outside system's label, or `kezek`.
    pub source: String,
    /// What it is booked under; unique per source and kind, so that it is posted once.
    pub reference: String,
}

/// Money that an answer reports: posted once per provider's number whatever the case's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// Received from, or returned to, the payer.
    pub kind: PostingKind,
    /// The provider that numbers it (an outside system's label).
    pub provider: String,
    /// The provider's number.
    pub number: String,
    /// How much, in tiyn, above zero.
    pub amount: Tiyn,
}

/// What the case is found by from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The registration coupon (A3.13), set once.
    pub coupon: Option<Coupon>,
}

/// A stage's closed set of business results. A refusal is an outcome, never an error.
pub trait Outcome: Sized + Debug + Send + Sync + 'static {
    /// Past participle, metric-safe.
    fn label(&self) -> &'static str;
    /// At least one example of every variant.
    fn samples() -> Vec<Self>;
    /// Sections the outcome files.
    ///
    /// # Errors
    /// Permanent, where a section cannot be written.
    fn sections(&self) -> Result<Vec<SectionDraft>, Fault> {
        Ok(Vec::new())
    }
    /// Ledger postings the outcome makes.
    fn bookings(&self) -> Vec<Booking> {
        Vec::new()
    }
    /// What the case is found by from now on.
    fn marks(&self) -> Marks {
        Marks::default()
    }
    /// What becomes of a letter, where the stage's subject is one.
    fn letter(&self) -> LetterVerdict {
        LetterVerdict::Keep
    }
    /// Short facts for the journal: labels and numbers, never personal data.
    fn facts(&self) -> Value {
        Value::Null
    }
}

/// What the engine does with a letter that a stage has looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterVerdict {
    /// Kept for an operator; a case that still stands at its ticket is parked with it.
    Keep,
    /// Sent once more to its stage, alone in its batch.
    TryAlone,
    /// Its subject has gone on: nothing to keep.
    Drop,
}

/// What a door brings for a held case.
pub trait Answer: Shape + Debug {
    /// Which answer it is, metric-safe.
    fn label(&self) -> &'static str;
    /// The money that it reports.
    fn money(&self) -> Option<Money> {
        None
    }
}

/// One turn that has become true, as `record` sees it.
#[derive(Debug)]
pub struct Settled<'a, S: Stage> {
    /// The case after the guard, before the move.
    pub case: &'a CaseHead,
    /// The visit of the stage.
    pub visit: u32,
    /// The turn: Done or Hold.
    pub turn: &'a Turn<S>,
    /// Business time of the settle.
    pub at: Timestamp,
    #[doc(hidden)]
    pub _stage: PhantomData<<S as Stage>::Subject>,
}

const _: fn() = || {
    const fn subject<T: Subject>() {}
    subject::<crate::Case>();
};
