//! `kezek config`: judges and shows the configuration.

use super::{open, print_json};
use crate::cli::{Exit, Output, layers};
use crate::config::{Config, needed, read_keys};
use anyhow::Result;
use kezek_stage::ConfigError;
use serde_json::{Map, json};
use std::path::Path;

/// Judges everything that can be judged without a server. Tells all that is wrong, not the first alone.
///
/// # Errors
/// A configuration that cannot be read at all.
pub fn check(file: Option<&Path>) -> Result<Exit> {
    let config = Config::read(file)?;
    let wrong = findings(&config);
    for finding in &wrong {
        println!("{finding}");
    }
    if wrong.is_empty() {
        println!("the configuration can be used");
    }
    Ok(if wrong.is_empty() { Exit::Done } else { Exit::Usage })
}

/// What a process with all stages and doors would refuse.
#[must_use]
pub fn findings(config: &Config) -> Vec<ConfigError> {
    let results = [
        needed("database.engine_url", &config.database.engine_url).map(|_| ()),
        needed("database.console_url", &config.database.console_url).map(|_| ()),
        needed("broker.amqp_url", &config.broker.amqp_url).map(|_| ()),
        config.callback.check(),
        open::verifier(config).map(|_| ()),
        read_keys(&config.keys.file).map(|_| ()),
    ];
    results.into_iter().filter_map(Result::err).collect()
}

/// Shows every key, its value and where it came from; secrets masked.
///
/// # Errors
/// Layers that cannot be read.
pub fn show(file: Option<&Path>, output: Output) -> Result<Exit> {
    let layers = layers(file)?;
    if output.json {
        let all: Map<_, _> = layers
            .shown()
            .into_iter()
            .map(|(key, value, origin)| (key, json!({ "value": value, "from": origin.to_string() })))
            .collect();
        print_json(&all)?;
    } else {
        for (key, value, origin) in layers.shown() {
            println!("{key} = {value}  # {origin}");
        }
    }
    Ok(Exit::Done)
}
