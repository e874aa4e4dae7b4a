//! What a fault becomes: another attempt from the ladder, or a letter for the operators.

use super::{AfterFault, Draft, Fate, Guarded, mode_of, refund_entry};
use crate::engine::Engine;
use crate::envelope::Mode;
use crate::item::{Errand, Finished, Item};
use crate::retry::{rung_for, rung_of_retry};
use crate::topology;
use jiff::Timestamp;
use kezek_domain::fault::Fault;
use kezek_domain::{Move, after};
use kezek_stage::{Outcome as _, Stage, Turn};
use kezek_store::StoreError;
use kezek_store::cases::CaseRow;
use kezek_store::jobs::JobRow;
use kezek_store::outbox::OutboxRow;
use serde_json::{Value, json};
use std::collections::HashMap;
use uuid::Uuid;

impl Engine {
    pub(super) fn after_fault(&self, fault: &Fault, attempt: u32) -> AfterFault {
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

    /// A fault of a case's job or lapse: another attempt from the ladder, or the operators.
    pub(super) fn draft_fault<S: Stage>(
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
    pub(super) fn draft_subject_fault(
        &self,
        own: &JobRow,
        came: Option<&Item>,
        fault: &Fault,
        draft: &mut Draft,
    ) -> String {
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

    pub(super) fn draft_side<S: Stage>(
        &self,
        f: &Finished<S>,
        locked: &HashMap<Uuid, JobRow>,
        draft: &mut Draft,
    ) -> Fate {
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
    pub(super) fn draft_unheld_answer<S: Stage>(
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
                    if let Some(text) = came.header(name) {
                        map.insert(name.to_owned(), Value::String(text));
                    }
                }
            }
            map.insert("cause".to_owned(), Value::String(cause.to_owned()));
            map.insert("detail".to_owned(), Value::String(detail.chars().take(2000).collect()));
            map.insert("workerversion".to_owned(), Value::String(self.version().to_owned()));
        }
        row
    }
}
