//! What happens to a run and when: drawn from one seed, told by how much of the run is done, never by the clock.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use kezek_domain::System;
use rand::Rng as _;
use tokio::time::Instant;

use crate::random::stream;

/// Real time between two kills of workers, so that one is up again before it is the other's turn.
const APART: Duration = Duration::from_millis(1500);

/// A server of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// RabbitMQ.
    Broker,
    /// PostgreSQL.
    Database,
}

impl Server {
    /// Its word in `ops/stack --only`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Database => "database",
        }
    }
}

/// A line between the workers and somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// To a server.
    To(Server),
    /// To the state gateway.
    Gateway,
}

impl Line {
    const ALL: [Self; 3] = [Self::To(Server::Broker), Self::To(Server::Database), Self::Gateway];

    const fn label(self) -> &'static str {
        match self {
            Self::To(server) => server.label(),
            Self::Gateway => "gateway",
        }
    }
}

/// What befalls a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Every connection is closed.
    Cut,
    /// Everything comes later, each way, for so long.
    Delay(Duration, Duration),
    /// Every connection is left half open, and new ones too for so long.
    HalfOpen(Duration),
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// A worker is killed (SIGKILL); which one is counted modulo their number.
    KillWorker(usize),
    /// A server is killed (SIGKILL) and started again.
    KillServer(Server),
    /// A server is stopped in order and started again.
    RestartServer(Server),
    /// A line is disturbed.
    Line(Line, Break),
    /// An outside system answers nobody for so long.
    Down(System, Duration),
    /// All workers die at once, all queues are purged, the jobs are issued again from the database.
    Purge,
}

impl Trouble {
    /// Its kind, as it is counted.
    #[must_use]
    pub fn kind(self) -> String {
        match self {
            Self::KillWorker(_) => "workers_killed".to_owned(),
            Self::KillServer(server) => format!("{}_killed", server.label()),
            Self::RestartServer(server) => format!("{}_restarted", server.label()),
            Self::Line(line, what) => {
                let what = match what {
                    Break::Cut => "cut",
                    Break::Delay(..) => "delayed",
                    Break::HalfOpen(_) => "half_opened",
                };
                format!("{}_line_{what}", line.label())
            }
            Self::Down(..) => "systems_down".to_owned(),
            Self::Purge => "queues_purged_and_rebuilt".to_owned(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillWorker(_) => f.write_str("a worker is killed"),
            Self::KillServer(server) => write!(f, "the {} is killed", server.label()),
            Self::RestartServer(server) => write!(f, "the {} is restarted", server.label()),
            Self::Line(line, Break::Cut) => write!(f, "every connection to the {} is cut", line.label()),
            Self::Line(line, Break::Delay(by, time)) => {
                write!(
                    f,
                    "the line to the {} is late by {} ms for {} ms",
                    line.label(),
                    by.as_millis(),
                    time.as_millis()
                )
            }
            Self::Line(line, Break::HalfOpen(time)) => {
                write!(f, "the line to the {} is half open, new connections for {} ms", line.label(), time.as_millis())
            }
            Self::Down(system, time) => write!(f, "{} is down for {} ms", system.label(), time.as_millis()),
            Self::Purge => f.write_str("all workers die, all queues are purged, the jobs are issued again"),
        }
    }
}

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storm {
    /// Kills of workers.
    pub kills: u32,
    /// How often every other trouble comes.
    pub rounds: u32,
}

/// What is still to come, in order, with the share of the run after which it comes.
#[derive(Debug)]
pub struct Schedule {
    coming: VecDeque<(f64, Trouble)>,
    last_kill: Option<Instant>,
}

impl Schedule {
    /// Kills alone, spread evenly over the run; whichever worker chance names.
    #[must_use]
    pub fn kills(seed: u64, wanted: u32) -> Self {
        let mut chance = stream(seed, "whom to kill", 0);
        let kill = |n| (f64::from(n) / f64::from(wanted + 1), Trouble::KillWorker(chance.random_range(0..64)));
        Self { coming: (1..=wanted).map(kill).collect(), last_kill: None }
    }

