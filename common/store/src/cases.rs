//! `cases`: where each application stands.

use crate::{Permit, SqlTime, StoreError, ToSqlx as _};
use jiff::Timestamp;
use kezek_domain::{Because, Closing, How, Purse, StageName, Status, Tiyn};
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

/// A case's row. Business times are `filed_at` and `held_until`; the others are real.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct CaseRow {
    pub id: Uuid,
    pub service: String,
    pub flow_version: i32,
    pub receipt: String,
    pub coupon: Option<String>,
    pub request_sha256: Vec<u8>,
    pub region: String,
    pub language: String,
    pub filed_at: SqlTime,
    pub opened_at: SqlTime,
    pub moved_at: SqlTime,
    pub how: String,
    pub stage: Option<String>,
    pub visit: i32,
    pub held_until: Option<SqlTime>,
    pub closing: Option<String>,
    pub refunding_closing: Option<String>,
    pub refunding_reason: Option<String>,
    pub visits: Value,
    pub revision: i64,
    pub journal_number: i64,
    pub journal_head: Vec<u8>,
    pub case_key: Option<Vec<u8>>,
    pub key_id: String,
    pub received_tiyn: i64,
    pub earned_tiyn: i64,
    pub returned_tiyn: i64,
}

fn odd(what: &str) -> StoreError {
    StoreError::Inconsistent { table: "cases", what: what.to_owned() }
}

impl CaseRow {
    /// The lifecycle's status.
    ///
    /// # Errors
    /// Where the row says something that the law does not know.
    pub fn status(&self) -> Result<Status, StoreError> {
        let closing = |text: &str| Closing::parse(text).ok_or_else(|| odd("unknown closing"));
        if let Some(text) = &self.closing {
            return Ok(Status::Closed(closing(text)?));
        }
        let how = match self.how.as_str() {
            "moving" => How::Moving,
            "held" => How::Held { until: self.held_until.map(SqlTime::to_jiff) },
            "parked" => How::Parked,
            _ => return Err(odd("unknown how")),
        };
        let refunding = match (&self.refunding_closing, &self.refunding_reason) {
            (Some(text), Some(reason)) => Some(Because { closing: closing(text)?, reason: reason.clone() }),
            _ => None,
        };
        let at = StageName::owned(self.stage.clone().ok_or_else(|| odd("open without a stage"))?);
        Ok(Status::Open { at, visit: u32::try_from(self.visit).map_err(|_| odd("visit"))?, how, refunding })
    }
    /// What the case's ledger comes to.
    #[must_use]
    pub fn purse(&self) -> Purse {
        Purse { received: Tiyn(self.received_tiyn), earned: Tiyn(self.earned_tiyn), returned: Tiyn(self.returned_tiyn) }
    }
    /// How often a stage has been entered.
    #[must_use]
    pub fn entered(&self, stage: &str) -> u32 {
        self.visits.get(stage).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
    }
    /// The journal's head.
    ///
    /// # Errors
    /// Where it is not 32 bytes long.
    pub fn head(&self) -> Result<[u8; 32], StoreError> {
        self.journal_head.as_slice().try_into().map_err(|_| odd("journal head"))
    }
}

/// Cases by id.
///
/// # Errors
/// Where the database fails.
pub async fn list(executor: impl sqlx::PgExecutor<'_>, ids: &[Uuid]) -> Result<HashMap<Uuid, CaseRow>, StoreError> {
    let rows = sqlx::query_as!(
        CaseRow,
        "SELECT id, service, flow_version, receipt, coupon, request_sha256, region, language, filed_at, opened_at,
                moved_at, how, stage, visit, held_until, closing, refunding_closing, refunding_reason, visits,
                revision, journal_number, journal_head, case_key, key_id, received_tiyn, earned_tiyn, returned_tiyn
         FROM cases WHERE id = ANY ($1)",
        ids
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|r| (r.id, r)).collect())
}

/// The id of a case by receipt, coupon or id.
///
/// # Errors
/// Where the database fails.
pub async fn find_id(executor: impl sqlx::PgExecutor<'_>, number: &str) -> Result<Option<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM cases WHERE receipt = $1 OR coupon = $1 OR id = $2",
        number,
        number.parse::<Uuid>().ok()
    )
    .fetch_optional(executor)
    .await?)
}

