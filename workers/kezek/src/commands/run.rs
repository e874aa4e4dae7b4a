//! `kezek run`: any subset of stages, and doors, in one process. The first signal stops: nothing more is taken, what
//! is in hand is finished, settled, acked. The second leaves at once; whatever was in hand comes again.

use super::Told as _;
use super::{open, outages, terms};
use crate::cli::{Exit, Run};
use crate::config::{Config, needed};
use crate::doors::auth::Gate;
use crate::doors::health::Process;
use crate::doors::server::{Bounds, router, serve};
use crate::doors::{gateway, questions};
use crate::{pipeline, rulebook};
use anyhow::{Context as _, Result, bail};
use axum::Router;
use kezek_domain::{IinProfile, Rules};
use kezek_runtime::{DoorKit, Engine, Line, Room, Waits, answers, clock_round, housekeeping, reads};
use kezek_stage::{ConfigError, Kit};
use kezek_store::checks::{Asked, Journals, check};
use kezek_store::{Plans, bounded, connect_for, pending};
use sqlx::PgPool;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The word that stands for the HTTP routes in `--only`.
const DOORS: &str = "doors";
/// Journals verified at each counting for the metrics.
const LATEST: i64 = 200;

/// What the process runs.
struct Chosen {
    lines: Vec<&'static Line>,
    doors: bool,
}

fn chosen(only: &[String]) -> Result<Chosen> {
    if only.is_empty() {
        return Ok(Chosen { lines: pipeline::STAGES.iter().collect(), doors: true });
    }
    let known = pipeline::names();
    if let Some(unknown) = only.iter().find(|o| *o != DOORS && !known.contains(&o.as_str())) {
        bail!(ConfigError::at("--only", format!("no stage `{unknown}`; there are {}, and {DOORS}", known.join(", "))));
    }
    let lines = pipeline::STAGES.iter().filter(|l| only.iter().any(|o| o == l.name())).collect();
    Ok(Chosen { lines, doors: only.iter().any(|o| o == DOORS) })
}

