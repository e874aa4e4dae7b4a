//! `effects`: requests to receivers that cannot dedupe by key; the intent is committed before the call.

use crate::StoreError;
use serde_json::Value;
use sqlx::PgConnection;
use std::collections::{HashMap, HashSet};
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

/// What is to be asked of the outside.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The stable key.
    pub key: String,
    /// The case.
    pub case_id: Uuid,
    /// The stage that asks.
    pub stage: String,
    /// The system that is asked.
    pub system: String,
    /// What for.
    pub operation: String,
}

/// Commits intents, or tells what is known of their keys, in order. Of two with one key the first is new.
///
/// # Errors
/// Where the database fails.
pub async fn intend(connection: &mut PgConnection, intents: &[Intent]) -> Result<Vec<Known>, StoreError> {
    let texts = |of: fn(&Intent) -> &String| intents.iter().map(|i| of(i).clone()).collect::<Vec<_>>();
    let keys = texts(|i| &i.key);
    let made = sqlx::query_scalar!(
        "INSERT INTO effects (key, case_id, stage, system, operation)
         SELECT unnest($1::text[]), unnest($2::uuid[]), unnest($3::text[]), unnest($4::text[]), unnest($5::text[])
         -- one order for everybody: two workers that intend the same keys do not wait for each other in a ring
         ORDER BY 1
         ON CONFLICT (key) DO NOTHING RETURNING key",
        &keys,
        &intents.iter().map(|i| i.case_id).collect::<Vec<_>>(),
        &texts(|i| &i.stage),
        &texts(|i| &i.system),
        &texts(|i| &i.operation),
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut new: HashSet<String> = made.into_iter().collect();
    let mut out: Vec<Option<Known>> = keys.iter().map(|key| new.remove(key).then_some(Known::New)).collect();
    if out.iter().any(Option::is_none) {
        let known: HashMap<String, Known> = sqlx::query!(
            r#"SELECT key, answer, extract(epoch FROM now() - intended_at)::float8 AS "age!"
             FROM effects WHERE key = ANY ($1)"#,
            &keys
        )
        .fetch_all(&mut *connection)
        .await?
        .into_iter()
        .map(|k| (k.key, k.answer.map_or(Known::Unanswered(k.age), Known::Answered)))
        .collect();
        for (slot, key) in out.iter_mut().zip(&keys).filter(|(slot, _)| slot.is_none()) {
            *slot = known.get(key).cloned();
        }
    }
    // gone again: whoever intended it has taken it back just now, and it may be intended anew in a moment
    Ok(out.into_iter().map(|known| known.unwrap_or(Known::Unanswered(0.0))).collect())
}

/// Commits answers. One whose effect was answered before is left: another attempt has written the same meanwhile.
///
/// # Errors
/// Where the database fails.
pub async fn answered(connection: &mut PgConnection, answers: &[(String, Value)]) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE effects SET answer = n.answer, answered_at = now()
         FROM (SELECT DISTINCT ON (key) key, answer FROM (SELECT unnest($1::text[]) AS key, unnest($2::jsonb[]) AS answer) AS u
               ORDER BY key) AS n
         WHERE effects.key = n.key AND answered_at IS NULL",
        &answers.iter().map(|a| a.0.clone()).collect::<Vec<_>>(),
        &answers.iter().map(|a| a.1.clone()).collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes back an intent whose call certainly had no effect.
///
/// # Errors
/// Where the database fails.
pub async fn forget(connection: &mut PgConnection, key: &str) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM effects WHERE key = $1 AND answered_at IS NULL", key).execute(connection).await?;
    Ok(())
}
