//! Letters: messages that left the main line. Their stage is `recovery`; their subject is the letter itself, known
//! by the message's own id, or by its bytes where it carries none.

use crate::engine::{Engine, micros};
use crate::item::Item;
use crate::points::{self, Point};
use crate::retry::Waits;
use crate::room::{StageRoom, ack};
use crate::topology;
use kezek_domain::fault::Fault;
use kezek_domain::journal::{JournalEntry, Linked, chain};
use kezek_domain::{
    Actor, CaseId, Entry, How, Move, Purse, Receipt, Region, Service, StageName, Status, Ticket, after,
};
use kezek_stage::{CaseHead, File, LetterFacts, LetterVerdict, Outcome as _, Stage, Turn};
use kezek_store::cases::CaseMove;
use kezek_store::dead_letters::LetterRow;
use kezek_store::jobs::JobRow;
use kezek_store::outbox::OutboxRow;
use kezek_store::spine::{self, Spine};
use kezek_store::{SqlTime, StoreError, ToSqlx as _, arrivals, cases, dead_letters, jobs, mint, outbox, side_messages};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What the engine reads off a letter.
struct Letter {
    id: Uuid,
    message_id: String,
    cause: String,
    detail: String,
    worker_version: String,
    subject: Option<JobRow>,
    facts: LetterFacts,
    region: Option<String>,
}

impl<S: Stage> StageRoom<S> {
    /// Takes letters one by one: they are few, and one that kills its reader must not take others with it.
    pub(crate) async fn letters(self, mut items: mpsc::Receiver<Item>, _stop: CancellationToken) {
        while let Some(item) = items.recv().await {
            let mut waits = Waits::default();
            let named = || named(&item);
            points::reached(Point::Taken, S::NAME, named).await;
            loop {
                match self.letter_in_time(&item).await {
                    Ok(rows) => {
                        self.engine.send(&rows).await;
                        points::reached(Point::Confirmed, S::NAME, named).await;
                        ack(std::iter::once(&item)).await;
                        points::reached(Point::Acked, S::NAME, named).await;
                        break;
                    }
                    Err(error) => {
                        let fault = error.to_string();
                        tracing::error!(
                            stage = S::NAME,
                            fault,
                            "a letter cannot be kept yet; it stays with the broker"
                        );
                        // its queue's own limit leads to kezek.last, which has an alert
                        if matches!(error, Fault::Permanent { .. }) {
                            item.acks.again(item.tag).await;
                            break;
                        }
                        tokio::time::sleep(waits.next_wait()).await;
                    }
                }
            }
        }
    }

    /// A database that says nothing is one that is away.
    async fn letter_in_time(&self, item: &Item) -> Result<Vec<OutboxRow>, Fault> {
        let bound = std::time::Duration::from_secs(self.engine.limits().work_seconds);
        match tokio::time::timeout(bound, self.letter(item)).await {
            Ok(done) => done,
            Err(_) => Err(Fault::transient("database-away", format!("no answer within {} s", bound.as_secs()))),
        }
    }

    async fn letter(&self, item: &Item) -> Result<Vec<OutboxRow>, Fault> {
        let letter = self.read_letter(item).await?;
        let envelope = item.envelope.as_deref();
        let job = json!({
            "message_id": letter.message_id, "cause": letter.cause, "detail": letter.detail,
            "stage": letter.facts.stage, "case": letter.facts.case, "ticket": letter.facts.ticket,
            "exchange": item.exchange, "routing_key": item.routing_key,
        });
        let job: S::Job = serde_json::from_value(job).map_err(|e| {
            Fault::permanent("letter-shape", format!("the recovery job has another shape: {}", e.classify() as u8))
        })?;
        let head = match &letter.subject {
            Some(own) => match own.case_id {
                Some(case) => self.engine.case_head(case).await?,
                None => None,
            },
            None => None,
        };
        let mut file = File::<S>::new(
            head.unwrap_or_else(nobody),
            envelope.map_or(0, |e| e.visit),
            HashMap::new(),
            HashMap::new(),
        );
        file.letter = Some(letter.facts.clone());
        let attempt = self.engine.attempt::<S>(1, &file.case);
        let named = || named(item);
        points::reached(Point::BeforeWork, S::NAME, named).await;
        let Turn::Done(outcome) = self.stage.work(&job, &file, &attempt).await? else {
            return Err(Fault::permanent("illegal-move", "a letter never waits"));
        };
        points::reached(Point::AfterWork, S::NAME, named).await;
        let rows = self.engine.settle_letter(S::NAME, item, &letter, outcome.letter()).await?;
        points::reached(Point::Committed, S::NAME, named).await;
        self.engine.metrics().settled.with_label_values(&[S::NAME, outcome.label()]).inc();
        Ok(rows)
    }

