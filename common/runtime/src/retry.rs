//! When to try again: the only module that names the `backoff` crate, which serves as a calculator of delays.
//!
//! A retry is a fresh publication into one rung of a shared ladder of queues; the policy chooses the rung.

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use std::time::Duration;

/// One step of the ladder: a queue whose messages go back to work after this long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Name, part of the queue's name and the routing header.
    pub name: &'static str,
    /// How long a message stays.
    pub wait: Duration,
}

/// The ladder. A wait longer than the last rung is taken in several steps.
pub const LADDER: [Rung; 7] = [
    Rung { name: "200ms", wait: Duration::from_millis(200) },
    Rung { name: "1s", wait: Duration::from_secs(1) },
    Rung { name: "5s", wait: Duration::from_secs(5) },
    Rung { name: "30s", wait: Duration::from_secs(30) },
    Rung { name: "2m", wait: Duration::from_secs(120) },
    Rung { name: "10m", wait: Duration::from_secs(600) },
    Rung { name: "1h", wait: Duration::from_secs(3600) },
];

/// The first rung that waits at least this long, or the last one.
#[must_use]
pub fn rung_for(wait: Duration) -> &'static Rung {
    let last = &LADDER[LADDER.len() - 1];
    LADDER.iter().find(|r| r.wait >= wait).unwrap_or(last)
}

fn policy(first: Duration, cap: Duration) -> ExponentialBackoff {
    ExponentialBackoff {
        initial_interval: first,
        current_interval: first,
        multiplier: 4.0,
        randomization_factor: 0.3,
        max_interval: cap,
        // the default gives up after 15 minutes by answering None: a reconnect loop would silently stop
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    }
}

/// The rung of the n-th retry (from 1): 0.2 s, 1 s, 5 s, 30 s, 2 min, 10 min, and 10 min from then on; the jitter
/// comes before the rounding up and never makes a later retry wait for less than an earlier one.
#[must_use]
pub fn rung_of_retry(n: u32) -> &'static Rung {
    // with its jitter the longest wait stays within ten minutes: rounded up from beyond, it would be an hour
    let most = Duration::from_secs(450);
    let mut policy = policy(Duration::from_millis(120), most);
    let mut wait = Duration::ZERO;
    for _ in 0..n.clamp(1, 16) {
        wait = policy.next_backoff().unwrap_or(most);
    }
    rung_for(wait)
}

/// Growing waits between attempts to reach a server; never gives up.
#[derive(Debug)]
pub struct Waits(ExponentialBackoff);

impl Default for Waits {
    fn default() -> Self {
        Self(policy(Duration::from_millis(100), Duration::from_secs(10)))
    }
}

impl Waits {
    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(Duration::from_secs(10))
    }
    /// The server was reached: start from the first wait again.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_rounds_up_to_a_rung() {
        assert_eq!(rung_for(Duration::from_millis(1)).name, "200ms");
        assert_eq!(rung_for(Duration::from_millis(1001)).name, "5s");
        assert_eq!(rung_for(Duration::from_secs(999_999)).name, "1h");
    }

    #[test]
    fn retries_climb_the_ladder_and_never_stop() {
        // whatever the jitter
        for _ in 0..200 {
            let waits: Vec<_> = (1..=8).map(|n| rung_of_retry(n).wait).collect();
            assert!(waits.is_sorted(), "{waits:?}");
            assert_eq!((waits[0], waits[7]), (Duration::from_millis(200), Duration::from_secs(600)));
        }
        let mut reconnects = Waits::default();
        assert!((0..500).all(|_| reconnects.next_wait() <= Duration::from_secs(14)));
    }
}
