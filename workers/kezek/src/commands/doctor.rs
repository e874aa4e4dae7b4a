//! `kezek doctor`: looks at a live installation, part by part, and says what to do about each thing that is wrong.

use super::{open, print_json};
use crate::cli::{Exit, Output};
use crate::commands::{config as judged, topology::management};
use crate::config::{Config, needed};
use crate::pipeline;
use anyhow::Result;
use kezek_runtime::topology::LAST;
use kezek_store::{StoreError, clock, connect, dead_letters, outbox, pauses, pending};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgPool;
use std::path::Path;
use std::time::Duration;

/// The oldest RabbitMQ that carries the topology.
const OLDEST: (u32, u32) = (3, 10);

/// How a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum How {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Finding {
    part: &'static str,
    how: How,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, part: &'static str, what: impl Into<String>) {
        self.0.push(Finding { part, how: How::Ok, what: what.into(), remedy: None });
    }
    fn warn(&mut self, part: &'static str, what: impl Into<String>, remedy: &'static str) {
        self.0.push(Finding { part, how: How::Warn, what: what.into(), remedy: Some(remedy) });
    }
    fn fail(&mut self, part: &'static str, what: impl Into<String>, remedy: &'static str) {
        self.0.push(Finding { part, how: How::Fail, what: what.into(), remedy: Some(remedy) });
    }
}

/// Looks at everything; exit code 3 where anything fails.
///
/// # Errors
/// A configuration that cannot be read at all.
pub async fn run(file: Option<&Path>, output: Output) -> Result<Exit> {
    let config = Config::read(file)?;
    let mut found = Findings::default();
    let wrong = judged::findings(&config);
    for error in &wrong {
        found.fail(
            "configuration",
            error.to_string(),
            "correct it; `kezek config show` tells where each value came from",
        );
    }
    if wrong.is_empty() {
        found.ok("configuration", format!("profile {}", config.rules.profile.label()));
    }
    if let Some(pool) = database(&config, &mut found).await {
        work(&config, &pool, &mut found).await;
    }
    broker(&config, &mut found).await;
    gateway(&config, &mut found).await;
    let healthy = found.0.iter().all(|f| f.how != How::Fail);
    if output.json {
        print_json(&json!({ "healthy": healthy, "findings": found.0 }))?;
    } else {
        for f in &found.0 {
            let sign = match f.how {
                How::Ok => "ok  ",
                How::Warn => "warn",
                How::Fail => "FAIL",
            };
            println!("{sign} {:14} {}", f.part, f.what);
            if let Some(remedy) = f.remedy {
                println!("     {:14} → {remedy}", "");
            }
        }
        println!("{}", if healthy { "healthy" } else { "NOT healthy" });
    }
    Ok(Exit::healthy(healthy))
}

async fn reach(part: &'static str, key: &str, url: &SecretString, found: &mut Findings) -> Option<PgPool> {
    match connect(needed(key, url).ok()?, 1, "kezek doctor").await {
        Ok(pool) => Some(pool),
        Err(error) => {
            found.fail(part, format!("{key}: {}", error.tell()), "is PostgreSQL up, and are user and password right?");
            None
        }
    }
}

async fn database(config: &Config, found: &mut Findings) -> Option<PgPool> {
    let pool = reach("database", "database.engine_url", &config.database.engine_url, found).await?;
    match pending(&pool).await {
        Ok(todo) if todo.is_empty() => found.ok("database", "has every migration of this binary"),
        Ok(todo) => found.fail(
            "database",
            format!("lacks {} migration(s), first {}", todo.len(), todo[0]),
            "run `kezek migrate`",
        ),
        Err(error) => found.fail("database", format!("migrations: {}", error.tell()), "run `kezek migrate`"),
    }
    match open::same_profile(config, &pool).await {
        Ok(()) => found.ok("profile", format!("{} here and in the database", config.rules.profile.label())),
        Err(error) => found.fail("profile", error.to_string(), "the two must agree"),
    }
    match clock::offset_ms(&pool).await {
        Ok(0) => found.ok("clock", "business time is real time"),
        Ok(ms) => found.warn(
            "clock",
            format!("business time is real time {:+} s", ms / 1000),
            "right for a demonstration alone",
        ),
        Err(error) => found.fail("clock", error.tell(), "run `kezek migrate`"),
    }
    if let Some(console) = reach("console", "database.console_url", &config.database.console_url, found).await {
        // no region is set on this connection: row security must hide everything
        match kezek_store::checks::visible_cases(&console).await {
            Ok(0) => found.ok("console", "sees no case without a region"),
            Ok(n) => found.fail(
                "console",
                format!("sees {n} case(s) without a region"),
                "database.console_url must name the role kezek_console, which owns nothing",
            ),
            Err(error) => {
                found.fail("console", error.tell(), "run `kezek migrate` as the owner: it grants the role's rights")
            }
        }
    }
    Some(pool)
}