    async fn read_letter(&self, item: &Item) -> Result<Letter, Fault> {
        let header = |name: &str| item.header(name);
        let envelope = item.envelope.as_deref();
        let message_id = envelope.map(|e| e.id.to_string()).or_else(|| item.message_id.clone()).unwrap_or_else(|| {
            // no id: the same bytes to the same place are the same letter
            let mut hash = Sha256::new();
            hash.update(item.routing_key.as_bytes());
            hash.update([0]);
            hash.update(&item.body);
            format!("sha256:{}", hex::encode(hash.finalize()))
        });
        let cause = header("cause").unwrap_or_else(|| {
            item.died.clone().map_or_else(|| "unroutable".to_owned(), |died| died.replace('_', "-"))
        });
        let subject = match envelope {
            Some(e) => {
                let mut found = jobs::list(self.engine.pool(), &[e.subject_id]).await?;
                found.remove(&e.subject_id)
            }
            None => None,
        };
        let case = subject.as_ref().and_then(|s| s.case_id);
        let row = match case {
            Some(case) => cases::list(self.engine.pool(), &[case]).await?.remove(&case),
            None => None,
        };
        let status = row.as_ref().map(kezek_store::cases::CaseRow::status).transpose()?;
        let (mut arrival_moves, mut side_moves) = (false, false);
        if let Some(own) = &subject {
            let ids = [own.subject_id];
            arrival_moves = arrivals::list(self.engine.pool(), &ids).await?.values().any(|a| a.state == "moving");
            side_moves = side_messages::is_moving(self.engine.pool(), own.subject_id).await?;
        }
        // after a restore the same ticket is issued again, perhaps for another place: that letter is not this turn's
        let at_ticket = envelope.zip(subject.as_ref()).is_some_and(|(e, s)| {
            e.ticket == s.ticket && e.stage == s.stage && i64::from(e.visit) == i64::from(s.visit)
        });
        let moves = match subject.as_ref().map(|s| s.subject.as_str()) {
            Some("case") => matches!(&status, Some(Status::Open { how: How::Moving | How::Held { .. }, .. })),
            Some("arrival") => arrival_moves,
            Some(_) => side_moves,
            None => false,
        };
        Ok(Letter {
            id: Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("kezek/letter/{message_id}").as_bytes()),
            detail: header("detail").unwrap_or_default(),
            worker_version: header("workerversion").unwrap_or_else(|| "unknown".to_owned()),
            facts: LetterFacts {
                reason: cause.clone(),
                detail: header("detail").unwrap_or_default(),
                stage: envelope.map(|e| e.stage.clone()),
                case: case.map(CaseId),
                ticket: envelope.map(|e| Ticket(e.ticket)),
                outstanding: at_ticket && moves,
                tried_alone: envelope.is_some_and(|e| e.alone),
            },
            region: row.map(|r| r.region),
            message_id,
            cause,
            subject,
        })
    }
}

/// The letter's own message, for the points.
fn named(item: &Item) -> Vec<Uuid> {
    item.message_id.as_deref().and_then(|id| id.parse().ok()).into_iter().collect()
}

/// The head of no case: for letters that name none.
fn nobody() -> CaseHead {
    let nil = CaseId(Uuid::nil());
    CaseHead {
        id: nil,
        receipt: Receipt::of(nil),
        coupon: None,
        service: Service::new("unknown"),
        flow_version: 0,
        region: Region::all()[0],
        language: kezek_domain::dossier::Language::Kk,
        filed_at: jiff::Timestamp::UNIX_EPOCH,
        status: Status::opened(StageName::new("unknown")),
        ticket: Ticket(0),
        revision: 0,
        purse: Purse::default(),
    }
}

