//! Arrivals: what doors bring is kept once per source and reference, its money posted once per the provider's number
//! whatever the case's status, and a message to the stage put into the outbox, all in one transaction before the door
//! answers. What comes within one moment is committed together.

use crate::engine::{Engine, micros};
use crate::envelope::{Mode, Subject, trace_of};
use crate::points::{self, Point};
use jiff::Timestamp;
use kezek_domain::fault::Fault;
use kezek_domain::journal::{JournalEntry, Linked, chain};
use kezek_domain::ledger::{Posting, PostingKind};
use kezek_domain::{CaseId, Entry, How, Move, StageName, Status, Ticket, after};
use kezek_stage::{Arrival, ArrivalSubject, Brought, DoorError, EffectKey, Money, Target};
use kezek_store::arrivals::ArrivalRow;
use kezek_store::cases::{CaseMove, CaseRow};
use kezek_store::jobs::JobRow;
use kezek_store::ledger::NewPosting;
use kezek_store::outbox::OutboxRow;
use kezek_store::spine::{self, Spine};
use kezek_store::{Class, Permit, StoreError, arrivals, bounded, cases, holds, jobs, ledger, mint};
use serde_json::{Value, json};
use sqlx::Connection as _;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// An arrival and the subject it names, if any.
struct Coming<'a> {
    arrival: &'a Arrival,
    id: Uuid,
    names: Option<Uuid>,
}

/// What the money of a batch writes, gathered before the statements run.
#[derive(Default)]
struct Posted {
    moves: Vec<CaseMove>,
    entries: Vec<Linked>,
    jobs: Vec<JobRow>,
    unheld: Vec<Uuid>,
    rows: Vec<OutboxRow>,
}

impl Engine {
    /// Keeps an arrival, together with those that came within the same moment; returns once it is committed.
    pub(crate) async fn bring(&self, arrival: Arrival) -> Result<Brought, DoorError> {
        let engine = self.clone();
        let told = self.arriving().bring(arrival, move |batch| {
            let engine = engine.clone();
            async move {
                let (arrivals, tells): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
                let (answers, rows) = engine.bring_patiently(&arrivals).await;
                for (tell, answer) in tells.into_iter().zip(answers) {
                    // a door that has gone away is told by its sender's next try
                    let _ = tell.send(answer);
                }
                engine.send(&rows).await;
                let named = || arrivals.iter().filter_map(named_case).collect();
                points::reached(Point::Confirmed, "door", named).await;
            }
        });
        told.await.unwrap_or_else(|| Err(DoorError::unavailable("the arrival could not be kept; send it again")))
    }

    /// Keeps a batch: rounds of one arrival per case, halves while a row's data is bad, again after a deadlock.
    async fn bring_patiently(&self, batch: &[Arrival]) -> (Vec<Result<Brought, DoorError>>, Vec<OutboxRow>) {
        let mut answers: Vec<Option<Result<Brought, DoorError>>> = batch.iter().map(|_| None).collect();
        let mut sent = Vec::new();
        let mut todo: Vec<(Vec<usize>, u8)> = rounds(batch).into_iter().rev().map(|round| (round, 0)).collect();
        while let Some((mut part, tries)) = todo.pop() {
            let arrivals: Vec<&Arrival> = part.iter().filter_map(|i| batch.get(*i)).collect();
            match bounded(self.bring_together(&arrivals)).await {
                Ok((brought, rows)) => {
                    sent.extend(rows);
                    for (i, brought) in part.into_iter().zip(brought) {
                        if let Some(slot) = answers.get_mut(i) {
                            *slot = Some(Ok(brought));
                        }
                    }
                }
                // a case may be closing while its money arrives: the lock decides, a deadlock is tried again
                Err(error) if error.class() == Class::Again && tries < 3 => todo.push((part, tries + 1)),
                Err(error) if error.class() != Class::Again && part.len() > 1 => {
                    let rest = part.split_off(part.len() / 2);
                    todo.push((rest, tries));
                    todo.push((part, tries));
                }
                Err(error) => {
                    let fault = Fault::from(error);
                    for i in part {
                        let source = batch.get(i).map(|a| a.source.as_str());
                        tracing::error!(source, %fault, "an arrival cannot be kept");
                        if let Some(slot) = answers.get_mut(i) {
                            *slot = Some(Err(fault.clone().into()));
                        }
                    }
                }
            }
        }
        let answers =
            answers.into_iter().map(|a| a.unwrap_or_else(|| Err(DoorError::unavailable("send it again")))).collect();
        (answers, sent)
    }

