//! The configuration section of the gateway: addresses, who we are, time-outs, limits, and what the
//! gateway's codes mean.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;

/// A value of the configuration that cannot be used; names the key and the remedy, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("gateway configuration: `{key}` {what}")]
pub struct ConfigProblem {
    /// The key.
    pub key: &'static str,
    /// What is wrong with it.
    pub what: String,
}

impl ConfigProblem {
    pub(crate) fn new(key: &'static str, what: impl Into<String>) -> Self {
        Self { key, what: what.into() }
    }
}

/// What a status or fault code of the gateway means (FACTS: the full catalogue is not public, so the
/// meaning of a code is configuration).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CodeMeaning {
    /// The consent token is missing or not known. Permanent.
    ConsentMissing,
    /// The register does not know what was asked for. Permanent.
    DataNotFound,
    /// The register or the gateway refuses this very request. Permanent.
    Remote,
    /// The gateway itself failed. Transient.
    Gateway,
}

/// Where the gateway is, and how patient we are with it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Address of the synchronous channel.
    pub url: String,
    /// Address of the asynchronous channel.
    pub async_url: String,
    /// Our identifier with the gateway.
    pub sender_id: String,
    /// Our password with the gateway; empty for none.
    pub password: SecretString,
    /// Longest wait for a connection, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Longest silence while an answer is read, in milliseconds.
    pub read_timeout_ms: u64,
    /// Longest whole call, in milliseconds.
    pub total_timeout_ms: u64,
    /// Most calls under way to one outside system; further calls wait.
    pub in_flight_per_system: usize,
    /// Largest answer that is read, in bytes.
    pub max_answer_bytes: usize,
    /// Meanings of gateway codes, by the code or by its beginning followed by `*`. They come before
    /// the built-in ones; a code that neither knows is an unknown gateway error.
    pub codes: BTreeMap<String, CodeMeaning>,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:14580/sync".to_owned(),
            async_url: "http://127.0.0.1:14580/async".to_owned(),
            sender_id: "kezek".to_owned(),
            password: SecretString::from(String::new()),
            connect_timeout_ms: 2_000,
            read_timeout_ms: 5_000,
            total_timeout_ms: 15_000,
            in_flight_per_system: 64,
            max_answer_bytes: 8 * 1024 * 1024,
            codes: BTreeMap::new(),
        }
    }
}

impl GatewayConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> Result<(), ConfigProblem> {
        for (key, url) in [("url", &self.url), ("async_url", &self.async_url)] {
            let parsed = reqwest::Url::parse(url)
                .map_err(|_| ConfigProblem::new(key, "is not an address; give http://host:port/path"))?;
            if !matches!(parsed.scheme(), "http" | "https") {
                return Err(ConfigProblem::new(key, "must begin with http:// or https://"));
            }
            if !parsed.username().is_empty() || parsed.password().is_some() {
                return Err(ConfigProblem::new(key, "must not hold a login; use sender_id and password"));
            }
        }
        if self.sender_id.trim().is_empty() {
            return Err(ConfigProblem::new("sender_id", "is empty"));
        }
        for (key, value) in [
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("read_timeout_ms", self.read_timeout_ms),
            ("total_timeout_ms", self.total_timeout_ms),
        ] {
            if value == 0 || value > 600_000 {
                return Err(ConfigProblem::new(key, "must be between 1 and 600000 milliseconds"));
            }
        }
        if self.total_timeout_ms < self.connect_timeout_ms {
            return Err(ConfigProblem::new("total_timeout_ms", "must not be shorter than connect_timeout_ms"));
        }
        if self.in_flight_per_system == 0 || self.in_flight_per_system > 10_000 {
            return Err(ConfigProblem::new("in_flight_per_system", "must be between 1 and 10000"));
        }
        if self.max_answer_bytes < 1_024 {
            return Err(ConfigProblem::new("max_answer_bytes", "must be at least 1024 bytes"));
        }
        Ok(())
    }

    /// The meaning of a code; `None` for one that nobody knows.
    #[must_use]
    pub(crate) fn meaning(&self, code: &str) -> Option<CodeMeaning> {
        const BUILT_IN: [(&str, CodeMeaning); 8] = [
            ("SCSE001", CodeMeaning::DataNotFound),
            ("FAULT-015", CodeMeaning::Gateway),
            ("FAULT015", CodeMeaning::Gateway),
            ("VAL-*", CodeMeaning::Remote),
            ("SBF-VE-*", CodeMeaning::Remote),
            ("SBF-AD-*", CodeMeaning::Remote),
            ("demo-token-*", CodeMeaning::ConsentMissing),
            ("HTTP-5*", CodeMeaning::Gateway),
        ];
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(start) => code.starts_with(start),
            None => code == pattern,
        };
        self.codes
            .iter()
            .find(|(pattern, _)| fits(pattern))
            .map(|(_, meaning)| *meaning)
            .or_else(|| BUILT_IN.iter().find(|(pattern, _)| fits(pattern)).map(|(_, meaning)| *meaning))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_good_and_the_password_is_not_shown() {
        let config = GatewayConfig { password: SecretString::from("hush".to_owned()), ..GatewayConfig::default() };
        config.check().unwrap();
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (key, config) in [
            ("url", GatewayConfig { url: "nowhere".to_owned(), ..GatewayConfig::default() }),
            ("async_url", GatewayConfig { async_url: "ftp://a/b".to_owned(), ..GatewayConfig::default() }),
            ("read_timeout_ms", GatewayConfig { read_timeout_ms: 0, ..GatewayConfig::default() }),
            ("in_flight_per_system", GatewayConfig { in_flight_per_system: 0, ..GatewayConfig::default() }),
        ] {
            assert_eq!(config.check().unwrap_err().key, key);
        }
    }

    #[test]
    fn codes_have_meanings_that_configuration_overrides() {
        let mut config = GatewayConfig::default();
        assert_eq!(config.meaning("FAULT-015"), Some(CodeMeaning::Gateway));
        assert_eq!(config.meaning("VAL-R-004"), Some(CodeMeaning::Remote));
        assert_eq!(config.meaning("XYZ"), None);
        config.codes.insert("VAL-R-*".to_owned(), CodeMeaning::Gateway);
        assert_eq!(config.meaning("VAL-R-004"), Some(CodeMeaning::Gateway));
    }
}
