//! Defaults, file, environment: one over the other, every value with where it came from.
//!
//! `ops/kezek.default.toml` holds every key, so it also says which keys exist and what type each has.

use super::typed;
use kezek_stage::ConfigError;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use toml::{Table, Value};

/// Every key with its default, as text.
pub const DEFAULTS: &str = include_str!("../../../../ops/kezek.default.toml");

/// Variables of the environment, and the keys that they set.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("KEZEK_OWNER_URL", "database.owner_url"),
    ("KEZEK_ENGINE_URL", "database.engine_url"),
    ("KEZEK_CONSOLE_URL", "database.console_url"),
    ("KEZEK_AMQP_URL", "broker.amqp_url"),
    ("KEZEK_RABBITMQ_API_URL", "broker.api_url"),
    ("KEZEK_PROFILE", "rules.profile"),
    ("KEZEK_RULES_EXTENSION", "rules.extension_file"),
    ("KEZEK_GATEWAY_URL", "gateway.url"),
    ("KEZEK_GATEWAY_ASYNC_URL", "gateway.async_url"),
    ("KEZEK_GATEWAY_PASSWORD", "gateway.password"),
    ("KEZEK_CALLBACK_SENDER", "callback.sender_id"),
    ("KEZEK_CALLBACK_PASSWORD", "callback.password"),
    ("KEZEK_TRUSTED_CA_FILE", "signatures.trusted_ca_file"),
    ("KEZEK_CRL_FILE", "signatures.crl_file"),
    ("KEZEK_NCANODE_URL", "signatures.ncanode_url"),
    ("KEZEK_ENVELOPE_KEY_FILE", "envelopes.key_file"),
    ("KEZEK_ENVELOPE_KEY_PASSWORD", "envelopes.key_password"),
    ("KEZEK_KEYS_FILE", "keys.file"),
    ("KEZEK_LISTEN", "doors.listen"),
    ("RUST_LOG", "log.filter"),
];

