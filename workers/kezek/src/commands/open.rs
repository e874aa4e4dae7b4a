//! Opens the installation as a command or a process needs it: pools, engine, the kit of the stages.

use super::Told as _;
use crate::config::{Config, NcaNodeFor, needed, read_keys};
use crate::{pipeline, rulebook, services};
use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use kezek_domain::{Rules, System};
use kezek_gateway::eds::{CmsVerifier, NcaNode, NcaNodeConfig, Routed, Verifier};
use kezek_gateway::wsse::Envelopes;
use kezek_gateway::{ConfigProblem, Gateway};
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
    let kit = Kit::new(engine.clock().clone(), engine.ids().clone());
    Ok(kit.with(rules).with(Arc::new(gateway(config)?)).with(Arc::new(verifier(config)?)))
}

/// The client of the state gateway; its envelopes are signed where a key is configured.
///
/// # Errors
/// The key of the configuration that cannot be used; unsigned envelopes in production.
pub fn gateway(config: &Config) -> Result<Gateway, ConfigError> {
    let wrong = |p: ConfigProblem| ConfigError::at(format!("gateway.{}", p.key), p.what);
    match envelopes(config)? {
        Some(envelopes) => Gateway::sealed(config.gateway.clone(), envelopes).map_err(wrong),
        None => Gateway::new(config.gateway.clone()).map_err(wrong),
    }
}

/// How envelopes are signed and verified; `None` where they are not, which production refuses.
///
/// # Errors
/// The key of the configuration that cannot be used.
pub fn envelopes(config: &Config) -> Result<Option<Envelopes>, ConfigError> {
    let own = &config.envelopes;
    if own.key_file.as_os_str().is_empty() {
        if config.rules.profile.is_play() {
            return Ok(None);
        }
        let what = "is empty and contradicts `rules.profile` = `production`: the gateway's messages would be believed \
                    unsigned; give our key and envelopes.peer_bin";
        return Err(ConfigError::at("envelopes.key_file", what));
    }
    let place = |key: &str| match key {
        "key_file" | "peer_bin" => format!("envelopes.{key}"),
        other => format!("signatures.{other}"),
    };
    let wrong = |p: ConfigProblem| ConfigError::at(place(p.key), p.what);
    let key = std::fs::read(&own.key_file).map_err(|e| {
        let what = format!("{}: {}; give a readable PKCS#12 file", own.key_file.display(), e.kind());
        ConfigError::at("envelopes.key_file", what)
    })?;
    let key = base64::engine::general_purpose::STANDARD.encode(key);
    let node = NcaNode::new(ncanode(config)).map_err(wrong)?;
    Envelopes::new(node, key, own.key_password.clone(), &own.peer_bin).map(Some).map_err(wrong)
}

fn ncanode(config: &Config) -> NcaNodeConfig {
    NcaNodeConfig {
        url: config.signatures.ncanode_url.clone(),
        issuers: config.signatures.ncanode_issuers.clone(),
        timeout_ms: config.signatures.ncanode_timeout_ms,
        crl_file: Some(config.signatures.crl_file.clone()).filter(|file| !file.as_os_str().is_empty()),
    }
}

/// The verifier of signatures: OpenSSL's, with NCANode beside it where its address is given.
///
/// # Errors
/// No trusted authority, files that cannot be read, or no revocation list in production.
pub fn verifier(config: &Config) -> Result<Verifier, ConfigError> {
    let native = native(config)?;
    if config.signatures.ncanode_url.is_empty() {
        return Ok(Verifier::new(native));
    }
    let node = NcaNode::new(ncanode(config)).map_err(|p| ConfigError::at(format!("signatures.{}", p.key), p.what))?;
    Ok(Verifier::new(Routed::new(native, node, config.signatures.ncanode_for == NcaNodeFor::All)))
}

fn native(config: &Config) -> Result<CmsVerifier, ConfigError> {
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
