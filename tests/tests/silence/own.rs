//! The servers of this program, and how a fault is looked for: on the page of metrics, at `/readyz`, in the log.

use anyhow::{Context as _, Result, ensure};
use axum::http::StatusCode;
use kezek::doors::health::{Process, routes};
use kezek::pipeline;
use kezek_domain::{CaseId, Role};
use kezek_runtime::Limits;
use kezek_runtime::management::Management;
use kezek_sandbox::Plan;
use kezek_testkit::database::Servers;
use kezek_testkit::desk::{account, ask};
use kezek_testkit::heard::Heard;
use kezek_testkit::stack::Stack;
use kezek_testkit::town::{Founding, Town};
use serde_json::Value;
use std::sync::OnceLock;
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

/// A delivery may be held for so long; the broker looks every quarter of a second. Above what any other test holds one.
const TERMS: &str = "{consumer_timeout, 2500}, {channel_tick_interval, 250}";

/// An alarm stops the whole broker: one test at a time.
static TURN: Mutex<()> = Mutex::const_new(());

/// The servers, for as long as they are this test's.
pub struct Own {
    stack: &'static Stack,
    /// What is logged from now on.
    pub heard: Heard,
    _turn: MutexGuard<'static, ()>,
}

impl Own {
    pub async fn servers() -> Result<Self> {
        static STACK: OnceLock<Stack> = OnceLock::new();
        let turn = TURN.lock().await;
        if STACK.get().is_none() {
            let stack = tokio::task::spawn_blocking(|| Stack::up(TERMS)).await??;
            ensure!(STACK.set(stack).is_ok(), "two tests had their turn at once");
        }
        Ok(Self { stack: STACK.get().context("no servers")?, heard: Heard::listen(), _turn: turn })
    }

    pub fn addresses(&self) -> &Servers {
        self.stack.servers()
    }

    pub async fn rabbitmqctl(&self, arguments: &'static [&'static str]) -> Result<()> {
        let stack = self.stack;
        tokio::task::spawn_blocking(move || stack.rabbitmqctl(arguments)).await??;
        Ok(())
    }

    /// A town on these servers that loses patience soon.
    pub async fn town(&self, founding: Founding) -> Result<Town> {
        self.town_at(self.addresses().clone(), 2, founding).await
    }

    /// A town that finds the servers elsewhere, and whose stages stop taking after so many seconds.
    pub async fn town_at(&self, servers: Servers, outbox_full_seconds: u64, founding: Founding) -> Result<Town> {
        let limits = Limits { confirm_seconds: 1, sweep_after_seconds: 1, outbox_full_seconds, ..founding.limits };
        Town::founded(Founding { servers: Some(servers), limits, people: 150, ..founding }).await
    }

    /// Puts back whatever of the topology is missing.
    pub async fn mended(&self, town: &Town) -> Result<()> {
        Management::new(&self.addresses().api, town.vhost.name())?.apply(&pipeline::broker()).await?;
        Ok(())
    }
}

/// A series on the page of metrics; 0 where it is not there yet.
pub fn metric(town: &Town, series: &str) -> Result<f64> {
    let page = town.engine.metrics().page()?;
    let value = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    Ok(value.map(str::parse).transpose()?.unwrap_or(0.0))
}

/// Waits until a series is at least so much.
pub async fn rises(town: &Town, series: &str, least: f64) -> Result<()> {
    town.until(&format!("{series} to be {least}"), async || Ok((metric(town, series)? >= least).then_some(()))).await
}

/// What `/readyz` says.
pub async fn readiness(town: &Town) -> Result<(StatusCode, Value)> {
    let running = pipeline::names().into_iter().collect();
    let process = Process { engine: town.engine.clone(), running, stop: CancellationToken::new() };
    Ok(ask(&routes(process), &account(Role::Portal), "GET", "/readyz", None).await)
}

/// Waits until `/readyz` answers 503 and gives this reason.
pub async fn unready(town: &Town, reason: &str) -> Result<()> {
    town.until(&format!("/readyz to say `{reason}`"), async || {
        let (status, told) = readiness(town).await?;
        let reasons = told["reasons"].as_array().cloned().unwrap_or_default();
        let given = reasons.iter().filter_map(Value::as_str).any(|r| r.contains(reason));
        if given {
            ensure!(status == StatusCode::SERVICE_UNAVAILABLE, "{status} {told}");
        }
        Ok(given.then_some(()))
    })
    .await
}

/// Waits until `/readyz` answers 200.
pub async fn ready(town: &Town) -> Result<()> {
    town.until("/readyz to be content", async || Ok((readiness(town).await?.0 == StatusCode::OK).then_some(()))).await
}

/// Waits for a line of the log.
pub async fn logged(town: &Town, own: &Own, words: &[&str]) -> Result<()> {
    town.until(&format!("the log to say {words:?}"), async || Ok(own.heard.line(words).map(|_| ()))).await
}

/// Somebody applies.
pub async fn applies(town: &Town) -> Result<CaseId> {
    Ok(town.citizen(Plan::Issued)?.submits().await?.case)
}

/// Everybody comes to the officers' desks, and nothing is left under way, lost or done twice.
pub async fn nothing_lost(town: Town, cases: &[CaseId]) -> Result<()> {
    for case in cases {
        town.until_held_at(*case, "review").await?;
    }
    ready(&town).await?;
    {
        let ledger = town.sandbox.world.ledger();
        assert!(ledger.conflicts.is_empty(), "{:?}", ledger.conflicts);
        assert!(ledger.sms.values().all(|n| n.calls <= 1), "a text message was sent twice");
    }
    town.leave_waiting().await
}
