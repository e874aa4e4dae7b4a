//! `dead_letters`: parked messages, their bytes untouched, until an operator replays or discards them.

use crate::{Permit, SqlTime, StoreError};
use serde_json::Value;
use uuid::Uuid;

/// A letter's row.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct LetterRow {
    pub id: Uuid,
    pub message_id: String,
    pub subject: String,
    pub subject_id: Option<Uuid>,
    pub case_id: Option<Uuid>,
    pub region: Option<String>,
    pub ticket: Option<i64>,
    pub stage: Option<String>,
    pub visit: Option<i32>,
    pub attempt: Option<i32>,
    pub cause: String,
    pub detail: String,
    pub exchange: String,
    pub routing_key: String,
    pub headers: Value,
    pub body: Vec<u8>,
    pub worker_version: String,
    pub state: String,
    pub replay_ticket: Option<i64>,
    pub first_seen: SqlTime,
    pub last_seen: SqlTime,
    pub seen: i32,
    pub acted_by: Option<String>,
    pub acted_reason: Option<String>,
}

/// Keeps a letter; one that came before is counted. Returns whether it is new.
///
/// # Errors
/// Where the database fails.
pub async fn insert(permit: &mut Permit<'_>, row: &LetterRow) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"INSERT INTO dead_letters (id, message_id, subject, subject_id, case_id, region, ticket, stage, visit,
                attempt, cause, detail, exchange, routing_key, headers, body, worker_version, state)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
         ON CONFLICT (message_id) DO UPDATE SET seen = dead_letters.seen + 1, last_seen = now()
         RETURNING (seen = 1) AS "new!""#,
        row.id,
        row.message_id,
        row.subject,
        row.subject_id,
        row.case_id,
        row.region,
        row.ticket,
        row.stage,
        row.visit,
        row.attempt,
        row.cause,
        row.detail,
        row.exchange,
        row.routing_key,
        row.headers,
        row.body,
        row.worker_version,
        row.state,
    )
    .fetch_one(permit.connection())
    .await?)
}

/// A letter by id.
///
/// # Errors
/// Where the database fails.
pub async fn find(executor: impl sqlx::PgExecutor<'_>, id: Uuid) -> Result<Option<LetterRow>, StoreError> {
    Ok(sqlx::query_as!(
        LetterRow,
        "SELECT id, message_id, subject, subject_id, case_id, region, ticket, stage, visit, attempt, cause, detail,
                exchange, routing_key, headers, body, worker_version, state, replay_ticket, first_seen, last_seen,
                seen, acted_by, acted_reason
         FROM dead_letters WHERE id = $1",
        id
    )
    .fetch_optional(executor)
    .await?)
}

/// Letters in a state, newest first; `None` for all. Filters by cause and stage where given.
///
/// # Errors
/// Where the database fails.
pub async fn list(
    executor: impl sqlx::PgExecutor<'_>,
    state: Option<&str>,
    cause: Option<&str>,
    stage: Option<&str>,
    limit: i64,
) -> Result<Vec<LetterRow>, StoreError> {
    Ok(sqlx::query_as!(
        LetterRow,
        "SELECT id, message_id, subject, subject_id, case_id, region, ticket, stage, visit, attempt, cause, detail,
                exchange, routing_key, headers, body, worker_version, state, replay_ticket, first_seen, last_seen,
                seen, acted_by, acted_reason
         FROM dead_letters
         WHERE ($1::text IS NULL OR state = $1) AND ($2::text IS NULL OR cause = $2) AND ($3::text IS NULL OR stage = $3)
         ORDER BY last_seen DESC LIMIT $4",
        state,
        cause,
        stage,
        limit
    )
    .fetch_all(executor)
    .await?)
}

/// Moves a letter from one state to another, by whom and why; fails where it is in another state.
///
/// # Errors
/// Where the letter is not in that state or the database fails.
pub async fn set_state(
    permit: &mut Permit<'_>,
    id: Uuid,
    from: &str,
    to: &str,
    replay_ticket: Option<i64>,
    by: &str,
    reason: &str,
) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "UPDATE dead_letters SET state = $3, replay_ticket = $4, acted_by = $5, acted_reason = $6, acted_at = now()
         WHERE id = $1 AND state = $2",
        id,
        from,
        to,
        replay_ticket,
        by,
        reason
    )
    .execute(permit.connection())
    .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::rows("dead_letters", 1, done.rows_affected())) }
}

/// Closes the letters whose replay's ticket has just been consumed by a settle.
///
/// # Errors
/// Where the database fails.
pub async fn close_replayed(permit: &mut Permit<'_>, consumed: &[(Uuid, i64)]) -> Result<(), StoreError> {
    if consumed.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE dead_letters SET state = 'closed' FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::bigint[]) AS ticket) AS n
         WHERE dead_letters.id = n.id AND state = 'replaying' AND replay_ticket = n.ticket",
        &consumed.iter().map(|c| c.0).collect::<Vec<_>>(),
        &consumed.iter().map(|c| c.1).collect::<Vec<_>>(),
    )
    .execute(permit.connection())
    .await?;
    Ok(())
}

/// Open letters by cause and stage.
///
/// # Errors
/// Where the database fails.
pub async fn counts(executor: impl sqlx::PgExecutor<'_>) -> Result<Vec<(String, String, i64)>, StoreError> {
    Ok(sqlx::query!(
        r#"SELECT cause, coalesce(stage, 'unknown') AS "stage!", count(*) AS "n!" FROM dead_letters
         WHERE state IN ('open', 'replaying') GROUP BY 1, 2"#
    )
    .fetch_all(executor)
    .await?
    .into_iter()
    .map(|r| (r.cause, r.stage, r.n))
    .collect())
}
