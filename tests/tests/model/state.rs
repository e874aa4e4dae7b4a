//! What there is: the database, the broker's messages, the workers' hands, the world outside, and beside them what the
//! checker remembers to be able to judge (`lost`, `strange`).

pub use super::database::*;

/// What a worker saw when it read the case file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Seen {
    /// The case's ticket.
    pub ticket: u8,
    pub stage: Stage,
    pub due: bool,
    pub booked: u8,
    pub purse: u8,
}

/// What an attempt came to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Turn {
    /// Done: paid, with the payments that the provider told of.
    Paid(u8),
    /// Done: not paid in time, with the payments that were found.
    Lapsed(u8),
    /// Done: printed.
    Printed,
    /// Done: this payment went back.
    Refunded(u8),
    /// Done: told, or in doubt and let be.
    Told,
    Hold,
    Transient,
    Permanent,
    /// An earlier request may still act.
    UnderWay,
    /// Recovery keeps a letter.
    Keep,
}

/// How far a delivery is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Phase {
    Read(Seen),
    /// The intent is committed; the call may be out. `ask`: the receiver is asked first.
    Intended {
        seen: Seen,
        ask: bool,
    },
    /// Answered; the answer is not committed yet.
    Called {
        seen: Seen,
        turn: Turn,
    },
    Worked {
        seen: Seen,
        turn: Turn,
    },
    /// An answer whose case is not held at its stage.
    Early,
    /// Committed: rows to publish; acked when none is left.
    Sending {
        rows: Vec<Message>,
        published: bool,
    },
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Hand {
    pub message: Message,
    pub phase: Phase,
}

/// A worker process: what dies with it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Worker {
    pub hand: Option<Hand>,
    /// Rows that the broker has, not yet deleted.
    pub confirmed: Vec<Message>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Order {
    None,
    Open,
    Withdrawn,
}

/// The receivers' own books about one case.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Outside {
    pub order: Order,
    /// Orders under different keys.
    pub orders: u8,
    pub payments: u8,
    /// Payments that the provider has told the door of.
    pub told: u8,
    /// How often each effect happened.
    pub done: [u8; SLOTS],
    /// A request whose caller has given up or died may still act.
    pub late: [bool; SLOTS],
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    pub db: Database,
    pub broker: Vec<Message>,
    /// In order: the workers are alike.
    pub workers: [Worker; 2],
    pub outside: Vec<Outside>,
    /// Faults so far.
    pub faults: u8,
    /// Messages that the broker lost although it had confirmed them.
    pub lost: Vec<Message>,
    /// Re-issues so far.
    pub copies: u8,
    pub backup: Option<Box<Database>>,
    pub restored: bool,
    /// A message above its subject's ticket was met.
    pub strange: bool,
}

impl State {
    pub fn first(cases: u8) -> Self {
        let outside =
            Outside { order: Order::None, orders: 0, payments: 0, told: 0, done: [0; SLOTS], late: [false; SLOTS] };
        let outbox = (0..cases).map(|c| Message::of(Subject::Case(c), 1, Errand::Job)).collect();
        Self {
            db: Database { cases: vec![CaseRow::opened(); usize::from(cases)], outbox },
            broker: Vec::new(),
            workers: [Worker::default(), Worker::default()],
            outside: vec![outside; usize::from(cases)],
            faults: 0,
            lost: Vec::new(),
            copies: 0,
            backup: None,
            restored: false,
            strange: false,
        }
    }
    pub fn deliver(&mut self, message: Message) {
        self.broker.push(message);
        self.broker.sort_unstable();
    }
    /// The phases of what the workers have in hand.
    pub fn hands(&self) -> impl Iterator<Item = &Hand> {
        self.workers.iter().filter_map(|w| w.hand.as_ref())
    }
}