/// Runs until a signal.
///
/// # Errors
/// A configuration that cannot be used, a database that was not migrated, an address that is taken.
pub async fn run(config: Config, args: Run) -> Result<Exit> {
    logging(&config)?;
    let chosen = chosen(&args.only)?;
    if chosen.doors {
        config.callback.check()?;
    }
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tasks.spawn(heed(signals, stop.clone()));

    let listen = args.listen.unwrap_or(config.doors.listen);
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!(
            "{listen} cannot be listened on (doors.listen, KEZEK_LISTEN or --listen); is it taken? give another port"
        )
    })?;
    let Some((pool, console)) = pools(&config, &stop).await? else { return Ok(Exit::Done) };
    let todo = pending(&pool).await.told("reading the applied migrations")?;
    if !todo.is_empty() {
        bail!("the database lacks {} migration(s), first {}: run `kezek migrate`", todo.len(), todo[0]);
    }
    open::same_profile(&config, &pool).await?;
    let (rules, extended) = rulebook::read_with(&config, &pool).await?;
    if let Some(extended) = &extended {
        rulebook::write_down(&pool, &rules, extended).await?;
    }
    let rules = Arc::new(rules);
    let engine = open::assemble(&config, &rules, pool, console)?;
    clock_round(engine.clone()).await.told("reading the business clock")?;

    let kit = open::kit(&config, Arc::clone(&rules), &engine)?;
    let rooms = rooms(&config, &chosen, &kit, &engine)?;
    let running: Arc<[&'static str]> = chosen.lines.iter().map(|l| l.name()).collect();
    let doors = if chosen.doors { mounted(&config, &rules, &rooms, &engine)? } else { Router::new() };
    let profile = if config.rules.profile.is_play() { IinProfile::Demo } else { IinProfile::Citizen };
    let gate = Gate::new(engine.clone(), profile, Duration::from_secs(config.doors.token_seconds));
    let process = Process { engine: engine.clone(), running: Arc::clone(&running), stop: stop.clone() };
    let bounds = Bounds { body: config.doors.max_body_bytes, time: Duration::from_secs(config.doors.request_seconds) };
    let address = listener.local_addr()?;
    let server = tasks.spawn(serve(listener, router(doors, process, gate, bounds), stop.clone()));

    // goes on until the rooms are empty: what they leave in the outbox is still swept
    let leave = CancellationToken::new();
    let keeping = tasks.spawn(housekeeping(engine.clone(), leave.clone()));
    if chosen.lines.iter().any(|l| l.shape().for_parked) {
        tasks.spawn(counting(engine.clone(), Arc::clone(&rules), config.clone(), stop.clone()));
        if config.reconcile.every_hours > 0 {
            tasks.spawn(comparing(engine.clone(), config.clone(), stop.clone()));
        }
        if !config.outages.probe.is_empty() {
            tasks.spawn(probing(engine.clone(), config.outages.clone(), stop.clone()));
        }
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), stages = running.join(","), doors = chosen.doors,
        profile = config.rules.profile.label(), rules = rules.version(), %address, "kezek runs");

    let at_work: Vec<_> = rooms
        .iter()
        .filter(|room| running.contains(&room.name()))
        .map(|room| (room.name(), tasks.spawn(Arc::clone(room).run(stop.clone()))))
        .collect();
    let mut whole = true;
    for (stage, room) in at_work {
        let ended = room.await;
        // a room ends only when it is told to
        if ended.is_err() || !stop.is_cancelled() {
            tracing::error!(stage, "a stage ended by itself: the process stops");
            whole = false;
            stop.cancel();
        }
    }
    if running.is_empty() {
        stop.cancelled().await;
    }
    let served = server.await;
    if !matches!(served, Ok(Ok(()))) {
        tracing::error!("the HTTP server ended by itself");
        whole = false;
    }
    if let Err(error) = bounded(engine.flush_confirmed()).await {
        tracing::warn!(error = error.tell(), "confirmed rows stay for another process's sweeper");
    }
    leave.cancel();
    stop.cancel();
    let _ = keeping.await;
    tracing::info!("kezek has left");
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

/// JSON lines on stderr.
fn logging(config: &Config) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log.filter)
        .map_err(|e| ConfigError::at("log.filter", format!("is not a filter: {e}; give `info` or `target=level,…`")))?;
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    // a panic's own text may hold a value of somebody's: its place is enough to find it
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |l| format!("{}:{}", l.file(), l.line()));
        tracing::error!(place, "panic");
    }));
    Ok(())
}

async fn heed((mut interrupt, mut terminate): (Signal, Signal), stop: CancellationToken) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = stop.cancelled() => {}
    }
    if !stop.is_cancelled() {
        tracing::info!("stopping: what is in hand is finished; a second signal leaves at once");
        stop.cancel();
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::warn!("leaving at once: what was in hand comes again");
    std::process::exit(i32::from(Exit::Failed.code()));
}

/// Both pools; a database that is away is waited for. `None` where the process was told to stop meanwhile.
async fn pools(config: &Config, stop: &CancellationToken) -> Result<Option<(PgPool, PgPool)>> {
    let engine = needed("database.engine_url", &config.database.engine_url)?;
    let console = needed("database.console_url", &config.database.console_url)?;
    let limits = &config.engine;
    let (Some(pool), Some(console)) = (
        patiently("database.engine_url", Plans::Once, engine, limits.connections, stop).await?,
        patiently("database.console_url", Plans::Fitting, console, limits.console_connections, stop).await?,
    ) else {
        return Ok(None);
    };
    Ok(Some((pool, console)))
}

async fn patiently(key: &str, plans: Plans, url: &str, size: u32, stop: &CancellationToken) -> Result<Option<PgPool>> {
    let mut waits = Waits::default();
    loop {
        match connect_for(plans, url, size, "kezek").await {
            Ok(pool) => return Ok(Some(pool)),
            Err(error) if error.class() == kezek_store::Class::Again => {
                let wait = waits.next_wait();
                tracing::warn!(key, error = error.tell(), retry_in_ms = wait.as_millis(), "the database is away");
                tokio::select! {
                    () = stop.cancelled() => return Ok(None),
                    () = tokio::time::sleep(wait) => {}
                }
            }
            // a wrong password or database does not mend itself
            Err(error) => return Err(error).told(key),
        }
    }
}