/// What waits and what is stuck.
async fn work(config: &Config, pool: &PgPool, found: &mut Findings) {
    let full = config.engine.outbox_full_seconds;
    let told = |found: &mut Findings, error: StoreError| found.fail("work", error.tell(), "see the database's finding");
    match outbox::depth(pool).await {
        Err(error) => told(found, error),
        Ok((rows, aside, age)) => {
            #[expect(clippy::cast_precision_loss, reason = "seconds")]
            let stuck = age > full as f64;
            if stuck {
                found.fail(
                    "outbox",
                    format!("{rows} message(s), the oldest {age:.0} s old"),
                    "is the broker up, and does a process run?",
                );
            } else {
                found.ok("outbox", format!("{rows} message(s), the oldest {age:.0} s old"));
            }
            if aside > 0 {
                found.fail(
                    "outbox",
                    format!("{aside} message(s) set aside"),
                    "they cannot be published: report them with their `fault`",
                );
            }
        }
    }
    match dead_letters::counts(pool).await {
        Err(error) => told(found, error),
        Ok(letters) if letters.is_empty() => found.ok("letters", "none waits for an operator"),
        Ok(letters) => {
            let lines: Vec<_> = letters.iter().map(|(cause, stage, n)| format!("{n} {cause} at {stage}")).collect();
            found.warn("letters", lines.join(", "), "`kezek dead list`, then replay or discard each with a reason");
        }
    }
    match pauses::list(pool).await {
        Err(error) => told(found, error),
        Ok(paused) => {
            for (stage, by, why) in paused {
                found.warn(
                    "stages",
                    format!("{stage} is paused by {by}: {why}"),
                    "`kezek stage resume` once the reason is gone",
                );
            }
        }
    }
    match kezek_store::breakers::list(pool).await {
        Err(error) => told(found, error),
        Ok(rows) => {
            for row in rows.into_iter().filter(|r| r.open) {
                let since = row.opened_at.map(|t| t.to_string()).unwrap_or_default();
                found.warn(
                    "systems",
                    format!("{} does not answer since {since}", row.system),
                    "it is asked again every few seconds",
                );
            }
        }
    }
}

async fn broker(config: &Config, found: &mut Findings) {
    let management = match management(config) {
        Ok(management) => management,
        Err(error) => {
            found.fail("broker", error.to_string(), "the topology cannot be verified without it");
            return;
        }
    };
    match management.version().await {
        Err(error) => {
            found.fail("broker", error.to_string(), "is RabbitMQ up, and its management plugin enabled?");
            return;
        }
        Ok(version) => {
            let mut parts = version.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
            let number = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
            if number >= OLDEST {
                found.ok("broker", format!("RabbitMQ {version}"));
            } else {
                found.fail(
                    "broker",
                    format!("RabbitMQ {version}"),
                    "3.10 or newer is needed: quorum queues that dead-letter at least once",
                );
            }
        }
    }
    match management.differences(&pipeline::broker()).await {
        Err(error) => found.fail("topology", error.to_string(), "run `kezek topology apply`"),
        Ok(differences) if differences.is_empty() => found.ok("topology", "whole"),
        Ok(differences) => {
            let first = differences.first().cloned().unwrap_or_default();
            found.fail(
                "topology",
                format!("{} difference(s), first: {first}", differences.len()),
                "run `kezek topology apply`",
            );
        }
    }
    match management.queues().await {
        Err(error) => found.fail("queues", error.to_string(), "see the broker's finding"),
        Ok(queues) => consumers(&queues, found),
    }
}

fn consumers(queues: &[Value], found: &mut Findings) {
    let number = |q: &Value, what: &str| q.get(what).and_then(Value::as_u64).unwrap_or(0);
    let of = |name: &str| queues.iter().find(|q| q.get("name").and_then(Value::as_str) == Some(name));
    if let Some(n) = of(LAST).map(|q| number(q, "messages")).filter(|n| *n > 0) {
        found.fail(
            "queues",
            format!("{n} message(s) in {LAST}"),
            "recovery itself could not keep them: look at them by hand, its log says why",
        );
    }
    let mut idle = Vec::new();
    for line in pipeline::STAGES {
        let queues = line.shape().queues();
        let there: Vec<_> = queues.iter().filter_map(|q| of(q)).collect();
        let (ready, consumers) =
            there.iter().fold((0, 0), |sum, q| (sum.0 + number(q, "messages"), sum.1 + number(q, "consumers")));
        if consumers == 0 {
            idle.push(format!("{} ({ready} waiting)", line.name()));
        }
    }
    if idle.is_empty() {
        found.ok("queues", "every stage is consumed");
    } else {
        found.warn(
            "queues",
            format!("not consumed: {}", idle.join(", ")),
            "`kezek run` the stages, or resume them; counts lag by seconds",
        );
    }
}

async fn gateway(config: &Config, found: &mut Findings) {
    for (key, url) in [("gateway.url", &config.gateway.url), ("gateway.async_url", &config.gateway.async_url)] {
        let Some(address) = authority(url) else { continue };
        match tokio::time::timeout(Duration::from_secs(3), tokio::net::TcpStream::connect(&address)).await {
            Ok(Ok(_)) => found.ok("gateway", format!("{key}: {address} listens")),
            Ok(Err(error)) => found.fail(
                "gateway",
                format!("{key}: {address}: {}", error.kind()),
                "is the address right, and the way there open?",
            ),
            Err(_) => {
                found.fail("gateway", format!("{key}: {address}: no answer within 3 s"), "is the way there open?")
            }
        }
    }
}

/// `host:port` of an address.
fn authority(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?']).next()?;
    let port = if scheme == "https" { 443 } else { 80 };
    let has_port = host.rsplit_once(':').is_some_and(|(_, p)| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    Some(if has_port { host.to_owned() } else { format!("{host}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::authority;

    #[test]
    fn an_address_has_a_port() {
        assert_eq!(authority("http://h:81/a").as_deref(), Some("h:81"));
        assert_eq!(authority("https://h/a").as_deref(), Some("h:443"));
        assert_eq!(authority("nowhere"), None);
    }
}