/// Tables whose keys the installation names itself.
const OPEN: &[&str] = &["engine.unseen", "gateway.codes", "outages.probe"];

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `ops/kezek.default.toml`.
    Default,
    /// The file.
    File,
    /// This variable of the environment.
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File => f.write_str("file"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// The layers, one over the other.
#[derive(Clone, Debug)]
pub struct Layers {
    merged: Table,
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// Reads the file, if one is given, and the environment, over the defaults.
    ///
    /// # Errors
    /// A file that cannot be read or is not TOML, an unknown key, a value of another type than the default's.
    pub fn read(file: Option<&Path>, environment: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = match file {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path).map_err(|e| {
                let what = format!("cannot be read ({}); give an existing file by --config or KEZEK_CONFIG", e.kind());
                ConfigError::at(path.display().to_string(), what)
            })?,
        };
        let place = file.map_or_else(String::new, |p| p.display().to_string());
        Self::over(&text, &place, environment)
    }

    /// The same from a file's text.
    ///
    /// # Errors
    /// As [`Layers::read`].
    pub fn over(text: &str, place: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let merged: Table = toml::from_str(DEFAULTS)
            .map_err(|e| ConfigError::at("ops/kezek.default.toml", format!("is not TOML: {}", e.message())))?;
        let file: Table = toml::from_str(text).map_err(|e| {
            // a secret may stand on the line: only its number is told
            let line = e.span().map_or(1, |s| text.get(..s.start).unwrap_or_default().lines().count().max(1));
            ConfigError::at(place, format!("is not TOML at line {line}: {}", e.message()))
        })?;
        let mut layers = Self { origins: BTreeMap::new(), merged };
        lay(&mut layers.merged, file, "", &mut layers.origins)?;
        for (variable, key) in ENVIRONMENT {
            if let Some(value) = environment(variable).filter(|v| !v.is_empty()) {
                layers.set(key, Value::String(value));
                layers.origins.insert((*key).to_owned(), Origin::Variable(variable));
            }
        }
        Ok(layers)
    }

    fn set(&mut self, key: &str, value: Value) {
        let mut table = &mut self.merged;
        let mut parts = key.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                table.insert(part.to_owned(), value);
                return;
            }
            let next = table.entry(part.to_owned()).or_insert_with(|| Value::Table(Table::new()));
            let Value::Table(next) = next else { return };
            table = next;
        }
    }

    /// A section as a type.
    ///
    /// # Errors
    /// What its type refuses, by the section's path.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, ConfigError> {
        let table = self.merged.get(name).and_then(Value::as_table).cloned().unwrap_or_default();
        // one key after another over the defaults, so that the one that is refused can be named
        typed(name, table.clone()).map_err(|error: ConfigError| {
            let place = table
                .iter()
                .filter(|(key, _)| self.origins.contains_key(&format!("{name}.{key}")))
                .find(|(key, value)| self.refuses::<T>(name, key, value))
                .map_or_else(|| name.to_owned(), |(key, _)| format!("{name}.{key}"));
            ConfigError::at(place, error.what)
        })
    }

    fn refuses<T: DeserializeOwned>(&self, name: &str, key: &str, value: &Value) -> bool {
        let defaults: Table = toml::from_str(DEFAULTS).unwrap_or_default();
        let mut table = defaults.get(name).and_then(Value::as_table).cloned().unwrap_or_default();
        table.insert(key.to_owned(), value.clone());
        typed::<T>(name, table).is_err()
    }

    /// Where the value of a key came from.
    #[must_use]
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// Every key with its value, secrets masked, and where it came from.
    #[must_use]
    pub fn shown(&self) -> Vec<(String, String, Origin)> {
        let mut out = Vec::new();
        flatten(&self.merged, "", &mut |key, value| {
            out.push((key.to_owned(), masked(key, value), self.origin(key)));
        });
        out
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Lays a table over another whose keys and types it must share.
fn lay(under: &mut Table, over: Table, path: &str, origins: &mut BTreeMap<String, Origin>) -> Result<(), ConfigError> {
    for (key, value) in over {
        let place = join(path, &key);
        if OPEN.contains(&path) {
            origins.insert(path.to_owned(), Origin::File);
            under.insert(key, value);
            continue;
        }
        let known: Vec<_> = under.keys().cloned().collect();
        match (under.get_mut(&key), value) {
            (None, _) => {
                let place = place.clone();
                return Err(ConfigError::at(place, format!("is unknown; known here are {}", known.join(", "))));
            }
            (Some(Value::Table(under)), Value::Table(over)) => lay(under, over, &place, origins)?,
            (Some(under), over) => {
                // a whole number may stand where a fraction is meant
                let over = match (&*under, over) {
                    #[expect(clippy::cast_precision_loss, reason = "seconds")]
                    (Value::Float(_), Value::Integer(n)) => Value::Float(n as f64),
                    (_, over) => over,
                };
                if under.type_str() != over.type_str() {
                    let what = format!("is of type {}; give one of type {}", over.type_str(), under.type_str());
                    return Err(ConfigError::at(place, what));
                }
                *under = over;
                origins.insert(place, Origin::File);
            }
        }
    }
    Ok(())
}

fn flatten(table: &Table, path: &str, see: &mut impl FnMut(&str, &Value)) {
    for (key, value) in table {
        let place = join(path, key);
        match value {
            Value::Table(inner) if !OPEN.contains(&place.as_str()) => flatten(inner, &place, see),
            other => see(&place, other),
        }
    }
}

/// A value as TOML, without what must not be shown.
fn masked(key: &str, value: &Value) -> String {
    let Value::String(text) = value else { return value.to_string() };
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    if key.ends_with("password") {
        return "\"***\"".to_owned();
    }
    if key.ends_with("_url") {
        return format!("{:?}", mask_url(text));
    }
    value.to_string()
}

/// A URL without its password: what stands between the user's colon and the last `@`.
#[must_use]
pub fn mask_url(url: &str) -> String {
    // what is not a URL may be anything, a password too
    let Some((scheme, rest)) = url.split_once("://") else { return "***".to_owned() };
    match rest.rsplit_once('@') {
        None => url.to_owned(),
        Some((login, host)) => {
            let user = login.split_once(':').map_or(login, |(user, _)| user);
            format!("{scheme}://{user}:***@{host}")
        }
    }
}
