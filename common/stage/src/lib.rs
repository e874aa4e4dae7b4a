//! The contract: all that is needed to write a stage.
//!
//! A stage decides. It is given a job, the case's file and an attempt, and returns a [`Turn`]. It cannot see the
//! broker, the outbox or another stage; the engine (`common/runtime`) makes the turn true in one transaction, and
//! the service's [`Flow`] says where an outcome leads.

mod attempt;
mod body;
mod clock;
mod doors;
mod file;
mod flow;
mod kit;
mod shape;
mod turn;

pub use attempt::{Attempt, BoxFuture, Breakers, Earlier, Effect, EffectKey, Effects, Pass, Receiver};
pub use body::{Body, CaseOf};
pub use clock::{Clock, Ids};
pub use doors::{
    Answers, Arrival, ArrivalSubject, Brought, Caller, CaseView, Decided, Decision, Desk, DoorError, Doors, Opened,
    Picture, Reads, Reexamination, Submission, WaitingCase,
};
pub use file::{CaseHead, File, LedgerLine, LetterFacts, SideFacts};
pub use flow::{Arrow, Flow, FlowError, Step, Target};
pub use kit::{ConfigError, Kit};
pub use shape::{DecodeError, NoAnswer, Shape, decode};
pub use turn::{
    Answer, Booking, Choice, Hold, LetterVerdict, Marks, Money, Outcome, Question, SectionDraft, Settled, Turn,
};

pub use kezek_domain as domain;
pub use kezek_domain::fault::Fault;
pub use kezek_store::{Permit, StoreError};

use kezek_domain::System;
use kezek_domain::dossier::Section;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::time::Duration;

/// What a stage's asynchronous functions return; stages still write `async fn … -> Result<T, Fault>`.
pub trait Doing<T>: Future<Output = Result<T, Fault>> + Send {}
impl<T, F: Future<Output = Result<T, Fault>> + Send> Doing<T> for F {}

/// Whose row is loaded, locked and guarded when a stage's message settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// A citizen's application.
    Case,
    /// A notice that goes with a move of a case; has its own ticket and never touches the case's.
    SideMessage,
    /// A message that left the main line; its identity is the bytes that came.
    Letter,
}

impl SubjectKind {
    /// The word used in headers and in the database.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Case => "case",
            Self::SideMessage => "side-message",
            Self::Letter => "letter",
        }
    }
}

/// Marker types for [`Stage::Subject`].
pub trait Subject: Send + Sync + 'static {
    /// The kind that the engine acts on.
    const KIND: SubjectKind;
}
/// The subject of most stages.
#[derive(Debug)]
pub struct Case;
/// The subject of `notice`.
#[derive(Debug)]
pub struct SideMessage;
/// The subject of `recovery`.
#[derive(Debug)]
pub struct Letter;
impl Subject for Case {
    const KIND: SubjectKind = SubjectKind::Case;
}
impl Subject for SideMessage {
    const KIND: SubjectKind = SubjectKind::SideMessage;
}
impl Subject for Letter {
    const KIND: SubjectKind = SubjectKind::Letter;
}

/// A picture that belongs to the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attachment {
    /// The photograph (A3.9).
    Photo,
    /// The specimen signature (A3.9).
    Signature,
    /// The exact bytes that the applicant signed (A3.12).
    SignedContent,
    /// The applicant's detached signature over them (A3.12).
    Eds,
}

impl Attachment {
    /// The word used in the database.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Signature => "signature",
            Self::SignedContent => "signed-content",
            Self::Eds => "eds",
        }
    }
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Photo, Self::Signature, Self::SignedContent, Self::Eds];
}

/// One kind of work = one room = one queue = one metric label.
pub trait Stage: Sized + Send + Sync + 'static {
    /// Queue, metric label, configuration section and PostgreSQL schema.
    const NAME: &'static str;
    /// Dossier sections loaded with the file.
    const READS: &'static [Section] = &[];
    /// Attachments loaded with the file.
    const ATTACHMENTS: &'static [Attachment] = &[];
    /// Whether the case's ledger lines are loaded with the file.
    const LEDGER: bool = false;
    /// Outside systems without which, as a rule, no message of this stage can go on. While one of them is held to be
    /// down the stage takes no messages, but for one at a time that goes out as the probe.
    const NEEDS: &'static [System] = &[];
    /// Whose row is loaded, locked and guarded.
    type Subject: Subject;
    /// The stage's configuration section; rejects unknown keys.
    type Config: DeserializeOwned + Default + Send;
    /// The typed message that the stage receives; carries no personal data.
    type Job: Shape;
    /// What a door may bring; [`NoAnswer`] where nobody answers.
    type Answer: Answer;
    /// The closed set of business results.
    type Outcome: Outcome;

    /// Opens the stage with its configuration.
    ///
    /// # Errors
    /// A configuration that contradicts itself, named by key.
    fn open(config: Self::Config, kit: Kit) -> Result<Self, ConfigError>;

    /// Talks to the world. May run twice for one message; writes no table.
    fn work(&self, job: &Self::Job, file: &File<Self>, attempt: &Attempt) -> impl Doing<Turn<Self>>;

    /// An answer has come for a held case. May run twice for one arrival.
    fn answer(
        &self,
        answer: &Self::Answer,
        job: &Self::Job,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> impl Doing<Turn<Self>>;

    /// A hold's deadline has passed. May run twice for one hold.
    fn lapse(&self, job: &Self::Job, file: &File<Self>, attempt: &Attempt) -> impl Doing<Turn<Self>>;

    /// How long (real time) cases wait here for a system of [`Stage::NEEDS`] that is down before they are worked on
    /// without a message, so that the stage may settle them without the system (A12); `None`: as long as it takes.
    fn patience(&self, _system: System) -> Option<Duration> {
        None
    }

    /// Private rows of the Done and Hold turns that become true, in the transaction that moves their cases.
    /// May be called again on part of a batch.
    fn record(&self, _won: &[Settled<'_, Self>], _permit: &mut Permit<'_>) -> impl Doing<()> {
        async { Ok(()) }
    }
}
