//! `audit`: who looked at what and who did what (A0.1), append-only and hash-chained.

use crate::{Permit, SqlTime, StoreError};
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

/// The detail with the instant of the entry in it: so the chain also covers when it was.
fn dated(detail: &Value, at: SqlTime) -> Value {
    let mut detail = match detail {
        Value::Object(_) => detail.clone(),
        Value::Null => Value::Object(serde_json::Map::new()),
        other => serde_json::json!({ "of": other }),
    };
    if let Some(map) = detail.as_object_mut() {
        map.insert("at".to_owned(), at.to_jiff().as_microsecond().into());
    }
    detail
}

/// Whether an entry says itself when it was, and its row says another time.
#[must_use]
pub fn misdated(detail: &Value, at: SqlTime) -> bool {
    detail.get("at").and_then(Value::as_i64).is_some_and(|own| own != at.to_jiff().as_microsecond())
}

/// Whether nobody has written this act down within so many seconds of real time. Takes the trail's lock: whoever is told
/// so and writes it down in the same transaction is the only one.
///
/// # Errors
/// Where the database fails.
pub async fn first_within(permit: &mut Permit<'_>, act: &str, seconds: f64) -> Result<bool, StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('kezek.audit'))").execute(&mut *permit.connection()).await?;
    Ok(sqlx::query_scalar!(
        r#"SELECT NOT EXISTS (SELECT FROM audit WHERE act = $1 AND at > now() - make_interval(secs => $2)) AS "first!""#,
        act,
        seconds
    )
    .fetch_one(permit.connection())
    .await?)
}

/// Appends an entry; one at a time, because each knows the one before.
///
/// # Errors
/// Where the database fails.
pub async fn append(permit: &mut Permit<'_>, entry: &Entry<'_>) -> Result<(), StoreError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('kezek.audit'))").execute(&mut *permit.connection()).await?;
    let last = sqlx::query!(
        r#"SELECT now() AS "now!: SqlTime", last.number AS "number?", last.head AS "head?"
         FROM (VALUES (1)) AS one (n) LEFT JOIN (SELECT number, head FROM audit ORDER BY number DESC LIMIT 1) AS last
              ON true"#
    )
    .fetch_one(&mut *permit.connection())
    .await?;
    let number = last.number.unwrap_or(0) + 1;
    let entry = Entry { detail: dated(&entry.detail, last.now), ..entry.clone() };
    let head = chain(last.head.as_deref().unwrap_or(&GENESIS), number, &entry);
    sqlx::query!(
        "INSERT INTO audit (number, at, account, role, act, case_id, detail, head)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        number,
        last.now as SqlTime,
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
