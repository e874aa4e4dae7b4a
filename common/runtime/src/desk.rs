//! The operator's desk: replay and discard of letters, resend of jobs. Each act takes the same guarded path as
//! everything else: under the subject's lock, through the outbox, with a journal entry that names who and why.

use crate::engine::Engine;
use crate::points::{self, Point};
use kezek_domain::{Actor, Closing, How, Move, Status};
use kezek_store::dead_letters::LetterRow;
use kezek_store::jobs::JobRow;
use kezek_store::{StoreError, arrivals, dead_letters, jobs, mint, outbox, side_messages};
use serde_json::{Value, json};
use uuid::Uuid;

/// Why an act was not done; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// No such letter.
    #[error("there is no dead letter {0}; `kezek dead list` shows them")]
    NoLetter(Uuid),
    /// The letter was acted upon before.
    #[error("letter {id} is {state}, not open; `kezek dead show {id}` tells what happened to it")]
    NotOpen {
        /// The letter.
        id: Uuid,
        /// Its state.
        state: String,
    },
    /// The letter names nobody that could go on.
    #[error("letter {0} names no known subject: it cannot be replayed; discard it with a reason")]
    NoSubject(Uuid),
    /// Its subject has gone on since.
    #[error("letter {0} is out of date: its subject has gone on under a newer ticket; discard it with a reason")]
    GoneOn(Uuid),
    /// A reason is required.
    #[error("a reason is required: say why with --reason")]
    NoReason,
    /// The database, or the law.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// What becomes of the case when its letter is discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseEnd {
    /// It stays parked.
    Leave,
    /// It is closed as cancelled; money that it holds goes back.
    Close,
}

/// Which jobs to send again.
#[derive(Clone, Debug, Default)]
pub struct Resend {
    /// Only this case.
    pub case: Option<Uuid>,
    /// Only this stage.
    pub stage: Option<String>,
    /// Only what has not moved for so many seconds of real time.
    pub idle_seconds: f64,
}

fn reasoned(reason: &str) -> Result<(), DeskError> {
    if reason.trim().is_empty() { Err(DeskError::NoReason) } else { Ok(()) }
}

async fn open_letter(engine: &Engine, id: Uuid) -> Result<LetterRow, DeskError> {
    let letter = dead_letters::find(engine.pool(), id).await?.ok_or(DeskError::NoLetter(id))?;
    if letter.state == "open" { Ok(letter) } else { Err(DeskError::NotOpen { id, state: letter.state }) }
}

/// Locks the letter's subject and checks that it still stands where the letter left it.
async fn standing(permit: &mut kezek_store::Permit<'_>, letter: &LetterRow) -> Result<JobRow, DeskError> {
    let subject = letter.subject_id.ok_or(DeskError::NoSubject(letter.id))?;
    let own = jobs::lock(permit, &[subject]).await?.remove(&subject).ok_or(DeskError::NoSubject(letter.id))?;
    if letter.ticket == Some(own.ticket) { Ok(own) } else { Err(DeskError::GoneOn(letter.id)) }
}

/// Replays a letter: its subject goes on under a new ticket, with the same effect keys; the letter is closed only
/// by the settle that consumes that ticket. Returns the new ticket.
///
/// # Errors
/// [`DeskError`]; nothing was changed.
pub async fn replay(engine: &Engine, id: Uuid, actor: &str, reason: &str) -> Result<i64, DeskError> {
    reasoned(reason)?;
    let letter = open_letter(engine, id).await?;
    let mut tx = engine.pool().begin().await.map_err(StoreError::from)?;
    let mut permit = mint(&mut tx);
    let own = standing(&mut permit, &letter).await?;
    let next = JobRow { ticket: own.ticket + 1, attempt: 1, letter_id: Some(id), ..own.clone() };
    match own.subject.as_str() {
        "case" => {
            let detail = json!({ "letter": id, "reason": reason });
            let by = Actor::Operator { account: actor.to_owned() };
            engine.move_case(&mut permit, &own, &Move::Replay, "replay", by, detail).await?;
        }
        "arrival" => arrivals::set_states(&mut permit, &[(own.subject_id, "moving")]).await?,
        _ => side_messages::set_states(&mut permit, &[(own.subject_id, "moving", None, Value::Null)]).await?,
    }
    jobs::update(&mut permit, std::slice::from_ref(&next)).await?;
    dead_letters::set_state(&mut permit, id, "open", "replaying", Some(next.ticket), actor, reason).await?;
    let row = engine.message(&next, None, false);
    outbox::insert(&mut permit, std::slice::from_ref(&row)).await?;
    points::reached(Point::BeforeCommit, "desk", || vec![own.subject_id]).await;
    tx.commit().await.map_err(StoreError::from)?;
    points::reached(Point::Committed, "desk", || vec![own.subject_id]).await;
    // where no broker can be reached from here, the workers' sweeper sends it within seconds
    engine.send(&[row]).await;
    engine.flush_confirmed().await?;
    Ok(next.ticket)
}

