//! Settle: the one transaction that makes turns true. lock ▸ guard ▸ route ▸ law ▸ record ▸ journal ▸ outbox.

use crate::engine::{Engine, micros};
use crate::envelope::Mode;
use crate::item::{Errand, Finished, Item};
use crate::load::held_at;
use crate::retry::{rung_for, rung_of_retry};
use crate::topology;
use jiff::Timestamp;
use kezek_domain::fault::Fault;
use kezek_domain::journal::{JournalEntry, Linked, chain};
use kezek_domain::ledger::Posting;
use kezek_domain::rules::NoticeKind;
use kezek_domain::{Entry, How, Move, Purse, StageName, Status, Ticket, after};
use kezek_stage::{Flow, Hold, Outcome as _, SectionDraft, Settled, Stage, Step, Target, Turn};
use kezek_store::cases::{CaseMove, CaseRow};
use kezek_store::dossier::NewSection;
use kezek_store::holds::HoldRow;
use kezek_store::jobs::JobRow;
use kezek_store::ledger::NewPosting;
use kezek_store::outbox::OutboxRow;
use kezek_store::side_messages::SideRow;
use kezek_store::{
    Permit, StoreError, arrivals, cases, dead_letters, dossier, holds, jobs, journal, ledger, mint, outbox,
    side_messages,
};
use serde_json::{Value, json};
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
    fn after_fault(&self, fault: &Fault, attempt: u32) -> AfterFault {
        match fault {
            Fault::Permanent { cause, detail, .. } => {
                AfterFault::Park { cause: (*cause).to_owned(), detail: detail.clone() }
            }
            Fault::Transient { cause, detail, retry_after, .. } => {
                // not this job's fault: the system is down for everybody, or a newer worker is coming
                let spent = !matches!(
                    *cause,
                    "breaker-open"
                        | "effect-under-way"
                        | "newer-message"
                        | "newer-flow"
                        | "newer-section"
                        | "database-away"
                );
                if spent && attempt >= self.limits().attempts {
                    return AfterFault::Park { cause: "exhausted".to_owned(), detail: format!("{cause}: {detail}") };
                }
                let rung = match retry_after {
                    Some(wait) => rung_for(*wait),
                    None if spent => rung_of_retry(attempt),
                    None => rung_for(std::time::Duration::from_secs(5)),
                };
                AfterFault::Retry { rung, spent }
            }
        }
    }

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
        let mut tx = self.pool().begin().await?;
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
        let confirmed = self.take_confirmed();
        let finished = match outbox::delete(&mut *permit.connection(), &confirmed).await {
            Ok(()) => tx.commit().await.map_err(StoreError::from),
            Err(error) => Err(error),
        };
        if let Err(error) = finished {
            self.put_back_confirmed(confirmed);
            return Err(error);
        }
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

    /// Posts what outcomes book. Returns the postings made now by case: a case is in a batch once.
    async fn post_bookings<S: Stage>(
        &self,
        permit: &mut Permit<'_>,
        batch: &[Finished<S>],
        fates: &[Option<Fate>],
        cases: &HashMap<Uuid, CaseRow>,
        now: Timestamp,
    ) -> Result<HashMap<Uuid, Vec<Posting>>, StoreError> {
        let mut rows = Vec::new();
        for (f, fate) in batch.iter().zip(fates) {
            let (None, Ok(Turn::Done(outcome))) = (fate, &f.result) else { continue };
            if cases.get(&f.subject).is_none_or(|row| self.flow_of(row).is_err()) {
                continue;
            }
            for booking in outcome.bookings() {
                let posting = Posting::new(booking.kind, booking.amount, booking.reference)
                    .map_err(|e| StoreError::Inconsistent { table: "ledger", what: e.to_string() })?;
                rows.push(NewPosting {
                    id: self.ids().next(),
                    case_id: Some(f.subject),
                    source: booking.source,
                    posting,
                });
            }
        }
        let made = ledger::post(permit, &rows, now).await?;
        let mut out: HashMap<Uuid, Vec<Posting>> = HashMap::new();
        for row in rows {
            if let (true, Some(case)) = (made.contains(&row.id), row.case_id) {
                out.entry(case).or_default().push(row.posting);
            }
        }
        Ok(out)
    }

    fn draft_case<S: Stage>(
        &self,
        f: &Finished<S>,
        locked: &HashMap<Uuid, JobRow>,
        rows: &HashMap<Uuid, CaseRow>,
        made: &HashMap<Uuid, Vec<Posting>>,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<Fate, StoreError> {
        let (Some(job), Some(row)) = (locked.get(&f.subject), rows.get(&f.subject)) else { return Ok(Fate::Stale) };
        let flow = self.flow_of(row);
        let posted = made.get(&f.subject).map_or(&[][..], Vec::as_slice);
        let purse = posted.iter().fold(row.purse(), |purse, p| purse.with(p));
        let case = Guarded { row, job, status: row.status()?, purse, flow };
        let turned = match &f.result {
            Ok(turn) => self.draft_turn(f, turn, &case, now, draft)?,
            Err(fault) => Err(fault.clone()),
        };
        let arrival = match f.errand {
            Errand::Arrival { id, .. } => locked.get(&id),
            _ => None,
        };
        if turned.is_ok() {
            draft.turned.insert(f.subject);
        }
        let outcome = match (turned, arrival) {
            (Ok(label), None) => label,
            (Ok(label), Some(own)) => {
                let next = draft.consume(own);
                draft.jobs.push(next);
                draft.arrivals.push((own.subject_id, "taken"));
                label
            }
            // money was booked for a turn that is then refused: nothing of this settle may stay
            (Err(fault), _) if !posted.is_empty() => {
                return Err(StoreError::Inconsistent { table: "ledger", what: fault.to_string() });
            }
            // an officer's decision either becomes true or did not happen: he sees the fault and decides again
            (Err(fault), _) if matches!(f.errand, Errand::Decision) => {
                return Err(StoreError::Record { passes: fault.is_transient(), what: fault.to_string() });
            }
            // the answer could not be weighed: the case goes on waiting, the answer is tried again or parked
            (Err(fault), Some(own)) => {
                let label = self.draft_subject_fault(own, f.item.as_ref(), &fault, draft);
                if label == "parked" {
                    draft.arrivals.push((own.subject_id, "parked"));
                }
                return Ok(Fate::True { ticket: job.ticket, outcome: label });
            }
            (Err(fault), None) => self.draft_fault(f, &fault, &case, now, draft)?,
        };
        Ok(Fate::True { ticket: job.ticket + 1, outcome })
    }

    /// The turn of a case; `Ok(Err)` where the law or the stage's own sections refuse it.
    fn draft_turn<S: Stage>(
        &self,
        f: &Finished<S>,
        turn: &Turn<S>,
        case: &Guarded<'_>,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<Result<String, Fault>, StoreError> {
        match turn {
            Turn::Done(outcome) => {
                let planned =
                    case.flow.clone().and_then(|flow| Ok((flow, flow.step::<S>(outcome)?, outcome.sections()?)));
                let (flow, step, sections) = match planned {
                    Ok(planned) => planned,
                    Err(fault) => return Ok(Err(fault)),
                };
                self.draft_done(f, outcome, flow, &step, sections, case, now, draft)
            }
            Turn::Hold(hold) => self.draft_hold(f, hold, case, now, draft),
            Turn::Again(wait) => {
                if matches!(f.errand, Errand::Arrival { .. }) {
                    return Ok(Err(Fault::transient("again", "the stage asks for the answer again").after(*wait)));
                }
                let rung = rung_for(*wait);
                let next = JobRow {
                    ticket: case.job.ticket + 1,
                    letter_id: None,
                    mode: mode_of(f).label().to_owned(),
                    ..case.job.clone()
                };
                self.keep_lapsing(f, &next, draft);
                draft.rows.push(self.message(&next, Some(rung), false));
                let detail = json!({ "again": rung.name });
                self.draft_move(f, case, case.status.clone(), "again", None, detail, None, now, draft)?;
                self.draft_job(case, next, draft);
                Ok(Ok("again".to_owned()))
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one move, each met once")]
    fn draft_done<S: Stage>(
        &self,
        f: &Finished<S>,
        outcome: &S::Outcome,
        flow: &Flow,
        step: &Step,
        sections: Vec<SectionDraft>,
        case: &Guarded<'_>,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<Result<String, Fault>, StoreError> {
        let mv = match &step.target {
            Target::Stage { name, .. } => {
                Move::Enter { stage: name.clone(), visit: case.row.entered(name.as_str()) + 1 }
            }
            Target::Close { closing, reason } => Move::Close { closing: *closing, reason: (*reason).to_owned() },
            Target::End => {
                return Ok(Err(Fault::permanent("not-routed", format!("outcome {} ends nothing", outcome.label()))));
            }
        };
        let status = match after(&case.status, &mv, &case.purse, &refund_entry(case)) {
            Ok(status) => status,
            Err(illegal) => return Ok(Err(Fault::permanent("illegal-move", illegal.to_string()))),
        };
        let mut notices = step.notices.clone();
        // whatever may still refuse the turn comes before the first line of the draft
        if let Err(fault) = self.draft_sections(f, sections, case, draft)? {
            return Ok(Err(fault));
        }
        let next = self.next_job(case, &status, flow, step, draft);
        let mut detail = json!({ "facts": outcome.facts(), "to": status.at().map(ToString::to_string) });
        if let (Some(b), Some(map)) = (status.refunding(), detail.as_object_mut()) {
            map.insert("refunding".to_owned(), json!({ "closing": b.closing.label(), "reason": b.reason }));
        }
        note(&mut detail, &f.note);
        self.draft_move(f, case, status, mv_label(&mv), Some(outcome), detail, outcome.marks().coupon, now, draft)?;
        self.draft_job(case, next, draft);
        self.draft_notices(f, std::mem::take(&mut notices), draft);
        draft.unheld.push(case.row.id);
        Ok(Ok(outcome.label().to_owned()))
    }

    /// The next job, and its message where the case goes on.
    fn next_job(&self, case: &Guarded<'_>, status: &Status, flow: &Flow, step: &Step, draft: &mut Draft) -> JobRow {
        let idle = JobRow {
            ticket: case.job.ticket + 1,
            letter_id: None,
            mode: Mode::Job.label().to_owned(),
            attempt: 1,
            ..case.job.clone()
        };
        let Status::Open { at, visit, .. } = status else { return idle };
        // where the law sent the case to the refund stage instead of closing it, the flow's refund step has the job
        let target = match &step.target {
            here @ Target::Stage { name, .. } if name == at => here,
            _ => &flow.refund().target,
        };
        let Target::Stage { kind, version, body, .. } = target else { return idle };
        let next = JobRow {
            stage: at.to_string(),
            visit: i32::try_from(*visit).unwrap_or(i32::MAX),
            kind: (*kind).to_owned(),
            version: i32::try_from(*version).unwrap_or(i32::MAX),
            body: body.clone(),
            routing_key: self.routing_key(at.as_str(), &case.row.region),
            ..idle
        };
        let mut row = self.message(&next, None, false);
        if status.refunding().is_some() {
            // a cancelled application leaves the main line
            topology::DEAD.clone_into(&mut row.exchange);
            row.routing_key = format!("cancelled.{}", case.row.service);
        }
        draft.rows.push(row);
        next
    }

    fn draft_hold<S: Stage>(
        &self,
        f: &Finished<S>,
        hold: &Hold<S::Answer>,
        case: &Guarded<'_>,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<Result<String, Fault>, StoreError> {
        let until = hold.until.map(micros);
        let status = match after(&case.status, &Move::Hold { until }, &case.purse, &refund_entry(case)) {
            Ok(status) => status,
            Err(illegal) => return Ok(Err(Fault::permanent("illegal-move", illegal.to_string()))),
        };
        let question = match &hold.question {
            Some(question) => match serde_json::to_value(question) {
                Ok(value) => Some(value),
                Err(_) => return Ok(Err(Fault::permanent("question-unwritable", question.key.clone()))),
            },
            None => None,
        };
        if let Err(fault) = self.draft_sections(f, hold.files.clone(), case, draft)? {
            return Ok(Err(fault));
        }
        let next = JobRow {
            ticket: case.job.ticket + 1,
            letter_id: None,
            mode: Mode::Job.label().to_owned(),
            attempt: 1,
            ..case.job.clone()
        };
        draft.holds.push(HoldRow {
            case_id: case.row.id,
            stage: S::NAME.to_owned(),
            visit: case.job.visit,
            ticket: next.ticket,
            region: case.row.region.clone(),
            role: hold.question.as_ref().map(|q| q.role.label().to_owned()),
            until,
            question,
        });
        draft.held.push(case.row.id);
        let mut detail = json!({
            "until": until.map(|t| t.to_string()),
            "question": hold.question.as_ref().map(|q| json!({ "key": q.key, "finding": q.finding, "role": q.role.label() })),
        });
        note(&mut detail, &f.note);
        self.draft_move(f, case, status, "hold", None, detail, None, now, draft)?;
        self.draft_job(case, next, draft);
        self.draft_notices(f, hold.notices.clone(), draft);
        Ok(Ok("held".to_owned()))
    }

    /// A fault of a case's job or lapse: another attempt from the ladder, or the operators.
    fn draft_fault<S: Stage>(
        &self,
        f: &Finished<S>,
        fault: &Fault,
        case: &Guarded<'_>,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<String, StoreError> {
        let attempt = u32::try_from(case.job.attempt).unwrap_or(1);
        match self.after_fault(fault, attempt) {
            AfterFault::Retry { rung, spent } => {
                let next = JobRow {
                    ticket: case.job.ticket + 1,
                    attempt: case.job.attempt + i32::from(spent),
                    letter_id: None,
                    mode: mode_of(f).label().to_owned(),
                    ..case.job.clone()
                };
                self.keep_lapsing(f, &next, draft);
                draft.rows.push(self.message(&next, Some(rung), false));
                let detail = json!({ "cause": fault.cause(), "rung": rung.name, "attempt": next.attempt });
                self.draft_move(f, case, case.status.clone(), "retry", None, detail, None, now, draft)?;
                self.draft_job(case, next, draft);
                self.metrics().retries.with_label_values(&[S::NAME, rung.name]).inc();
                Ok("retry".to_owned())
            }
            AfterFault::Park { cause, detail } => {
                let status = after(&case.status, &Move::Park, &case.purse, &refund_entry(case))
                    .map_err(|e| StoreError::Inconsistent { table: "cases", what: e.to_string() })?;
                let next = JobRow {
                    ticket: case.job.ticket + 1,
                    letter_id: None,
                    // replayed, it begins at the stage's work again: what it asks outside carries the same keys
                    mode: Mode::Job.label().to_owned(),
                    ..case.job.clone()
                };
                draft.rows.push(self.letter(&next, f.item.as_ref(), &cause, &detail));
                let told = json!({ "cause": cause, "fault": detail });
                self.draft_move(f, case, status, "park", None, told, None, now, draft)?;
                self.draft_job(case, next, draft);
                draft.unheld.push(case.row.id);
                Ok("parked".to_owned())
            }
        }
    }

    /// A fault of a subject with a row of its own (an arrival, a side message).
    fn draft_subject_fault(&self, own: &JobRow, came: Option<&Item>, fault: &Fault, draft: &mut Draft) -> String {
        match self.after_fault(fault, u32::try_from(own.attempt).unwrap_or(1)) {
            AfterFault::Retry { rung, spent } => {
                let next = JobRow { attempt: own.attempt + i32::from(spent), ..draft.consume(own) };
                draft.rows.push(self.message(&next, Some(rung), false));
                draft.jobs.push(next);
                "retry".to_owned()
            }
            AfterFault::Park { cause, detail } => {
                let next = draft.consume(own);
                draft.rows.push(self.letter(&next, came, &cause, &detail));
                draft.jobs.push(next);
                "parked".to_owned()
            }
        }
    }

    fn draft_side<S: Stage>(&self, f: &Finished<S>, locked: &HashMap<Uuid, JobRow>, draft: &mut Draft) -> Fate {
        let Some(own) = locked.get(&f.subject) else { return Fate::Stale };
        let ended = |draft: &mut Draft, outcome: &S::Outcome| {
            let next = draft.consume(own);
            draft.jobs.push(next);
            draft.side_states.push((own.subject_id, "ended", Some(outcome.label().to_owned()), outcome.facts()));
            outcome.label().to_owned()
        };
        let fault = match &f.result {
            Ok(Turn::Done(outcome)) => {
                let outcome = ended(draft, outcome);
                return Fate::True { ticket: own.ticket + 1, outcome };
            }
            Ok(Turn::Again(wait)) => Fault::transient("breaker-open", "the stage asks for it again").after(*wait),
            Ok(Turn::Hold(_)) => Fault::permanent("illegal-move", "a side message never waits"),
            Err(fault) => fault.clone(),
        };
        let outcome = self.draft_subject_fault(own, f.item.as_ref(), &fault, draft);
        if outcome == "parked" {
            draft.side_states.push((own.subject_id, "parked", None, Value::Null));
        }
        Fate::True { ticket: own.ticket + 1, outcome }
    }

    /// An answer whose case is not held here: it waits for the hold, or nobody wants it any more.
    fn draft_unheld_answer<S: Stage>(
        &self,
        f: &Finished<S>,
        locked: &HashMap<Uuid, JobRow>,
        rows: &HashMap<Uuid, CaseRow>,
        draft: &mut Draft,
    ) -> Result<(), StoreError> {
        let Errand::Arrival { id, .. } = f.errand else { return Ok(()) };
        let (Some(own), Some(row)) = (locked.get(&id), rows.get(&f.subject)) else { return Ok(()) };
        let next = draft.consume(own);
        draft.jobs.push(next);
        draft.arrivals.push((id, if row.status()?.is_closed() { "unwanted" } else { "waiting" }));
        Ok(())
    }

    /// Answers that came while their case was not held here: they wait for the hold, or nobody wants them any more.
    /// Returns, in order, whether each is to be read again because its case is held by now.
    pub(crate) async fn settle_early(&self, stage: &str, early: &[(Uuid, i64, Uuid)]) -> Result<Vec<bool>, StoreError> {
        let mut ids: Vec<Uuid> = early.iter().flat_map(|(id, _, case)| [*id, *case]).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut tx = self.pool().begin().await?;
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
        tx.commit().await?;
        Ok(again)
    }

    fn draft_job(&self, case: &Guarded<'_>, next: JobRow, draft: &mut Draft) {
        if let Some(letter) = case.job.letter_id {
            draft.consumed_letters.push((letter, case.job.ticket));
        }
        draft.jobs.push(next);
    }

    fn keep_lapsing<S: Stage>(&self, f: &Finished<S>, next: &JobRow, draft: &mut Draft) {
        if matches!(f.errand, Errand::Lapse) {
            draft.lapsing.push((next.subject_id, next.ticket));
        }
    }

    fn draft_sections<S: Stage>(
        &self,
        _f: &Finished<S>,
        sections: Vec<SectionDraft>,
        case: &Guarded<'_>,
        draft: &mut Draft,
    ) -> Result<Result<(), Fault>, StoreError> {
        if sections.is_empty() {
            return Ok(Ok(()));
        }
        let id = kezek_domain::CaseId(case.row.id);
        let key = match self.keyring().case_key(id, &case.row.key_id, case.row.case_key.as_deref()) {
            Ok(key) => key,
            Err(error) => return Ok(Err(error.into())),
        };
        for section in sections {
            draft.sections.push(NewSection {
                case_id: case.row.id,
                section: section.section,
                stage: S::NAME.to_owned(),
                visit: case.job.visit,
                ticket: case.job.ticket + 1,
                version: i32::try_from(section.version).unwrap_or(i32::MAX),
                sealed: dossier::seal(&key, section.section, &section.body)?,
            });
        }
        Ok(Ok(()))
    }

    fn draft_notices<S: Stage>(&self, f: &Finished<S>, notices: Vec<NoticeKind>, draft: &mut Draft) {
        for notice in notices {
            draft.sides.push(SideRow {
                id: self.ids().next(),
                case_id: f.subject,
                stage: S::NAME.to_owned(),
                visit: i32::try_from(f.visit).unwrap_or(i32::MAX),
                kind: notice.label().to_owned(),
            });
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one move, each met once")]
    fn draft_move<S: Stage>(
        &self,
        f: &Finished<S>,
        case: &Guarded<'_>,
        status: Status,
        move_label: &str,
        outcome: Option<&S::Outcome>,
        detail: Value,
        coupon: Option<kezek_domain::Coupon>,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<(), StoreError> {
        let entry = JournalEntry {
            case: kezek_domain::CaseId(case.row.id),
            number: case.row.journal_number + 1,
            ticket: Ticket(case.job.ticket),
            at: now,
            recorded_at: micros(self.clock().real()),
            stage: StageName::new(S::NAME),
            visit: f.visit,
            move_label: move_label.to_owned(),
            outcome: outcome.map(|o| o.label().to_owned()),
            actor: f.actor.clone(),
            rule_version: self.rule_version().to_owned(),
            detail,
            calls: f.calls.clone(),
        };
        self.draft_entry(case.row, status, case.purse, coupon.map(|c| c.as_str().to_owned()), entry, draft)
    }

    /// One journal entry and the case row that knows it.
    fn draft_entry(
        &self,
        row: &CaseRow,
        status: Status,
        purse: Purse,
        coupon: Option<String>,
        entry: JournalEntry,
        draft: &mut Draft,
    ) -> Result<(), StoreError> {
        let digest = chain(&row.head()?, &entry);
        let mut visits = row.visits.clone();
        if let (Status::Open { at, visit, .. }, Some(map)) = (&status, visits.as_object_mut()) {
            map.insert(at.to_string(), json!(visit));
        }
        if status.is_closed() {
            draft.closed.push(row.id);
        }
        draft.moves.push(CaseMove { id: row.id, status, visits, journal: (entry.number, digest), coupon, purse });
        draft.entries.push(Linked { entry, digest });
        Ok(())
    }

    /// The message of a parked job: it goes to recovery, which keeps it for an operator, with the bytes that came.
    pub(crate) fn letter(&self, parked: &JobRow, came: Option<&Item>, cause: &str, detail: &str) -> OutboxRow {
        let mut row = self.message(parked, None, false);
        topology::DEAD.clone_into(&mut row.exchange);
        row.routing_key = format!("parked.{}", parked.stage);
        if let Some(map) = row.headers.as_object_mut() {
            if let Some(came) = came {
                row.body.clone_from(&came.body);
                // what the bytes claim to be goes with them; the ticket is the parked subject's
                for name in ["type", "version", "dataschema"] {
                    if let Some(text) = came.headers.get(name) {
                        map.insert(name.to_owned(), Value::String(text.clone()));
                    }
                }
            }
            map.insert("cause".to_owned(), Value::String(cause.to_owned()));
            map.insert("detail".to_owned(), Value::String(detail.chars().take(2000).collect()));
            map.insert("workerversion".to_owned(), Value::String(self.version().to_owned()));
        }
        row
    }

    /// The statements, in one order for everybody.
    async fn write(
        &self,
        permit: &mut Permit<'_>,
        draft: &mut Draft,
        stage: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        cases::update(permit, &draft.moves).await?;
        jobs::update(permit, &draft.jobs).await?;
        journal::append(permit, &draft.entries).await?;
        dossier::insert(permit, &draft.sections, now).await?;
        // a case that is held again keeps its row
        let held: HashSet<Uuid> = draft.held.iter().copied().collect();
        let unheld: Vec<Uuid> = draft.unheld.iter().copied().filter(|c| !held.contains(c)).collect();
        holds::drop_for(permit, &unheld).await?;
        holds::put(permit, &draft.holds, now).await?;
        holds::lapsing(permit, &draft.lapsing).await?;
        arrivals::set_states(permit, &draft.arrivals).await?;
        // answers that came early are on their way now that their case waits for them
        for woken in arrivals::wake(permit, &draft.held, stage).await? {
            let row = self.message(&woken, None, false);
            draft.rows.push(row);
        }
        arrivals::unwanted(permit, &draft.closed).await?;
        self.write_sides(permit, draft).await?;
        side_messages::set_states(permit, &draft.side_states).await?;
        dead_letters::close_replayed(permit, &draft.consumed_letters).await?;
        outbox::insert(permit, &draft.rows).await
    }

    async fn write_sides(&self, permit: &mut Permit<'_>, draft: &mut Draft) -> Result<(), StoreError> {
        let Some(stage) = self.side_stage() else { return Ok(()) };
        let made = side_messages::insert(permit, &draft.sides).await?;
        let jobs: Vec<JobRow> =
            draft.sides.iter().filter(|s| made.contains(&s.id)).map(|s| crate::answers::side_job(s, stage)).collect();
        jobs::insert(permit, &jobs).await?;
        draft.rows.extend(jobs.iter().map(|j| self.message(j, None, false)));
        Ok(())
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

const fn mv_label(mv: &Move) -> &'static str {
    match mv {
        Move::Enter { .. } => "enter",
        Move::Hold { .. } => "hold",
        Move::Stay => "stay",
        Move::Park => "park",
        Move::Replay => "replay",
        Move::Close { .. } => "close",
        Move::Money => "money",
    }
}

fn note(detail: &mut Value, note: &Value) {
    if let (false, Some(map)) = (note.is_null(), detail.as_object_mut()) {
        map.insert("note".to_owned(), note.clone());
    }
}
