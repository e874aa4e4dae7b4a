//! `attachments`: pictures and signed documents, sealed by the case's key.

use crate::{Permit, StoreError};
use uuid::Uuid;

/// An attachment as it lies in the database.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct AttachmentRow {
    pub case_id: Uuid,
    pub which: String,
    pub media_type: String,
    pub sha256: Vec<u8>,
    /// Keyed digest of a picture: equal for equal bytes, under whatever number they came.
    pub likeness: Option<Vec<u8>>,
    pub bytes: i32,
    pub body: Vec<u8>,
}

/// Attachments of cases by name.
///
/// # Errors
/// Where the database fails.
pub async fn list(
    executor: impl sqlx::PgExecutor<'_>,
    cases: &[Uuid],
    which: &[String],
) -> Result<Vec<AttachmentRow>, StoreError> {
    Ok(sqlx::query_as!(
        AttachmentRow,
        "SELECT case_id, which, media_type, sha256, likeness, bytes, body FROM attachments
         WHERE case_id = ANY ($1) AND which = ANY ($2)",
        cases,
        which
    )
    .fetch_all(executor)
    .await?)
}

/// Writes attachments; each once per case.
///
/// # Errors
/// Where one exists already or the database fails.
pub async fn insert(permit: &mut Permit<'_>, rows: &[AttachmentRow]) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "INSERT INTO attachments (case_id, which, media_type, sha256, bytes, body, likeness)
         SELECT unnest($1::uuid[]), unnest($2::text[]), unnest($3::text[]), unnest($4::bytea[]), unnest($5::integer[]),
                unnest($6::bytea[]), unnest($7::bytea[])",
        &rows.iter().map(|r| r.case_id).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.which.clone()).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.media_type.clone()).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.sha256.clone()).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.bytes).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.body.clone()).collect::<Vec<_>>(),
        &rows.iter().map(|r| r.likeness.clone()).collect::<Vec<_>>() as &[Option<Vec<u8>>],
    )
    .execute(permit.connection())
    .await?;
    if done.rows_affected() == rows.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::rows("attachments", rows.len(), done.rows_affected()))
    }
}

/// The pictures of a case whose very bytes came with another person's application too.
///
/// # Errors
/// Where the database fails.
pub async fn shared(permit: &mut Permit<'_>, case: Uuid, iin_hash: &[u8]) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT DISTINCT own.which FROM attachments own
         JOIN attachments other ON other.likeness = own.likeness AND other.case_id <> own.case_id
         JOIN cases c ON c.id = other.case_id AND c.iin_hash <> $2
         WHERE own.case_id = $1 AND own.likeness IS NOT NULL ORDER BY own.which",
        case,
        iin_hash
    )
    .fetch_all(permit.connection())
    .await?)
}
