//! `outages`: what A12 rests on. The breakers write those that calls have shown; those of the portal and its apps come
//! from a probe or a report. An entry is closed once and never changed after that.

use crate::{Permit, SqlTime, StoreError, ToSqlx as _};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgPool;

/// An outage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// The system's label.
    pub system: String,
    /// When it began, in real time: A12 counts from here.
    pub began_at: Timestamp,
    /// The same on the business clock.
    pub began_business: Timestamp,
    /// When it ended, in real time; nothing while it lasts.
    pub ended_at: Option<Timestamp>,
    /// `measured`, `probe` or `report`.
    pub source: String,
    /// Why somebody says so; nothing where it was measured.
    pub reason: Option<String>,
    /// Who reported or saw it.
    pub begun_by: Option<String>,
    /// Who reported or saw its end.
    pub ended_by: Option<String>,
}

/// A case that was sent to the service centre because a system was out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Affected {
    /// The system's label.
    pub system: String,
    /// Our number of the case.
    pub receipt: String,
    /// When it was sent away, in real time.
    pub at: Timestamp,
}

/// Who says that a system is out, or answers again.
#[derive(Clone, Copy, Debug)]
pub struct Witness<'a> {
    /// `probe` or `report`.
    pub source: &'a str,
    /// Why.
    pub reason: &'a str,
    /// Who.
    pub by: &'a str,
}

/// Outages that lasted into the time since an instant, the oldest first.
///
/// # Errors
/// Where the database fails.
pub async fn list(pool: &PgPool, since: Timestamp) -> Result<Vec<Outage>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT system, began_at AS "began_at: SqlTime", began_business AS "began_business: SqlTime",
                ended_at AS "ended_at: SqlTime", source, reason, begun_by, ended_by
         FROM outages WHERE coalesce(ended_at, 'infinity') >= $1 ORDER BY began_at, system"#,
        since.to_sqlx() as SqlTime
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Outage {
            system: r.system,
            began_at: r.began_at.to_jiff(),
            began_business: r.began_business.to_jiff(),
            ended_at: r.ended_at.map(SqlTime::to_jiff),
            source: r.source,
            reason: r.reason,
            begun_by: r.begun_by,
            ended_by: r.ended_by,
        })
        .collect())
}

/// Cases that were sent to the service centre for an outage (A12) since an instant, as their journals say.
///
/// # Errors
/// Where the database fails.
pub async fn affected(pool: &PgPool, since: Timestamp) -> Result<Vec<Affected>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT c.receipt, j.recorded_at AS "at: SqlTime", j.detail -> 'facts' ->> 'detail' AS system
         FROM journal j JOIN cases c ON c.id = j.case_id
         WHERE j.recorded_at >= $1 AND j.detail -> 'facts' ->> 'refusal' = 'outage'
         ORDER BY j.recorded_at, c.receipt"#,
        since.to_sqlx() as SqlTime
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Affected { system: r.system.unwrap_or_default(), receipt: r.receipt, at: r.at.to_jiff() })
        .collect())
}

/// Opens the record of an outage that nobody measures here; `false` where the system is held to be out already.
///
/// # Errors
/// Where the database fails.
pub async fn begin(
    permit: &mut Permit<'_>,
    system: &str,
    (real, business): (Timestamp, Timestamp),
    witness: Witness<'_>,
) -> Result<bool, StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('kezek.outages'))").execute(&mut *permit.connection()).await?;
    let done = sqlx::query!(
        "INSERT INTO outages (system, began_at, began_business, source, reason, begun_by)
         SELECT $1, $2, $3, $4, $5, $6
         WHERE NOT EXISTS (SELECT FROM outages WHERE system = $1 AND (ended_at IS NULL OR ended_at > $2))",
        system,
        real.to_sqlx() as SqlTime,
        business.to_sqlx() as SqlTime,
        witness.source,
        witness.reason,
        witness.by
    )
    .execute(permit.connection())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Closes it; `false` where the system is not held to be out, or only by what is measured.
///
/// # Errors
/// Where the database fails.
pub async fn end(
    permit: &mut Permit<'_>,
    system: &str,
    (real, business): (Timestamp, Timestamp),
    by: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE outages SET ended_at = $2, ended_business = $3, ended_by = $4
         WHERE system = $1 AND ended_at IS NULL AND source <> 'measured' AND began_at <= $2",
        system,
        real.to_sqlx() as SqlTime,
        business.to_sqlx() as SqlTime,
        by
    )
    .execute(permit.connection())
    .await?;
    Ok(done.rows_affected() == 1)
}
