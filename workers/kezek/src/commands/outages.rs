//! `kezek outages`: the evidence of A12. What calls have shown is measured by the breakers; the portal and its apps are
//! seen by a configured probe or reported by somebody, with a reason. Past the term of the rules an outage counts.

use super::{Told as _, open, print_json};
use crate::cli::{Act, Exit, Output};
use crate::config::Config;
use crate::rulebook;
use anyhow::{Result, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use kezek_domain::System;
use kezek_runtime::Engine;
use kezek_stage::{Clock, ConfigError};
use kezek_store::outages::{self, Affected, Outage, Witness};
use kezek_store::{StoreError, audit, clock, mint};
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Which outages.
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Those that lasted into the last so many days
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub days: u16,
    /// Also names every case that was sent to the service centre
    #[arg(long)]
    pub cases: bool,
    /// How it is told.
    #[command(flatten)]
    pub output: Output,
}

/// A report.
#[derive(Clone, Debug, Args)]
pub struct Report {
    /// What is out, e.g. portal or mobile-app; a system that is measured here cannot be reported
    #[arg(value_parser = named)]
    pub system: String,
    /// Says that it answers again
    #[arg(long)]
    pub ended: bool,
    /// So many minutes ago
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10_080), value_name = "MINUTES")]
    pub ago: u32,
    /// Who acts, and why.
    #[command(flatten)]
    pub act: Act,
}

/// One outage with what it led to.
#[derive(Debug, Serialize)]
struct Shown {
    outage: Outage,
    minutes: i64,
    /// Whether it lasted longer than the rules allow: people are sent to the service centre.
    counts: bool,
    affected: Vec<Affected>,
}

/// The names of what is not measured here.
///
/// # Errors
/// A name that is none, or a measured system's.
pub fn named(name: &str) -> Result<String, String> {
    let plain = (1..=40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    if !plain {
        return Err("give 1 to 40 small letters and `-`, such as portal or mobile-app".to_owned());
    }
    if System::ALL.iter().any(|system| system.label() == name) {
        return Err(format!("{name} is measured by the calls that are made to it; its outages cannot be reported"));
    }
    Ok(name.to_owned())
}

/// Lists them with begin, end and the cases that were sent away.
///
/// # Errors
/// The database, or rules that are not in order.
pub async fn list(config: &Config, list: &List) -> Result<Exit> {
    let pool = open::pool(config).await?;
    let rules = rulebook::read(config, &pool).await?;
    let now = Clock::system().real();
    let since = now.checked_sub(SignedDuration::from_hours(24 * i64::from(list.days))).unwrap_or(Timestamp::MIN);
    let allowed = i64::try_from(rules.terms().outage().as_secs()).unwrap_or(i64::MAX);
    let found = outages::list(&pool, since).await.told("reading the outages")?;
    let mut sent_away = outages::affected(&pool, since).await.told("reading the journals")?;
    let mut shown = Vec::with_capacity(found.len());
    for outage in found {
        let seconds = outage.ended_at.unwrap_or(now).duration_since(outage.began_at).as_secs();
        let during = |a: &Affected| {
            // whoever came just before its end is told after it
            let room = SignedDuration::from_mins(1);
            let end = outage.ended_at.and_then(|end| end.checked_add(room).ok()).unwrap_or(Timestamp::MAX);
            a.system == outage.system && (outage.began_at..=end).contains(&a.at)
        };
        let (affected, rest) = sent_away.into_iter().partition(during);
        sent_away = rest;
        shown.push(Shown { minutes: seconds / 60, counts: seconds > allowed, affected, outage });
    }
    if list.output.json {
        print_json(&shown)?;
        return Ok(Exit::Done);
    }
    if shown.is_empty() {
        println!("no outage in the last {} days", list.days);
    }
    for s in &shown {
        println!("{}", line(s));
        if list.cases {
            for a in &s.affected {
                println!("  {} sent to the service centre at {}", a.receipt, a.at);
            }
        }
    }
    Ok(Exit::Done)
}

fn line(s: &Shown) -> String {
    let end = s.outage.ended_at.map_or_else(|| "lasting".to_owned(), |t| t.to_string());
    let counts = if s.counts { "counts under A12" } else { "within A12's minutes" };
    let by = match (&s.outage.begun_by, &s.outage.reason) {
        (Some(by), Some(reason)) => format!("; {} by {by}: {reason}", s.outage.source),
        (Some(by), None) => format!("; {} by {by}", s.outage.source),
        (None, _) => format!("; {}", s.outage.source),
    };
    let n = s.affected.len();
    format!(
        "{} from {} to {end}, {} minutes, {counts}, {n} cases sent away{by}",
        s.outage.system, s.outage.began_at, s.minutes
    )
}

/// Writes a report down.
///
/// # Errors
/// A system that is out already, or not out; the database.
pub async fn report(config: &Config, report: &Report) -> Result<Exit> {
    let pool = open::pool(config).await?;
    let at = instants(&pool, report.ago).await?;
    let by = format!("shell:{}", report.act.actor);
    let mut tx = pool.begin().await.told("writing the report")?;
    let mut permit = mint(&mut tx);
    let witness = Witness { source: "report", reason: &report.act.reason, by: &by };
    let done = if report.ended {
        outages::end(&mut permit, &report.system, at, &by).await
    } else {
        outages::begin(&mut permit, &report.system, at, witness).await
    };
    if !done.told("writing the report")? {
        let is = if report.ended { "is not reported to be out, or only since then" } else { "is known to be out then" };
        bail!("{} {is}; `kezek outages list` shows what is known", report.system);
    }
    let act = if report.ended { "outage-ended" } else { "outage-reported" };
    let entry = audit::Entry {
        account: &by,
        role: "operator",
        act,
        case_id: None,
        detail: json!({ "system": report.system, "at": at.0.to_string(), "reason": report.act.reason }),
    };
    audit::append(&mut permit, &entry).await.told("writing the act down")?;
    tx.commit().await.told("writing the report")?;
    println!("{} {} at {}", report.system, if report.ended { "answers again" } else { "is out" }, at.0);
    Ok(Exit::Done)
}

async fn instants(pool: &sqlx::PgPool, ago: u32) -> Result<(Timestamp, Timestamp)> {
    let clock = Clock::system();
    clock.set_offset_ms(clock::offset_ms(pool).await.told("reading the business clock")?);
    let back = SignedDuration::from_mins(i64::from(ago));
    let before = |t: Timestamp| t.checked_sub(back).unwrap_or(t);
    Ok((before(clock.real()), before(clock.now())))
}

/// Failures in a row after which what is probed is held to be out.
const FAILURES: u32 = 3;

/// What a probe has seen of one address.
#[derive(Debug, Default)]
struct Seen {
    failures: u32,
    since: Option<(Timestamp, Timestamp)>,
}

/// Watches the configured addresses until `stop`: whatever answers below 500 within the time-out is there. An outage
/// begins with the first failure of a row, and ends with the first answer.
///
/// # Errors
/// Where no client can be made.
pub async fn probe(engine: Engine, probes: crate::config::Outages, stop: CancellationToken) -> Result<(), ConfigError> {
    let seconds = Duration::from_secs(probes.timeout_seconds);
    let client = reqwest::Client::builder().connect_timeout(seconds).timeout(seconds).build();
    let client = client.map_err(|_| ConfigError::at("outages.probe", "no HTTP client can be made"))?;
    let mut seen: HashMap<String, Seen> = HashMap::new();
    let mut tick = tokio::time::interval(Duration::from_secs(probes.every_seconds));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        for (system, url) in &probes.probe {
            let now = (engine.clock().real(), engine.clock().now());
            let answered = client.get(url).send().await.is_ok_and(|answer| answer.status().as_u16() < 500);
            let known = seen.entry(system.clone()).or_default();
            if let Err(error) = note(&engine, system, known, answered, now).await {
                tracing::warn!(system, error = error.tell(), "what a probe has seen cannot be written down");
            }
        }
    }
}

