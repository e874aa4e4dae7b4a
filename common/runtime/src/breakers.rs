//! One breaker per outside system, its state shared by all processes through a row. Failures are counted here; who
//! counts enough opens it for everybody. While it is open the stages that need the system do not take, and one
//! process at a time has the right to send one call, the probe: only the probe's answer closes it.

use crate::metrics::Metrics;
use jiff::{SignedDuration, Timestamp};
use kezek_domain::System;
use kezek_domain::fault::Fault;
use kezek_stage::{Breakers, Clock, Pass};
use kezek_store::breakers::{self, BreakerRow};
use sqlx::PgPool;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Failures in a row that open a breaker.
const OPENS_AT: u32 = 8;
/// Between a probe that failed and the next.
pub(crate) const PROBE_EVERY: Duration = Duration::from_secs(2);
/// How long the right to send a probe may be used after the row was last written; a process that was stopped for
/// longer has lost it.
const USABLE: Duration = Duration::from_secs(3);
/// How long a process keeps the right although no stage of its own waits for the system, and then leaves it to others.
const KEEPS: Duration = Duration::from_secs(5);

/// How long a stage of several that wait for a system has its turn, before another one looks for a message.
const TURN: Duration = Duration::from_secs(2);

/// Whether a stage takes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// As many as it can.
    Open,
    /// One, which goes out as the probe.
    Probe,
    /// None: a system that it needs is held to be down.
    Shut,
}

/// The right to send the probe, as this process has it.
#[derive(Clone, Copy, Debug)]
struct Right {
    since: Instant,
    usable_until: Instant,
    /// Kept from being used while cases are worked on without a message.
    lent: bool,
    /// The stage that takes a message for the probe; another one's turn comes when it has found none.
    turn: Option<(&'static str, Instant)>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    down: Option<Outage>,
    failures: u32,
    right: Option<Right>,
    /// A probe is out; one that never reports (its attempt was dropped) is given up with its lease.
    probing_until: Option<Instant>,
    /// Who had the right for long without a use leaves it to others for a while.
    not_before: Option<Instant>,
    wants: Option<Wish>,
    waiting: BTreeSet<&'static str>,
    /// The next time that this process has the right it is lent at once.
    claimed: bool,
    /// Calls that met the open breaker.
    refused: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Open,
    Close,
    Failed,
}

/// Since when a system has been down, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// In real time: A12 counts from here.
    pub since: Timestamp,
    /// On the business clock.
    pub since_business: Option<Timestamp>,
}

/// The breakers as this process knows them.
#[derive(Debug)]
pub struct SharedBreakers {
    known: Mutex<HashMap<System, Known>>,
    metrics: Metrics,
    clock: Clock,
    lease: Duration,
}

impl SharedBreakers {
    /// All closed, until the first look at the database. `longest_call`: a probe that has not reported by then never
    /// will, and another process may send one.
    #[must_use]
    pub fn new(metrics: Metrics, clock: Clock, longest_call: Duration) -> Self {
        Self { known: Mutex::default(), metrics, clock, lease: longest_call + USABLE + Duration::from_secs(1) }
    }

    fn with<T>(&self, system: System, f: impl FnOnce(&mut Known) -> T) -> T {
        f(self.known.lock().unwrap_or_else(PoisonError::into_inner).entry(system).or_default())
    }

    /// One round: writes what calls have shown, reads what others have written, takes or keeps the right to send a
    /// probe.
    ///
    /// # Errors
    /// Where the database fails; the next round tries again.
    pub async fn round(&self, pool: &PgPool) -> Result<(), kezek_store::StoreError> {
        for system in System::all().iter().copied() {
            let wish = self.with(system, |k| k.wants.take());
            if let Some(wish) = wish
                && let Err(error) = self.write(pool, system, wish).await
            {
                // what a call has shown is not forgotten because the database was away just then
                self.with(system, |k| k.wants = k.wants.or(Some(wish)));
                return Err(error);
            }
        }
        for row in breakers::list(pool).await? {
            let Some(system) = System::all().iter().copied().find(|s| s.label() == row.system) else { continue };
            self.metrics.breaker_open.with_label_values(&[system.label()]).set(i64::from(row.open));
            self.with(system, |k| {
                // a probe that was answered since the row was read has closed it already
                if k.wants.is_none() {
                    k.down = outage(&row);
                }
                if !row.open {
                    (k.right, k.probing_until) = (None, None);
                }
            });
            if row.open {
                self.right(pool, system).await?;
            }
        }
        Ok(())
    }

