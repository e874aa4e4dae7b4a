//! Connections and migrations.

use crate::StoreError;
use sqlx::PgPool;
use sqlx::migrate::{Migrate as _, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::str::FromStr;
use std::time::Duration;

/// The migrations, compiled in.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../../schemas/db/migrations");

/// Opens a pool of at most `size` connections; the first is made at once, so that a wrong URL is told now.
///
/// # Errors
/// Where the URL does not parse or the server does not answer within ten seconds.
pub async fn connect(url: &str, size: u32, application: &str) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::from_str(url)?.application_name(application);
    Ok(PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(Duration::from_secs(10))
        .max_lifetime(Duration::from_secs(3600))
        // one round trip less per transaction; a dead connection is a transient fault like any other
        .test_before_acquire(false)
        .connect_with(options)
        .await?)
}

/// Applies the migrations that are missing; one process at a time.
///
/// # Errors
/// A migration that fails, was changed after it was applied, or is unknown to this binary.
pub async fn migrate(pool: &PgPool) -> Result<(), sqlx::migrate::MigrateError> {
    MIGRATIONS.run(pool).await
}

/// Descriptions of the migrations that this binary has and the database lacks.
///
/// # Errors
/// Where the database does not answer.
pub async fn pending(pool: &PgPool) -> Result<Vec<String>, StoreError> {
    let mut connection = pool.acquire().await?;
    let applied = match connection.list_applied_migrations("_sqlx_migrations").await {
        Ok(applied) => applied,
        Err(sqlx::migrate::MigrateError::Execute(_)) => Vec::new(),
        Err(_) => {
            return Err(StoreError::Inconsistent { table: "_sqlx_migrations", what: "cannot be read".to_owned() });
        }
    };
    Ok(MIGRATIONS
        .iter()
        .filter(|m| !applied.iter().any(|a| a.version == m.version))
        .map(|m| format!("{} {}", m.version, m.description))
        .collect())
}
