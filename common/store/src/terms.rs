//! `term_events`, and what the legal clock is reckoned from (A4.2). Nothing here decides when a case is late.

use crate::{Permit, SqlTime, StoreError, ToSqlx as _};
use jiff::Timestamp;
use kezek_domain::rules::Mark;
use serde_json::Value;
use sqlx::PgPool;
use std::collections::HashMap;
use uuid::Uuid;

/// An open case, as the legal clock sees it.
#[derive(Clone, Debug)]
pub struct Running {
    /// The case.
    pub case: Uuid,
    /// Our number of it.
    pub receipt: String,
    /// The service.
    pub service: String,
    /// Its region.
    pub region: String,
    /// When it was filed, on the business clock.
    pub filed_at: Timestamp,
    /// Where it stands.
    pub stage: Option<String>,
}

/// An event about to be written.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The case.
    pub case: Uuid,
    /// `warning` or `overdue`.
    pub event: &'static str,
    /// The due day, YYYY-MM-DD.
    pub due: String,
    /// The count touched a year without a calendar.
    pub provisional: bool,
    /// Working days that counted.
    pub used: i32,
    /// Working days that did not.
    pub paused: i32,
    /// The days that counted, by whose they were.
    pub whose: Value,
    /// The rules.
    pub rule_version: String,
}

/// Open cases filed before an instant, those without any event first; cases that wait at one of `resting` are left out:
/// their clock stands still. Those that are known to be overdue only where they are asked for.
///
/// # Errors
/// Where the database fails.
pub async fn running(
    pool: &PgPool,
    filed_before: Timestamp,
    resting: &[String],
    overdue_too: bool,
    limit: i64,
) -> Result<Vec<Running>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT c.id, c.receipt, c.service, c.region, c.filed_at AS "filed_at: SqlTime", c.stage
         FROM cases c LEFT JOIN term_events w ON w.case_id = c.id AND w.event = 'warning'
         WHERE c.is_live AND c.filed_at < $1 AND NOT (c.how = 'held' AND c.stage = ANY ($2))
           AND ($4 OR NOT EXISTS (SELECT FROM term_events o WHERE o.case_id = c.id AND o.event = 'overdue'))
         ORDER BY w.case_id IS NOT NULL, c.filed_at, c.id LIMIT $3"#,
        filed_before.to_sqlx() as SqlTime,
        resting,
        limit,
        overdue_too
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Running {
            case: r.id,
            receipt: r.receipt,
            service: r.service,
            region: r.region,
            filed_at: r.filed_at.to_jiff(),
            stage: r.stage,
        })
        .collect())
}

/// The journals of cases as the clock reads them, in order.
///
/// # Errors
/// Where the database fails.
pub async fn marks(pool: &PgPool, cases: &[Uuid]) -> Result<HashMap<Uuid, Vec<Mark>>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT case_id, at AS "at: SqlTime", stage, move_label FROM journal
         WHERE case_id = ANY ($1) ORDER BY case_id, number"#,
        cases
    )
    .fetch_all(pool)
    .await?;
    let mut out: HashMap<Uuid, Vec<Mark>> = HashMap::new();
    for r in rows {
        let mark = Mark { at: r.at.to_jiff(), stage: r.stage, move_label: r.move_label };
        out.entry(r.case_id).or_default().push(mark);
    }
    Ok(out)
}

/// Writes events, each once per case; gives back whose are new.
///
/// # Errors
/// Where the database fails.
pub async fn insert(
    permit: &mut Permit<'_>,
    events: &[NewEvent],
    at: Timestamp,
) -> Result<Vec<(Uuid, String)>, StoreError> {
    let rows = sqlx::query!(
        "INSERT INTO term_events (case_id, event, due, provisional, used, paused, whose, rule_version, at)
         SELECT case_id, event, due::date, provisional, used, paused, whose, rule_version, $9
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::boolean[], $5::integer[], $6::integer[], $7::jsonb[],
                     $8::text[]) AS n (case_id, event, due, provisional, used, paused, whose, rule_version)
         ON CONFLICT DO NOTHING RETURNING case_id, event",
        &events.iter().map(|e| e.case).collect::<Vec<_>>(),
        &events.iter().map(|e| e.event.to_owned()).collect::<Vec<_>>(),
        &events.iter().map(|e| e.due.clone()).collect::<Vec<_>>(),
        &events.iter().map(|e| e.provisional).collect::<Vec<_>>(),
        &events.iter().map(|e| e.used).collect::<Vec<_>>(),
        &events.iter().map(|e| e.paused).collect::<Vec<_>>(),
        &events.iter().map(|e| e.whose.clone()).collect::<Vec<_>>(),
        &events.iter().map(|e| e.rule_version.clone()).collect::<Vec<_>>(),
        at.to_sqlx() as SqlTime
    )
    .fetch_all(permit.connection())
    .await?;
    Ok(rows.into_iter().map(|r| (r.case_id, r.event)).collect())
}

/// How many open cases were warned of and not found overdue, and how many are overdue.
///
/// # Errors
/// Where the database fails.
pub async fn standing(pool: &PgPool) -> Result<[(String, i64); 2], StoreError> {
    let row = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE e.event = 'overdue') AS "overdue!",
                count(*) FILTER (WHERE e.event = 'warning' AND NOT EXISTS (
                    SELECT FROM term_events o WHERE o.case_id = e.case_id AND o.event = 'overdue')) AS "warned!"
         FROM term_events e JOIN cases c ON c.id = e.case_id WHERE c.is_live"#
    )
    .fetch_one(pool)
    .await?;
    Ok([("warning".to_owned(), row.warned), ("overdue".to_owned(), row.overdue)])
}
