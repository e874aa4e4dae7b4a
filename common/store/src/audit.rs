//! `audit`: who looked at what and who did what (A0.1), append-only and hash-chained.

use crate::{Permit, StoreError};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The head before the first entry.
pub const GENESIS: [u8; 32] = [0; 32];

/// An entry about to be appended; `detail` holds ids and labels, never personal data.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Who.
    pub account: &'a str,
    /// In which role.
    pub role: &'a str,
    /// What: a label.
    pub act: &'a str,
    /// Of which case.
    pub case_id: Option<Uuid>,
    /// Ids and labels.
    pub detail: Value,
}

/// The digest of an entry after the one before.
#[must_use]
pub fn chain(previous: &[u8], number: i64, entry: &Entry<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(number.to_be_bytes());
    let case = entry.case_id.map(|c| c.to_string()).unwrap_or_default();
    // each part with its length, so that no two entries encode alike
    for part in [entry.account, entry.role, entry.act, &case, &entry.detail.to_string()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// Appends an entry; one at a time, because each knows the one before.
///
/// # Errors
/// Where the database fails.
pub async fn append(permit: &mut Permit<'_>, entry: &Entry<'_>) -> Result<(), StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('kezek.audit'))").execute(&mut *permit.connection()).await?;
    let last = sqlx::query!("SELECT number, head FROM audit ORDER BY number DESC LIMIT 1")
        .fetch_optional(&mut *permit.connection())
        .await?;
    let (number, head) = last.map_or((1, GENESIS.to_vec()), |r| (r.number + 1, r.head));
    let head = chain(&head, number, entry);
    sqlx::query!(
        "INSERT INTO audit (number, account, role, act, case_id, detail, head) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        number,
        entry.account,
        entry.role,
        entry.act,
        entry.case_id,
        entry.detail,
        head.as_slice()
    )
    .execute(permit.connection())
    .await?;
    Ok(())
}
