//! What a process does beside its stages: follows the clock, sweeps the outbox, issues lapses, turns the breakers,
//! counts. Several processes may do it at once; each task takes its lock or skips what another holds.

use crate::broker::Published;
use crate::engine::Engine;
use crate::envelope::Mode;
use crate::points::{self, Point};
use crate::watchdog::Watchdog;
use kezek_store::jobs::JobRow;
use kezek_store::outbox::OutboxRow;
use kezek_store::{StoreError, bounded_by, clock, dead_letters, holds, mint, outbox, pauses, seals};
use std::collections::HashSet;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long one round may take: the sweeper also waits for the broker's confirms.
const ROUND: Duration = Duration::from_secs(60);

/// How often days are looked for that are over and have no seal.
const SEALS: Duration = Duration::from_secs(600);

/// Runs all of it until `stop`.
pub async fn housekeeping(engine: Engine, stop: CancellationToken) {
    tokio::join!(
        every(&engine, &stop, Duration::from_millis(200), "clock", clock_round),
        every(&engine, &stop, Duration::from_millis(250), "lapses", lapse_round),
        every(&engine, &stop, Duration::from_millis(500), "outbox", outbox_round),
        every(&engine, &stop, Duration::from_millis(500), "breakers", breaker_round),
        every(&engine, &stop, Duration::from_secs(2), "gauges", gauge_round),
        every(&engine, &stop, SEALS, "seals", seal_round),
        watch(&engine, &stop),
    );
}

/// The watchdog looks several times within the shortest time that it allows.
async fn watch(engine: &Engine, stop: &CancellationToken) {
    let shortest = engine.stages().iter().map(|s| engine.limits().unseen_at(s.name)).min().unwrap_or_default();
    let period = (shortest / 10).clamp(Duration::from_millis(200), Duration::from_secs(60));
    let watchdog = Watchdog::default();
    every(engine, stop, period, "watchdog", |engine| watchdog.clone().round(engine)).await;
}

async fn every<F, R>(engine: &Engine, stop: &CancellationToken, period: Duration, what: &'static str, round: F)
where
    F: Fn(Engine) -> R,
    R: Future<Output = Result<(), StoreError>>,
{
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        match bounded_by(ROUND, round(engine.clone())).await {
            Ok(()) => failing = false,
            Err(error) => {
                // once per outage: the database being away is told by everybody else too
                if !failing {
                    tracing::warn!(task = what, error = error.tell(), "housekeeping cannot go on; it tries again");
                }
                failing = true;
            }
        }
    }
}

/// Takes the business clock's offset.
///
/// # Errors
/// Where the database fails.
pub async fn clock_round(engine: Engine) -> Result<(), StoreError> {
    engine.clock().set_offset_ms(clock::offset_ms(engine.pool()).await?);
    Ok(())
}

/// Turns holds that are due into lapse jobs, through the outbox, under the case's present ticket.
async fn lapse_round(engine: Engine) -> Result<(), StoreError> {
    loop {
        let mut tx = engine.pool().begin().await?;
        let mut permit = mint(&mut tx);
        let due = holds::take_due(&mut permit, 200).await?;
        let rows: Vec<_> = due
            .into_iter()
            .map(|job| engine.message(&JobRow { mode: Mode::Lapse.label().to_owned(), ..job }, None, false))
            .collect();
        outbox::insert(&mut permit, &rows).await?;
        points::reached(Point::BeforeCommit, "lapses", || subjects(&rows)).await;
        tx.commit().await?;
        points::reached(Point::Committed, "lapses", || subjects(&rows)).await;
        if rows.is_empty() {
            return Ok(());
        }
        engine.send(&rows).await;
        points::reached(Point::Confirmed, "lapses", || subjects(&rows)).await;
    }
}

fn subjects(rows: &[OutboxRow]) -> Vec<Uuid> {
    rows.iter().filter_map(|row| row.subject_id).collect()
}