impl Engine {
    /// The head of a case, unlocked.
    pub(crate) async fn case_head(&self, case: Uuid) -> Result<Option<CaseHead>, Fault> {
        let Some(row) = cases::list(self.pool(), &[case]).await?.remove(&case) else { return Ok(None) };
        let ticket = jobs::list(self.pool(), &[case]).await?.get(&case).map_or(0, |j| j.ticket);
        Ok(Some(Self::head(&row, ticket)?))
    }

    /// Keeps, drops or sends a letter once more, in one transaction; a subject that still stands at the letter's
    /// ticket is parked with it, so that it is never silently stuck.
    async fn settle_letter(
        &self,
        stage: &str,
        item: &Item,
        letter: &Letter,
        verdict: LetterVerdict,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let mut tx = self.pool().begin().await?;
        let mut permit = mint(&mut tx);
        let mut rows = Vec::new();
        let mut ticket = letter.facts.ticket.map(|t| t.0);
        if verdict == LetterVerdict::Drop {
            return Ok(rows);
        }
        if let (true, Some(own)) = (letter.facts.outstanding, &letter.subject) {
            let locked = jobs::lock(&mut permit, &[own.subject_id]).await?.remove(&own.subject_id);
            // it may have gone on between reading and locking
            if let Some(own) = locked.filter(|l| l.ticket == own.ticket) {
                if verdict == LetterVerdict::TryAlone {
                    // a lapse's mode is in its message alone
                    let mode = item.envelope.as_ref().map_or("job", |e| e.mode.label()).to_owned();
                    rows.push(self.message(&JobRow { mode, ..own }, None, true));
                } else {
                    ticket = Some(own.ticket + 1);
                    self.park_with_letter(&mut permit, &own, letter).await?;
                }
            }
        }
        if verdict == LetterVerdict::Keep {
            let envelope = item.envelope.as_deref();
            let row = LetterRow {
                id: letter.id,
                message_id: letter.message_id.clone(),
                subject: letter.subject.as_ref().map_or("unknown", |s| s.subject.as_str()).to_owned(),
                subject_id: letter.subject.as_ref().map(|s| s.subject_id),
                case_id: letter.facts.case.map(|c| c.0),
                region: letter.region.clone(),
                ticket,
                stage: letter.facts.stage.clone(),
                visit: envelope.and_then(|e| i32::try_from(e.visit).ok()),
                attempt: envelope.and_then(|e| i32::try_from(e.attempt).ok()),
                cause: letter.cause.clone(),
                detail: letter.detail.clone(),
                exchange: item.exchange.clone(),
                routing_key: item.routing_key.clone(),
                headers: json!(item.headers()),
                body: item.body.clone(),
                worker_version: letter.worker_version.clone(),
                state: "open".to_owned(),
                replay_ticket: None,
                first_seen: self.clock().real().to_sqlx() as SqlTime,
                last_seen: self.clock().real().to_sqlx() as SqlTime,
                seen: 1,
                acted_by: None,
                acted_reason: None,
            };
            if dead_letters::insert(&mut permit, &row).await? {
                tracing::warn!(cause = letter.cause, stage = letter.facts.stage, letter.id = %letter.id, "a letter waits for an operator");
            }
        }
        outbox::insert(&mut permit, &rows).await?;
        points::reached(Point::BeforeCommit, stage, || named(item)).await;
        tx.commit().await?;
        Ok(rows)
    }

    async fn park_with_letter(
        &self,
        permit: &mut kezek_store::Permit<'_>,
        own: &JobRow,
        letter: &Letter,
    ) -> Result<(), StoreError> {
        let next = JobRow { ticket: own.ticket + 1, mode: "job".to_owned(), letter_id: None, ..own.clone() };
        match own.subject.as_str() {
            "case" => {
                let reason = json!({ "cause": letter.cause, "letter": letter.id });
                self.move_case(permit, own, &Move::Park, "park", Actor::System, reason).await?;
                kezek_store::holds::drop_for(permit, &[own.subject_id]).await?;
            }
            "arrival" => arrivals::set_states(permit, &[(own.subject_id, "parked")]).await?,
            _ => side_messages::set_states(permit, &[(own.subject_id, "parked", None, Value::Null)]).await?,
        }
        if let Some(replayed) = own.letter_id {
            dead_letters::close_replayed(permit, &[(replayed, own.ticket)]).await?;
        }
        jobs::update(permit, &[next]).await
    }

