//! `ledger`: double entry, two lines per posting; money is posted once per provider's number.

use crate::{Permit, SqlTime, StoreError, ToSqlx as _};
use jiff::Timestamp;
use kezek_domain::Tiyn;
use kezek_domain::ledger::{Posting, PostingKind};
use std::collections::HashSet;
use uuid::Uuid;

/// A posting about to be made.
#[derive(Clone, Debug)]
pub struct NewPosting {
    /// Its id.
    pub id: Uuid,
    /// The case, or none for suspense.
    pub case_id: Option<Uuid>,
    /// Who numbers it: an outside system's label, or `kezek`.
    pub source: String,
    /// Accounts, amount, number and kind.
    pub posting: Posting,
}

/// Makes postings; those whose source, reference and kind are posted already are left out. Returns the ids of
/// those that were made now.
///
/// # Errors
/// A posting that the law refuses, or the database.
pub async fn post(permit: &mut Permit<'_>, rows: &[NewPosting], at: Timestamp) -> Result<HashSet<Uuid>, StoreError> {
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    for row in rows {
        row.posting.check().map_err(|e| StoreError::Inconsistent { table: "ledger", what: e.to_string() })?;
    }
    let both = || rows.iter().flat_map(|r| [(r, 1_i16), (r, 2_i16)]);
    let made = sqlx::query_scalar!(
        "INSERT INTO ledger (posting_id, line, case_id, account, amount_tiyn, kind, source, reference, at)
         SELECT unnest($1::uuid[]), unnest($2::smallint[]), unnest($3::uuid[]), unnest($4::text[]), unnest($5::bigint[]),
                unnest($6::text[]), unnest($7::text[]), unnest($8::text[]), $9
         ON CONFLICT (source, reference, kind, line) DO NOTHING
         RETURNING posting_id",
        &both().map(|(r, _)| r.id).collect::<Vec<_>>(),
        &both().map(|(_, l)| l).collect::<Vec<_>>(),
        &both().map(|(r, _)| r.case_id).collect::<Vec<_>>() as &[Option<Uuid>],
        &both().map(|(r, l)| if l == 1 { r.posting.debit } else { r.posting.credit }.label()).collect::<Vec<_>>()
            as &[&str],
        &both().map(|(r, l)| if l == 1 { r.posting.amount.0 } else { -r.posting.amount.0 }).collect::<Vec<_>>(),
        &both().map(|(r, _)| r.posting.kind.label()).collect::<Vec<_>>() as &[&str],
        &both().map(|(r, _)| r.source.as_str()).collect::<Vec<_>>() as &[&str],
        &both().map(|(r, _)| r.posting.reference.as_str()).collect::<Vec<_>>() as &[&str],
        at.to_sqlx() as SqlTime,
    )
    .fetch_all(permit.connection())
    .await?;
    Ok(made.into_iter().collect())
}

/// One posting as it lies in the book.
#[derive(Clone, Debug)]
pub struct LedgerRow {
    /// The case.
    pub case_id: Uuid,
    /// What it means.
    pub kind: PostingKind,
    /// Who numbers it.
    pub source: String,
    /// Its number.
    pub reference: String,
    /// How much.
    pub amount: Tiyn,
    /// When, on the business clock.
    pub at: Timestamp,
}

/// The postings of cases, oldest first.
///
/// # Errors
/// A kind that the law does not know, or the database.
pub async fn list(executor: impl sqlx::PgExecutor<'_>, cases: &[Uuid]) -> Result<Vec<LedgerRow>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT case_id AS "case_id!", kind, source, reference, amount_tiyn, at FROM ledger
         WHERE case_id = ANY ($1) AND line = 1 ORDER BY at, posting_id"#,
        cases
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(LedgerRow {
                case_id: r.case_id,
                kind: PostingKind::parse(&r.kind)
                    .ok_or_else(|| StoreError::Inconsistent { table: "ledger", what: "unknown kind".to_owned() })?,
                source: r.source,
                reference: r.reference,
                amount: Tiyn(r.amount_tiyn),
                at: r.at.to_jiff(),
            })
        })
        .collect()
}
