//! Rotation of the wrapping key: every case's own key is wrapped anew, in pages, each row by itself under a guard. What
//! a case's key has sealed is not touched and opens as before, so the work may be stopped at any instant and repeated;
//! the old key is needed until nothing is left under it.

use crate::accounts::OFFICER_IIN;
use crate::crypt::Keyring;
use crate::{Permit, StoreError};
use kezek_domain::CaseId;
use serde::Serialize;
use sqlx::PgPool;

/// How many keys lie under which wrapping key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Under {
    /// The wrapping key's id.
    pub key_id: String,
    /// Cases' keys.
    pub cases: i64,
}

/// What lies under which wrapping key, by id; erased keys lie under none.
///
/// # Errors
/// Where the database fails.
pub async fn count(pool: &PgPool) -> Result<Vec<Under>, StoreError> {
    Ok(sqlx::query_as!(
        Under,
        r#"SELECT key_id, count(*) AS "cases!" FROM cases WHERE case_key IS NOT NULL GROUP BY key_id ORDER BY key_id"#
    )
    .fetch_all(pool)
    .await?)
}

/// Wraps at most `most` cases' keys anew, under the ring's current key. Returns how many; 0 where none is left.
///
/// # Errors
/// A key that this ring does not have, or the database; nothing of the page is changed then.
pub async fn cases(permit: &mut Permit<'_>, ring: &Keyring, most: i64) -> Result<u64, StoreError> {
    let page = sqlx::query!(
        r#"SELECT id, key_id, case_key AS "case_key!" FROM cases
         WHERE case_key IS NOT NULL AND key_id <> $1 ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED"#,
        ring.current(),
        most
    )
    .fetch_all(&mut *permit.connection())
    .await?;
    let (mut ids, mut keys) = (Vec::with_capacity(page.len()), Vec::with_capacity(page.len()));
    for row in page {
        keys.push(ring.rewrap(CaseId(row.id), &row.key_id, &row.case_key)?);
        ids.push(row.id);
    }
    if ids.is_empty() {
        return Ok(0);
    }
    let done = sqlx::query!(
        "UPDATE cases SET case_key = n.case_key, key_id = $3
         FROM unnest($1::uuid[], $2::bytea[]) AS n (id, case_key)
         WHERE cases.id = n.id AND cases.case_key IS NOT NULL",
        &ids,
        &keys,
        ring.current()
    )
    .execute(permit.connection())
    .await?;
    if done.rows_affected() == ids.len() as u64 {
        Ok(done.rows_affected())
    } else {
        Err(StoreError::rows("cases", ids.len(), done.rows_affected()))
    }
}

/// Seals the officers' IINs anew that lie under another key than the ring's current one. Returns how many.
///
/// # Errors
/// A key that this ring does not have, or the database; nothing is changed then.
pub async fn accounts(permit: &mut Permit<'_>, ring: &Keyring) -> Result<u64, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT account, iin AS "iin!" FROM accounts WHERE iin IS NOT NULL ORDER BY account FOR NO KEY UPDATE"#
    )
    .fetch_all(&mut *permit.connection())
    .await?;
    let mut moved = 0;
    for row in rows.into_iter().filter(|row| !ring.is_current(&row.iin)) {
        let sealed = ring.seal(OFFICER_IIN, &ring.open(OFFICER_IIN, &row.iin)?)?;
        let done = sqlx::query!("UPDATE accounts SET iin = $2 WHERE account = $1", row.account, sealed)
            .execute(&mut *permit.connection())
            .await?;
        moved += done.rows_affected();
    }
    Ok(moved)
}