    /// Moves one locked case by a law's move that is not a stage's turn (park, replay, close by an operator), with
    /// its journal entry. The `jobs` row is the caller's to write.
    pub(crate) async fn move_case(
        &self,
        permit: &mut kezek_store::Permit<'_>,
        own: &JobRow,
        mv: &Move,
        label: &str,
        actor: Actor,
        detail: Value,
    ) -> Result<Status, StoreError> {
        let odd = |what: String| StoreError::Inconsistent { table: "cases", what };
        let row = cases::list(&mut *permit.connection(), &[own.subject_id])
            .await?
            .remove(&own.subject_id)
            .ok_or_else(|| odd("the case is gone".to_owned()))?;
        let refund = self
            .flow(&row.service, u32::try_from(row.flow_version).unwrap_or(0))
            .ok()
            .and_then(|f| f.refund_stage().cloned())
            .unwrap_or_else(|| StageName::new("refund"));
        let entry = Entry { visit: row.entered(refund.as_str()) + 1, stage: refund };
        let status = after(&row.status()?, mv, &row.purse(), &entry).map_err(|e| odd(e.to_string()))?;
        let journal_entry = JournalEntry {
            case: CaseId(row.id),
            number: row.journal_number + 1,
            ticket: Ticket(own.ticket),
            at: micros(self.clock().now()),
            recorded_at: micros(self.clock().real()),
            stage: StageName::owned(own.stage.clone()),
            visit: u32::try_from(own.visit).unwrap_or(0),
            move_label: label.to_owned(),
            outcome: None,
            actor,
            rule_version: self.rule_version().to_owned(),
            detail,
            calls: Vec::new(),
        };
        let digest = chain(&row.head()?, &journal_entry);
        let mut visits = row.visits.clone();
        if let (Status::Open { at, visit, .. }, Some(map)) = (&status, visits.as_object_mut()) {
            map.insert(at.to_string(), json!(visit));
        }
        let moved = CaseMove {
            id: row.id,
            status: status.clone(),
            visits,
            journal: (journal_entry.number, digest),
            coupon: None,
            purse: row.purse(),
        };
        let entries = [Linked { entry: journal_entry, digest }];
        spine::write(permit, Spine { moves: &[moved], entries: &entries, ..Spine::default() }).await?;
        Ok(status)
    }
}

impl<S: Stage> StageRoom<S> {
    /// Sends a delivery that names no known case to the letters, its bytes untouched. `true` once the broker has it.
    pub(crate) async fn keep_strange(&self, item: &Item, cause: &str, detail: &str) -> bool {
        let mut headers: serde_json::Map<String, Value> =
            item.headers().into_iter().map(|(k, v)| (k, Value::String(v))).collect();
        headers.remove(topology::RUNG);
        for (name, value) in [("cause", cause), ("detail", detail), ("workerversion", self.engine.version())] {
            headers.insert(name.to_owned(), Value::String(value.to_owned()));
        }
        let id = item.envelope.as_ref().map(|e| e.id).or_else(|| item.message_id.as_ref().and_then(|m| m.parse().ok()));
        let row = OutboxRow {
            id: id.unwrap_or_else(|| {
                // the same bytes give the same letter, however often the publication repeats
                Uuid::new_v5(&Uuid::NAMESPACE_OID, &[item.routing_key.as_bytes(), &[0], &item.body].concat())
            }),
            subject_id: None,
            exchange: topology::DEAD.to_owned(),
            routing_key: format!("parked.{}", S::NAME),
            headers: Value::Object(headers),
            body: item.body.clone(),
        };
        self.engine.metrics().faults.with_label_values(&[S::NAME, "permanent", cause]).inc();
        tracing::error!(stage = S::NAME, cause, detail, "a message that cannot be settled goes to the letters");
        !self.engine.publisher().confirmed(&[row]).await.is_empty()
    }
}
