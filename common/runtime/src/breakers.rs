//! One breaker per outside system, its state shared by all processes through a row. Failures are counted here;
//! who counts enough opens it for everybody, and one probe at a time may close it.

use crate::metrics::Metrics;
use jiff::{SignedDuration, Timestamp};
use kezek_domain::System;
use kezek_domain::fault::Fault;
use kezek_stage::{Breakers, Clock};
use kezek_store::breakers;
use sqlx::PgPool;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Failures in a row that open a breaker.
const OPENS_AT: u32 = 8;
/// Seconds between probes.
const PROBE_EVERY: f64 = 2.0;
/// Seconds a probe may take before another process may send one.
const PROBE_LEASE: u32 = 20;

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    open_since: Option<Timestamp>,
    failures: u32,
    // this process may send one call although the breaker is open
    probe: bool,
    // a probe that never reports (its attempt was dropped) is given up with its lease
    probing: Option<Timestamp>,
    wants: Option<Wish>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Open,
    Close,
    Failed,
}

/// The breakers as this process knows them.
#[derive(Debug)]
pub struct SharedBreakers {
    known: Mutex<HashMap<System, Known>>,
    metrics: Metrics,
    clock: Clock,
}

impl SharedBreakers {
    /// All closed, until the first look at the database.
    #[must_use]
    pub fn new(metrics: Metrics, clock: Clock) -> Self {
        Self { known: Mutex::default(), metrics, clock }
    }

    fn with<T>(&self, system: System, f: impl FnOnce(&mut Known) -> T) -> T {
        f(self.known.lock().unwrap_or_else(PoisonError::into_inner).entry(system).or_default())
    }

    /// One round: writes what calls have shown, reads what others have written, takes a probe where one is due.
    ///
    /// # Errors
    /// Where the database fails; the next round tries again.
    pub async fn round(&self, pool: &PgPool, clock: &Clock) -> Result<(), kezek_store::StoreError> {
        for system in System::all().iter().copied() {
            let label = system.label();
            match self.with(system, |k| k.wants.take()) {
                Some(Wish::Open) => {
                    let opened = breakers::open(pool, label, clock.now(), "calls in a row were not answered").await?;
                    tracing::warn!(system = label, here_first = opened, "breaker opened: the system does not answer");
                }
                Some(Wish::Close) => {
                    breakers::close(pool, label, clock.now()).await?;
                    tracing::info!(system = label, "breaker closed: the system answers");
                }
                Some(Wish::Failed) => breakers::probe_failed(pool, label).await?,
                None => {}
            }
        }
        let rows = breakers::list(pool).await?;
        for row in rows {
            let Some(system) = System::all().iter().copied().find(|s| s.label() == row.system) else { continue };
            self.metrics.breaker_open.with_label_values(&[system.label()]).set(i64::from(row.open));
            let lease = SignedDuration::from_secs(i64::from(PROBE_LEASE));
            let probing = |k: &Known| k.probing.is_some_and(|since| clock.real().duration_since(since) < lease);
            let may_probe = row.open && self.with(system, |k| !k.probe && !probing(k));
            let probe =
                may_probe && breakers::take_probe(pool, system.label(), PROBE_EVERY, f64::from(PROBE_LEASE)).await?;
            self.with(system, |k| {
                k.open_since = if row.open { row.opened_at } else { None };
                if row.open {
                    k.probe |= probe;
                } else {
                    k.probe = false;
                    k.probing = None;
                }
            });
        }
        Ok(())
    }
}

impl Breakers for SharedBreakers {
    fn allow(&self, system: System) -> Result<(), Fault> {
        self.with(system, |k| {
            let Some(since) = k.open_since else { return Ok(()) };
            let now = self.clock.real();
            if k.probe {
                k.probe = false;
                k.probing = Some(now);
                return Ok(());
            }
            // the longer it is down the rarer a waiting case comes back to ask: an outage of hours must not write a
            // journal entry per case every few seconds
            let down = u64::try_from(now.duration_since(since).as_secs()).unwrap_or(0);
            Err(Fault::transient("breaker-open", format!("{} is held to be down", system.label()))
                .from_system(system)
                .after(Duration::from_secs((down / 2).clamp(2, 600))))
        })
    }

    fn report(&self, system: System, answered: bool) {
        self.with(system, |k| {
            if answered {
                k.failures = 0;
                if k.open_since.is_some() {
                    k.wants = Some(Wish::Close);
                    k.open_since = None;
                }
            } else if k.open_since.is_some() {
                k.wants = Some(Wish::Failed);
            } else {
                k.failures = k.failures.saturating_add(1);
                if k.failures >= OPENS_AT {
                    k.failures = 0;
                    k.wants = Some(Wish::Open);
                }
            }
            k.probing = None;
        });
    }

    fn open_since(&self, system: System) -> Option<Timestamp> {
        self.with(system, |k| k.open_since)
    }
}
