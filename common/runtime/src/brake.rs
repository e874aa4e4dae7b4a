//! The storm brake: a stage that parks far more than it settles pauses itself, instead of parking thousands of cases
//! after a bad deployment. An operator resumes it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How far back it looks.
const WINDOW: Duration = Duration::from_secs(60);
/// So many parked turns within the window, and at least half of all, pull the brake.
const PARKED: usize = 25;

/// The last minute of one stage in this process.
#[derive(Debug, Default)]
pub(crate) struct Brake(Mutex<VecDeque<(Instant, bool)>>);

impl Brake {
    /// Notes turns; `true` when the brake is to be pulled.
    pub(crate) fn note(&self, now: Instant, parked: usize, others: usize) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(std::iter::repeat_n((now, true), parked));
        seen.extend(std::iter::repeat_n((now, false), others));
        while seen.front().is_some_and(|(t, _)| now.duration_since(*t) > WINDOW) || seen.len() > 10_000 {
            seen.pop_front();
        }
        let stormy = seen.iter().filter(|(_, parked)| *parked).count();
        let pulled = parked > 0 && stormy >= PARKED && stormy * 2 >= seen.len();
        if pulled {
            // after a resume the count starts anew
            seen.clear();
        }
        pulled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_poison_cases_among_many_do_not_stop_a_stage() {
        let (brake, now) = (Brake::default(), Instant::now());
        assert!((0..100).all(|_| !brake.note(now, 1, 9)));
    }

    #[test]
    fn parking_most_of_a_minutes_turns_stops_it_once() {
        let (brake, now) = (Brake::default(), Instant::now());
        assert!((0..PARKED - 1).all(|_| !brake.note(now, 1, 0)));
        assert!(brake.note(now, 1, 0));
        assert!(!brake.note(now, 1, 0));
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let (brake, now) = (Brake::default(), Instant::now());
        assert!(!brake.note(now, PARKED - 1, 0));
        assert!(!brake.note(now + WINDOW + Duration::from_secs(1), 1, 0));
    }
}
