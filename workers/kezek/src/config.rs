//! The configuration of a process: defaults compiled in, a file, the environment. A key that nobody reads, a value of
//! the wrong type and two keys that contradict each other are refused at the start, each by its path.

mod keys;
mod layers;

pub use keys::{new_keys_file, next_keys_file, read_keys};
pub use layers::{DEFAULTS, ENVIRONMENT, Layers, Origin};

use kezek_gateway::GatewayConfig;
use kezek_runtime::Limits;
use kezek_stage::ConfigError;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::Table;

/// Everything that an installation may set.
#[derive(Clone, Debug)]
pub struct Config {
    /// PostgreSQL.
    pub database: Database,
    /// RabbitMQ.
    pub broker: Broker,
    /// Which people and which clock are admitted.
    pub rules: Rules,
    /// The state gateway.
    pub gateway: GatewayConfig,
    /// As whom the gateway comes to us.
    pub callback: crate::doors::gateway::Config,
    /// Whose signatures are accepted.
    pub signatures: Signatures,
    /// How envelopes are signed.
    pub envelopes: Envelopes,
    /// The encryption at rest.
    pub keys: Keys,
    /// The HTTP server.
    pub doors: Doors,
    /// The engine's bounds.
    pub engine: Limits,
    /// What is logged.
    pub log: Log,
    /// How the invariants are counted.
    pub check: Check,
    /// What is watched that no call of ours shows (A12).
    pub outages: Outages,
    /// How the receivers are compared with.
    pub reconcile: ReconcileSection,
    /// The sections of the stages.
    pub stage: Table,
}

/// Addresses of PostgreSQL, one per role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The owner's.
    pub owner_url: SecretString,
    /// The engine's.
    pub engine_url: SecretString,
    /// The console's.
    pub console_url: SecretString,
}

/// Addresses of RabbitMQ.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// The workers'.
    pub amqp_url: SecretString,
    /// The management API's.
    pub api_url: SecretString,
}

/// Which people and which clock are admitted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The profile.
    pub profile: Profile,
    /// An operator's file that extends a legal basis (A0.3); empty for none.
    pub extension_file: PathBuf,
}

/// What an installation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Citizens, and the machine's clock.
    Production,
    /// Sample people, and a clock that can be moved: for demonstrations.
    Demo,
    /// The same for tests.
    Test,
}

impl Profile {
    /// The word in the database and in the configuration.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Demo => "demo",
            Self::Test => "test",
        }
    }
    /// Whether sample people and a moved clock are admitted.
    #[must_use]
    pub const fn is_play(self) -> bool {
        matches!(self, Self::Demo | Self::Test)
    }
}

/// Whose signatures are accepted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signatures {
    /// The authorities' certificates.
    pub trusted_ca_file: PathBuf,
    /// Their revocation list.
    pub crl_file: PathBuf,
    /// Where NCANode is; empty for nowhere.
    pub ncanode_url: String,
    /// What NCANode verifies.
    pub ncanode_for: NcaNodeFor,
    /// The authorities that count, as NCANode names them.
    pub ncanode_issuers: Vec<String>,
    /// Longest whole call, milliseconds.
    pub ncanode_timeout_ms: u64,
}

/// What NCANode verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NcaNodeFor {
    /// Keys of the national algorithms.
    National,
    /// Every signature.
    All,
}

/// How envelopes to and from the gateway are signed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelopes {
    /// Our key, PKCS#12; empty for unsigned envelopes.
    pub key_file: PathBuf,
    /// Its password.
    pub key_password: SecretString,
    /// The BIN in the gateway's own certificate.
    pub peer_bin: String,
}

/// The encryption at rest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The file of the keys.
    pub file: PathBuf,
}

/// The HTTP server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doors {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Largest request, bytes.
    pub max_body_bytes: usize,
    /// Longest request, seconds.
    pub request_seconds: u64,
    /// How long a token's account is remembered, seconds.
    pub token_seconds: u64,
}

/// What is logged.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// `level`, or `target=level,…`.
    pub filter: String,
}

/// How the invariants are counted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// How often, seconds.
    pub every_seconds: u64,
    /// Age at which a moving case without a message in the outbox counts as lost, seconds.
    pub unseen_seconds: f64,
    /// Age at which an unanswered request or an unsent message counts, seconds.
    pub old_seconds: f64,
}

