//! `journal`: append-only, hash-chained per case; head and number live on the case row.

use crate::{Permit, SqlTime, StoreError, ToSqlx as _};
use kezek_domain::journal::{JournalEntry, Linked};
use kezek_domain::{CaseId, StageName, Ticket};
use serde_json::Value;
use uuid::Uuid;

fn json(value: &impl serde::Serialize) -> Result<Value, StoreError> {
    serde_json::to_value(value)
        .map_err(|_| StoreError::Inconsistent { table: "journal", what: "an entry is not JSON".to_owned() })
}

/// Appends entries with their digests.
///
/// # Errors
/// A number that is taken, or the database.
pub async fn append(permit: &mut Permit<'_>, rows: &[Linked]) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut actors = Vec::with_capacity(rows.len());
    let mut calls = Vec::with_capacity(rows.len());
    for row in rows {
        actors.push(json(&row.entry.actor)?);
        calls.push(json(&row.entry.calls)?);
    }
    let of = |f: fn(&JournalEntry) -> &str| rows.iter().map(|r| f(&r.entry)).collect::<Vec<_>>();
    let done = sqlx::query!(
        "INSERT INTO journal (case_id, number, ticket, at, recorded_at, stage, visit, move_label, outcome, actor,
                              rule_version, detail, calls, head)
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::timestamptz[],
                              $6::text[], $7::integer[], $8::text[], $9::text[], $10::jsonb[], $11::text[],
                              $12::jsonb[], $13::jsonb[], $14::bytea[])",
        &rows.iter().map(|r| r.entry.case.0).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.entry.number).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.entry.ticket.0).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.entry.at.to_sqlx()).collect::<Vec<_>>() as &[SqlTime],
        &rows.iter().map(|r| r.entry.recorded_at.to_sqlx()).collect::<Vec<_>>() as &[SqlTime],
        &of(|e| e.stage.as_str()) as &[&str],
        &rows.iter().map(|r| i32::try_from(r.entry.visit).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &of(|e| &e.move_label) as &[&str],
        &rows.iter().map(|r| r.entry.outcome.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
        &actors,
        &of(|e| &e.rule_version) as &[&str],
        &rows.iter().map(|r| &r.entry.detail).collect::<Vec<_>>() as &[&Value],
        &calls,
        &rows.iter().map(|r| r.digest.as_slice()).collect::<Vec<_>>() as &[&[u8]],
    )
    .execute(permit.connection())
    .await?;
    if done.rows_affected() == rows.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::rows("journal", rows.len(), done.rows_affected()))
    }
}

/// A case's whole journal, in order.
///
/// # Errors
/// A row that does not decode, or the database.
pub async fn list(executor: impl sqlx::PgExecutor<'_>, case: Uuid) -> Result<Vec<Linked>, StoreError> {
    let odd = |what: &str| StoreError::Inconsistent { table: "journal", what: what.to_owned() };
    let rows = sqlx::query!(
        "SELECT case_id, number, ticket, at, recorded_at, stage, visit, move_label, outcome, actor, rule_version,
                detail, calls, head
         FROM journal WHERE case_id = $1 ORDER BY number",
        case
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Linked {
                entry: JournalEntry {
                    case: CaseId(r.case_id),
                    number: r.number,
                    ticket: Ticket(r.ticket),
                    at: r.at.to_jiff(),
                    recorded_at: r.recorded_at.to_jiff(),
                    stage: StageName::owned(r.stage),
                    visit: u32::try_from(r.visit).map_err(|_| odd("visit"))?,
                    move_label: r.move_label,
                    outcome: r.outcome,
                    actor: serde_json::from_value(r.actor).map_err(|_| odd("actor"))?,
                    rule_version: r.rule_version,
                    detail: r.detail,
                    calls: serde_json::from_value(r.calls).map_err(|_| odd("calls"))?,
                },
                digest: r.head.as_slice().try_into().map_err(|_| odd("head"))?,
            })
        })
        .collect()
}
