//! `dossier`: sections, sealed by the case's key; written once per stage and visit, the latest is read.

use crate::crypt::CaseKey;
use crate::{Permit, SqlTime, StoreError, ToSqlx as _};
use jiff::Timestamp;
use kezek_domain::Section;
use serde_json::Value;
use uuid::Uuid;

/// A section as it lies in the database.
#[derive(Clone, Debug)]
pub struct SectionRow {
    /// The case.
    pub case_id: Uuid,
    /// Which section.
    pub section: String,
    /// Version of its shape.
    pub version: i32,
    /// The sealed body.
    pub body: Vec<u8>,
}

/// The latest of each named section of each case.
///
/// # Errors
/// Where the database fails.
pub async fn list(
    executor: impl sqlx::PgExecutor<'_>,
    cases: &[Uuid],
    sections: &[Section],
) -> Result<Vec<SectionRow>, StoreError> {
    let names: Vec<String> = sections.iter().map(|s| s.label().to_owned()).collect();
    Ok(sqlx::query_as!(
        SectionRow,
        "SELECT DISTINCT ON (case_id, section) case_id, section, version, body
         FROM dossier WHERE case_id = ANY ($1) AND section = ANY ($2)
         ORDER BY case_id, section, ticket DESC",
        cases,
        &names
    )
    .fetch_all(executor)
    .await?)
}

/// A section about to be written.
#[derive(Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct NewSection {
    pub case_id: Uuid,
    pub section: Section,
    pub stage: String,
    pub visit: i32,
    pub ticket: i64,
    pub version: i32,
    pub sealed: Vec<u8>,
}

/// Writes sections; the same stage and visit overwrites its own.
///
/// # Errors
/// Where the database fails.
pub async fn insert(permit: &mut Permit<'_>, rows: &[NewSection], at: Timestamp) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "INSERT INTO dossier (case_id, section, stage, visit, ticket, version, body, written_at)
         SELECT unnest($1::uuid[]), unnest($2::text[]), unnest($3::text[]), unnest($4::integer[]), unnest($5::bigint[]),
                unnest($6::integer[]), unnest($7::bytea[]), $8
         ON CONFLICT (case_id, section, stage, visit)
         DO UPDATE SET ticket = excluded.ticket, version = excluded.version, body = excluded.body,
                       written_at = excluded.written_at",
        &rows.iter().map(|r| r.case_id).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.section.label()).collect::<Vec<_>>() as &[&str],
        &rows.iter().map(|r| r.stage.as_str()).collect::<Vec<_>>() as &[&str],
        &rows.iter().map(|r| r.visit).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.ticket).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.version).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.sealed.as_slice()).collect::<Vec<_>>() as &[&[u8]],
        at.to_sqlx() as SqlTime,
    )
    .execute(permit.connection())
    .await?;
    if done.rows_affected() == rows.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::rows("dossier", rows.len(), done.rows_affected()))
    }
}

/// Seals a section's body for its place.
///
/// # Errors
/// Where sealing fails.
pub fn seal(key: &CaseKey, section: Section, body: &Value) -> Result<Vec<u8>, StoreError> {
    key.seal(section.label(), body.to_string().as_bytes())
}

/// Opens a sealed section.
///
/// # Errors
/// Where it does not open or is not JSON.
pub fn open(key: &CaseKey, section: Section, sealed: &[u8]) -> Result<Value, StoreError> {
    serde_json::from_slice(&key.open(section.label(), sealed)?).map_err(|_| StoreError::Crypt("a section is not JSON"))
}