/// The parked case of an open letter, if the letter may still end it: what the operator does outside first, he does only
/// where the discard will then be taken.
///
/// # Errors
/// [`DeskError`]: no such letter, not open, of no case, or out of date.
pub async fn ends(engine: &Engine, id: Uuid) -> Result<Uuid, DeskError> {
    let letter = open_letter(engine, id).await?;
    if letter.subject != "case" {
        return Err(DeskError::NoSubject(id));
    }
    let mut tx = engine.pool().begin().await.map_err(StoreError::from)?;
    let own = standing(&mut mint(&mut tx), &letter).await?;
    tx.rollback().await.map_err(StoreError::from)?;
    Ok(own.subject_id)
}

/// Discards a letter with a reason; says what becomes of its case.
///
/// # Errors
/// [`DeskError`]; nothing was changed.
pub async fn discard(engine: &Engine, id: Uuid, actor: &str, reason: &str, end: CaseEnd) -> Result<(), DeskError> {
    reasoned(reason)?;
    let letter = open_letter(engine, id).await?;
    let mut tx = engine.pool().begin().await.map_err(StoreError::from)?;
    let mut permit = mint(&mut tx);
    let mut rows = Vec::new();
    if end == CaseEnd::Close && letter.subject == "case" {
        let own = standing(&mut permit, &letter).await?;
        let close = Move::Close { closing: Closing::Cancelled, reason: "operator".to_owned() };
        let by = Actor::Operator { account: actor.to_owned() };
        let detail = json!({ "letter": id, "reason": reason });
        let status = engine.move_case(&mut permit, &own, &close, "close", by, detail).await?;
        let next = engine.job_after_close(&mut permit, &own, &status).await?;
        if status.is_closed() {
            arrivals::unwanted(&mut permit, &[own.subject_id]).await?;
        } else {
            let mut row = engine.message(&next, None, false);
            crate::topology::DEAD.clone_into(&mut row.exchange);
            row.routing_key = "cancelled.operator".to_owned();
            rows.push(row);
        }
        jobs::update(&mut permit, &[next]).await?;
    }
    dead_letters::set_state(&mut permit, id, "open", "discarded", None, actor, reason).await?;
    outbox::insert(&mut permit, &rows).await?;
    tx.commit().await.map_err(StoreError::from)?;
    engine.send(&rows).await;
    engine.flush_confirmed().await?;
    Ok(())
}

/// Sends the current jobs of moving subjects again, under the same tickets, and the letters of parked ones that were
/// never kept: harmless where the message still exists, a cure where the broker lost it. Lapses that are due are
/// issued again by the housekeeping. Returns how many messages were sent.
///
/// # Errors
/// [`DeskError`].
pub async fn resend(engine: &Engine, filter: &Resend) -> Result<usize, DeskError> {
    let mut sent = resend_letters(engine, filter).await?;
    let mut after = Uuid::nil();
    loop {
        let mut tx = engine.pool().begin().await.map_err(StoreError::from)?;
        let mut permit = mint(&mut tx);
        let jobs = kezek_store::jobs::list_moving(
            &mut permit,
            filter.case,
            filter.stage.as_deref(),
            filter.idle_seconds,
            after,
            500,
        )
        .await?;
        let Some(last) = jobs.last() else { return Ok(sent) };
        after = last.subject_id;
        let rows: Vec<_> = jobs.iter().map(|j| engine.message(j, None, false)).collect();
        outbox::insert(&mut permit, &rows).await?;
        tx.commit().await.map_err(StoreError::from)?;
        sent += rows.len();
        engine.send(&rows).await;
        engine.flush_confirmed().await?;
    }
}