    /// Keeps arrivals for different cases in one transaction.
    async fn bring_together(&self, batch: &[&Arrival]) -> Result<(Vec<Brought>, Vec<OutboxRow>), StoreError> {
        let now = micros(self.clock().now());
        let coming: Vec<Coming<'_>> =
            batch.iter().map(|arrival| Coming { arrival, id: self.ids().next(), names: named_case(arrival) }).collect();
        let named: Vec<Uuid> = coming.iter().filter_map(|c| c.names).collect();
        let mut lease = self.warm().take().await?;
        let mut tx = lease.begin().await?;
        let mut permit = mint(&mut tx);
        // the cases first: their rows decide the order for everybody
        let mut locked = jobs::lock(&mut permit, &named).await?;
        locked.retain(|_, own| own.case_id == Some(own.subject_id));
        let rows: Vec<ArrivalRow> =
            coming.iter().map(|c| c.row(c.names.filter(|case| locked.contains_key(case)))).collect();
        let kept = arrivals::insert(&mut permit, &rows, now).await?;
        let known: Vec<Uuid> = rows.iter().filter(|r| kept.contains(&r.id)).filter_map(|r| r.case_id).collect();
        let files = cases::list(&mut *permit.connection(), &known).await?;

        let mut posted = self.post_money(&mut permit, &coming, &kept, &locked, &files, now).await?;
        let mut own_jobs = Vec::new();
        let mut brought = Vec::with_capacity(rows.len());
        for row in &rows {
            brought.push(match row.case_id {
                _ if !kept.contains(&row.id) => Brought::Before,
                None => {
                    tracing::warn!(
                        source = row.source,
                        stage = row.stage,
                        "an arrival names no known case: it is listed"
                    );
                    Brought::Unclaimed
                }
                Some(case) => {
                    let job = self.arrival_job(row, case, files.get(&case).map_or("", |f| f.region.as_str()));
                    posted.rows.push(self.message(&job, None, false));
                    own_jobs.push(job);
                    Brought::Kept
                }
            });
        }
        holds::drop_for(&mut permit, &posted.unheld).await?;
        let Posted { moves, jobs: raised, entries, rows: sent, .. } = &posted;
        spine::write(&mut permit, Spine { moves, raised, issued: &own_jobs, entries, sent }).await?;
        points::reached(Point::BeforeCommit, "door", || named.clone()).await;
        tx.commit().await?;
        lease.finished();
        points::reached(Point::Committed, "door", || named.clone()).await;
        Ok((brought, posted.rows))
    }

    /// The guard row of an arrival, and the message that takes it to its stage.
    fn arrival_job(&self, row: &ArrivalRow, case: Uuid, region: &str) -> JobRow {
        JobRow {
            subject_id: row.id,
            subject: Subject::Arrival.label().to_owned(),
            case_id: Some(case),
            ticket: 1,
            attempt: 1,
            stage: row.stage.clone(),
            visit: 0,
            kind: row.kind.clone(),
            version: row.version,
            // the message names its arrival; what came is in the row
            body: json!({ "arrival": row.id }),
            mode: Mode::Job.label().to_owned(),
            routing_key: self.routing_key(&row.stage, region),
            traceparent: Some(trace_of(case)),
            letter_id: None,
        }
    }

