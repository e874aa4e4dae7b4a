//! Settle: the one transaction that makes turns true. lock ▸ guard ▸ route ▸ law ▸ record ▸ journal ▸ outbox.

mod faults;
mod turns;
mod write;

use crate::engine::{Engine, micros};
use crate::envelope::Mode;
use crate::item::{Errand, Finished};
use crate::load::held_at;
use crate::points::{self, Point};
use kezek_domain::fault::Fault;
use kezek_domain::journal::Linked;
use kezek_domain::{Entry, How, Purse, StageName, Status};
use kezek_stage::{Flow, Settled, Stage, Turn};
use kezek_store::cases::{CaseMove, CaseRow};
use kezek_store::dossier::NewSection;
use kezek_store::holds::HoldRow;
use kezek_store::jobs::JobRow;
use kezek_store::outbox::OutboxRow;
use kezek_store::side_messages::SideRow;
use kezek_store::{StoreError, arrivals, cases, dead_letters, jobs, mint};
use serde_json::Value;
use sqlx::Connection as _;
use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;
use uuid::Uuid;

/// What became of one finished attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It became true; the ticket now, and the outcome's or move's label.
    True { ticket: i64, outcome: String },
    /// Its ticket had been consumed meanwhile.
    Stale,
    /// The case's content changed since it was read: read and work again.
    Redo,
    /// A lapse met an answer that is on its way: the answer goes first.
    Lost,
    /// An answer's case is not held at the stage any more; the answer waits or is unwanted.
    NotHeld,
}

/// A committed settle: what to publish, and each attempt's fate in order.
pub(crate) struct Settlement {
    pub rows: Vec<OutboxRow>,
    pub fates: Vec<Fate>,
}

