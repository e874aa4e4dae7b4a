//! Connections and migrations, and how long the database may stay silent: a half-open connection tells nobody that
//! it is dead, so that every wait for an answer has an end.

use crate::StoreError;
use sqlx::migrate::{Migrate as _, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{Connection as _, PgPool, Row as _};
use std::str::FromStr;
use std::time::Duration;

/// The migrations, compiled in.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../../schemas/db/migrations");

/// How long a whole piece of work in the database may take before its connection counts as dead.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// How long a connection may take to say that it lives.
const LIVES_WITHIN: Duration = Duration::from_secs(2);
/// A connection that was used less long ago is not asked whether it lives.
const FRESH: Duration = Duration::from_secs(1);
/// The server's own bounds: a session whose client has vanished in the middle of a transaction keeps no lock for more
/// than a minute (the sweeper may wait half of one for the broker), and nobody waits longer for a lock than this.
const SERVER_BOUNDS: [(&str, &str); 2] = [("idle_in_transaction_session_timeout", "60s"), ("lock_timeout", "15s")];

/// How the server plans the statements of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plans {
    /// Once per session, by key: for the engine's statements over batches. Planned for its arguments each time, a
    /// small batch costs the database a third more; planned while a table is still small, a statement would go on
    /// reading all of it when it has grown.
    Once,
    /// As the server sees fit: for queries with optional filters.
    Fitting,
}

impl Plans {
    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            // a plan that cannot avoid reading a whole table looks dear to the server, and it would compile it
            Self::Once => &[("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off"), ("jit", "off")],
            Self::Fitting => &[],
        }
    }
}

/// Waits for a piece of work in the database, at most 20 seconds; then its connection is given up. Whether a commit
/// was under way is unknown then, and the ticket tells.
///
/// # Errors
/// Its own, or one that may pass (a connection that timed out).
pub async fn bounded<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    bounded_by(ANSWERS_WITHIN, work).await
}

/// As [`bounded`], with a bound of one's own: for work that waits for somebody else too.
///
/// # Errors
/// Its own, or one that may pass (a connection that timed out).
pub async fn bounded_by<T>(
    bound: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(bound, work).await {
        Ok(done) => done,
        Err(_) => Err(silent().into()),
    }
}

fn silent() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

async fn lives(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(LIVES_WITHIN, connection.ping()).await {
        Ok(answer) => answer.map(|()| true),
        Err(_) => Err(silent()),
    }
}

/// Whether a connection lives and no transaction is open on it. Work that was given up while its BEGIN was on the way
/// leaves one open that the driver does not know of; the next one's statement would run in it, seem to be committed,
/// and be lost. The simple protocol, because the extended one has a timestamp of its own for the bound statement.
async fn is_clean(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let asked = sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(connection);
    match tokio::time::timeout(LIVES_WITHIN, asked).await {
        Ok(row) => row?.try_get::<bool, _>(0),
        Err(_) => Err(silent()),
    }
}

/// Opens a pool of at most `size` connections; the first is made at once, so that a wrong URL is told now.
///
/// # Errors
/// Where the URL does not parse or the server does not answer within ten seconds.
pub async fn connect(url: &str, size: u32, application: &str) -> Result<PgPool, StoreError> {
    connect_for(Plans::Fitting, url, size, application).await
}

/// As [`connect`], and says how statements are planned.
///
/// # Errors
/// Where the URL does not parse or the server does not answer within ten seconds.
pub async fn connect_for(plans: Plans, url: &str, size: u32, application: &str) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::from_str(url)?
        .application_name(application)
        .options(SERVER_BOUNDS)
        .options(plans.settings().iter().copied());
    Ok(PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(Duration::from_secs(10))
        .max_lifetime(Duration::from_secs(3600))
        // one round trip less per transaction; a dead connection is a transient fault like any other
        .test_before_acquire(false)
        .before_acquire(|connection, used| {
            Box::pin(async move { if used.idle_for < FRESH { Ok(true) } else { lives(connection).await } })
        })
        // the pool itself would wait without end for what a given-up piece of work left in a dead connection, and its
        // place in the pool with it
        .after_release(|connection, _| Box::pin(is_clean(connection)))
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