    /// Money that arrived is a fact: posted once per the provider's number whatever the case's status, to suspense
    /// where no case is known. The law then decides what follows, also from Closed.
    async fn post_money(
        &self,
        permit: &mut Permit<'_>,
        coming: &[Coming<'_>],
        kept: &HashSet<Uuid>,
        locked: &HashMap<Uuid, JobRow>,
        files: &HashMap<Uuid, CaseRow>,
        now: Timestamp,
    ) -> Result<Posted, StoreError> {
        let mut bookings = Vec::new();
        let mut booked = Vec::new();
        for c in coming.iter().filter(|c| kept.contains(&c.id)) {
            let Some(money) = &c.arrival.money else { continue };
            let own = c.names.and_then(|case| locked.get(&case));
            let kind = match (own, money.kind) {
                (None, PostingKind::Received) => PostingKind::ReceivedSuspense,
                (_, kind) => kind,
            };
            let posting = Posting::new(kind, money.amount, money.number.clone()).map_err(|e| odd(e.to_string()))?;
            let id = self.ids().next();
            match own {
                None if kind != PostingKind::ReceivedSuspense => continue,
                None => {}
                Some(own) => {
                    let file = files.get(&own.subject_id).ok_or_else(|| odd("the case is gone".to_owned()))?;
                    if file.purse().with(&posting).held().0 < 0 {
                        // more given back than was ever held: not ours to book; the arrival is listed, the money compared
                        tracing::error!(
                            source = c.arrival.source,
                            "an arrival would overdraw its case: it is kept and not booked"
                        );
                        continue;
                    }
                    booked.push((id, c, money, own, file, posting.clone()));
                }
            }
            bookings.push(NewPosting {
                id,
                case_id: own.map(|own| own.subject_id),
                source: money.provider.clone(),
                posting,
            });
        }
        let made = ledger::post(permit, &bookings, now).await?;
        let mut posted = Posted::default();
        for (_, c, money, own, file, posting) in booked.into_iter().filter(|(id, ..)| made.contains(id)) {
            self.draft_money(c.arrival, money, own, file, &posting, now, &mut posted)?;
        }
        Ok(posted)
    }

    /// What posted money means for its case.
    #[expect(clippy::too_many_arguments, reason = "the parts of one move, each met once")]
    fn draft_money(
        &self,
        arrival: &Arrival,
        money: &Money,
        own: &JobRow,
        row: &CaseRow,
        posting: &Posting,
        now: Timestamp,
        posted: &mut Posted,
    ) -> Result<(), StoreError> {
        let purse = row.purse().with(posting);
        let flow =
            self.flow(&row.service, u32::try_from(row.flow_version).unwrap_or(0)).map_err(|f| odd(f.to_string()))?;
        let refund = flow.refund_stage().cloned().ok_or_else(|| odd("the flow gives no money back".to_owned()))?;
        let entry = Entry { visit: row.entered(refund.as_str()) + 1, stage: refund };
        let before = row.status()?;
        // a case that already waits for the tax authority claims the new money too: its stage is entered once more
        let claims = matches!(&before, Status::Open { how: How::Held { .. }, refunding: Some(_), .. })
            && money.kind == PostingKind::Received;
        let mv = if claims { Move::Enter { stage: entry.stage.clone(), visit: entry.visit } } else { Move::Money };
        let status = after(&before, &mv, &purse, &entry).map_err(|e| odd(e.to_string()))?;
        let reopened = claims || (before.is_closed() && !status.is_closed());
        let journal_entry = JournalEntry {
            case: CaseId(row.id),
            number: row.journal_number + 1,
            ticket: Ticket(own.ticket),
            at: now,
            recorded_at: micros(self.clock().real()),
            stage: StageName::new(arrival.stage),
            visit: u32::try_from(own.visit).unwrap_or(0),
            move_label: "money".to_owned(),
            outcome: None,
            actor: arrival.actor.clone(),
            rule_version: self.rule_version().to_owned(),
            detail: json!({ "kind": posting.kind.label(), "provider": money.provider, "number": money.number, "tiyn": money.amount.0 }),
            calls: Vec::new(),
        };
        let digest = chain(&row.head()?, &journal_entry);
        let mut visits = row.visits.clone();
        // from Closed to refunding, or to refunding once more: the case moves again, under a new ticket
        if let (true, Status::Open { at, visit, .. }) = (reopened, &status) {
            let Target::Stage { kind, version, body, .. } = &flow.refund().target else {
                return Err(odd("the flow gives no money back".to_owned()));
            };
            if let Some(map) = visits.as_object_mut() {
                map.insert(at.to_string(), json!(visit));
            }
            let next = JobRow {
                ticket: own.ticket + 1,
                attempt: 1,
                stage: at.to_string(),
                visit: i32::try_from(*visit).unwrap_or(i32::MAX),
                kind: (*kind).to_owned(),
                version: i32::try_from(*version).unwrap_or(i32::MAX),
                body: body.clone(),
                mode: Mode::Job.label().to_owned(),
                routing_key: self.routing_key(at.as_str(), &row.region),
                letter_id: None,
                ..own.clone()
            };
            let mut message = self.message(&next, None, false);
            crate::topology::DEAD.clone_into(&mut message.exchange);
            message.routing_key = format!("cancelled.{}", row.service);
            posted.jobs.push(next);
            posted.unheld.push(row.id);
            posted.rows.push(message);
        }
        posted.moves.push(CaseMove {
            id: row.id,
            status,
            visits,
            journal: (journal_entry.number, digest),
            coupon: None,
            purse,
        });
        posted.entries.push(Linked { entry: journal_entry, digest });
        Ok(())
    }
}

impl Coming<'_> {
    fn row(&self, case: Option<Uuid>) -> ArrivalRow {
        let arrival = self.arrival;
        ArrivalRow {
            id: self.id,
            source: arrival.source.clone(),
            reference: arrival.reference.clone(),
            case_id: case,
            named: match &arrival.subject {
                ArrivalSubject::Key(key) => Some(key.chars().take(200).collect::<String>()),
                ArrivalSubject::Case(_) => None,
            },
            stage: arrival.stage.to_owned(),
            kind: arrival.kind.to_owned(),
            version: i32::try_from(arrival.version).unwrap_or(i32::MAX),
            body: arrival.body.clone(),
            actor: serde_json::to_value(&arrival.actor).unwrap_or(Value::Null),
            state: if case.is_some() { "moving" } else { "unclaimed" }.to_owned(),
            money_kind: arrival.money.as_ref().map(|m| m.kind.label().to_owned()),
        }
    }
}

fn odd(what: String) -> StoreError {
    StoreError::Inconsistent { table: "ledger", what }
}

fn named_case(arrival: &Arrival) -> Option<Uuid> {
    match &arrival.subject {
        ArrivalSubject::Case(case) => Some(case.0),
        ArrivalSubject::Key(key) => EffectKey::case_of(key).map(|case| case.0),
    }
}

/// The batch in rounds: a case is met once in each, so that what a round writes of it is its only word there.
fn rounds(batch: &[Arrival]) -> Vec<Vec<usize>> {
    let mut met: HashMap<Uuid, usize> = HashMap::new();
    let mut rounds: Vec<Vec<usize>> = Vec::new();
    for (i, arrival) in batch.iter().enumerate() {
        let round = named_case(arrival).map_or(0, |case| {
            let round = met.entry(case).or_default();
            *round += 1;
            *round - 1
        });
        while rounds.len() <= round {
            rounds.push(Vec::new());
        }
        if let Some(members) = rounds.get_mut(round) {
            members.push(i);
        }
    }
    rounds
}
