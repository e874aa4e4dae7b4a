//! Holding back: what the engine does not do while doing it would make things worse. Each on the real engine, some of
//! it with two processes.

#[path = "holding/brake.rs"]
mod brake;
#[path = "holding/breaker.rs"]
mod breaker;
#[path = "holding/lost.rs"]
mod lost;
#[path = "holding/outage.rs"]
mod outage;
#[path = "holding/paused.rs"]
mod paused;
#[path = "holding/poison.rs"]
mod poison;

use anyhow::Result;
use kezek_domain::{CaseId, System};
use kezek_runtime::Engine;
use kezek_sandbox::Plan;
use kezek_sandbox::faults::{Command, Kind};
use kezek_testkit::town::Town;

/// A system misbehaves until somebody clears it, or for so many calls.
pub fn disturb(town: &Town, system: System, fault: Kind, count: Option<u32>) -> Result<()> {
    let command = Command { system: Some(system), fault, count, seconds: None };
    town.sandbox.world.faults().add(command).map_err(anyhow::Error::msg)
}

/// So many people apply.
pub async fn apply(town: &Town, people: usize) -> Result<Vec<CaseId>> {
    let mut cases = Vec::new();
    for _ in 0..people {
        cases.push(town.citizen(Plan::Issued)?.submits().await?.case);
    }
    Ok(cases)
}

/// A series on a process's page of metrics; 0 where it is not there yet.
pub fn metric(engine: &Engine, series: &str) -> Result<f64> {
    let page = engine.metrics().page()?;
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    Ok(value.map(str::parse).transpose()?.unwrap_or(0.0))
}

/// A number that the database knows.
pub async fn number(town: &Town, statement: &'static str) -> Result<i64> {
    Ok(sqlx::query_scalar(statement).fetch_one(&town.owner).await?)
}

/// Whether messages wait in a queue.
pub async fn waiting(town: &Town, queue: &str) -> Result<bool> {
    Ok(town.vhost.left().await?.iter().any(|(q, _)| q == queue))
}
