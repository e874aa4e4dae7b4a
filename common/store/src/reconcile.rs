//! What the database knows of what was done outside: read after a restore, to be compared with the receivers'
//! statements. Nothing here is read by a worker.

use crate::{Permit, StoreError};
use sqlx::PgPool;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// What is known of a case.
#[derive(Clone, Debug, Default)]
pub struct KnownCase {
    /// Our number.
    pub receipt: String,
    /// `moving`, `held`, `parked` or `closed`.
    pub how: String,
    /// Where it stands.
    pub stage: Option<String>,
    /// Whether it is giving money back.
    pub refunding: bool,
    /// For each operation that a system outside has answered: on how many visits, as the journal has it.
    pub answered: HashMap<String, i64>,
}

/// The cases among `ids`, with the operations that their journals know as answered.
///
/// # Errors
/// Where the database fails.
pub async fn cases(pool: &PgPool, ids: &[Uuid]) -> Result<HashMap<Uuid, KnownCase>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT id, receipt, how, stage, refunding_closing IS NOT NULL AS "refunding!" FROM cases WHERE id = ANY ($1)"#,
        ids
    )
    .fetch_all(pool)
    .await?;
    let mut known: HashMap<Uuid, KnownCase> = rows
        .into_iter()
        .map(|r| {
            let answered = HashMap::new();
            (r.id, KnownCase { receipt: r.receipt, how: r.how, stage: r.stage, refunding: r.refunding, answered })
        })
        .collect();
    let calls = sqlx::query!(
        r#"SELECT j.case_id, c ->> 'operation' AS "operation!", count(DISTINCT (j.stage, j.visit)) AS "visits!"
         FROM journal j, jsonb_array_elements(j.calls) c
         WHERE j.case_id = ANY ($1) AND c ->> 'result' = 'answered' GROUP BY 1, 2"#,
        ids
    )
    .fetch_all(pool)
    .await?;
    for call in calls {
        if let Some(case) = known.get_mut(&call.case_id) {
            case.answered.insert(call.operation, call.visits);
        }
    }
    Ok(known)
}

/// The numbers among `references` under which a sender's answer has arrived.
///
/// # Errors
/// Where the database fails.
pub async fn arrived(pool: &PgPool, source: &str, references: &[String]) -> Result<HashSet<String>, StoreError> {
    let rows = sqlx::query_scalar!(
        "SELECT reference FROM arrivals WHERE source = $1 AND reference = ANY ($2)",
        source,
        references
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().collect())
}

/// The numbers among `references` under which money was booked, whoever brought it and to whichever account.
///
/// # Errors
/// Where the database fails.
pub async fn booked(pool: &PgPool, references: &[String]) -> Result<HashSet<String>, StoreError> {
    let rows = sqlx::query_scalar!("SELECT DISTINCT reference FROM ledger WHERE reference = ANY ($1)", references)
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().collect())
}

/// The keys among `keys` (`channel/case/kind.stage.visit`) whose occasion has a notice that has ended: it is known
/// what became of it.
///
/// # Errors
/// Where the database fails.
pub async fn noticed(pool: &PgPool, keys: &[String]) -> Result<HashSet<String>, StoreError> {
    let rows = sqlx::query_scalar!(
        r#"SELECT k.key AS "key!" FROM unnest($1::text[]) AS k (key)
         WHERE EXISTS (SELECT FROM side_messages s
                       WHERE split_part(k.key, '/', 2) = s.case_id::text
                         AND split_part(k.key, '/', 3) = concat_ws('.', s.kind, s.stage, s.visit)
                         AND s.state = 'ended' AND s.case_id = ANY ($2))"#,
        keys,
        &keys.iter().filter_map(|key| key.split('/').nth(1)?.parse().ok()).collect::<Vec<Uuid>>()
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().collect())
}

/// The receipts among `receipts` that name no case.
///
/// # Errors
/// Where the database fails.
pub async fn unknown_receipts(pool: &PgPool, receipts: &[String]) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT r.receipt AS "receipt!" FROM unnest($1::text[]) AS r (receipt)
         WHERE NOT EXISTS (SELECT FROM cases c WHERE c.receipt = r.receipt) ORDER BY 1"#,
        receipts
    )
    .fetch_all(pool)
    .await?)
}

/// Notes, for a request that a lost future may have made, an intent that nobody answered: long enough ago that the
/// receiver acts on it no more. `false` where the key is known already.
///
/// # Errors
/// No such case, or the database.
pub async fn doubt(
    permit: &mut Permit<'_>,
    key: &str,
    case: Uuid,
    stage: &str,
    system: &str,
    operation: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "INSERT INTO effects (key, case_id, stage, system, operation, intended_at)
         VALUES ($1, $2, $3, $4, $5, now() - interval '1 hour') ON CONFLICT (key) DO NOTHING",
        key,
        case,
        stage,
        system,
        operation
    )
    .execute(permit.connection())
    .await?;
    Ok(done.rows_affected() == 1)
}