/// Everything one settle writes, gathered before the statements run.
#[derive(Default)]
struct Draft {
    moves: Vec<CaseMove>,
    jobs: Vec<JobRow>,
    entries: Vec<Linked>,
    sections: Vec<NewSection>,
    rows: Vec<OutboxRow>,
    holds: Vec<HoldRow>,
    unheld: Vec<Uuid>,
    held: Vec<Uuid>,
    closed: Vec<Uuid>,
    lapsing: Vec<(Uuid, i64)>,
    sides: Vec<SideRow>,
    arrivals: Vec<(Uuid, &'static str)>,
    consumed_letters: Vec<(Uuid, i64)>,
    side_states: Vec<(Uuid, &'static str, Option<String>, Value)>,
    /// Cases whose turn becomes true as the stage returned it, and not as a fault found on the way.
    turned: HashSet<Uuid>,
}

impl Draft {
    /// The row of a subject whose ticket this settle consumes: raised, and the letter whose replay issued the ticket
    /// is closed with it.
    fn consume(&mut self, own: &JobRow) -> JobRow {
        if let Some(letter) = own.letter_id {
            self.consumed_letters.push((letter, own.ticket));
        }
        JobRow { ticket: own.ticket + 1, letter_id: None, ..own.clone() }
    }
}

/// A case under the guard.
struct Guarded<'a> {
    row: &'a CaseRow,
    job: &'a JobRow,
    status: Status,
    purse: Purse,
    /// Unknown where a newer worker has opened the case: a fault that passes.
    flow: Result<&'a Flow, Fault>,
}

/// What a fault of an attempt leads to.
enum AfterFault {
    Retry { rung: &'static crate::retry::Rung, spent: bool },
    Park { cause: String, detail: String },
}

impl Engine {
    /// Settles finished attempts of case subjects in one transaction.
    pub(crate) async fn settle<S: Stage>(&self, stage: &S, batch: &[Finished<S>]) -> Result<Settlement, StoreError> {
        let now = micros(self.clock().now());
        let mut ids: HashSet<Uuid> = HashSet::new();
        for f in batch {
            ids.insert(f.subject);
            if let Errand::Arrival { id, .. } = f.errand {
                ids.insert(id);
            }
        }
        let mut ids: Vec<Uuid> = ids.into_iter().collect();
        ids.sort_unstable();
        let mut lease = self.warm().take().await?;
        let mut tx = lease.begin().await?;
        let mut permit = mint(&mut tx);
        let locked = jobs::lock(&mut permit, &ids).await?;
        // read after the lock: nobody else can have changed a case in between
        let case_ids: Vec<Uuid> = locked.values().filter_map(|j| j.case_id).collect();
        let rows = cases::list(&mut *permit.connection(), &case_ids).await?;
        let lapsing: Vec<Uuid> =
            batch.iter().filter(|f| matches!(f.errand, Errand::Lapse)).map(|f| f.subject).collect();
        let lost: HashSet<Uuid> = arrivals::on_their_way(&mut permit, &lapsing, S::NAME).await?.into_iter().collect();

        let mut draft = Draft::default();
        let mut fates = Vec::with_capacity(batch.len());
        let mut seen = HashSet::new();
        for f in batch {
            let fate = self.guard(f, &locked, &rows, &lost);
            // two answers for one case in a batch: the second is read again under the new ticket
            let fate = if fate.is_none() && !seen.insert(f.subject) { Some(Fate::Redo) } else { fate };
            if fate == Some(Fate::NotHeld) {
                self.draft_unheld_answer(f, &locked, &rows, &mut draft)?;
            }
            if fate == Some(Fate::Lost) {
                // the sweeper issues the lapse again once the answer is settled, if the case is still due
                draft.lapsing.push((f.subject, 0));
            }
            fates.push(fate);
        }
        let made = self.post_bookings(&mut permit, batch, &fates, &rows, now).await?;
        for (f, fate) in batch.iter().zip(&mut fates) {
            if fate.is_some() {
                continue;
            }
            *fate = Some(if matches!(f.errand, Errand::Side) {
                self.draft_side(f, &locked, &mut draft)
            } else {
                self.draft_case(f, &locked, &rows, &made, now, &mut draft)?
            });
        }
        let fates: Vec<Fate> = fates.into_iter().map(|f| f.unwrap_or(Fate::Stale)).collect();
        self.write(&mut permit, &mut draft, S::NAME, now).await?;
        let won: Vec<Settled<'_, S>> = batch
            .iter()
            .zip(&fates)
            .filter(|(f, fate)| matches!(fate, Fate::True { .. }) && draft.turned.contains(&f.subject))
            .filter_map(|(f, _)| match &f.result {
                Ok(turn @ (Turn::Done(_) | Turn::Hold(_))) => {
                    Some(Settled { case: &f.head, visit: f.visit, turn, at: now, _stage: PhantomData })
                }
                _ => None,
            })
            .collect();
        if !won.is_empty() {
            stage
                .record(&won, &mut permit)
                .await
                .map_err(|fault| StoreError::Record { passes: fault.is_transient(), what: fault.to_string() })?;
        }
        drop(won);
        let named = || batch.iter().map(|f| f.subject).collect();
        points::reached(Point::BeforeCommit, S::NAME, named).await;
        tx.commit().await?;
        lease.finished();
        points::reached(Point::Committed, S::NAME, named).await;
        Ok(Settlement { rows: draft.rows, fates })
    }

