//! `jobs`: one row per subject, its counter and its current job. Locked first by every settle.

use crate::spine::{self, Spine};
use crate::{Permit, StoreError};
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

/// The row that guards a subject's turn.
#[derive(Clone, Debug)]
pub struct JobRow {
    /// The subject: a case, an arrival or a side message.
    pub subject_id: Uuid,
    /// `case`, `arrival` or `side-message`.
    pub subject: String,
    /// The case that the subject belongs to, if any.
    pub case_id: Option<Uuid>,
    /// The counter, raised by every settle.
    pub ticket: i64,
    /// 1 for the first attempt.
    pub attempt: i32,
    /// The stage that the job is for.
    pub stage: String,
    /// The visit of that stage.
    pub visit: i32,
    /// Kind of the job.
    pub kind: String,
    /// Version of the job.
    pub version: i32,
    /// The job.
    pub body: Value,
    /// `job` or `lapse`.
    pub mode: String,
    /// Where its message goes.
    pub routing_key: String,
    /// Trace context.
    pub traceparent: Option<String>,
    /// The dead letter whose replay issued the ticket.
    pub letter_id: Option<Uuid>,
}

/// Locks the subjects' rows in id order and reads them.
///
/// # Errors
/// Where the database fails.
pub async fn lock(permit: &mut Permit<'_>, ids: &[Uuid]) -> Result<HashMap<Uuid, JobRow>, StoreError> {
    let rows = sqlx::query_as!(
        JobRow,
        "SELECT subject_id, subject, case_id, ticket, attempt, stage, visit, kind, version, body, mode, routing_key,
                traceparent, letter_id
         FROM jobs WHERE subject_id = ANY ($1)
         -- one order for everybody: no deadlock between settles
         ORDER BY subject_id FOR UPDATE",
        ids
    )
    .fetch_all(permit.connection())
    .await?;
    Ok(rows.into_iter().map(|r| (r.subject_id, r)).collect())
}

/// Reads the subjects' rows without locking.
///
/// # Errors
/// Where the database fails.
pub async fn list(executor: impl sqlx::PgExecutor<'_>, ids: &[Uuid]) -> Result<HashMap<Uuid, JobRow>, StoreError> {
    let rows = sqlx::query_as!(
        JobRow,
        "SELECT subject_id, subject, case_id, ticket, attempt, stage, visit, kind, version, body, mode, routing_key,
                traceparent, letter_id
         FROM jobs WHERE subject_id = ANY ($1)",
        ids
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|r| (r.subject_id, r)).collect())
}

/// Writes what locked subjects now stand at. The rows must have been locked by this permit.
///
/// # Errors
/// Where a row is missing or the database fails.
pub async fn update(permit: &mut Permit<'_>, rows: &[JobRow]) -> Result<(), StoreError> {
    spine::write(permit, Spine { raised: rows, ..Spine::default() }).await
}

/// Jobs of subjects that move, idle for at least so long, in id order after `after`: for a resend under the same
/// ticket. The rows are locked, so that none moves on between reading and sending.
///
/// # Errors
/// Where the database fails.
pub async fn list_moving(
    permit: &mut Permit<'_>,
    case: Option<Uuid>,
    stage: Option<&str>,
    idle_seconds: f64,
    after: Uuid,
    limit: i64,
) -> Result<Vec<JobRow>, StoreError> {
    Ok(sqlx::query_as!(
        JobRow,
        "SELECT j.subject_id, j.subject, j.case_id, j.ticket, j.attempt, j.stage, j.visit, j.kind, j.version, j.body,
                j.mode, j.routing_key, j.traceparent, j.letter_id
         FROM jobs j
         WHERE j.subject_id > $4 AND ($1::uuid IS NULL OR j.case_id = $1) AND ($2::text IS NULL OR j.stage = $2)
           AND j.issued_at <= now() - make_interval(secs => $3)
           AND CASE j.subject
               WHEN 'case' THEN EXISTS (SELECT FROM cases c WHERE c.id = j.subject_id AND c.how = 'moving')
               WHEN 'arrival' THEN EXISTS (SELECT FROM arrivals a WHERE a.id = j.subject_id AND a.state = 'moving')
               ELSE EXISTS (SELECT FROM side_messages s WHERE s.id = j.subject_id AND s.state = 'moving') END
         ORDER BY j.subject_id LIMIT $5 FOR UPDATE OF j",
        case,
        stage,
        idle_seconds,
        after,
        limit
    )
    .fetch_all(permit.connection())
    .await?)
}

/// Jobs of parked subjects for which no letter is kept under their ticket: the broker lost it on the way. The rows are
/// locked.
///
/// # Errors
/// Where the database fails.
pub async fn list_unlettered(
    permit: &mut Permit<'_>,
    case: Option<Uuid>,
    stage: Option<&str>,
    idle_seconds: f64,
) -> Result<Vec<JobRow>, StoreError> {
    Ok(sqlx::query_as!(
        JobRow,
        "SELECT j.subject_id, j.subject, j.case_id, j.ticket, j.attempt, j.stage, j.visit, j.kind, j.version, j.body,
                j.mode, j.routing_key, j.traceparent, j.letter_id
         FROM jobs j
         WHERE ($1::uuid IS NULL OR j.case_id = $1) AND ($2::text IS NULL OR j.stage = $2)
           AND j.issued_at <= now() - make_interval(secs => $3)
           AND CASE j.subject
               WHEN 'case' THEN EXISTS (SELECT FROM cases c WHERE c.id = j.subject_id AND c.how = 'parked')
               WHEN 'arrival' THEN EXISTS (SELECT FROM arrivals a WHERE a.id = j.subject_id AND a.state = 'parked')
               ELSE EXISTS (SELECT FROM side_messages s WHERE s.id = j.subject_id AND s.state = 'parked') END
           AND NOT EXISTS (SELECT FROM dead_letters d WHERE d.subject_id = j.subject_id AND d.ticket = j.ticket)
           AND NOT EXISTS (SELECT FROM outbox o WHERE o.subject_id = j.subject_id)
         ORDER BY j.subject_id FOR UPDATE OF j",
        case,
        stage,
        idle_seconds
    )
    .fetch_all(permit.connection())
    .await?)
}
