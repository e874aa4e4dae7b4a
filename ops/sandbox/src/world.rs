//! What all stand-ins share: the people, the clock, the ledger, the faults, the way back to Kezek.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kezek_domain::Tiyn;
use rand::Rng as _;
use tokio_util::task::TaskTracker;

use crate::callback::Outbound;
use crate::clock::Clock;
use crate::faults::Faults;
use crate::ledger::Ledger;
use crate::ncanode::Lie;
use crate::plan::duty_on;
use crate::population::{Person, Population};
use crate::random::stream;
use crate::signer::Authority;

/// The sandbox's whole state.
pub struct World {
    /// The people.
    pub people: Population,
    /// The authority whose certificates sign.
    pub authority: Authority,
    /// Business time.
    pub clock: Clock,
    /// The way back to Kezek.
    pub outbound: Outbound,
    /// What happens later.
    pub tasks: TaskTracker,
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) lie: Mutex<Lie>,
}

impl World {
    /// The ledger, for a moment; never across an await.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How NCANode's stand-in lies.
    pub fn lie(&self) -> Lie {
        self.lie.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It lies like this from now on.
    pub fn lies(&self, lie: Lie) {
        *self.lie.lock().unwrap_or_else(PoisonError::into_inner) = lie;
    }

    /// The faults in force, for a moment.
    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The person whose application has this coupon.
    #[must_use]
    pub fn holder(&self, coupon: &str) -> Option<&Person> {
        let index = self.ledger().by_coupon(coupon).map(|(_, row)| row.person)?;
        self.people.get(index)
    }

    /// What this person owes for a new card, by the plan.
    #[must_use]
    pub fn owes(&self, person: &Person) -> Tiyn {
        if person.plan.is_exempt() { Tiyn::ZERO } else { duty_on(self.people.as_of()) }
    }

    /// A delay between two bounds in milliseconds, always the same for the same purpose and name.
    #[must_use]
    pub fn delay(&self, what: &str, name: &str, from: u64, to: u64) -> Duration {
        let who = name.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Duration::from_millis(stream(self.people.seed(), what, who).random_range(from..to))
    }

    /// Does something later; the sandbox is not at rest until it is done.
    pub fn later<F>(self: &Arc<Self>, wait: Duration, what: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let intent = self.outbound.intent();
        let world = Arc::clone(self);
        let work = what(Arc::clone(self));
        self.tasks.spawn(async move {
            if world.outbound.wait(wait).await {
                work.await;
            }
            drop(intent);
        });
    }
}
