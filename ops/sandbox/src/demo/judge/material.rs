//! What the judge looks at, as it was gathered.

use std::collections::BTreeMap;

use jiff::civil::Date;
use kezek_domain::journal::Linked;
use kezek_domain::{Closing, Purse};
use uuid::Uuid;

use crate::ledger::Ledger;
use crate::plan::Plan;

/// What the sender of the applications knows of one of them.
#[derive(Debug, Clone)]
pub struct Sent {
    /// How it is meant to end.
    pub plan: Plan,
    /// What the doors said.
    pub answer: Answer,
}

/// What the doors said to an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The pre-check refused with this code; nothing was submitted.
    RefusedAtBegin(String),
    /// Accepted under this receipt, once or again.
    Accepted(String),
    /// Neither: what was said instead, a label.
    Otherwise(String),
}

/// A case as the database has it.
#[derive(Debug, Clone)]
pub struct CaseLine {
    /// Its id.
    pub id: Uuid,
    /// Our number.
    pub receipt: String,
    /// RP DRN's number.
    pub coupon: Option<String>,
    /// `moving`, `held`, `parked` or `closed`.
    pub how: String,
    /// Where it is.
    pub stage: Option<String>,
    /// How it ended.
    pub closing: Option<Closing>,
    /// Why it was turned down, a refusal's label.
    pub refusal: Option<String>,
    /// The purse on its row.
    pub purse: Purse,
    /// Its journal, with the head and the number that its row knows.
    pub journal: Vec<Linked>,
    /// The head on its row.
    pub head: [u8; 32],
    /// The number on its row.
    pub number: i64,
}

/// One line of Kezek's ledger.
#[derive(Debug, Clone)]
pub struct BookLine {
    /// The case; none for suspense.
    pub case: Option<Uuid>,
    /// What the posting means.
    pub kind: String,
    /// The provider's number.
    pub reference: String,
    /// 1 or 2: each posting has both.
    pub line: i16,
    /// Above zero for a debit.
    pub amount: i64,
}

/// A notice as the database has it.
#[derive(Debug, Clone)]
pub struct NoticeLine {
    /// The case.
    pub case: Uuid,
    /// What it tells.
    pub kind: String,
    /// Where from.
    pub stage: String,
    /// On which visit there.
    pub visit: i32,
}

impl NoticeLine {
    /// The receivers' keys end with it: one notice for each.
    #[must_use]
    pub fn occasion(&self) -> String {
        format!("{}/{}.{}.{}", self.case, self.kind, self.stage, self.visit)
    }
}

/// Everything the judge looks at.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The first day of the business clock.
    pub as_of: Date,
    /// Whether an act lets the service be asked for on that day (A0.3).
    pub open: bool,
    /// The sender's own list.
    pub sent: Vec<Sent>,
    /// All cases.
    pub cases: Vec<CaseLine>,
    /// The whole ledger.
    pub book: Vec<BookLine>,
    /// All notices.
    pub notices: Vec<NoticeLine>,
    /// What the sandbox was asked to do.
    pub asked: Ledger,
    /// Messages in each queue.
    pub queues: BTreeMap<String, u64>,
    /// Rows of the outbox.
    pub outbox: u64,
    /// Parked cases, arrivals and notices, and letters that nobody has closed.
    pub parked: u64,
    /// What `kezek check` counts beyond all this, where it is not zero.
    pub violations: BTreeMap<String, i64>,
    /// Places where personal data was found.
    pub leaks: Vec<String>,
}
