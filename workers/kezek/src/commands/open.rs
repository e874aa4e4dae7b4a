//! Opens the installation as a command or a process needs it: pools, engine, the kit of the stages.

use super::Told as _;
use crate::config::{Config, needed, read_keys};
use crate::{pipeline, rulebook, services};
use anyhow::{Context as _, Result, bail};
use kezek_domain::{Rules, System};
use kezek_gateway::Gateway;
use kezek_gateway::eds::CmsVerifier;
use kezek_runtime::{Engine, Metrics, Parts};
use kezek_stage::{Clock, ConfigError, Ids, Kit};
use kezek_store::{clock, connect};
use sqlx::PgPool;
use std::sync::Arc;

/// The engine's pool, for a command.
///
/// # Errors
/// No address, or no answer there.
pub async fn pool(config: &Config) -> Result<PgPool> {
    let url = needed("database.engine_url", &config.database.engine_url)?;
    connect(url, 4, "kezek shell").await.told("database.engine_url")
}

/// The engine, for a command: it takes nothing, it only acts.
///
/// # Errors
/// A key that is missing, no database, or keys that cannot be read.
pub async fn engine(config: &Config) -> Result<Engine> {
    let pool = pool(config).await?;
    let console = match needed("database.console_url", &config.database.console_url) {
        Ok(url) => connect(url, 1, "kezek shell").await.told("database.console_url")?,
        // acts of the operator do not read through the console
        Err(_) => pool.clone(),
    };
    let rules = rulebook::read(config, &pool).await?;
    let engine = assemble(config, &rules, pool, console)?;
    engine.clock().set_offset_ms(clock::offset_ms(engine.pool()).await.told("reading the business clock")?);
    Ok(engine)
}

/// The engine of open pools.
///
/// # Errors
/// A flow that cannot carry a case, keys that cannot be read, no address of the broker.
pub fn assemble(config: &Config, rules: &Rules, pool: PgPool, console: PgPool) -> Result<Engine> {
    let systems: Vec<_> = System::ALL.iter().map(|s| s.label()).collect();
    Ok(Engine::under(
        rules,
        Parts {
            pool,
            console,
            amqp: needed("broker.amqp_url", &config.broker.amqp_url)?.to_owned(),
            keyring: read_keys(&config.keys.file)?,
            clock: Clock::system(),
            ids: Ids::real(),
            flows: services::all()?,
            stages: pipeline::shapes(),
            side_stage: pipeline::tells(),
            metrics: Metrics::new(&pipeline::names(), &systems).context("metrics")?,
            limits: config.engine.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
    ))
}

/// What the stages are opened with: the rules, the gateway and the verifier of signatures.
///
/// # Errors
/// The key that cannot be used.
pub fn kit(config: &Config, rules: Arc<Rules>, engine: &Engine) -> Result<Kit, ConfigError> {
    let gateway =
        Gateway::new(config.gateway.clone()).map_err(|p| ConfigError::at(format!("gateway.{}", p.key), p.what))?;
    Ok(Kit::new(engine.clock().clone(), engine.ids().clone())
        .with(rules)
        .with(Arc::new(gateway))
        .with(Arc::new(verifier(config)?)))
}

/// The verifier of signatures.
///
/// # Errors
/// No trusted authority, files that cannot be read, or no revocation list in production.
pub fn verifier(config: &Config) -> Result<CmsVerifier, ConfigError> {
    let files = &config.signatures;
    let place = "signatures.trusted_ca_file";
    let file = config.needed_path(place, &files.trusted_ca_file)?;
    let wrong = |place: &str, path: &std::path::Path, what: &str| {
        ConfigError::at(place, format!("{}: {what}; give a readable PEM file", path.display()))
    };
    let pem = std::fs::read(file).map_err(|e| wrong(place, file, &e.kind().to_string()))?;
    let verifier = CmsVerifier::new(&pem).map_err(|p| wrong(place, file, &p.what))?;
    if files.crl_file.as_os_str().is_empty() {
        if config.rules.profile.is_play() {
            return Ok(verifier);
        }
        let what = "is empty and contradicts `rules.profile` = `production`: a revoked certificate would be accepted; \
                    give the authorities' revocation list";
        return Err(ConfigError::at("signatures.crl_file", what));
    }
    verifier.with_crl_file(&files.crl_file).map_err(|p| wrong("signatures.crl_file", &files.crl_file, &p.what))
}

/// Refuses a database that was migrated for another profile than the configuration says.
///
/// # Errors
/// Names both.
pub async fn same_profile(config: &Config, pool: &PgPool) -> Result<()> {
    let here = clock::profile(pool).await.told("reading the installation's profile")?;
    let wanted = config.rules.profile.label();
    if here != wanted {
        let what = format!(
            "is `{wanted}` and contradicts the database's own profile, `{here}`: correct the key (or KEZEK_PROFILE), or, \
             while the database has no case, run `kezek migrate --profile {wanted}`"
        );
        return Err(ConfigError::at("rules.profile", what).into());
    }
    Ok(())
}

/// Refuses to act on a clock or on people that are real.
///
/// # Errors
/// In the production profile.
pub async fn play_only(pool: &PgPool, what: &str) -> Result<()> {
    let here = clock::profile(pool).await.told("reading the installation's profile")?;
    if here == "production" {
        bail!("{what} is for the demo and test profile; this installation is production's");
    }
    Ok(())
}
