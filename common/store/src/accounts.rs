//! `accounts`: who may do what, known by the digest of a bearer token.

use crate::StoreError;

/// As what an officer's IIN is sealed: it is bound to this name.
pub const OFFICER_IIN: &str = "officer-iin";

/// An account's row; the token itself is never stored.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct AccountRow {
    pub account: String,
    pub role: String,
    pub region: Option<String>,
    pub iin: Option<Vec<u8>>,
    pub points: Vec<String>,
    pub blocked: bool,
}

/// The account of a token's SHA-256.
///
/// # Errors
/// Where the database fails.
pub async fn find_by_token(
    executor: impl sqlx::PgExecutor<'_>,
    token_sha256: &[u8],
) -> Result<Option<AccountRow>, StoreError> {
    Ok(sqlx::query_as!(
        AccountRow,
        r#"SELECT account, role, region, iin, points, blocked_at IS NOT NULL AS "blocked!" FROM accounts
         WHERE token_sha256 = $1"#,
        token_sha256
    )
    .fetch_optional(executor)
    .await?)
}

/// All accounts.
///
/// # Errors
/// Where the database fails.
pub async fn list(executor: impl sqlx::PgExecutor<'_>) -> Result<Vec<AccountRow>, StoreError> {
    Ok(sqlx::query_as!(
        AccountRow,
        r#"SELECT account, role, region, iin, points, blocked_at IS NOT NULL AS "blocked!" FROM accounts ORDER BY account"#
    )
    .fetch_all(executor)
    .await?)
}

/// Creates an account, or gives an existing one a new token, role and region.
///
/// # Errors
/// Where the database fails.
pub async fn put(executor: impl sqlx::PgExecutor<'_>, row: &AccountRow, token_sha256: &[u8]) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO accounts (account, role, region, iin, token_sha256, points) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (account) DO UPDATE SET role = excluded.role, region = excluded.region, iin = excluded.iin,
             token_sha256 = excluded.token_sha256, points = excluded.points, blocked_at = NULL",
        row.account,
        row.role,
        row.region,
        row.iin,
        token_sha256,
        &row.points
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Blocks an account; `false` where there is none or it was blocked.
///
/// # Errors
/// Where the database fails.
pub async fn block(executor: impl sqlx::PgExecutor<'_>, account: &str) -> Result<bool, StoreError> {
    let done =
        sqlx::query!("UPDATE accounts SET blocked_at = now() WHERE account = $1 AND blocked_at IS NULL", account)
            .execute(executor)
            .await?;
    Ok(done.rows_affected() == 1)
}
