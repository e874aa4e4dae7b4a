//! `stage_pauses`: stages that an operator, or the storm brake, has stopped, with the reason.

use crate::StoreError;

/// The paused stages.
///
/// # Errors
/// Where the database fails.
pub async fn list(executor: impl sqlx::PgExecutor<'_>) -> Result<Vec<(String, String, String)>, StoreError> {
    Ok(sqlx::query!("SELECT stage, actor, reason FROM stage_pauses ORDER BY stage")
        .fetch_all(executor)
        .await?
        .into_iter()
        .map(|r| (r.stage, r.actor, r.reason))
        .collect())
}

/// Pauses a stage; a stage that is paused already keeps its first reason.
///
/// # Errors
/// Where the database fails.
pub async fn pause(
    executor: impl sqlx::PgExecutor<'_>,
    stage: &str,
    actor: &str,
    reason: &str,
) -> Result<bool, StoreError> {
    Ok(sqlx::query!(
        "INSERT INTO stage_pauses (stage, actor, reason) VALUES ($1, $2, $3) ON CONFLICT (stage) DO NOTHING",
        stage,
        actor,
        reason
    )
    .execute(executor)
    .await?
    .rows_affected()
        == 1)
}

/// Resumes a stage; `false` where it was not paused.
///
/// # Errors
/// Where the database fails.
pub async fn resume(executor: impl sqlx::PgExecutor<'_>, stage: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query!("DELETE FROM stage_pauses WHERE stage = $1", stage).execute(executor).await?.rows_affected() == 1)
}
