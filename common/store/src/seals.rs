//! `seals`: once a day the heads of all journals and of the audit trail are drawn together in one digest, which is
//! exported and kept elsewhere: whoever later cuts or rewrites a tail, with the head on the case row, still shows.
//!
//! A day is Almaty's, by the real clock. A seal covers everything recorded before the day's end, so it can be counted
//! again at any time.

use crate::{Permit, SqlTime, StoreError, ToSqlx as _};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use kezek_domain::rules::{almaty_date, almaty_day_start};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

/// Seconds after a day's end before it is sealed: what was recorded in its last moments has been committed by then.
const SETTLES: i64 = 600;
/// Seconds after a day's end by which it should have been sealed.
const OVERDUE: i64 = 36 * 3600;

/// A day's seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The day, Almaty's.
    pub day: Date,
    /// `journal` or `audit`.
    pub what: String,
    /// Entries recorded before the day's end.
    pub entries: i64,
    /// Digest of the heads, hexadecimal.
    pub digest: String,
}

/// The first instant after a day.
fn end(day: Date) -> Timestamp {
    almaty_day_start(day.tomorrow().unwrap_or(day))
}

/// Counts what a seal of a day must say.
async fn count(connection: &mut PgConnection, what: &str, day: Date) -> Result<Seal, StoreError> {
    let cut = end(day).to_sqlx() as SqlTime;
    let mut hash = Sha256::new();
    let mut entries = 0;
    if what == "journal" {
        let mut after = Uuid::nil();
        loop {
            // DISTINCT ON walks the primary key; only the last entry of each case counts
            let page = sqlx::query!(
                "SELECT DISTINCT ON (case_id) case_id, number, head FROM journal
                 WHERE case_id > $1 AND recorded_at < $2 ORDER BY case_id, number DESC LIMIT 1000",
                after,
                cut as SqlTime
            )
            .fetch_all(&mut *connection)
            .await?;
            let Some(last) = page.last() else { break };
            after = last.case_id;
            for row in &page {
                hash.update(row.case_id.as_bytes());
                hash.update(row.number.to_be_bytes());
                hash.update(&row.head);
                entries += row.number;
            }
        }
    } else {
        let last =
            sqlx::query!("SELECT number, head FROM audit WHERE at < $1 ORDER BY number DESC LIMIT 1", cut as SqlTime)
                .fetch_optional(connection)
                .await?;
        if let Some(last) = last {
            hash.update(last.number.to_be_bytes());
            hash.update(&last.head);
            entries = last.number;
        }
    }
    Ok(Seal { day, what: what.to_owned(), entries, digest: hex::encode(hash.finalize()) })
}

/// The first day of which anything is recorded.
async fn first_day(connection: &mut PgConnection) -> Result<Option<Date>, StoreError> {
    let first = sqlx::query_scalar!(
        r#"SELECT least((SELECT min(recorded_at) FROM journal), (SELECT min(at) FROM audit)) AS "first: SqlTime""#
    )
    .fetch_one(connection)
    .await?;
    Ok(first.map(|t| almaty_date(t.to_jiff())))
}

async fn database_now(connection: &mut PgConnection) -> Result<Timestamp, StoreError> {
    Ok(sqlx::query_scalar!(r#"SELECT now() AS "now!: SqlTime""#).fetch_one(connection).await?.to_jiff())
}

/// The days that are over and whose seals are missing.
async fn missing(connection: &mut PgConnection, grace: i64) -> Result<Vec<Date>, StoreError> {
    let Some(first) = first_day(connection).await? else { return Ok(Vec::new()) };
    let sealed = sqlx::query_scalar!(
        r#"SELECT to_char(day, 'YYYY-MM-DD') AS "day!" FROM seals GROUP BY day HAVING count(*) = 2"#
    )
    .fetch_all(&mut *connection)
    .await?;
    let now = database_now(connection).await?;
    let (mut day, mut out) = (first, Vec::new());
    while now.as_second() >= end(day).as_second() + grace {
        if !sealed.contains(&day.to_string()) {
            out.push(day);
        }
        let Ok(next) = day.checked_add(1.day()) else { break };
        day = next;
    }
    Ok(out)
}

/// Seals every day that is over and has no seal yet. Returns the seals made now.
///
/// # Errors
/// Where the database fails.
pub async fn make(permit: &mut Permit<'_>) -> Result<Vec<Seal>, StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('kezek.seals'))").execute(&mut *permit.connection()).await?;
    let mut made = Vec::new();
    for day in missing(permit.connection(), SETTLES).await? {
        for what in ["journal", "audit"] {
            let seal = count(permit.connection(), what, day).await?;
            let done = sqlx::query!(
                "INSERT INTO seals (day, what, entries, digest) VALUES ($1::text::date, $2, $3, decode($4, 'hex'))
                 ON CONFLICT (day, what) DO NOTHING",
                seal.day.to_string(),
                seal.what,
                seal.entries,
                seal.digest
            )
            .execute(permit.connection())
            .await?;
            if done.rows_affected() == 1 {
                made.push(seal);
            }
        }
    }
    Ok(made)
}

/// All seals, oldest first.
///
/// # Errors
/// Where the database fails.
pub async fn list(executor: impl sqlx::PgExecutor<'_>) -> Result<Vec<Seal>, StoreError> {
    sqlx::query!(
        r#"SELECT to_char(day, 'YYYY-MM-DD') AS "day!", what, entries, encode(digest, 'hex') AS "digest!"
         FROM seals ORDER BY day, what"#
    )
    .fetch_all(executor)
    .await?
    .into_iter()
    .map(|r| {
        let day = r.day.parse().map_err(|_| StoreError::Inconsistent { table: "seals", what: "day".to_owned() })?;
        Ok(Seal { day, what: r.what, entries: r.entries, digest: r.digest })
    })
    .collect()
}

/// Seals that the tables no longer bear out: cut, rewritten, or sealed by somebody else's hand. `known` are seals
/// that were kept elsewhere; each of them must be here, and unchanged.
///
/// # Errors
/// Where the database fails.
pub async fn differing(connection: &mut PgConnection, known: &[Seal]) -> Result<Vec<Seal>, StoreError> {
    let here = list(&mut *connection).await?;
    let mut out: Vec<Seal> = known.iter().filter(|k| !here.contains(k)).cloned().collect();
    for seal in here {
        if count(connection, &seal.what, seal.day).await? != seal {
            out.push(seal);
        }
    }
    Ok(out)
}

/// Days overdue without a seal, and seals of the last 35 days that the tables no longer bear out.
pub(crate) async fn judge(connection: &mut PgConnection) -> Result<(i64, i64), StoreError> {
    let overdue = missing(connection, OVERDUE).await?.len();
    let mut differ = 0_i64;
    let here = list(&mut *connection).await?;
    for seal in here.iter().rev().take(70) {
        differ += i64::from(count(connection, &seal.what, seal.day).await? != *seal);
    }
    Ok((i64::try_from(overdue).unwrap_or(i64::MAX), differ))
}
