//! The journal of a case (A0.1): append-only, each entry chained to the one before by a digest.
//!
//! Entries hold ids, labels and keyed digests, never personal data, so that erasing a case's key and
//! rotating keys break nothing. The head and the number of the last entry live on the case row: a tail
//! that was cut off shows.

mod encode;

use crate::actor::{Actor, System};
use crate::ids::{CaseId, Ticket};
use crate::name::StageName;
use encode::Bytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The digest before the first entry.
pub const GENESIS: [u8; 32] = [0; 32];

/// The first byte of every encoding; another one when the encoding changes.
const ENCODING: u8 = 1;

/// One thing that happened to a case. Instants count to the microsecond: no more is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JournalEntry {
    /// The case.
    pub case: CaseId,
    /// From 1, without gaps.
    pub number: i64,
    /// The ticket that the settle consumed.
    pub ticket: Ticket,
    /// When, in business time.
    pub at: Timestamp,
    /// When, in real time.
    pub recorded_at: Timestamp,
    /// The stage.
    pub stage: StageName,
    /// Its visit.
    pub visit: u32,
    /// The label of the move.
    pub move_label: String,
    /// The label of the outcome, where the turn had one.
    pub outcome: Option<String>,
    /// Who made it true.
    pub actor: Actor,
    /// The rules it was judged by.
    pub rule_version: String,
    /// Ids, labels and keyed digests alone.
    pub detail: serde_json::Value,
    /// Calls to systems outside that were made for it.
    pub calls: Vec<CallRecord>,
}

/// One call to a system outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallRecord {
    /// The system.
    pub system: System,
    /// What was asked, a label.
    pub operation: String,
    /// What came of it, a label.
    pub result: String,
    /// How long it took, in milliseconds of real time.
    pub millis: u64,
}

/// An entry with the digest stored beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The entry.
    pub entry: JournalEntry,
    /// The digest that was stored with it.
    pub digest: [u8; 32],
}

/// Where a journal stops being true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// An entry is missing, doubled or out of its place.
    #[error("entry {expected} was expected, entry {found} was found")]
    Number {
        /// The number that should follow.
        expected: i64,
        /// The number that does.
        found: i64,
    },
    /// An entry of another case.
    #[error("entry {number} belongs to another case")]
    Case {
        /// Its number.
        number: i64,
    },
    /// An entry is not what its digest says.
    #[error("entry {number} does not match its digest")]
    Digest {
        /// Its number.
        number: i64,
    },
    /// Entries at the end are missing or too many.
    #[error("the journal ends at entry {found}, the case says {expected}")]
    Tail {
        /// The number on the case row.
        expected: i64,
        /// The number of the last entry; 0 for none.
        found: i64,
    },
    /// The end is whole in itself and not the one the case knows.
    #[error("the last digest, of entry {number}, is not the head that the case knows")]
    Head {
        /// The number of the last entry.
        number: i64,
    },
}

impl Break {
    /// A stable word, safe as a metric label.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Number { .. } => "number",
            Self::Case { .. } => "case",
            Self::Digest { .. } => "digest",
            Self::Tail { .. } => "tail",
            Self::Head { .. } => "head",
        }
    }
}

/// The digest of an entry, given the digest of the one before ([`GENESIS`] for the first).
#[must_use]
pub fn chain(previous: &[u8; 32], entry: &JournalEntry) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(previous);
    digest.update(encoded(entry));
    digest.finalize().into()
}

/// Checks a whole journal, first entry to last, against head and number from the case row.
///
/// # Errors
/// The first [`Break`].
pub fn verify(entries: &[Linked], head: &[u8; 32], number: i64) -> Result<(), Break> {
    let mut previous = GENESIS;
    let mut last = 0;
    for link in entries {
        let entry = &link.entry;
        if entry.number != last + 1 {
            return Err(Break::Number { expected: last + 1, found: entry.number });
        }
        if entries.first().is_some_and(|first| first.entry.case != entry.case) {
            return Err(Break::Case { number: entry.number });
        }
        if chain(&previous, entry) != link.digest {
            return Err(Break::Digest { number: entry.number });
        }
        previous = link.digest;
        last = entry.number;
    }
    if last != number {
        return Err(Break::Tail { expected: number, found: last });
    }
    if previous != *head {
        return Err(Break::Head { number: last });
    }
    Ok(())
}

/// The canonical bytes: every field in a fixed order, every text with its length before it.
fn encoded(entry: &JournalEntry) -> Vec<u8> {
    // Taken apart in full, so that a new field does not compile until it has its place in the encoding.
    let JournalEntry {
        case,
        number,
        ticket,
        at,
        recorded_at,
        stage,
        visit,
        move_label,
        outcome,
        actor,
        rule_version,
        detail,
        calls,
    } = entry;
    let mut bytes = Bytes::new(ENCODING);
    bytes.bytes(case.0.as_bytes());
    bytes.integer(*number);
    bytes.integer(ticket.0);
    bytes.integer(at.as_microsecond());
    bytes.integer(recorded_at.as_microsecond());
    bytes.text(stage.as_str());
    bytes.integer(i64::from(*visit));
    bytes.text(move_label);
    bytes.option(outcome.as_deref());
    actor_bytes(&mut bytes, actor);
    bytes.text(rule_version);
    bytes.json(detail);
    bytes.length(calls.len());
    for CallRecord { system, operation, result, millis } in calls {
        bytes.text(system.label());
        bytes.text(operation);
        bytes.text(result);
        bytes.bytes(&millis.to_be_bytes());
    }
    bytes.finish()
}

fn actor_bytes(bytes: &mut Bytes, actor: &Actor) {
    bytes.text(actor.label());
    match actor {
        Actor::System | Actor::Applicant => {}
        Actor::Officer { account, role, region } => {
            bytes.text(account);
            bytes.text(role.label());
            bytes.option(region.map(crate::region::Region::as_str));
        }
        Actor::Provider { system } => bytes.text(system),
        Actor::Operator { account } => bytes.text(account),
    }
}

#[cfg(test)]
mod tests;
