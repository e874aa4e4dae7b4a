//! When the business clock may leap, and when everything is over or stuck.

use std::time::Duration;

use tokio::time::Instant;

use super::view::Look;

/// How long nothing may change before a run counts as stuck.
pub const STUCK: Duration = Duration::from_secs(120);
/// The same where servers come and go, and a retry may wait on one of the ladder's long rungs.
pub const STUCK_IN_CHAOS: Duration = Duration::from_secs(420);

/// Whether anything still changes.
#[derive(Debug)]
pub struct Pulse {
    last: Option<(Look, usize)>,
    since: Instant,
    patience: Duration,
}

impl Pulse {
    /// It has just begun.
    #[must_use]
    pub const fn new(now: Instant, patience: Duration) -> Self {
        Self { last: None, since: now, patience }
    }

    /// Notes what was seen; whether nothing has changed for too long.
    pub fn stuck(&mut self, look: &Look, answered: usize, now: Instant) -> bool {
        let seen = Some((look.clone(), answered));
        if seen != self.last {
            self.last = seen;
            self.since = now;
        }
        now.duration_since(self.since) > self.patience
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
    fn a_run_in_which_nothing_changes_is_stuck() {
        let began = Instant::now();
        let mut pulse = Pulse::new(began, STUCK);
        let after = |seconds| began + Duration::from_secs(seconds);
        assert!(!pulse.stuck(&look("review/held"), 1, after(0)));
        assert!(!pulse.stuck(&look("payment/held"), 1, after(119)));
        assert!(!pulse.stuck(&look("payment/held"), 1, after(239)));
        assert!(pulse.stuck(&look("payment/held"), 1, after(240)));
    }
}
