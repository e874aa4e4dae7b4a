//! `arrivals`: what doors brought, once per source and reference.

use crate::{Permit, SqlTime, StoreError, ToSqlx as _};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// An arrival's row.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ArrivalRow {
    pub id: Uuid,
    pub source: String,
    pub reference: String,
    pub case_id: Option<Uuid>,
    pub named: Option<String>,
    pub stage: String,
    pub kind: String,
    pub version: i32,
    pub body: Value,
    pub actor: Value,
    pub state: String,
    pub money_kind: Option<String>,
}

/// Arrivals by id.
///
/// # Errors
/// Where the database fails.
pub async fn list(executor: impl sqlx::PgExecutor<'_>, ids: &[Uuid]) -> Result<HashMap<Uuid, ArrivalRow>, StoreError> {
    let rows = sqlx::query_as!(
        ArrivalRow,
        "SELECT id, source, reference, case_id, named, stage, kind, version, body, actor, state, money_kind
         FROM arrivals WHERE id = ANY ($1)",
        ids
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|r| (r.id, r)).collect())
}

/// Keeps arrivals; those whose source and reference came before are left out. Returns the ids of those kept now.
///
/// # Errors
/// Where the database fails.
pub async fn insert(permit: &mut Permit<'_>, rows: &[ArrivalRow], at: Timestamp) -> Result<HashSet<Uuid>, StoreError> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let texts = |of: fn(&ArrivalRow) -> &String| rows.iter().map(|r| of(r).as_str()).collect::<Vec<_>>();
    let named: Vec<Option<&str>> = rows.iter().map(|r| r.named.as_deref()).collect();
    let money: Vec<Option<&str>> = rows.iter().map(|r| r.money_kind.as_deref()).collect();
    let kept = sqlx::query_scalar!(
        "INSERT INTO arrivals (id, source, reference, case_id, named, stage, kind, version, body, actor, state,
                               money_kind, arrived_at)
         SELECT unnest($1::uuid[]), unnest($2::text[]), unnest($3::text[]), unnest($4::uuid[]), unnest($5::text[]),
                unnest($6::text[]), unnest($7::text[]), unnest($8::integer[]), unnest($9::jsonb[]),
                unnest($10::jsonb[]), unnest($11::text[]), unnest($12::text[]), $13
         ON CONFLICT (source, reference) DO NOTHING
         RETURNING id",
        &rows.iter().map(|r| r.id).collect::<Vec<_>>(),
        &texts(|r| &r.source) as &[&str],
        &texts(|r| &r.reference) as &[&str],
        &rows.iter().map(|r| r.case_id).collect::<Vec<_>>() as &[Option<Uuid>],
        &named as &[Option<&str>],
        &texts(|r| &r.stage) as &[&str],
        &texts(|r| &r.kind) as &[&str],
        &rows.iter().map(|r| r.version).collect::<Vec<_>>(),
        &rows.iter().map(|r| &r.body).collect::<Vec<_>>() as &[&Value],
        &rows.iter().map(|r| &r.actor).collect::<Vec<_>>() as &[&Value],
        &texts(|r| &r.state) as &[&str],
        &money as &[Option<&str>],
        at.to_sqlx() as SqlTime,
    )
    .fetch_all(permit.connection())
    .await?;
    Ok(kept.into_iter().collect())
}

/// Sets the states of arrivals whose `jobs` rows are locked by this permit.
///
/// # Errors
/// Where a row is missing or the database fails.
pub async fn set_states(permit: &mut Permit<'_>, states: &[(Uuid, &'static str)]) -> Result<(), StoreError> {
    if states.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "UPDATE arrivals SET state = n.state,
                settled_at = CASE WHEN n.state IN ('taken', 'unwanted') THEN now() END
         FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::text[]) AS state) AS n WHERE arrivals.id = n.id",
        &states.iter().map(|s| s.0).collect::<Vec<_>>(),
        &states.iter().map(|s| s.1).collect::<Vec<_>>() as &[&str],
    )
    .execute(permit.connection())
    .await?;
    if done.rows_affected() == states.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::rows("arrivals", states.len(), done.rows_affected()))
    }
}

/// Wakes the arrivals that came before their case was held at the stage: each gets a new ticket and is on its way
/// again. Returns their `jobs` rows.
///
/// # Errors
/// Where the database fails.
pub async fn wake(
    permit: &mut Permit<'_>,
    cases: &[Uuid],
    stage: &str,
) -> Result<Vec<crate::jobs::JobRow>, StoreError> {
    if cases.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_as!(
        crate::jobs::JobRow,
        r#"WITH woken AS (
             UPDATE arrivals SET state = 'moving'
             WHERE case_id = ANY ($1) AND stage = $2 AND state = 'waiting' RETURNING id)
         UPDATE jobs SET ticket = ticket + 1, attempt = 1, issued_at = now()
         FROM woken WHERE jobs.subject_id = woken.id
         RETURNING subject_id, subject, case_id, ticket, attempt, jobs.stage, visit, kind, version, body, mode,
                   routing_key, traceparent, letter_id"#,
        cases,
        stage
    )
    .fetch_all(permit.connection())
    .await?)
}

/// Cases among `cases` for which an arrival at the stage is on its way: a lapse loses against it.
///
/// # Errors
/// Where the database fails.
pub async fn on_their_way(permit: &mut Permit<'_>, cases: &[Uuid], stage: &str) -> Result<Vec<Uuid>, StoreError> {
    if cases.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_scalar!(
        r#"SELECT DISTINCT case_id AS "case_id!" FROM arrivals
         WHERE case_id = ANY ($1) AND stage = $2 AND state = 'moving'"#,
        cases,
        stage
    )
    .fetch_all(permit.connection())
    .await?)
}

/// Marks the arrivals that still wait for cases which have closed as unwanted: they are listed for an operator.
///
/// # Errors
/// Where the database fails.
pub async fn unwanted(permit: &mut Permit<'_>, closed: &[Uuid]) -> Result<(), StoreError> {
    if closed.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE arrivals SET state = 'unwanted', settled_at = now() WHERE case_id = ANY ($1) AND state = 'waiting'",
        closed
    )
    .execute(permit.connection())
    .await?;
    Ok(())
}