async fn note(
    engine: &Engine,
    system: &str,
    seen: &mut Seen,
    answered: bool,
    now: (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    if answered {
        // also one that an earlier process, or a colleague, has opened
        *seen = Seen::default();
        let mut tx = engine.pool().begin().await?;
        let ended = outages::end(&mut mint(&mut tx), system, now, "probe").await?;
        tx.commit().await?;
        if ended {
            tracing::info!(system, "a probed system answers again");
        }
        return Ok(());
    }
    seen.failures = seen.failures.saturating_add(1);
    let since = *seen.since.get_or_insert(now);
    if seen.failures < FAILURES {
        return Ok(());
    }
    let witness = Witness { source: "probe", reason: "it did not answer the probe", by: "probe" };
    let mut tx = engine.pool().begin().await?;
    let begun = outages::begin(&mut mint(&mut tx), system, since, witness).await?;
    tx.commit().await?;
    if begun {
        tracing::warn!(system, "a probed system is held to be out");
    }
    Ok(())
}

/// Sets the gauge of lasting outages.
///
/// # Errors
/// Where the database fails; the next round tries again.
pub async fn gauge(engine: &Engine) -> Result<(), StoreError> {
    let now = engine.clock().real();
    engine.metrics().outage_seconds.reset();
    for outage in outages::list(engine.pool(), now).await?.into_iter().filter(|o| o.ended_at.is_none()) {
        let lasted = now.duration_since(outage.began_at).as_secs_f64().max(0.0);
        engine.metrics().outage_seconds.with_label_values(&[&outage.system]).set(lasted);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a12_what_is_measured_cannot_be_reported() {
        assert_eq!(named("portal"), Ok("portal".to_owned()));
        assert_eq!(named("mobile-app"), Ok("mobile-app".to_owned()));
        for system in System::ALL {
            assert!(named(system.label()).is_err(), "{system}");
        }
        assert!(named("").is_err() && named("Portal").is_err() && named("a b").is_err());
    }
}
