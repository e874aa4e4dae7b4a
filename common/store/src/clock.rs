//! `business_clock`: one offset for all processes, refused outside the demo and test profile.

use crate::StoreError;

/// The offset in milliseconds.
///
/// # Errors
/// Where the database fails.
pub async fn offset_ms(executor: impl sqlx::PgExecutor<'_>) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!("SELECT offset_ms FROM business_clock").fetch_one(executor).await?)
}

/// The installation's profile: `production`, `demo` or `test`.
///
/// # Errors
/// Where the database fails.
pub async fn profile(executor: impl sqlx::PgExecutor<'_>) -> Result<String, StoreError> {
    Ok(sqlx::query_scalar!("SELECT profile FROM business_clock").fetch_one(executor).await?)
}

/// Sets the profile; only on an installation without cases may it become `demo` or `test`.
///
/// # Errors
/// Where cases exist already, or the database fails.
pub async fn set_profile(executor: impl sqlx::PgExecutor<'_>, profile: &str) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "UPDATE business_clock SET profile = $1, offset_ms = CASE WHEN $1 = 'production' THEN 0 ELSE offset_ms END
         WHERE profile = $1 OR NOT EXISTS (SELECT FROM cases)",
        profile
    )
    .execute(executor)
    .await?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(StoreError::Inconsistent {
            table: "business_clock",
            what: "the profile of an installation with cases cannot be changed".to_owned(),
        })
    }
}

/// Moves the business clock; the database refuses it in production, and it never goes back once cases exist.
///
/// # Errors
/// A production installation, a step back, or the database.
pub async fn set_offset_ms(executor: impl sqlx::PgExecutor<'_>, offset: i64) -> Result<(), StoreError> {
    let done = sqlx::query!(
        "UPDATE business_clock SET offset_ms = $1
         WHERE profile <> 'production' AND (offset_ms <= $1 OR NOT EXISTS (SELECT FROM cases))",
        offset
    )
    .execute(executor)
    .await?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(StoreError::Inconsistent {
            table: "business_clock",
            what: "the clock moves forward only, and only in the demo and test profile".to_owned(),
        })
    }
}
