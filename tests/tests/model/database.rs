//! The database's rows, and beside them what the checker remembers to be able to judge (`consumed`, `twice`).

/// Slots of outside effects of one case: each is one stable key.
pub const PRINT: usize = 0;
pub const NOTICE: usize = 1;
pub const REFUND: usize = 2;
/// Payments that one order may take in.
pub const PAYMENTS: usize = 2;
pub const SLOTS: usize = REFUND + PAYMENTS;

/// Whose row is locked and whose ticket is compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Subject {
    Case(u8),
    Arrival(u8, u8),
    Notice(u8),
}

impl Subject {
    pub const fn case(self) -> usize {
        match self {
            Self::Case(c) | Self::Arrival(c, _) | Self::Notice(c) => c as usize,
        }
    }
}

/// What a message asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Errand {
    Job,
    Lapse,
    /// A parked message on its way to recovery.
    Letter,
    /// Planted: a notice under its case's ticket.
    Side,
}

/// A message: in the outbox, with the broker, or in a hand. `copy` tells re-issues under the same ticket apart, as
/// the message's id does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Message {
    pub subject: Subject,
    pub ticket: u8,
    pub errand: Errand,
    pub copy: u8,
}

impl Message {
    pub const fn of(subject: Subject, ticket: u8, errand: Errand) -> Self {
        Self { subject, ticket, errand, copy: 0 }
    }
    /// The same message, or the same re-issued.
    pub fn stands_for(&self, other: &Self) -> bool {
        Self { copy: 0, ..*self } == Self { copy: 0, ..*other }
    }
}

/// The subject's letter at an operator's desk, with the ticket it stands at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Letter {
    #[default]
    None,
    Open(u8),
    Replaying(u8),
    Closed(u8),
}

impl Letter {
    pub const fn ticket(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Open(t) | Self::Replaying(t) | Self::Closed(t) => t,
        }
    }
}

/// A row of `jobs`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct JobRow {
    pub ticket: u8,
    pub attempt: u8,
    pub letter: Letter,
    /// Its message is on a rung for as long as an earlier request may still act.
    pub waits: bool,
    /// Tickets whose messages or pages have settled, as bits; and whether one did so twice.
    pub consumed: u32,
    pub twice: bool,
}

impl JobRow {
    pub const fn first() -> Self {
        Self { ticket: 1, attempt: 1, letter: Letter::None, waits: false, consumed: 0, twice: false }
    }
    /// A settle under `ticket` becomes true: the ticket is raised, and a replay that it consumes is over.
    pub fn raise(&mut self, ticket: u8) {
        let bit = 1 << u32::from(ticket).min(31);
        self.twice |= self.consumed & bit != 0;
        self.consumed |= bit;
        if self.letter == Letter::Replaying(self.ticket) {
            self.letter = Letter::Closed(self.ticket);
        }
        self.ticket += 1;
        self.waits = false;
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stage {
    /// An order is placed, and held until it is paid.
    Payment,
    /// A card is printed.
    Production,
    /// Money is given back.
    Refund,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Closing {
    Issued,
    Unpaid,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum How {
    Moving,
    Held,
    Parked,
    Closed(Closing),
}

/// A row of `holds`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct HoldRow {
    pub due: bool,
    /// For which ticket a lapse is on its way; 0 for none.
    pub lapse_ticket: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Came {
    Moving,
    Waiting,
    Taken,
    Unwanted,
    Parked,
}

/// A row of `arrivals` with its row of `jobs`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ArrivalRow {
    pub job: JobRow,
    pub state: Came,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Told {
    Moving,
    Ended,
    Parked,
}

/// A row of `side_messages` with its row of `jobs`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SideRow {
    pub job: JobRow,
    pub state: Told,
}

/// A row of `effects`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Known {
    New,
    Unanswered,
    Answered,
}

/// A row of `cases`, with what hangs on it. Money is kept as sets of payments, one bit each.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CaseRow {
    pub job: JobRow,
    pub stage: Stage,
    pub how: How,
    pub refunding: Option<Closing>,
    pub hold: Option<HoldRow>,
    pub booked: u8,
    /// How many postings say that money was received.
    pub received: u8,
    pub earned: u8,
    pub returned: u8,
    pub arrivals: [Option<ArrivalRow>; PAYMENTS],
    pub notice: Option<SideRow>,
    pub effects: [Known; SLOTS],
}

impl CaseRow {
    pub const fn opened() -> Self {
        Self {
            job: JobRow::first(),
            stage: Stage::Payment,
            how: How::Moving,
            refunding: None,
            hold: None,
            booked: 0,
            received: 0,
            earned: 0,
            returned: 0,
            arrivals: [const { None }; PAYMENTS],
            notice: None,
            effects: [Known::New; SLOTS],
        }
    }
    pub fn held(&self) -> bool {
        self.how == How::Held && self.stage == Stage::Payment
    }
    pub const fn closed(&self) -> bool {
        matches!(self.how, How::Closed(_))
    }
    /// An answer is on its way to the stage that the case waits at.
    pub fn answer_on_its_way(&self) -> bool {
        self.stage == Stage::Payment && self.arrivals.iter().flatten().any(|a| a.state == Came::Moving)
    }
    /// Money that is neither earned nor returned.
    pub const fn purse(&self) -> u8 {
        self.booked & !self.earned & !self.returned
    }
}

/// PostgreSQL: what is in here changes in one step or not at all.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Database {
    pub cases: Vec<CaseRow>,
    /// In order, so that equal contents are equal states.
    pub outbox: Vec<Message>,
}

impl Database {
    pub fn job(&self, subject: Subject) -> Option<&JobRow> {
        let case = self.cases.get(subject.case())?;
        match subject {
            Subject::Case(_) => Some(&case.job),
            Subject::Arrival(_, p) => case.arrivals.get(usize::from(p))?.as_ref().map(|a| &a.job),
            Subject::Notice(_) => case.notice.as_ref().map(|n| &n.job),
        }
    }
    pub fn job_mut(&mut self, subject: Subject) -> Option<&mut JobRow> {
        let case = self.cases.get_mut(subject.case())?;
        match subject {
            Subject::Case(_) => Some(&mut case.job),
            Subject::Arrival(_, p) => case.arrivals.get_mut(usize::from(p))?.as_mut().map(|a| &mut a.job),
            Subject::Notice(_) => case.notice.as_mut().map(|n| &mut n.job),
        }
    }
    pub fn insert(&mut self, rows: &[Message]) {
        self.outbox.extend_from_slice(rows);
        self.outbox.sort_unstable();
    }
    pub fn delete(&mut self, rows: &[Message]) {
        for row in rows {
            remove(&mut self.outbox, row);
        }
    }
}

/// Removes one of the messages that are equal.
pub fn remove(messages: &mut Vec<Message>, message: &Message) {
    if let Some(at) = messages.iter().position(|m| m == message) {
        messages.remove(at);
    }
}
