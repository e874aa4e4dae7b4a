//! What tests have armed in this process. A death is the process's own SIGKILL: nothing is flushed, closed or told.

use super::Point;
use kezek_domain::System;
use kezek_domain::fault::Fault;
use kezek_stage::{BoxFuture, Breakers, Hold, Pass, Stage, Turn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// What a test waits for at a point.
#[derive(Clone, Debug)]
pub struct Armed {
    /// The place.
    pub point: Point,
    /// Only here: a stage's name, `door`, `desk`, `lapses` or `outbox`; everywhere where it is `None`.
    pub stage: Option<String>,
    /// Only by one of these subjects; by anybody where it is empty.
    pub subjects: Vec<Uuid>,
    /// So many who come to it pass first.
    pub passing: usize,
    /// What happens.
    pub then: Then,
}

/// What happens at an armed point.
#[derive(Clone, Debug)]
pub enum Then {
    /// The process dies on the spot.
    Die,
    /// Whoever comes waits for the others.
    Meet(Meeting),
    /// How often it is reached is counted.
    Tally(Arc<AtomicUsize>),
    /// The greatest number of times that a subject was in one batch is kept.
    Count(Arc<AtomicUsize>),
}

/// Some who wait for each other, once: whoever comes after that passes.
#[derive(Clone, Debug)]
pub struct Meeting {
    wanted: usize,
    come: Arc<watch::Sender<usize>>,
}

impl Meeting {
    /// Of so many.
    #[must_use]
    pub fn of(wanted: usize) -> Self {
        Self { wanted, come: Arc::new(watch::Sender::new(0)) }
    }
    /// How many have come.
    #[must_use]
    pub fn come(&self) -> usize {
        *self.come.borrow()
    }
    /// One more has come, and waits for the rest.
    pub async fn join(&self) {
        let mut come = self.come.subscribe();
        self.come.send_modify(|n| *n += 1);
        // the sender lives in self: this ends with everybody's coming
        let _ = come.wait_for(|n| *n >= self.wanted).await;
    }
}

/// A turn that a stage is made to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Instead {
    /// Not yet; the same job after the shortest rung.
    Again,
    /// A transient fault: a retry.
    Transient,
    /// A permanent fault: parked.
    Permanent,
    /// A hold without a deadline.
    Hold,
    /// A panic.
    Panic,
}

static ARMED: Mutex<Vec<Armed>> = Mutex::new(Vec::new());
static INSTEAD: Mutex<Vec<(Uuid, Instead)>> = Mutex::new(Vec::new());

fn lock<T>(of: &'static Mutex<Vec<T>>) -> MutexGuard<'static, Vec<T>> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Arms a point in this process.
pub fn arm(armed: Armed) {
    lock(&ARMED).push(armed);
}

/// Takes away whatever waits for one of these subjects.
pub fn disarm(subjects: &[Uuid]) {
    lock(&ARMED).retain(|a| !a.subjects.iter().any(|s| subjects.contains(s)));
    lock(&INSTEAD).retain(|(s, _)| !subjects.contains(s));
}

/// The next attempt of a subject returns this, and the stage is not asked.
pub fn replace(subject: Uuid, instead: Instead) {
    lock(&INSTEAD).push((subject, instead));
}

pub(super) fn reached(point: Point, stage: &str, who: impl FnOnce() -> Vec<Uuid>) -> BoxFuture<'static, ()> {
    let mut meetings = Vec::new();
    let mut all = lock(&ARMED);
    let mut here: Vec<&mut Armed> =
        all.iter_mut().filter(|a| a.point == point && a.stage.as_deref().is_none_or(|s| s == stage)).collect();
    if !here.is_empty() {
        let who = who();
        for armed in &mut here {
            let most = if armed.subjects.is_empty() {
                usize::from(!who.is_empty())
            } else {
                armed.subjects.iter().map(|s| who.iter().filter(|w| *w == s).count()).max().unwrap_or(0)
            };
            if most > 0 && armed.passing > 0 {
                armed.passing -= 1;
                continue;
            }
            match &armed.then {
                _ if most == 0 => {}
                Then::Die => die(),
                Then::Meet(meeting) => meetings.push(meeting.clone()),
                Then::Tally(times) => {
                    times.fetch_add(1, Ordering::Relaxed);
                }
                Then::Count(greatest) => {
                    greatest.fetch_max(most, Ordering::Relaxed);
                }
            }
        }
    }
    drop(here);
    drop(all);
    Box::pin(async move {
        for meeting in meetings {
            meeting.join().await;
        }
    })
}

fn die() -> ! {
    // nothing is left that could report a failure of this; abort is the nearest to it
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}

pub(super) fn instead<S: Stage>(subject: Uuid) -> Option<Result<Turn<S>, Fault>> {
    let mut all = lock(&INSTEAD);
    let at = all.iter().position(|(s, _)| *s == subject)?;
    let (_, instead) = all.remove(at);
    drop(all);
    Some(match instead {
        Instead::Again => Ok(Turn::Again(Duration::from_millis(1))),
        Instead::Transient => Err(Fault::transient("trial", "the trial wants a retry").after(Duration::from_millis(1))),
        Instead::Permanent => Err(Fault::permanent("trial", "the trial wants it parked")),
        Instead::Hold => Ok(Turn::Hold(Hold::open())),
        Instead::Panic => std::panic::resume_unwind(Box::new("the trial wants a panic")),
    })
}

/// Breakers that pass every report on, and then are a point.
pub(super) struct AfterCalls {
    pub breakers: Arc<dyn Breakers>,
    pub stage: &'static str,
    pub case: Uuid,
}

impl Breakers for AfterCalls {
    fn allow(&self, system: System) -> Result<Pass, Fault> {
        self.breakers.allow(system)
    }
    fn report(&self, system: System, pass: Pass, answered: bool) {
        self.breakers.report(system, pass, answered);
        // a death needs no await, and nothing else is armed here
        drop(reached(Point::AfterCall, self.stage, || vec![self.case]));
    }
    fn open_since(&self, system: System) -> Option<jiff::Timestamp> {
        self.breakers.open_since(system)
    }
}