    /// Everything, whenever chance says.
    #[must_use]
    pub fn storm(seed: u64, storm: Storm) -> Self {
        let mut chance = stream(seed, "chaos", 0);
        let mut coming: Vec<(f64, Trouble)> = Vec::new();
        for _ in 0..storm.kills {
            coming.push((chance.random_range(0.02..0.95), Trouble::KillWorker(chance.random_range(0..64))));
        }
        for _ in 0..storm.rounds {
            let mut millis = |from: u64, to: u64| Duration::from_millis(chance.random_range(from..to));
            let mut troubles = Vec::new();
            for server in [Server::Broker, Server::Database] {
                troubles.extend([Trouble::KillServer(server), Trouble::RestartServer(server)]);
            }
            for line in Line::ALL {
                let delay = Break::Delay(millis(20, 120), millis(1000, 4000));
                let half_open = Break::HalfOpen(millis(500, 3000));
                troubles.extend([Break::Cut, delay, half_open].map(|what| Trouble::Line(line, what)));
            }
            let down: Vec<_> = System::ALL.iter().map(|system| Trouble::Down(*system, millis(300, 1500))).collect();
            coming.extend(troubles.into_iter().map(|trouble| (chance.random_range(0.05..0.9), trouble)));
            // early: what a breaker has sent away comes back after minutes, and the end waits for it
            coming.extend(down.into_iter().map(|trouble| (chance.random_range(0.05..0.6), trouble)));
            coming.push((chance.random_range(0.4..0.7), Trouble::Purge));
        }
        coming.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { coming: coming.into(), last_kill: None }
    }

    /// How many are still to come.
    #[must_use]
    pub fn left(&self) -> usize {
        self.coming.len()
    }

    /// What happens now, if anything: `progress` is the share of the run that is done, 0 to 1.
    pub fn strike(&mut self, progress: f64, now: Instant) -> Option<Trouble> {
        let (threshold, trouble) = self.coming.front().copied()?;
        let kill = matches!(trouble, Trouble::KillWorker(_));
        let ready = !kill || self.last_kill.is_none_or(|last| now.duration_since(last) >= APART);
        if progress < threshold || !ready {
            return None;
        }
        if kill {
            self.last_kill = Some(now);
        }
        self.coming.pop_front().map(|(_, trouble)| trouble)
    }

    /// The whole of it, a line each.
    #[must_use]
    pub fn told(&self) -> Vec<String> {
        self.coming.iter().map(|(after, trouble)| format!("after {:3.0} %  {trouble}", after * 100.0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn kills_are_spread_over_the_run_and_repeat_with_the_seed() {
        let mut struck = Vec::new();
        for seed in [1, 1] {
            let (mut schedule, mut now, mut whom) = (Schedule::kills(seed, 3), Instant::now(), Vec::new());
            assert_eq!(schedule.strike(0.2, now), None);
            for progress in [0.3, 0.3, 0.9] {
                now += APART;
                whom.extend(schedule.strike(progress, now));
            }
            // the worker before is not up again yet
            assert_eq!((schedule.strike(0.9, now), schedule.left()), (None, 1));
            now += APART;
            whom.extend(schedule.strike(0.9, now));
            assert_eq!((whom.len(), schedule.left(), schedule.strike(1.0, now + APART)), (3, 0, None));
            struck.push(whom);
        }
        assert_eq!(struck[0], struck[1]);
    }

    #[test]
    fn a_storm_has_everything_and_repeats_with_the_seed() {
        let storm = Storm { kills: 20, rounds: 2 };
        let told = |seed| Schedule::storm(seed, storm).told();
        assert_eq!(told(7), told(7));
        assert_ne!(told(7), told(8));
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for (_, trouble) in Schedule::storm(7, storm).coming {
            *kinds.entry(trouble.kind()).or_default() += 1;
        }
        assert_eq!(kinds.remove("workers_killed"), Some(20));
        assert_eq!(kinds.remove("systems_down"), Some(2 * System::ALL.len()));
        // four of the servers, three of each line, the purge
        assert_eq!(kinds.len(), 4 + 9 + 1, "{kinds:?}");
        assert!(kinds.values().all(|n| *n == 2), "{kinds:?}");
    }
}
