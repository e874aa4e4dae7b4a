//! `side_messages`: notices, each once per case, stage, visit and kind.

use crate::{Permit, StoreError};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// A notice's row.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct SideRow {
    pub id: Uuid,
    pub case_id: Uuid,
    pub stage: String,
    pub visit: i32,
    pub kind: String,
}

/// Notices by id.
///
/// # Errors
/// Where the database fails.
pub async fn list(executor: impl sqlx::PgExecutor<'_>, ids: &[Uuid]) -> Result<HashMap<Uuid, SideRow>, StoreError> {
    let rows =
        sqlx::query_as!(SideRow, "SELECT id, case_id, stage, visit, kind FROM side_messages WHERE id = ANY ($1)", ids)
            .fetch_all(executor)
            .await?;
    Ok(rows.into_iter().map(|r| (r.id, r)).collect())
}

/// Inserts notices; those that exist for the same case, kind, stage and visit are left out. Returns the ids made.
///
/// # Errors
/// Where the database fails.
pub async fn insert(permit: &mut Permit<'_>, rows: &[SideRow]) -> Result<HashSet<Uuid>, StoreError> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let made = sqlx::query_scalar!(
        "INSERT INTO side_messages (id, case_id, stage, visit, kind)
         SELECT unnest($1::uuid[]), unnest($2::uuid[]), unnest($3::text[]), unnest($4::integer[]), unnest($5::text[])
         ON CONFLICT (case_id, kind, stage, visit) DO NOTHING RETURNING id",
        &rows.iter().map(|r| r.id).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.case_id).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.stage.clone()).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.visit).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.kind.clone()).collect::<Vec<_>>(),
    )
    .fetch_all(permit.connection())
    .await?;
    Ok(made.into_iter().collect())
}

/// Sets the state of notices whose `jobs` rows are locked by this permit: (id, state, outcome, facts).
///
/// # Errors
/// Where a row is missing or the database fails.
pub async fn set_states(
    permit: &mut Permit<'_>,
    rows: &[(Uuid, &'static str, Option<String>, Value)],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "UPDATE side_messages SET state = n.state, outcome = n.outcome, facts = n.facts,
                ended_at = CASE WHEN n.state = 'ended' THEN now() END
         FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::text[]) AS state, unnest($3::text[]) AS outcome,
                      unnest($4::jsonb[]) AS facts) AS n
         WHERE side_messages.id = n.id",
        &rows.iter().map(|r| r.0).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.1.to_owned()).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.2.clone()).collect::<Vec<_>>() as &[Option<String>],
        &rows.iter().map(|r| r.3.clone()).collect::<Vec<_>>(),
    )
    .execute(permit.connection())
    .await?;
    if done.rows_affected() == rows.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::rows("side_messages", rows.len(), done.rows_affected()))
    }
}

/// Whether a notice is on its way.
///
/// # Errors
/// Where the database fails.
pub async fn is_moving(executor: impl sqlx::PgExecutor<'_>, id: Uuid) -> Result<bool, StoreError> {
    let state =
        sqlx::query_scalar!("SELECT state FROM side_messages WHERE id = $1", id).fetch_optional(executor).await?;
    Ok(state.as_deref() == Some("moving"))
}