    async fn write(&self, pool: &PgPool, system: System, wish: Wish) -> Result<(), kezek_store::StoreError> {
        let (label, real, business) = (system.label(), self.clock.real(), self.clock.now());
        match wish {
            Wish::Open => {
                let first = breakers::open(pool, label, real, business, "calls in a row were not answered").await?;
                tracing::warn!(system = label, here_first = first, "breaker opened: the system does not answer");
            }
            Wish::Close => {
                breakers::close(pool, label, real, business).await?;
                tracing::info!(system = label, "breaker closed: the system answers");
            }
            Wish::Failed => breakers::probe_failed(pool, label).await?,
        }
        Ok(())
    }

    /// Takes, keeps or leaves the right to send a probe to a system that is down.
    async fn right(&self, pool: &PgPool, system: System) -> Result<(), kezek_store::StoreError> {
        let (label, began, lease) = (system.label(), Instant::now(), self.lease.as_secs_f64());
        let (had, probing, may_take) = self.with(system, |k| {
            let probing = k.probing_until.is_some_and(|until| began < until) || k.wants.is_some();
            // not renewed in time: somebody else may have it by now
            k.right = k.right.filter(|r| began < r.usable_until);
            (k.right, probing, k.not_before.is_none_or(|t| t <= began))
        });
        let right = match had {
            Some(right) => {
                let waited_for = right.lent || self.with(system, |k| !k.waiting.is_empty());
                if !waited_for && began.duration_since(right.since) > KEEPS {
                    // taken from the calls first: none may use it once it is left
                    let unused = self.with(system, |k| {
                        k.not_before = Some(began + 2 * KEEPS);
                        k.right.take().is_some()
                    });
                    if unused {
                        breakers::leave_probe(pool, label).await?;
                    }
                    return Ok(());
                }
                breakers::keep_probe(pool, label, lease).await?.then_some(right)
            }
            None if probing || !may_take => return Ok(()),
            None => breakers::take_probe(pool, label, PROBE_EVERY.as_secs_f64(), lease).await?.then_some(Right {
                since: began,
                usable_until: began,
                lent: false,
                turn: None,
            }),
        };
        self.with(system, |k| {
            // used while the row was being written: the lease is its own now
            if had.is_some() && k.right.is_none() {
                return;
            }
            k.right = right.map(|r| Right {
                usable_until: began + USABLE,
                lent: k.claimed,
                turn: k.right.and_then(|now| now.turn),
                ..r
            });
        });
        Ok(())
    }

    /// Whether a stage that needs these systems takes messages.
    pub(crate) fn gate(&self, stage: &'static str, needs: &[System]) -> Gate {
        self.look(needs, |right, _| right.turn.is_some_and(|(whose, _)| whose == stage))
    }

    /// The same for a stage that begins to take: where a probe may go out, it is this stage's turn if nobody has it.
    pub(crate) fn enter(&self, stage: &'static str, needs: &[System]) -> Gate {
        self.look(needs, |right, now| {
            let free = right.turn.is_none_or(|(whose, until)| whose == stage || until <= now);
            if free {
                right.turn = Some((stage, now + TURN));
            }
            free
        })
    }