async fn resend_letters(engine: &Engine, filter: &Resend) -> Result<usize, DeskError> {
    let mut tx = engine.pool().begin().await.map_err(StoreError::from)?;
    let mut permit = mint(&mut tx);
    let stage = filter.stage.as_deref();
    kezek_store::holds::forget_lapses(&mut permit, filter.case, stage).await?;
    let parked = jobs::list_unlettered(&mut permit, filter.case, stage, filter.idle_seconds).await?;
    let what = "parked, and its letter was lost on the way; the case's story has the fault";
    let rows: Vec<_> = parked.iter().map(|j| engine.letter(j, None, "letter-lost", what)).collect();
    outbox::insert(&mut permit, &rows).await?;
    tx.commit().await.map_err(StoreError::from)?;
    engine.send(&rows).await;
    engine.flush_confirmed().await?;
    Ok(rows.len())
}

/// Parks an open case for an operator, with a letter that says why: what is known outside forbids that it goes on by
/// itself. `false` where it is parked or closed already.
///
/// # Errors
/// [`DeskError`]; nothing was changed.
pub async fn set_aside(engine: &Engine, case: Uuid, actor: &str, cause: &str, why: &str) -> Result<bool, DeskError> {
    let mut tx = engine.pool().begin().await.map_err(StoreError::from)?;
    let mut permit = mint(&mut tx);
    let Some(own) = jobs::lock(&mut permit, &[case]).await?.remove(&case) else { return Ok(false) };
    let row = kezek_store::cases::list(&mut *permit.connection(), &[case]).await?.remove(&case);
    let status = row.map(|row| row.status()).transpose()?;
    if !matches!(status, Some(Status::Open { how: How::Moving | How::Held { .. }, .. })) {
        return Ok(false);
    }
    let by = Actor::Operator { account: actor.to_owned() };
    engine.move_case(&mut permit, &own, &Move::Park, "park", by, json!({ "cause": cause })).await?;
    if let Some(replayed) = own.letter_id {
        dead_letters::close_replayed(&mut permit, &[(replayed, own.ticket)]).await?;
    }
    let next = JobRow { ticket: own.ticket + 1, mode: "job".to_owned(), letter_id: None, ..own };
    let letter = engine.letter(&next, None, cause, why);
    kezek_store::holds::drop_for(&mut permit, &[case]).await?;
    jobs::update(&mut permit, &[next]).await?;
    outbox::insert(&mut permit, std::slice::from_ref(&letter)).await?;
    tx.commit().await.map_err(StoreError::from)?;
    engine.send(&[letter]).await;
    engine.flush_confirmed().await?;
    Ok(true)
}

impl Engine {
    /// The job of a case that an operator has closed: none where it is closed, the flow's refund where it holds money.
    pub(crate) async fn job_after_close(
        &self,
        permit: &mut kezek_store::Permit<'_>,
        own: &JobRow,
        status: &Status,
    ) -> Result<JobRow, StoreError> {
        let odd = |what: &str| StoreError::Inconsistent { table: "cases", what: what.to_owned() };
        let next =
            JobRow { ticket: own.ticket + 1, attempt: 1, mode: "job".to_owned(), letter_id: None, ..own.clone() };
        let Status::Open { at, visit, .. } = status else { return Ok(next) };
        let row = kezek_store::cases::list(&mut *permit.connection(), &[own.subject_id])
            .await?
            .remove(&own.subject_id)
            .ok_or_else(|| odd("the case is gone"))?;
        let flow =
            self.flow(&row.service, u32::try_from(row.flow_version).unwrap_or(0)).map_err(|f| odd(&f.to_string()))?;
        let kezek_stage::Target::Stage { kind, version, body, .. } = &flow.refund().target else {
            return Err(odd("the flow gives no money back"));
        };
        Ok(JobRow {
            stage: at.to_string(),
            visit: i32::try_from(*visit).unwrap_or(i32::MAX),
            kind: (*kind).to_owned(),
            version: i32::try_from(*version).unwrap_or(i32::MAX),
            body: body.clone(),
            routing_key: self.routing_key(at.as_str(), &row.region),
            ..next
        })
    }
}
