//! One delivery on its way through a hop, and what reading it came to.

use crate::acks::Acks;
use crate::envelope::{self, Envelope};
use kezek_domain::Actor;
use kezek_domain::fault::Fault;
use kezek_domain::journal::CallRecord;
use kezek_stage::{Attempt, CaseHead, File, Stage, Turn};
use lapin::types::FieldTable;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// A delivery. Cheap to clone: what came is shared.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub acks: Acks,
    pub tag: u64,
    /// Read from the headers; `None` where they are not an envelope.
    pub envelope: Option<Arc<Envelope>>,
    came: Arc<Came>,
}

/// A delivery's content as it came.
#[derive(Debug)]
pub(crate) struct Came {
    pub exchange: String,
    pub routing_key: String,
    pub table: FieldTable,
    pub message_id: Option<String>,
    pub body: Vec<u8>,
    /// Why the broker dead-lettered it, where it did.
    pub died: Option<String>,
}

impl Item {
    /// A delivery that the channel of `acks` waits for an ack of.
    pub(crate) fn new(acks: &Acks, tag: u64, came: Came) -> Self {
        let envelope = Envelope::read(&came.table).ok().map(Arc::new);
        Self { acks: acks.clone(), tag, envelope, came: Arc::new(came) }
    }
}

impl Came {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.table.inner().get(name).and_then(envelope::text).map(std::borrow::Cow::into_owned)
    }
    /// All headers as text.
    pub(crate) fn headers(&self) -> BTreeMap<String, String> {
        envelope::texts(&self.table)
    }
}

impl std::ops::Deref for Item {
    type Target = Came;
    fn deref(&self) -> &Came {
        &self.came
    }
}

/// What a finished attempt was made for.
#[derive(Clone, Debug)]
pub(crate) enum Errand {
    /// A job's message.
    Job,
    /// A lapse's message.
    Lapse,
    /// An arrival's message: its id and the ticket its message carried.
    Arrival { id: Uuid, ticket: i64, attempt: u32 },
    /// An officer's decision inside a request.
    Decision,
    /// A side message.
    Side,
}

/// An attempt ready to be made.
pub(crate) struct Ready<S: Stage> {
    pub item: Option<Item>,
    pub errand: Errand,
    pub actor: Actor,
    pub job: S::Job,
    pub answer: Option<S::Answer>,
    pub file: File<S>,
    pub attempt: Attempt,
    /// The subject whose ticket is compared: the case's, or the side message's.
    pub subject: Uuid,
    pub ticket: i64,
    pub revision: i64,
    /// What the journal adds: a question's choice and reason.
    pub note: serde_json::Value,
}

/// An attempt that has come to something.
pub(crate) struct Finished<S: Stage> {
    pub item: Option<Item>,
    pub errand: Errand,
    pub actor: Actor,
    pub head: CaseHead,
    pub subject: Uuid,
    pub ticket: i64,
    pub revision: i64,
    pub visit: u32,
    pub result: Result<Turn<S>, Fault>,
    pub calls: Vec<CallRecord>,
    pub note: serde_json::Value,
}

/// What reading a delivery came to.
pub(crate) enum Read<S: Stage> {
    /// To be worked on.
    Ready(Box<Ready<S>>),
    /// Its ticket was consumed: a duplicate.
    Stale(Item),
    /// It names no known case, or a ticket above the case's: kept as a letter.
    Strange(Item, &'static str, String),
    /// It cannot be worked on, and its subject is known: settled as a fault.
    Faulty(Box<Finished<S>>),
    /// An answer for a case that does not wait for it now: kept waiting, unless its case is closed.
    Early(Item),
}
