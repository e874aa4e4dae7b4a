//! A database of a test's own: a copy of a template that was migrated once, dropped when the test lets it go.
//!
//! The servers are named by the variables `KEZEK_*_URL`; `ops/test` sets them.

use anyhow::{Context as _, Result, bail};
use kezek_store::{MIGRATIONS, clock, connect, migrate};
use sha2::{Digest as _, Sha256};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, PgPool};
use std::path::Path;
use std::str::FromStr as _;
use std::sync::atomic::{AtomicU32, Ordering};

const TEMPLATE: &str = "kezek_template_";
const COPY: &str = "kezek_test_";
/// Advisory lock under which the template is made: one process at a time.
const MAKING: i64 = 0x6b7a_6b01;

/// The addresses of the servers that tests run on.
#[derive(Clone)]
pub struct Servers {
    /// PostgreSQL as the owner.
    pub owner: String,
    /// PostgreSQL as the engine.
    pub engine: String,
    /// PostgreSQL as the console.
    pub console: String,
    /// RabbitMQ as a worker.
    pub amqp: String,
    /// RabbitMQ's management API as an administrator.
    pub api: String,
    /// How many virtual hosts the pool has.
    pub places: usize,
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Servers")
    }
}

impl Servers {
    /// Reads them from the environment.
    ///
    /// # Errors
    /// Names the first variable that is missing, and `ops/test`.
    pub fn from_environment() -> Result<Self> {
        let read = |name: &str| {
            std::env::var(name).ok().filter(|v| !v.is_empty()).with_context(|| {
                format!(
                    "{name} is not set: this test needs a real PostgreSQL and RabbitMQ. Run `ops/test`, or start them \
                     with `ops/stack up --name test --fast` and take their addresses: eval \"$(ops/stack env --name test)\""
                )
            })
        };
        Ok(Self {
            owner: read("KEZEK_OWNER_URL")?,
            engine: read("KEZEK_ENGINE_URL")?,
            console: read("KEZEK_CONSOLE_URL")?,
            amqp: read("KEZEK_AMQP_URL")?,
            api: read("KEZEK_RABBITMQ_API_URL")?,
            places: 4,
        })
    }

    /// A connection of the owner's to the database that the address names.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn maintenance(&self) -> Result<PgConnection> {
        PgConnection::connect(&self.owner).await.context("KEZEK_OWNER_URL: PostgreSQL does not answer; run `ops/test`")
    }
}

/// Another database on the same server.
fn on(url: &str, database: &str) -> Result<String> {
    let options = PgConnectOptions::from_str(url).context("an address of PostgreSQL cannot be read")?;
    let name = options.get_database().context("an address of PostgreSQL names no database")?;
    let (head, tail) = url.rsplit_once(&format!("/{name}")).context("an address of PostgreSQL names no database")?;
    Ok(format!("{head}/{database}{tail}"))
}

/// A database of one test. Dropped, with whoever is still connected, when the value is.
#[derive(Debug)]
pub struct Database {
    name: String,
    servers: Servers,
}

impl Database {
    /// A migrated database of the test profile without any case.
    ///
    /// # Errors
    /// Where the server does not answer or a migration fails.
    pub async fn new() -> Result<Self> {
        Self::on(&Servers::from_environment()?).await
    }

    /// The same on given servers.
    ///
    /// # Errors
    /// As [`Database::new`].
    pub async fn on(servers: &Servers) -> Result<Self> {
        let template = template(servers).await?;
        Self::make(servers, Some(&template)).await
    }

    /// A database without any table, for tests of the migrations themselves.
    ///
    /// # Errors
    /// As [`Database::new`].
    pub async fn empty() -> Result<Self> {
        Self::make(&Servers::from_environment()?, None).await
    }

    async fn make(servers: &Servers, template: Option<&str>) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{COPY}{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = servers.maintenance().await?;
        let like = template.map(|t| format!(" TEMPLATE {t}")).unwrap_or_default();
        run(&mut connection, &format!("CREATE DATABASE {name}{like}")).await?;
        Ok(Self { name, servers: servers.clone() })
    }

