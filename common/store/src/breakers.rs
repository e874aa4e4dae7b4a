//! `breakers`: one per outside system, shared by all processes; `outages`: what A12 counts from.

use crate::{SqlTime, StoreError, ToSqlx as _};
use jiff::Timestamp;
use sqlx::PgPool;

/// A breaker's row.
#[derive(Clone, Debug)]
pub struct BreakerRow {
    /// The system's label.
    pub system: String,
    /// Whether it is open.
    pub open: bool,
    /// Since when, in real time.
    pub opened_at: Option<Timestamp>,
    /// Since when, on the business clock.
    pub opened_business: Option<Timestamp>,
}

/// All breakers that were ever touched.
///
/// # Errors
/// Where the database fails.
pub async fn list(pool: &PgPool) -> Result<Vec<BreakerRow>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT system, state = 'open' AS "open!", opened_at AS "opened_at: SqlTime",
                opened_business AS "opened_business: SqlTime" FROM breakers"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| BreakerRow {
            system: r.system,
            open: r.open,
            opened_at: r.opened_at.map(SqlTime::to_jiff),
            opened_business: r.opened_business.map(SqlTime::to_jiff),
        })
        .collect())
}

/// Opens a breaker and the outage's record, on both clocks; `false` where it was open already.
///
/// # Errors
/// Where the database fails.
pub async fn open(
    pool: &PgPool,
    system: &str,
    real: Timestamp,
    business: Timestamp,
    reason: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "WITH opened AS (
           INSERT INTO breakers (system, state, failures, opened_at, opened_business, reason)
           VALUES ($1, 'open', 0, $4, $2, $3)
           ON CONFLICT (system) DO UPDATE SET state = 'open', opened_at = $4, opened_business = $2, reason = $3,
               probe_until = NULL, changed_at = now()
           WHERE breakers.state = 'closed'
           RETURNING system, opened_at, opened_business)
         INSERT INTO outages (system, began_at, began_business)
         SELECT system, opened_at, opened_business FROM opened",
        system,
        business.to_sqlx() as SqlTime,
        reason,
        real.to_sqlx() as SqlTime
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes the right to send one probe to an open system; `false` where another process has it.
///
/// # Errors
/// Where the database fails.
pub async fn take_probe(pool: &PgPool, system: &str, pause: f64, lease: f64) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE breakers SET probe_until = now() + make_interval(secs => $3)
         WHERE system = $1 AND state = 'open' AND (probe_until IS NULL OR probe_until < now())
           AND changed_at < now() - make_interval(secs => $2)",
        system,
        pause,
        lease
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps the right to send one probe for as long again; `false` where it had run out or the system answers again.
///
/// # Errors
/// Where the database fails.
pub async fn keep_probe(pool: &PgPool, system: &str, lease: f64) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE breakers SET probe_until = now() + make_interval(secs => $2)
         WHERE system = $1 AND state = 'open' AND probe_until > now()",
        system,
        lease
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives the right to send one probe back unused: another process may take it at once.
///
/// # Errors
/// Where the database fails.
pub async fn leave_probe(pool: &PgPool, system: &str) -> Result<(), StoreError> {
    sqlx::query!("UPDATE breakers SET probe_until = NULL WHERE system = $1 AND state = 'open'", system)
        .execute(pool)
        .await?;
    Ok(())
}

/// A probe failed: the next one after the pause.
///
/// # Errors
/// Where the database fails.
pub async fn probe_failed(pool: &PgPool, system: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE breakers SET probe_until = NULL, changed_at = now() WHERE system = $1 AND state = 'open'",
        system
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Closes a breaker and the outage's record, on both clocks.
///
/// # Errors
/// Where the database fails.
pub async fn close(pool: &PgPool, system: &str, real: Timestamp, business: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH closed AS (
           UPDATE breakers SET state = 'closed', opened_at = NULL, opened_business = NULL, probe_until = NULL,
                  reason = NULL, changed_at = now()
           WHERE system = $1 AND state = 'open' RETURNING system)
         UPDATE outages SET ended_at = $3, ended_business = $2
         FROM closed WHERE outages.system = closed.system AND outages.ended_at IS NULL",
        system,
        business.to_sqlx() as SqlTime,
        real.to_sqlx() as SqlTime
    )
    .execute(pool)
    .await?;
    Ok(())
}