    /// `None`: the turn may become true.
    fn guard<S: Stage>(
        &self,
        f: &Finished<S>,
        locked: &HashMap<Uuid, JobRow>,
        rows: &HashMap<Uuid, CaseRow>,
        lost: &HashSet<Uuid>,
    ) -> Option<Fate> {
        if let Errand::Arrival { id, ticket, .. } = f.errand {
            match locked.get(&id) {
                Some(own) if own.ticket == ticket => {}
                _ => return Some(Fate::Stale),
            }
            let held = rows.get(&f.subject).and_then(|r| r.status().ok()).is_some_and(|s| held_at(&s, S::NAME));
            if !held {
                return Some(Fate::NotHeld);
            }
            // held, but under another ticket than when the answer was weighed
            if locked.get(&f.subject).is_none_or(|j| j.ticket != f.ticket) {
                return Some(Fate::Redo);
            }
        }
        let job = locked.get(&f.subject)?;
        if job.ticket != f.ticket {
            return Some(Fate::Stale);
        }
        if matches!(f.errand, Errand::Side) {
            return None;
        }
        match rows.get(&f.subject) {
            None => Some(Fate::Stale),
            Some(row) if row.revision != f.revision => Some(Fate::Redo),
            Some(row) => {
                let status = row.status().ok();
                let held = status.as_ref().is_some_and(|s| held_at(s, S::NAME));
                let moving = matches!(&status, Some(Status::Open { how: How::Moving, .. }));
                match f.errand {
                    // a job is work for a case that moves; one that came to a held, parked or closed case is a leftover
                    Errand::Job if !moving => Some(Fate::Stale),
                    Errand::Lapse if lost.contains(&f.subject) => Some(Fate::Lost),
                    Errand::Lapse | Errand::Decision if !held => Some(Fate::Stale),
                    _ => None,
                }
            }
        }
    }

    /// The flow that a case was opened with, where this worker knows it.
    fn flow_of(&self, row: &CaseRow) -> Result<&Flow, Fault> {
        self.flow(&row.service, u32::try_from(row.flow_version).unwrap_or(0)).map(AsRef::as_ref)
    }

    /// Answers that came while their case was not held here: they wait for the hold, or nobody wants them any more.
    /// Returns, in order, whether each is to be read again because its case is held by now.
    pub(crate) async fn settle_early(&self, stage: &str, early: &[(Uuid, i64, Uuid)]) -> Result<Vec<bool>, StoreError> {
        let mut ids: Vec<Uuid> = early.iter().flat_map(|(id, _, case)| [*id, *case]).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut lease = self.warm().take().await?;
        let mut tx = lease.begin().await?;
        let mut permit = mint(&mut tx);
        // the case's row is locked too: a hold cannot slip in between looking and waiting
        let locked = jobs::lock(&mut permit, &ids).await?;
        let case_ids: Vec<Uuid> = early.iter().map(|(_, _, case)| *case).collect();
        let rows = cases::list(&mut *permit.connection(), &case_ids).await?;
        let mut draft = Draft::default();
        let mut again = Vec::with_capacity(early.len());
        for (id, ticket, case) in early {
            let status = rows.get(case).map(CaseRow::status).transpose()?;
            let held = status.as_ref().is_some_and(|s| held_at(s, stage));
            again.push(held);
            if let Some(own) = locked.get(id).filter(|own| !held && own.ticket == *ticket) {
                let next = draft.consume(own);
                draft.jobs.push(next);
                let closed = status.is_none_or(|s| s.is_closed());
                draft.arrivals.push((*id, if closed { "unwanted" } else { "waiting" }));
            }
        }
        jobs::update(&mut permit, &draft.jobs).await?;
        arrivals::set_states(&mut permit, &draft.arrivals).await?;
        dead_letters::close_replayed(&mut permit, &draft.consumed_letters).await?;
        points::reached(Point::BeforeCommit, stage, || case_ids.clone()).await;
        tx.commit().await?;
        lease.finished();
        points::reached(Point::Committed, stage, || case_ids.clone()).await;
        Ok(again)
    }
}

fn refund_entry(case: &Guarded<'_>) -> Entry {
    let stage =
        case.flow.as_ref().ok().and_then(|f| f.refund_stage()).cloned().unwrap_or_else(|| StageName::new("refund"));
    let visit = case.row.entered(stage.as_str()) + 1;
    Entry { stage, visit }
}

/// What the message of the same errand asks for: a lapse that is tried again is still a lapse.
fn mode_of<S: Stage>(f: &Finished<S>) -> Mode {
    if matches!(f.errand, Errand::Lapse) { Mode::Lapse } else { Mode::Job }
}