/// Publishes what nobody confirmed. One process at a time; no row is locked while the broker is asked.
async fn outbox_round(engine: Engine) -> Result<(), StoreError> {
    engine.flush_confirmed().await?;
    let after = engine.limits().sweep_after_seconds;
    let mut tx = engine.pool().begin().await?;
    if !outbox::lock_sweep(&mut mint(&mut tx)).await? {
        return Ok(());
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    let left = outbox::list_left(&mut *tx, after as f64, 500).await?;
    if left.is_empty() {
        return Ok(());
    }
    points::reached(Point::Taken, "outbox", || subjects(&left)).await;
    let answers = engine.publisher().publish(&left).await;
    points::reached(Point::Confirmed, "outbox", || subjects(&left)).await;
    let (mut gone, mut tried) = (Vec::new(), Vec::new());
    for (row, answer) in left.iter().zip(answers) {
        match answer {
            Published::Confirmed => gone.push(row.id),
            Published::Bad(fault) => {
                tracing::error!(outbox.id = %row.id, fault, "a message cannot be published: set aside");
                outbox::set_aside(&mut *tx, row.id, &fault).await?;
            }
            Published::Not(_) => tried.push(row.id),
        }
    }
    // what a full queue refused goes to the end of the line: it must not hide what could be sent
    outbox::tried(&mut *tx, &tried).await?;
    tracing::info!(found = left.len(), sent = gone.len(), "swept the outbox");
    outbox::delete(&mut *tx, &gone).await?;
    points::reached(Point::BeforeCommit, "outbox", || subjects(&left)).await;
    tx.commit().await?;
    Ok(())
}

/// Seals the days that are over (A0.1). Several processes may look at once: a day is sealed once. The export is the
/// operator's: a seal that lies here alone shows little.
async fn seal_round(engine: Engine) -> Result<(), StoreError> {
    let mut tx = engine.pool().begin().await?;
    let made = seals::make(&mut mint(&mut tx)).await?;
    tx.commit().await?;
    for seal in made {
        // whoever keeps the log elsewhere has kept the seal elsewhere
        tracing::info!(day = %seal.day, what = seal.what, entries = seal.entries, digest = seal.digest, "sealed");
    }
    Ok(())
}

async fn breaker_round(engine: Engine) -> Result<(), StoreError> {
    engine.breakers().round(engine.pool()).await
}

async fn gauge_round(engine: Engine) -> Result<(), StoreError> {
    engine.warm().release_cold();
    let pool = engine.pool();
    let m = engine.metrics();
    let (waiting, aside, age) = outbox::depth(pool).await?;
    m.outbox_rows.set(waiting);
    m.outbox_set_aside.set(aside);
    m.outbox_oldest_seconds.set(age);
    let ages = outbox::ages(pool).await?;
    m.outbox_destination_seconds.reset();
    for stage in engine.stages() {
        m.outbox_destination_seconds.with_label_values(&[stage.name]);
    }
    for (to, age) in &ages {
        m.outbox_destination_seconds.with_label_values(&[to]).set(*age);
    }
    engine.set_outbox_ages(ages);
    let paused: HashSet<String> = pauses::list(pool).await?.into_iter().map(|(stage, _, _)| stage).collect();
    for stage in engine.stages() {
        m.stage_paused.with_label_values(&[stage.name]).set(i64::from(paused.contains(stage.name)));
    }
    engine.set_paused(paused);
    m.holds.reset();
    m.oldest_waiting_seconds.reset();
    for stage in engine.stages() {
        m.holds.with_label_values(&[stage.name]);
        m.oldest_waiting_seconds.with_label_values(&[stage.name]);
    }
    for (stage, held, oldest) in kezek_store::cases::waits(pool).await? {
        m.holds.with_label_values(&[&stage]).set(held);
        m.oldest_waiting_seconds.with_label_values(&[&stage]).set(oldest);
    }
    m.dead_letters.reset();
    let letters = dead_letters::counts(pool).await?;
    engine.set_unroutable(letters.iter().filter(|(cause, _, _)| cause == "unroutable").map(|(_, _, n)| n).sum());
    for (cause, stage, n) in letters {
        m.dead_letters.with_label_values(&[&stage, &cause]).set(n);
    }
    Ok(())
}

/// Whether this process can do its work now, and why not.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Readiness {
    /// All of the below.
    pub ready: bool,
    /// The broker takes messages.
    pub broker: bool,
    /// The broker does not block us.
    pub not_blocked: bool,
    /// The database answers.
    pub database: bool,
    /// Messages leave.
    pub outbox: bool,
    /// Where the messages that do not leave are meant to go.
    pub outbox_stuck: Vec<String>,
    /// Stages of this process that do not consume (paused ones, and those below, are not counted).
    pub not_consuming: Vec<String>,
    /// Stages of this process that wait for an outside system that is down; the process is ready all the same.
    pub held_back: Vec<String>,
    /// Stages of this process that an operator, or the storm brake, has paused; ready all the same.
    pub paused: Vec<String>,
    /// Messages that found no queue and wait as letters; the process is ready all the same.
    pub unroutable: i64,
}

/// Looks.
pub async fn ready(engine: &Engine, running: &[&'static str]) -> Readiness {
    let within = Duration::from_secs(2);
    let broker = tokio::time::timeout(within, engine.publisher().ready()).await.unwrap_or(false);
    let database = matches!(tokio::time::timeout(within, clock::offset_ms(engine.pool())).await, Ok(Ok(_)));
    let m = engine.metrics();
    let not_blocked = ["publish", "consume"].iter().all(|w| m.connection_blocked.with_label_values(&[w]).get() == 0);
    let is_held_back = |stage: &str| m.stage_held_back.with_label_values(&[stage]).get() == 1;
    let not_consuming: Vec<String> = running
        .iter()
        .filter(|s| !engine.is_paused(s) && !engine.outbox_full(s) && !is_held_back(s))
        .filter(|s| m.consumer_up.with_label_values(&[s]).get() == 0)
        .map(|s| (*s).to_owned())
        .collect();
    let held_back = running.iter().filter(|s| is_held_back(s)).map(|s| (*s).to_owned()).collect();
    let outbox = !running.iter().any(|stage| engine.outbox_full(stage));
    let outbox_stuck = engine.outbox_stuck();
    let paused = running.iter().filter(|s| engine.is_paused(s)).map(|s| (*s).to_owned()).collect();
    let unroutable = engine.unroutable();
    let ready = broker && database && not_blocked && outbox && not_consuming.is_empty();
    Readiness {
        ready,
        broker,
        not_blocked,
        database,
        outbox,
        outbox_stuck,
        not_consuming,
        held_back,
        paused,
        unroutable,
    }
}
