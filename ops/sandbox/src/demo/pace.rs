//! When the business clock may leap, when a worker is to be killed, and when everything is over or stuck.

use std::time::Duration;

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use tokio::time::Instant;

use super::view::Look;
use crate::random::stream;

/// How long nothing may change before the run counts as stuck.
const STUCK: Duration = Duration::from_secs(120);
/// Real time between two kills, so that a worker is up again before it is the other's turn.
const APART: Duration = Duration::from_millis(1500);

/// Whether anything still changes.
#[derive(Debug)]
pub struct Pulse {
    last: Option<(Look, usize)>,
    since: Instant,
}

impl Pulse {
    /// It has just begun.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { last: None, since: now }
    }

    /// Notes what was seen; whether nothing has changed for too long.
    pub fn stuck(&mut self, look: &Look, answered: usize, now: Instant) -> bool {
        let seen = Some((look.clone(), answered));
        if seen != self.last {
            self.last = seen;
            self.since = now;
        }
        now.duration_since(self.since) > STUCK
    }
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Something is under way, or a person has to act.
    Wait,
    /// Everything waits for a date: leap to it.
    Leap,
    /// Every case is closed.
    Over,
    /// Nothing is under way, no date lies ahead, and cases are open.
    Dead,
}

/// Decides from a look before and a look after asking the sandbox how much it still means to do.
///
/// Only where both looks are the same and still, and the sandbox meant to do nothing in between, is nothing under
/// way: whatever the sandbox had begun would have shown in the second look.
#[must_use]
pub fn next(before: &Look, pending: usize, after: &Look) -> Next {
    if before != after || !after.still() || pending != 0 {
        return Next::Wait;
    }
    if after.open_cases() == 0 {
        return Next::Over;
    }
    if after.tasks > 0 {
        return Next::Wait;
    }
    if after.deadlines > 0 { Next::Leap } else { Next::Dead }
}

/// When workers are killed: spread over the run, whichever worker chance names.
#[derive(Debug)]
pub struct Killer {
    wanted: u32,
    done: u32,
    last: Option<Instant>,
    chance: ChaCha8Rng,
}

impl Killer {
    /// So many kills.
    #[must_use]
    pub fn new(seed: u64, wanted: u32) -> Self {
        Self { wanted, done: 0, last: None, chance: stream(seed, "whom to kill", 0) }
    }

    /// How many are still to come.
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.wanted - self.done
    }

    /// Whom to kill now, if anybody: `progress` is the share of the run that is done, 0 to 1.
    pub fn strike(&mut self, progress: f64, now: Instant) -> Option<usize> {
        let threshold = f64::from(self.done + 1) / f64::from(self.wanted + 1);
        let ready = self.last.is_none_or(|last| now.duration_since(last) >= APART);
        if self.left() == 0 || progress < threshold || !ready {
            return None;
        }
        self.done += 1;
        self.last = Some(now);
        Some(self.chance.random_range(0..64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(place: &str) -> Look {
        Look { open: [(place.to_owned(), 1)].into(), turns: 5, deadlines: 1, ..Look::default() }
    }

    #[test]
    fn the_clock_leaps_only_where_nothing_is_under_way() {
        let held = look("payment/held");
        assert_eq!(next(&held, 0, &held), Next::Leap);
        assert_eq!(next(&held, 1, &held), Next::Wait);
        for busy in [
            Look { moving: 1, ..held.clone() },
            Look { arrivals: 1, ..held.clone() },
            Look { notices: 1, ..held.clone() },
            Look { outbox: 1, ..held.clone() },
            Look { due: 1, ..held.clone() },
            Look { tasks: 1, ..held.clone() },
        ] {
            assert_eq!(next(&busy, 0, &busy), Next::Wait);
        }
        assert_eq!(next(&Look { turns: 4, ..held.clone() }, 0, &held), Next::Wait);
        assert_eq!(next(&Look { arrived: 1, ..held.clone() }, 0, &held), Next::Wait);
        assert_eq!(next(&Look::default(), 0, &Look::default()), Next::Over);
        let parked = Look { deadlines: 0, parked: 1, ..look("intake/parked") };
        assert_eq!(next(&parked, 0, &parked), Next::Dead);
    }

    #[test]
    fn kills_are_spread_over_the_run_and_repeat_with_the_seed() {
        let mut struck = Vec::new();
        for seed in [1, 1] {
            let (mut killer, mut now, mut whom) = (Killer::new(seed, 3), Instant::now(), Vec::new());
            assert_eq!(killer.strike(0.2, now), None);
            for progress in [0.3, 0.3, 0.9] {
                now += APART;
                whom.extend(killer.strike(progress, now));
            }
            // the worker before is not up again yet
            assert_eq!((killer.strike(0.9, now), killer.left()), (None, 1));
            now += APART;
            whom.extend(killer.strike(0.9, now));
            assert_eq!((whom.len(), killer.left(), killer.strike(1.0, now + APART)), (3, 0, None));
            struck.push(whom);
        }
        assert_eq!(struck[0], struck[1]);
    }

    #[test]
    fn a_run_in_which_nothing_changes_is_stuck() {
        let began = Instant::now();
        let mut pulse = Pulse::new(began);
        let after = |seconds| began + Duration::from_secs(seconds);
        assert!(!pulse.stuck(&look("review/held"), 1, after(0)));
        assert!(!pulse.stuck(&look("payment/held"), 1, after(119)));
        assert!(!pulse.stuck(&look("payment/held"), 1, after(239)));
        assert!(pulse.stuck(&look("payment/held"), 1, after(240)));
    }
}