/// The rooms: those that run here and, where doors are, those whose doors settle decisions.
fn rooms(config: &Config, chosen: &Chosen, kit: &Kit, engine: &Engine) -> Result<Vec<Arc<dyn Room>>, ConfigError> {
    pipeline::STAGES
        .iter()
        .filter(|line| chosen.doors || chosen.lines.iter().any(|l| l.name() == line.name()))
        .map(|line| line.open(config.stage_section(line.name()), kit, engine))
        .collect()
}

fn mounted(
    config: &Config,
    rules: &Arc<Rules>,
    rooms: &[Arc<dyn Room>],
    engine: &Engine,
) -> Result<Router, ConfigError> {
    let envelopes = open::envelopes(config)?;
    let callback = gateway::routes(
        answers(engine, rooms),
        engine.keyring().clone(),
        config.callback.clone(),
        envelopes,
        engine.clock().clone(),
    );
    let kit = DoorKit { reads: reads(engine), answers: answers(engine, rooms), engine: engine.clone() };
    let stages = pipeline::STAGES.iter().filter_map(|line| {
        let room = rooms.iter().find(|r| r.name() == line.name())?;
        line.routes(&**room, &kit)
    });
    Ok(stages
        .fold(Router::new(), Router::merge)
        .merge(questions::routes(
            &pipeline::names(),
            Arc::clone(&kit.answers),
            Arc::clone(&kit.reads),
            Arc::clone(rules),
        ))
        .merge(callback))
}

/// Compares with the receivers' statements, once in so many hours; in the process that keeps the letters.
async fn comparing(engine: Engine, config: Config, stop: CancellationToken) {
    let every = Duration::from_secs(config.reconcile.every_hours.saturating_mul(3600));
    let gateway = match open::gateway(&config) {
        Ok(gateway) => gateway,
        Err(error) => {
            tracing::error!(%error, "the receivers cannot be compared with");
            return;
        }
    };
    // looks oftener than it compares: another process may have left, and a receiver may have been away
    let mut tick = tokio::time::interval((every / 24).max(Duration::from_secs(60)));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tick.tick().await;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = super::reconcile::by_itself(&engine, &gateway, every).await {
            tracing::warn!(error = %error, "the comparison with the receivers was not finished");
        }
    }
}

/// Watches what no call of ours shows (A12).
async fn probing(engine: Engine, probes: crate::config::Outages, stop: CancellationToken) {
    if let Err(error) = outages::probe(engine, probes, stop).await {
        tracing::error!(%error, "nothing is probed");
    }
}

/// Counts the invariants for the metrics, now and then; in the process that keeps the letters, once per installation.
async fn counting(engine: Engine, rules: Arc<Rules>, config: Config, stop: CancellationToken) {
    let asked = Asked {
        unseen_seconds: config.check.unseen_seconds,
        old_seconds: config.check.old_seconds,
        journals: Journals::Latest(LATEST),
    };
    let mut tick = tokio::time::interval(Duration::from_secs(config.check.every_seconds));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = terms::round(&engine, &rules).await {
            tracing::warn!(error = error.tell(), "the terms cannot be reckoned");
        }
        if let Err(error) = outages::gauge(&engine).await {
            tracing::warn!(error = error.tell(), "the outages cannot be read");
        }
        match check(engine.pool(), asked).await {
            Ok(checked) => {
                for (what, n) in &checked.violations {
                    engine.metrics().invariant.with_label_values(&[what]).set(*n);
                    if *n != 0 {
                        tracing::error!(
                            invariant = what,
                            violations = n,
                            "an invariant is violated: run `kezek check`"
                        );
                    }
                }
            }
            Err(error) => tracing::warn!(error = error.tell(), "the invariants cannot be counted"),
        }
    }
}
