//! `effects`: requests to receivers that cannot dedupe by key; the intent is committed before the call.

use crate::StoreError;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

/// What is known of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// The intent has just been committed.
    New,
    /// Intended so many seconds of real time ago, not answered yet.
    Unanswered(f64),
    /// Answered before.
    Answered(Value),
}

/// Commits an intent, or tells what is known of the key.
///
/// # Errors
/// Where the database fails.
pub async fn intend(
    pool: &PgPool,
    key: &str,
    case: Uuid,
    stage: &str,
    system: &str,
    operation: &str,
) -> Result<Known, StoreError> {
    let done = sqlx::query!(
        "INSERT INTO effects (key, case_id, stage, system, operation) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (key) DO NOTHING",
        key,
        case,
        stage,
        system,
        operation
    )
    .execute(pool)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(Known::New);
    }
    let known = sqlx::query!(
        r#"SELECT answer, extract(epoch FROM now() - intended_at)::float8 AS "age!" FROM effects WHERE key = $1"#,
        key
    )
    .fetch_optional(pool)
    .await?;
    // gone again: whoever intended it has taken it back just now, and it may be intended anew in a moment
    Ok(known.map_or(Known::Unanswered(0.0), |k| k.answer.map_or(Known::Unanswered(k.age), Known::Answered)))
}

/// Commits the answer.
///
/// # Errors
/// Where the key was never intended or the database fails.
pub async fn answered(pool: &PgPool, key: &str, answer: &Value) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "UPDATE effects SET answer = $2, answered_at = now() WHERE key = $1 AND answered_at IS NULL",
        key,
        answer
    )
    .execute(pool)
    .await?;
    match done.rows_affected() {
        // 0: another attempt has written the same answer meanwhile
        0 | 1 => Ok(()),
        n => Err(StoreError::rows("effects", 1, n)),
    }
}

/// Takes back an intent whose call certainly had no effect.
///
/// # Errors
/// Where the database fails.
pub async fn forget(pool: &PgPool, key: &str) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM effects WHERE key = $1 AND answered_at IS NULL", key).execute(pool).await?;
    Ok(())
}