    /// The owner's address of it.
    ///
    /// # Errors
    /// Where the servers' address cannot be read.
    pub fn owner_url(&self) -> Result<String> {
        on(&self.servers.owner, &self.name)
    }
    /// The engine's address of it.
    ///
    /// # Errors
    /// As [`Database::owner_url`].
    pub fn engine_url(&self) -> Result<String> {
        on(&self.servers.engine, &self.name)
    }
    /// The console's address of it.
    ///
    /// # Errors
    /// As [`Database::owner_url`].
    pub fn console_url(&self) -> Result<String> {
        on(&self.servers.console, &self.name)
    }
    /// A small pool of the owner's.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn owner(&self) -> Result<PgPool> {
        Ok(connect(&self.owner_url()?, 2, "kezek test owner").await?)
    }
    /// A small pool of the engine's.
    ///
    /// # Errors
    /// As [`Database::owner`].
    pub async fn engine(&self) -> Result<PgPool> {
        Ok(connect(&self.engine_url()?, 2, "kezek test engine").await?)
    }
    /// A small pool of the console's.
    ///
    /// # Errors
    /// As [`Database::owner`].
    pub async fn console(&self) -> Result<PgPool> {
        Ok(connect(&self.console_url()?, 2, "kezek test console").await?)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (name, servers) = (self.name.clone(), self.servers.clone());
        // a test's runtime may be going down around this value: the drop has a thread and a runtime of its own
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let mut connection = servers.maintenance().await.ok()?;
                run(&mut connection, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.ok()
            })
        });
        // what could not be dropped is dropped by the next run, which finds its process gone
        drop(dropped.join());
    }
}

async fn run(connection: &mut PgConnection, statement: &str) -> Result<()> {
    sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(connection)
        .await
        .with_context(|| format!("PostgreSQL refuses: {statement}"))?;
    Ok(())
}

/// The name of the template for the migrations of this build; made where it does not exist.
async fn template(servers: &Servers) -> Result<String> {
    let mut digest = Sha256::new();
    for migration in MIGRATIONS.iter() {
        digest.update(&migration.checksum);
    }
    let name = format!("{TEMPLATE}{}", &hex::encode(digest.finalize())[..16]);
    let mut connection = servers.maintenance().await?;
    if exists(&mut connection, &name).await? {
        return Ok(name);
    }
    sqlx::query("SELECT pg_advisory_lock($1)").bind(MAKING).execute(&mut connection).await?;
    // the lock goes with the connection
    if !exists(&mut connection, &name).await? {
        sweep(&mut connection).await?;
        let making = format!("{name}_new");
        run(&mut connection, &format!("DROP DATABASE IF EXISTS {making} WITH (FORCE)")).await?;
        run(&mut connection, &format!("CREATE DATABASE {making}")).await?;
        let pool = connect(&on(&servers.owner, &making)?, 1, "kezek test template").await?;
        migrate(&pool).await.context("the migrations do not apply")?;
        clock::set_profile(&pool, "test").await?;
        pool.close().await;
        // a template exists whole or not at all
        run(&mut connection, &format!("ALTER DATABASE {making} RENAME TO {name}")).await?;
    }
    Ok(name)
}

async fn exists(connection: &mut PgConnection, name: &str) -> Result<bool> {
    Ok(sqlx::query_scalar::<_, bool>("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(connection)
        .await?)
}

/// Drops what killed runs have left behind.
async fn sweep(connection: &mut PgConnection) -> Result<()> {
    let names: Vec<String> =
        sqlx::query_scalar("SELECT datname FROM pg_database WHERE datname LIKE 'kezek\\_test\\_%'")
            .fetch_all(&mut *connection)
            .await?;
    for name in names {
        let Some(pid) = name.strip_prefix(COPY).and_then(|rest| rest.split('_').next()) else {
            bail!("{name} is no name of ours");
        };
        if !Path::new("/proc").join(pid).exists() {
            run(connection, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        }
    }
    Ok(())
}
