//! What a turn becomes: the next stage and its job, a hold, the journal entry; nothing is written here.

use super::{Draft, Fate, Guarded, mode_of, refund_entry};
use crate::engine::{Engine, micros};
use crate::envelope::Mode;
use crate::item::{Errand, Finished};
use crate::retry::rung_for;
use crate::topology;
use jiff::Timestamp;
use kezek_domain::fault::Fault;
use kezek_domain::journal::{JournalEntry, Linked, chain};
use kezek_domain::ledger::Posting;
use kezek_domain::rules::NoticeKind;
use kezek_domain::{Move, Purse, StageName, Status, Ticket, after};
use kezek_stage::{Flow, Hold, Outcome as _, SectionDraft, Stage, Step, Target, Turn};
use kezek_store::cases::{CaseMove, CaseRow};
use kezek_store::dossier::NewSection;
use kezek_store::holds::HoldRow;
use kezek_store::jobs::JobRow;
use kezek_store::side_messages::SideRow;
use kezek_store::{StoreError, dossier};
use serde_json::{Value, json};
use std::collections::HashMap;
use uuid::Uuid;

impl Engine {
    pub(super) fn draft_case<S: Stage>(
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
    pub(super) fn draft_turn<S: Stage>(
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
    pub(super) fn draft_done<S: Stage>(
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
    pub(super) fn next_job(
        &self,
        case: &Guarded<'_>,
        status: &Status,
        flow: &Flow,
        step: &Step,
        draft: &mut Draft,
    ) -> JobRow {
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

    pub(super) fn draft_hold<S: Stage>(
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

    pub(super) fn draft_job(&self, case: &Guarded<'_>, next: JobRow, draft: &mut Draft) {
        if let Some(letter) = case.job.letter_id {
            draft.consumed_letters.push((letter, case.job.ticket));
        }
        draft.jobs.push(next);
    }

    pub(super) fn keep_lapsing<S: Stage>(&self, f: &Finished<S>, next: &JobRow, draft: &mut Draft) {
        if matches!(f.errand, Errand::Lapse) {
            draft.lapsing.push((next.subject_id, next.ticket));
        }
    }

    pub(super) fn draft_sections<S: Stage>(
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

    pub(super) fn draft_notices<S: Stage>(&self, f: &Finished<S>, notices: Vec<NoticeKind>, draft: &mut Draft) {
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
    pub(super) fn draft_move<S: Stage>(
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
    pub(super) fn draft_entry(
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
