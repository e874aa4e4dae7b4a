//! `kezek topology`: the broker's shape, applied at deployment; workers have no right to change it.

use super::print_json;
use crate::cli::{Exit, Output};
use crate::config::{Config, needed};
use crate::pipeline;
use anyhow::{Context as _, Result};
use kezek_runtime::management::{Management, vhost_of};
use kezek_runtime::topology::Topology;
use kezek_stage::ConfigError;
use serde_json::{Value, json};

/// The management API of the broker's virtual host.
///
/// # Errors
/// An address that is missing or not usable.
pub fn management(config: &Config) -> Result<Management> {
    let url = needed("broker.api_url", &config.broker.api_url)?;
    let vhost = vhost_of(needed("broker.amqp_url", &config.broker.amqp_url)?);
    Management::new(url, &vhost).map_err(|e| ConfigError::at("broker.api_url", e.to_string()).into())
}

/// The user that an AMQP address names.
fn user_of(amqp: &str) -> Option<&str> {
    let login = amqp.split_once("://")?.1.rsplit_once('@')?.0;
    Some(login.split_once(':').map_or(login, |(user, _)| user)).filter(|u| !u.is_empty())
}

/// Applies it.
///
/// # Errors
/// What the broker refuses.
pub async fn apply(config: &Config, vhost_create: bool) -> Result<Exit> {
    let management = management(config)?;
    if vhost_create {
        let amqp = needed("broker.amqp_url", &config.broker.amqp_url)?;
        let worker = user_of(amqp).ok_or_else(|| {
            ConfigError::at("broker.amqp_url", "names no user; --vhost-create lets that user work in the new host")
        })?;
        management.create_vhost(worker).await?;
    }
    let wanted = pipeline::broker();
    management.apply(&wanted).await.context(
        "the topology is not whole; a queue or exchange that exists with other arguments must be emptied and deleted \
         first (`kezek topology check` names it)",
    )?;
    println!(
        "applied {} exchanges, {} queues, {} bindings, {} policies",
        wanted.exchanges.len(),
        wanted.queues.len(),
        wanted.bindings.len(),
        wanted.policies.len()
    );
    Ok(Exit::Done)
}

/// Compares.
///
/// # Errors
/// Where the broker does not answer.
pub async fn check(config: &Config, output: Output) -> Result<Exit> {
    let differences = management(config)?.differences(&pipeline::broker()).await?;
    if output.json {
        print_json(&json!({ "differences": differences }))?;
    } else if differences.is_empty() {
        println!("the broker has the whole topology");
    } else {
        for difference in &differences {
            println!("{difference}");
        }
        println!("run `kezek topology apply`");
    }
    Ok(Exit::healthy(differences.is_empty()))
}

/// Prints it.
///
/// # Errors
/// Where it cannot be written.
pub fn show(output: Output) -> Result<Exit> {
    let wanted = pipeline::broker();
    if output.json {
        print_json(&as_json(&wanted))?;
        return Ok(Exit::Done);
    }
    for e in &wanted.exchanges {
        let alternate = e.alternate.map_or_else(String::new, |a| format!(", unroutable to {a}"));
        println!("exchange {} ({}{alternate})", e.name, e.kind);
    }
    for q in &wanted.queues {
        println!("queue {} {}", q.name, q.arguments);
    }
    for b in &wanted.bindings {
        let by = if b.key.is_empty() { b.arguments.to_string() } else { format!("`{}`", b.key) };
        println!("binding {} -> {} by {by}", b.exchange, b.queue);
    }
    for p in &wanted.policies {
        println!("policy {} on {} {}", p.name, p.pattern, p.definition);
    }
    Ok(Exit::Done)
}

fn as_json(t: &Topology) -> Value {
    json!({
        "exchanges": t.exchanges.iter().map(|e| json!({ "name": e.name, "type": e.kind, "alternate": e.alternate })).collect::<Vec<_>>(),
        "queues": t.queues.iter().map(|q| json!({ "name": q.name, "arguments": q.arguments })).collect::<Vec<_>>(),
        "bindings": t.bindings.iter().map(|b| json!({ "exchange": b.exchange, "queue": b.queue, "key": b.key, "arguments": b.arguments })).collect::<Vec<_>>(),
        "policies": t.policies.iter().map(|p| json!({ "name": p.name, "pattern": p.pattern, "definition": p.definition })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::user_of;

    #[test]
    fn the_worker_is_read_from_its_address() {
        assert_eq!(user_of("amqp://kezek_worker:a@b@host:5672/x"), Some("kezek_worker"));
        assert_eq!(user_of("amqp://host:5672/x"), None);
    }
}
