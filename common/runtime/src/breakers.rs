//! One breaker per outside system, its state shared by all processes through a row. Failures are counted here;
//! who counts enough opens it for everybody, and one probe at a time may close it.

use crate::metrics::Metrics;
use jiff::Timestamp;
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
const PROBE_LEASE: f64 = 20.0;

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    open_since: Option<Timestamp>,
    failures: u32,
    // this process may send one call although the breaker is open
    probe: bool,
    probing: bool,
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
}

impl SharedBreakers {
    /// All closed, until the first look at the database.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { known: Mutex::default(), metrics }
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
            let may_probe = row.open && self.with(system, |k| !k.probe && !k.probing);
            let probe = may_probe && breakers::take_probe(pool, system.label(), PROBE_EVERY, PROBE_LEASE).await?;
            self.with(system, |k| {
                k.open_since = if row.open { row.opened_at } else { None };
                if row.open {
                    k.probe |= probe;
                } else {
                    k.probe = false;
                    k.probing = false;
                }
            });
        }
        Ok(())
    }
}

impl Breakers for SharedBreakers {
    fn allow(&self, system: System) -> Result<(), Fault> {
        self.with(system, |k| {
            if k.open_since.is_none() {
                return Ok(());
            }
            if k.probe {
                k.probe = false;
                k.probing = true;
                return Ok(());
            }
            Err(Fault::transient("breaker-open", format!("{} is held to be down", system.label()))
                .from_system(system)
                .after(Duration::from_secs(2)))
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
            k.probing = false;
        });
    }

    fn open_since(&self, system: System) -> Option<Timestamp> {
        self.with(system, |k| k.open_since)
    }
}