/// The case that a request opened, and the digest of that request.
///
/// # Errors
/// Where the database fails.
pub async fn find_request(
    executor: impl sqlx::PgExecutor<'_>,
    source: &str,
    request: &str,
) -> Result<Option<(Uuid, Vec<u8>)>, StoreError> {
    Ok(sqlx::query!(
        "SELECT id, request_sha256 FROM cases WHERE request_source = $1 AND request_id = $2",
        source,
        request
    )
    .fetch_optional(executor)
    .await?
    .map(|r| (r.id, r.request_sha256)))
}

/// Who submitted a case.
///
/// # Errors
/// Where the database fails.
pub async fn find_source(executor: impl sqlx::PgExecutor<'_>, case: Uuid) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar!("SELECT request_source FROM cases WHERE id = $1", case).fetch_optional(executor).await?)
}

/// A case about to be opened.
#[derive(Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct NewCase<'a> {
    pub id: Uuid,
    pub service: &'a str,
    pub flow_version: i32,
    pub receipt: &'a str,
    pub request_source: &'a str,
    pub request_id: &'a str,
    pub request_sha256: &'a [u8],
    pub iin_hash: &'a [u8],
    pub region: &'a str,
    pub language: &'a str,
    pub filed_at: Timestamp,
    pub stage: &'a str,
    pub visits: Value,
    pub journal_head: &'a [u8],
    pub case_key: &'a [u8],
    pub key_id: &'a str,
}

/// Opens a case.
///
/// # Errors
/// A second open application of the same person (`cases_one_open`), the same request twice, or the database.
pub async fn insert(permit: &mut Permit<'_>, case: &NewCase<'_>) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO cases (id, service, flow_version, receipt, request_source, request_id, request_sha256, iin_hash,
                            region, language, filed_at, how, stage, visit, visits, journal_number, journal_head,
                            case_key, key_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'moving', $12, 1, $13, 1, $14, $15, $16)",
        case.id,
        case.service,
        case.flow_version,
        case.receipt,
        case.request_source,
        case.request_id,
        case.request_sha256,
        case.iin_hash,
        case.region,
        case.language,
        case.filed_at.to_sqlx() as SqlTime,
        case.stage,
        case.visits,
        case.journal_head,
        case.case_key,
        case.key_id,
    )
    .execute(permit.connection())
    .await?;
    Ok(())
}

/// What a settled case stands at.
#[derive(Clone, Debug)]
pub struct CaseMove {
    /// The case.
    pub id: Uuid,
    /// Its status now.
    pub status: Status,
    /// How often each stage has been entered.
    pub visits: Value,
    /// The journal's last number and head.
    pub journal: (i64, [u8; 32]),
    /// The coupon, where it was set by this settle.
    pub coupon: Option<String>,
    /// What the ledger comes to.
    pub purse: Purse,
}

/// Held cases and the longest wait of a moving case (seconds of real time), by stage.
///
/// # Errors
/// Where the database fails.
pub async fn waits(executor: impl sqlx::PgExecutor<'_>) -> Result<Vec<(String, i64, f64)>, StoreError> {
    Ok(sqlx::query!(
        r#"SELECT stage AS "stage!", count(*) FILTER (WHERE how = 'held') AS "held!",
                coalesce(extract(epoch FROM now() - min(moved_at) FILTER (WHERE how = 'moving')), 0)::float8 AS "oldest!"
         FROM cases WHERE is_open AND stage IS NOT NULL GROUP BY stage"#
    )
    .fetch_all(executor)
    .await?
    .into_iter()
    .map(|r| (r.stage, r.held, r.oldest))
    .collect())
}

/// Cases that move at a stage, in id order after `after`.
///
/// # Errors
/// Where the database fails.
pub async fn list_moving_at(
    executor: impl sqlx::PgExecutor<'_>,
    stage: &str,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!(
        "SELECT id FROM cases WHERE is_open AND how = 'moving' AND stage = $1 AND id > $2 ORDER BY id LIMIT $3",
        stage,
        after,
        limit
    )
    .fetch_all(executor)
    .await?)
}
