//! `outbox`: whatever is sent next, inserted in the settling transaction, deleted once the broker confirmed it.

use crate::spine::{self, Spine};
use crate::{Permit, StoreError};
use serde_json::Value;
use uuid::Uuid;

/// A message to publish.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// Its id, also the message's id: publishing the row twice sends the same message twice.
    pub id: Uuid,
    /// The subject it belongs to, if known.
    pub subject_id: Option<Uuid>,
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// Headers: names to strings.
    pub headers: Value,
    /// The body: exactly the job.
    pub body: Vec<u8>,
}

/// Inserts messages.
///
/// # Errors
/// Where the database fails.
pub async fn insert(permit: &mut Permit<'_>, rows: &[OutboxRow]) -> Result<(), StoreError> {
    spine::write(permit, Spine { sent: rows, ..Spine::default() }).await
}

/// Deletes messages that the broker confirmed. A row that is gone already was deleted by the sweeper.
///
/// # Errors
/// Where the database fails.
pub async fn delete(executor: impl sqlx::PgExecutor<'_>, ids: &[Uuid]) -> Result<(), StoreError> {
    if !ids.is_empty() {
        sqlx::query!("DELETE FROM outbox WHERE id = ANY ($1)", ids).execute(executor).await?;
    }
    Ok(())
}

/// Takes the sweeper's lock for this transaction, so that one process sweeps at a time; `false` where another does.
///
/// # Errors
/// Where the database fails.
pub async fn lock_sweep(permit: &mut Permit<'_>) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock(hashtext('kezek.outbox')) AS "locked!""#)
        .fetch_one(permit.connection())
        .await?)
}

/// The oldest messages that have waited for at least `seconds` of real time.
///
/// # Errors
/// Where the database fails.
pub async fn list_left(
    executor: impl sqlx::PgExecutor<'_>,
    seconds: f64,
    limit: i64,
) -> Result<Vec<OutboxRow>, StoreError> {
    Ok(sqlx::query_as!(
        OutboxRow,
        "SELECT id, subject_id, exchange, routing_key, headers, body FROM outbox
         WHERE set_aside_at IS NULL AND created_at < now() - make_interval(secs => $1)
         ORDER BY coalesce(tried_at, created_at) LIMIT $2",
        seconds,
        limit
    )
    .fetch_all(executor)
    .await?)
}

/// Sets a message aside that cannot be published; it blocks nobody and is listed.
///
/// # Errors
/// Where the database fails.
pub async fn set_aside(executor: impl sqlx::PgExecutor<'_>, id: Uuid, fault: &str) -> Result<(), StoreError> {
    sqlx::query!("UPDATE outbox SET set_aside_at = now(), fault = $2 WHERE id = $1", id, fault)
        .execute(executor)
        .await?;
    Ok(())
}

/// Depth, set-aside rows, and the age of the oldest row in seconds.
///
/// # Errors
/// Where the database fails.
pub async fn depth(executor: impl sqlx::PgExecutor<'_>) -> Result<(i64, i64, f64), StoreError> {
    let row = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE set_aside_at IS NULL) AS "waiting!",
                count(*) FILTER (WHERE set_aside_at IS NOT NULL) AS "aside!",
                coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE set_aside_at IS NULL)), 0)::float8
                    AS "age!"
         FROM outbox"#
    )
    .fetch_one(executor)
    .await?;
    Ok((row.waiting, row.aside, row.age))
}

/// Notes that the sweeper could not send these now: others go first the next time.
///
/// # Errors
/// Where the database fails.
pub async fn tried(executor: impl sqlx::PgExecutor<'_>, ids: &[Uuid]) -> Result<(), StoreError> {
    if !ids.is_empty() {
        sqlx::query!("UPDATE outbox SET tried_at = now() WHERE id = ANY ($1)", ids).execute(executor).await?;
    }
    Ok(())
}

/// The age in seconds of the oldest waiting message, by where it goes: a stage, or `ladder`.
///
/// # Errors
/// Where the database fails.
pub async fn ages(executor: impl sqlx::PgExecutor<'_>) -> Result<Vec<(String, f64)>, StoreError> {
    Ok(sqlx::query!(
        r#"SELECT CASE WHEN exchange = 'kezek.retry' THEN 'ladder'
                     WHEN routing_key LIKE 'parked.%' THEN 'recovery'
                     ELSE coalesce(headers ->> 'stage', 'unknown') END AS "goes!",
                extract(epoch FROM now() - min(created_at))::float8 AS "age!"
         FROM outbox WHERE set_aside_at IS NULL GROUP BY 1"#
    )
    .fetch_all(executor)
    .await?
    .into_iter()
    .map(|r| (r.goes, r.age))
    .collect())
}