/// What is watched that no call of ours shows (A12): the portal and its apps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outages {
    /// How often, seconds.
    pub every_seconds: u64,
    /// Longest wait for an answer, seconds.
    pub timeout_seconds: u64,
    /// Addresses by what they stand for.
    pub probe: BTreeMap<String, String>,
}

/// How the receivers' statements are compared with what the database knows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconcileSection {
    /// How often, hours; 0 for never.
    pub every_hours: u64,
}

impl Config {
    /// Reads defaults, file and environment, and judges them.
    ///
    /// # Errors
    /// The first key that is unknown, of the wrong type, out of range, or contradicts another.
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::of(&Layers::read(file, |name| std::env::var(name).ok())?)
    }

    /// The configuration of layers that were read.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn of(layers: &Layers) -> Result<Self, ConfigError> {
        let config = Self {
            database: layers.section("database")?,
            broker: layers.section("broker")?,
            rules: layers.section("rules")?,
            gateway: layers.section("gateway")?,
            callback: layers.section("callback")?,
            signatures: layers.section("signatures")?,
            envelopes: layers.section("envelopes")?,
            keys: layers.section("keys")?,
            doors: layers.section("doors")?,
            engine: layers.section("engine")?,
            log: layers.section("log")?,
            check: layers.section("check")?,
            outages: layers.section("outages")?,
            reconcile: layers.section("reconcile")?,
            stage: layers.section("stage")?,
        };
        config.judge()?;
        Ok(config)
    }

    /// What the types cannot say: ranges, and keys that contradict each other.
    fn judge(&self) -> Result<(), ConfigError> {
        self.gateway.check().map_err(|p| ConfigError::at(format!("gateway.{}", p.key), p.what))?;
        let within = |key: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(ConfigError::at(key, format!("is {value}; give {least} to {most}")))
            }
        };
        let e = &self.engine;
        within("engine.batch", e.batch as u64, 1, 1000)?;
        within("engine.linger_ms", e.linger_ms, 0, 100)?;
        within("engine.in_flight", e.in_flight as u64, 1, 10_000)?;
        within("engine.attempts", u64::from(e.attempts), 1, 1000)?;
        within("engine.work_seconds", e.work_seconds, 1, 1500)?;
        within("engine.effect_seconds", e.effect_seconds, 1, 3600)?;
        within("engine.confirm_seconds", e.confirm_seconds, 1, 600)?;
        within("engine.sweep_after_seconds", e.sweep_after_seconds, 1, 600)?;
        within("engine.connections", u64::from(e.connections), 2, 1000)?;
        within("engine.console_connections", u64::from(e.console_connections), 1, 1000)?;
        within("doors.request_seconds", self.doors.request_seconds, 1, 600)?;
        within("doors.token_seconds", self.doors.token_seconds, 0, 60)?;
        within("outages.every_seconds", self.outages.every_seconds, 5, 3600)?;
        within("outages.timeout_seconds", self.outages.timeout_seconds, 1, 60)?;
        for (name, url) in &self.outages.probe {
            let place = format!("outages.probe.{name}");
            crate::commands::outages::named(name).map_err(|what| ConfigError::at(place.clone(), what))?;
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err(ConfigError::at(place, "is no http or https address"));
            }
        }
        within("check.every_seconds", self.check.every_seconds, 10, 86_400)?;
        within("reconcile.every_hours", self.reconcile.every_hours, 0, 168)?;
        let against =
            |key: &str, other: &str, what: &str| Err(ConfigError::at(key, format!("contradicts `{other}`: {what}")));
        if usize::from(e.prefetch) < e.batch {
            return against("engine.prefetch", "engine.batch", "a batch larger than what may be in hand never fills");
        }
        if e.outbox_full_seconds <= e.sweep_after_seconds {
            let what = "stages would stop taking before the sweeper has tried; give more than it";
            return against("engine.outbox_full_seconds", "engine.sweep_after_seconds", what);
        }
        let node = &self.signatures;
        if !node.ncanode_url.is_empty() && node.ncanode_timeout_ms >= e.work_seconds.saturating_mul(1000) {
            let what = "one call may not outlast the attempt that makes it; give less";
            return against("signatures.ncanode_timeout_ms", "engine.work_seconds", what);
        }
        if !self.envelopes.key_file.as_os_str().is_empty() && node.ncanode_url.is_empty() {
            let what = "envelopes are signed through NCANode; give its address";
            return against("signatures.ncanode_url", "envelopes.key_file", what);
        }
        if self.gateway.total_timeout_ms >= e.work_seconds.saturating_mul(1000) {
            let what = "one call may not outlast the attempt that makes it; give less";
            return against("gateway.total_timeout_ms", "engine.work_seconds", what);
        }
        if e.effect_seconds.saturating_mul(1000) <= self.gateway.total_timeout_ms {
            let what = "a call that is still under way would be held to be in doubt; give more";
            return against("engine.effect_seconds", "gateway.total_timeout_ms", what);
        }
        // half of it is for whoever has the message in hand: an attempt before it, and its own
        let least = e.work_seconds.saturating_add(e.confirm_seconds).saturating_mul(4);
        let stages = e.unseen.iter().map(|(stage, seconds)| (format!("engine.unseen.{stage}"), *seconds));
        for (key, seconds) in stages.chain([("engine.unseen_seconds".to_owned(), e.unseen_seconds)]) {
            if seconds < least {
                let what = format!("half of it must hold two attempts, one after the other; give at least {least}");
                return against(&key, "engine.work_seconds", &what);
            }
        }
        if let Some(unknown) = e.unseen.keys().find(|name| !crate::pipeline::names().contains(&name.as_str())) {
            return Err(ConfigError::at(format!("engine.unseen.{unknown}"), "there is no stage of this name"));
        }
        let longest = kezek_runtime::LADDER.iter().map(|r| r.wait.as_secs_f64()).fold(0.0, f64::max);
        if !self.rules.profile.is_play() && self.check.unseen_seconds <= longest {
            let what = format!("must be above {longest}, the ladder's longest rung, or a waiting retry counts as lost");
            return Err(ConfigError::at("check.unseen_seconds", what));
        }
        self.judge_intake()
    }

    fn judge_intake(&self) -> Result<(), ConfigError> {
        let intake = self.stage.get("intake").and_then(toml::Value::as_table);
        let number = |key| intake.and_then(|t| t.get(key)).and_then(toml::Value::as_integer).unwrap_or(0);
        if usize::try_from(number("max_request_bytes")).unwrap_or(usize::MAX) > self.doors.max_body_bytes {
            return Err(ConfigError::at(
                "stage.intake.max_request_bytes",
                "contradicts `doors.max_body_bytes`: the server would refuse what the door takes; raise the latter",
            ));
        }
        let wanted = intake.and_then(|t| t.get("iin_profile")).and_then(toml::Value::as_str).unwrap_or_default();
        if wanted == "demo" && !self.rules.profile.is_play() {
            return Err(ConfigError::at(
                "stage.intake.iin_profile",
                "is `demo` and contradicts `rules.profile` = `production`: no sample person may apply to the state",
            ));
        }
        Ok(())
    }

    /// The section of a stage, as the stage itself reads it.
    #[must_use]
    pub fn stage_section(&self, name: &str) -> serde_json::Value {
        let mut table = self.stage.get(name).and_then(toml::Value::as_table).cloned().unwrap_or_default();
        if name == "intake" && table.get("iin_profile").and_then(toml::Value::as_str) == Some("") {
            let follows = if self.rules.profile.is_play() { "demo" } else { "citizen" };
            table.insert("iin_profile".to_owned(), follows.into());
        }
        serde_json::to_value(table).unwrap_or_default()
    }

    /// A path that a command cannot do without.
    ///
    /// # Errors
    /// Names the key and the variable where it is empty.
    pub fn needed_path<'p>(&self, key: &str, path: &'p Path) -> Result<&'p Path, ConfigError> {
        if path.as_os_str().is_empty() { Err(missing(key)) } else { Ok(path) }
    }
}

/// The text of a secret that a command cannot do without.
///
/// # Errors
/// Names the key and the variable where it is empty.
pub fn needed<'s>(key: &str, secret: &'s SecretString) -> Result<&'s str, ConfigError> {
    use secrecy::ExposeSecret as _;
    match secret.expose_secret() {
        "" => Err(missing(key)),
        text => Ok(text),
    }
}

fn missing(key: &str) -> ConfigError {
    let variable = ENVIRONMENT.iter().find(|(_, k)| *k == key).map_or("", |(v, _)| v);
    let also = if variable.is_empty() { String::new() } else { format!(", or set {variable}") };
    ConfigError::at(key, format!("is empty and this command needs it: set it in the configuration file{also}"))
}

/// A section of a table as a type.
fn typed<T: DeserializeOwned>(place: &str, table: Table) -> Result<T, ConfigError> {
    table.try_into().map_err(|e: toml::de::Error| ConfigError::at(place, e.message()))
}
