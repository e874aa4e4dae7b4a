//! `holds`: cases that wait for a person or an answer, possibly with a deadline on the business clock.

use crate::{Permit, SqlTime, StoreError, ToSqlx as _};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

/// A wait.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct HoldRow {
    pub case_id: Uuid,
    pub stage: String,
    pub visit: i32,
    pub ticket: i64,
    pub region: String,
    pub role: Option<String>,
    pub until: Option<Timestamp>,
    pub question: Option<Value>,
}

/// Writes the waits of cases that have just been held; replaces earlier ones.
///
/// # Errors
/// Where the database fails.
pub async fn put(permit: &mut Permit<'_>, rows: &[HoldRow], at: Timestamp) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "INSERT INTO holds (case_id, stage, visit, ticket, region, role, until, question, held_at)
         SELECT unnest($1::uuid[]), unnest($2::text[]), unnest($3::integer[]), unnest($4::bigint[]), unnest($5::text[]),
                unnest($6::text[]), unnest($7::timestamptz[]), unnest($8::jsonb[]), $9
         ON CONFLICT (case_id) DO UPDATE SET stage = excluded.stage, visit = excluded.visit,
             ticket = excluded.ticket, region = excluded.region, role = excluded.role, until = excluded.until,
             question = excluded.question, lapse_ticket = NULL,
             -- a case that is held again at the same visit has waited since the first time
             held_at = CASE WHEN holds.stage = excluded.stage AND holds.visit = excluded.visit THEN holds.held_at
                            ELSE excluded.held_at END",
        &rows.iter().map(|r| r.case_id).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.stage.as_str()).collect::<Vec<_>>() as &[&str],
        &rows.iter().map(|r| r.visit).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.ticket).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.region.as_str()).collect::<Vec<_>>() as &[&str],
        &rows.iter().map(|r| r.role.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
        &rows.iter().map(|r| r.until.map(|t| t.to_sqlx())).collect::<Vec<_>>() as &[Option<SqlTime>],
        &rows.iter().map(|r| r.question.as_ref()).collect::<Vec<_>>() as &[Option<&Value>],
        at.to_sqlx() as SqlTime,
    )
    .execute(permit.connection())
    .await?;
    if done.rows_affected() == rows.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::rows("holds", rows.len(), done.rows_affected()))
    }
}

/// Drops the waits of cases that have gone on.
///
/// # Errors
/// Where the database fails.
pub async fn drop_for(permit: &mut Permit<'_>, cases: &[Uuid]) -> Result<(), StoreError> {
    if !cases.is_empty() {
        sqlx::query!("DELETE FROM holds WHERE case_id = ANY ($1)", cases).execute(permit.connection()).await?;
    }
    Ok(())
}

/// Notes for which ticket a lapse is on its way.
///
/// # Errors
/// Where the database fails.
pub async fn lapsing(permit: &mut Permit<'_>, tickets: &[(Uuid, i64)]) -> Result<(), StoreError> {
    if tickets.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE holds SET lapse_ticket = n.ticket, lapse_at = now(), ticket = greatest(holds.ticket, n.ticket)
         FROM (SELECT unnest($1::uuid[]) AS case_id, unnest($2::bigint[]) AS ticket) AS n WHERE holds.case_id = n.case_id",
        &tickets.iter().map(|t| t.0).collect::<Vec<_>>(),
        &tickets.iter().map(|t| t.1).collect::<Vec<_>>(),
    )
    .execute(permit.connection())
    .await?;
    Ok(())
}

/// Cases whose wait is over and for which no lapse is on its way under their present ticket; marks them.
/// Returns their `jobs` rows.
///
/// # Errors
/// Where the database fails.
pub async fn take_due(permit: &mut Permit<'_>, limit: i64) -> Result<Vec<crate::jobs::JobRow>, StoreError> {
    Ok(sqlx::query_as!(
        crate::jobs::JobRow,
        r#"WITH due AS (
             SELECT h.case_id FROM holds h JOIN jobs j ON j.subject_id = h.case_id
             WHERE h.until <= business_now()
               -- a lapse that has been on its way for longer than the ladder's longest rung was lost by the broker
               AND (h.lapse_ticket IS DISTINCT FROM j.ticket OR h.lapse_at < now() - interval '75 minutes')
               -- an answer that is on its way goes first
               AND NOT EXISTS (SELECT FROM arrivals a
                               WHERE a.case_id = h.case_id AND a.stage = h.stage AND a.state = 'moving')
             ORDER BY h.until LIMIT $1 FOR UPDATE OF h SKIP LOCKED),
         marked AS (
             UPDATE holds SET lapse_ticket = j.ticket, lapse_at = now() FROM due JOIN jobs j ON j.subject_id = due.case_id
             WHERE holds.case_id = due.case_id RETURNING holds.case_id)
         SELECT subject_id, subject, j.case_id, ticket, attempt, stage, visit, kind, version, body, mode, routing_key,
                traceparent, letter_id
         FROM jobs j JOIN marked ON marked.case_id = j.subject_id"#,
        limit
    )
    .fetch_all(permit.connection())
    .await?)
}

/// The next deadline that is not yet due, on the business clock.
///
/// # Errors
/// Where the database fails.
pub async fn next_deadline(executor: impl sqlx::PgExecutor<'_>) -> Result<Option<Timestamp>, StoreError> {
    Ok(sqlx::query_scalar!(r#"SELECT min(until) AS "until: SqlTime" FROM holds WHERE until > business_now()"#)
        .fetch_one(executor)
        .await?
        .map(SqlTime::to_jiff))
}

/// The question that a held case asks, its ticket and stage.
///
/// # Errors
/// Where the database fails.
pub async fn find(
    executor: impl sqlx::PgExecutor<'_>,
    case: Uuid,
) -> Result<Option<(String, i64, Option<Value>)>, StoreError> {
    Ok(sqlx::query!("SELECT stage, ticket, question FROM holds WHERE case_id = $1", case)
        .fetch_optional(executor)
        .await?
        .map(|r| (r.stage, r.ticket, r.question)))
}

/// Forgets which lapses are on their way, of one case or all: each that is due is issued again under the same ticket.
///
/// # Errors
/// Where the database fails.
pub async fn forget_lapses(
    permit: &mut Permit<'_>,
    case: Option<Uuid>,
    stage: Option<&str>,
) -> Result<u64, StoreError> {
    Ok(sqlx::query!(
        "UPDATE holds SET lapse_ticket = NULL
         WHERE lapse_ticket IS NOT NULL AND until <= business_now()
           AND ($1::uuid IS NULL OR case_id = $1) AND ($2::text IS NULL OR stage = $2)",
        case,
        stage
    )
    .execute(permit.connection())
    .await?
    .rows_affected())
}