    fn look(&self, needs: &[System], may: impl Fn(&mut Right, Instant) -> bool) -> Gate {
        if needs.is_empty() {
            return Gate::Open;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let mut gate = Gate::Open;
        for system in needs {
            let Some(k) = known.get_mut(system).filter(|k| k.down.is_some()) else { continue };
            let usable = k.right.as_mut().filter(|r| !r.lent && now < r.usable_until);
            if usable.is_some_and(|right| may(right, now)) {
                return Gate::Probe;
            }
            gate = Gate::Shut;
        }
        gate
    }

    /// Notes whether a stage of this process waits for these systems: its process keeps the right to send the probe.
    pub(crate) fn waits(&self, stage: &'static str, needs: &[System], waits: bool) {
        for system in needs {
            self.with(*system, |k| if waits { k.waiting.insert(stage) } else { k.waiting.remove(stage) });
        }
    }

    /// How many calls to these systems have met an open breaker here.
    pub(crate) fn refused(&self, needs: &[System]) -> u64 {
        needs.iter().map(|system| self.with(*system, |k| k.refused)).sum()
    }

    /// Since when a system has been down, as this process knows.
    #[must_use]
    pub fn outage(&self, system: System) -> Option<Outage> {
        self.with(system, |k| k.down)
    }

    /// Keeps the probe from going out, here and so everywhere, while cases that wait for the system are worked on
    /// without a message; `false` where this process has not the right: the next time it has it, it is kept.
    pub(crate) fn claim(&self, system: System) -> bool {
        let now = Instant::now();
        self.with(system, |k| {
            k.claimed = true;
            match &mut k.right {
                Some(right) if now < right.usable_until => {
                    right.lent = true;
                    true
                }
                _ => false,
            }
        })
    }

    /// The probe may go out again.
    pub(crate) fn unclaim(&self, system: System) {
        self.with(system, |k| {
            k.claimed = false;
            if let Some(right) = &mut k.right {
                right.lent = false;
            }
        });
    }
}

fn outage(row: &BreakerRow) -> Option<Outage> {
    let since = row.opened_at.filter(|_| row.open)?;
    Some(Outage { since, since_business: row.opened_business })
}

impl Breakers for SharedBreakers {
    fn allow(&self, system: System) -> Result<Pass, Fault> {
        self.with(system, |k| {
            let Some(down) = k.down else { return Ok(Pass::Free) };
            let now = Instant::now();
            if k.right.is_some_and(|r| !r.lent && now < r.usable_until) {
                k.right = None;
                k.probing_until = Some(now + self.lease);
                self.metrics.probes.with_label_values(&[system.label()]).inc();
                return Ok(Pass::Probe);
            }
            k.refused += 1;
            // the longer it is down the rarer a case that is in hand comes back to ask
            let down = self.clock.real().duration_since(down.since);
            let down = if down > SignedDuration::ZERO { down.unsigned_abs() } else { Duration::ZERO };
            Err(Fault::transient("breaker-open", format!("{} is held to be down", system.label()))
                .from_system(system)
                .after((down / 2).clamp(Duration::from_secs(2), Duration::from_secs(600))))
        })
    }

    fn report(&self, system: System, pass: Pass, answered: bool) {
        self.with(system, |k| match (pass, answered) {
            (Pass::Probe, true) => {
                (k.failures, k.down, k.probing_until) = (0, None, None);
                k.wants = Some(Wish::Close);
            }
            (Pass::Probe, false) => {
                k.probing_until = None;
                k.wants = Some(Wish::Failed);
            }
            // calls that were under way when the breaker opened neither close it nor count any more
            (Pass::Free, _) if k.down.is_some() => {}
            (Pass::Free, true) => k.failures = 0,
            (Pass::Free, false) => {
                k.failures = k.failures.saturating_add(1);
                if k.failures >= OPENS_AT {
                    k.failures = 0;
                    k.wants = Some(Wish::Open);
                }
            }
        });
    }

    fn open_since(&self, system: System) -> Option<Timestamp> {
        self.with(system, |k| k.down.map(|d| d.since))
    }
}
