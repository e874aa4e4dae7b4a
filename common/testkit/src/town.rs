//! The town: all of Kezek in one process, spoken to. The real list of stages and services, on a leased virtual host
//! and a database of its own, with the sandbox beside it; citizens come through the doors, officers decide at them.
//!
//! Nothing sleeps blindly: whoever waits says what for, looks at the database, and gives up with a report.

mod founding;
mod joined;
pub mod mortal;
mod people;
mod process;
mod watch;

pub use founding::Founding;
pub use people::{Citizen, Official, Sent};
pub use process::{Blueprint, Process};
pub use watch::{Standing, told};

use crate::database::{Database, Servers};
use crate::vhosts::Vhost;
use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use kezek::doors::gateway;
use kezek::pipeline;
use kezek_runtime::{Engine, Limits, Room, clock_round, housekeeping};
use kezek_sandbox::{Options, Running};
use kezek_stage::{Answers, Clock};
use kezek_store::checks::{Asked, Checked, Journals, check};
use kezek_store::{clock, connect};
use secrecy::SecretString;
use sqlx::PgPool;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// As whom the sandbox brings its messages.
const SANDBOX: (&str, &str) = ("demo-sandbox", "");
/// Longest wait for a room to finish what it has in hand.
const STOPS_WITHIN: Duration = Duration::from_secs(30);

/// A room at work.
struct AtWork {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Who works. A test that failed lets go of it: everybody leaves at once, and the next lease empties the queues.
#[derive(Default)]
struct Workers {
    at_work: Mutex<BTreeMap<&'static str, Vec<AtWork>>>,
    leave: CancellationToken,
}

impl Workers {
    fn at_work(&self) -> MutexGuard<'_, BTreeMap<&'static str, Vec<AtWork>>> {
        self.at_work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.leave.cancel();
        for room in self.at_work().values().flatten() {
            room.stop.cancel();
        }
    }
}

/// All of it.
pub struct Town {
    /// The engine that all stages share.
    pub engine: Engine,
    /// The outside systems and their ledger.
    pub sandbox: Running,
    /// The owner's pool: for what a test looks at or plants.
    pub owner: PgPool,
    /// The virtual host.
    pub vhost: Vhost,
    /// The engine's side of the doors.
    pub answers: Arc<dyn Answers>,
    doors: Router,
    rooms: Vec<Arc<dyn Room>>,
    workers: Workers,
    served: Mutex<HashSet<usize>>,
    tasks: TaskTracker,
    plan: Blueprint,
    settings: (Limits, Clock),
    processes: AtomicU64,
    deaf: Arc<AtomicBool>,
    housekeeping: Mutex<Option<AtWork>>,
    // last: dropped after the pools that hold connections to it
    _database: Database,
}

impl std::fmt::Debug for Town {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Town on {:?}", self.vhost)
    }
}

impl Town {
    /// Founds a town with every plan of 2025 once, all stages running.
    ///
    /// # Errors
    /// Where the servers are not there, or something cannot be opened.
    pub async fn found(seed: u64) -> Result<Self> {
        Self::founded(Founding::default().seed(seed)).await
    }

    /// Founds a town.
    ///
    /// # Errors
    /// As [`Town::found`].
    pub async fn founded(founding: Founding) -> Result<Self> {
        logging();
        let servers = founding.servers.clone().map_or_else(Servers::from_environment, Ok)?;
        let database = Database::on(&servers).await?;
        let vhost = Vhost::lease(&servers, &pipeline::broker()).await?;
        let owner = connect(&database.owner_url()?, 3, "kezek town").await?;
        let tasks = TaskTracker::new();
        let workers = Workers::default();

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("no port is free on loopback")?;
        let callback_url = format!("http://{}{}", listener.local_addr()?, gateway::PATH);
        let options =
            Options { port: 0, callback_url, seed: founding.seed, population: founding.people, as_of: founding.as_of };
        let sandbox = kezek_sandbox::start(&options).await?;
        clock::set_offset_ms(&owner, sandbox.world.clock.offset() * 1000).await?;

        let text = |bytes: Vec<u8>| String::from_utf8(bytes).context("a certificate is not text");
        let plan = Blueprint {
            databases: (database.engine_url()?, database.console_url()?),
            amqp: vhost.amqp().to_owned(),
            gateway: (sandbox.sync_url(), sandbox.async_url()),
            authority: text(sandbox.world.authority.pem()?)?,
            seed: founding.seed,
            connections: (founding.limits.connections, founding.limits.console_connections),
            seconds: (founding.limits.effect_seconds, founding.limits.sweep_after_seconds),
            rules: founding.rules.clone(),
            config: founding.config.iter().map(|(name, section)| ((*name).to_owned(), section.clone())).collect(),
        };
        let Process { engine, rooms, answers, doors } =
            Process::open(&plan, founding.limits.clone(), founding.clock.clone()).await?;
        let from =
            gateway::Config { sender_id: SANDBOX.0.to_owned(), password: SecretString::from(SANDBOX.1.to_owned()) };
        let callback =
            gateway::routes(Arc::clone(&answers), engine.keyring().clone(), from, None, engine.clock().clone());
        let deaf = Arc::new(AtomicBool::new(false));
        let callback = callback.layer(from_fn_with_state(Arc::clone(&deaf), hear));
        let until = workers.leave.clone();
        tasks.spawn(async move {
            axum::serve(listener, callback).with_graceful_shutdown(async move { until.cancelled().await }).await
        });

        let town = Self {
            engine,
            sandbox,
            owner,
            vhost,
            answers,
            doors,
            rooms,
            workers,
            served: Mutex::default(),
            tasks,
            plan,
            settings: (founding.limits, founding.clock),
            processes: AtomicU64::new(0),
            deaf,
            housekeeping: Mutex::default(),
            _database: database,
        };
        town.keeps_house();
        for stage in pipeline::names() {
            if !founding.closed.contains(&stage) {
                town.opens(stage)?;
            }
        }
        Ok(town)
    }

    /// One more worker of a stage begins to take.
    ///
    /// # Errors
    /// Where there is no such stage.
    pub fn opens(&self, stage: &str) -> Result<()> {
        let room =
            self.rooms.iter().find(|r| r.name() == stage).with_context(|| format!("there is no stage {stage}"))?;
        let stop = CancellationToken::new();
        let task = self.tasks.spawn(Arc::clone(room).run(stop.clone()));
        self.workers.at_work().entry(room.name()).or_default().push(AtWork { stop, task });
        Ok(())
    }

    /// All workers of a stage finish what they have in hand and take nothing more.
    ///
    /// # Errors
    /// Where one does not stop in time.
    pub async fn closes(&self, stage: &str) -> Result<()> {
        let rooms = self.workers.at_work().remove(stage).unwrap_or_default();
        for room in &rooms {
            room.stop.cancel();
        }
        for room in rooms {
            match tokio::time::timeout(STOPS_WITHIN, room.task).await {
                Ok(ended) => ended.with_context(|| format!("a worker of {stage} panicked"))?,
                Err(_) => bail!("a worker of {stage} did not stop within {} s", STOPS_WITHIN.as_secs()),
            }
        }
        Ok(())
    }

    /// How many workers take from a stage's (first) queue, as the broker sees it.
    ///
    /// # Errors
    /// Where there is no such stage, or the broker does not answer.
    pub async fn consumers(&self, stage: &str) -> Result<usize> {
        let line = pipeline::STAGES.iter().find(|l| l.name() == stage).context("no such stage")?;
        let queues = line.shape().queues();
        self.vhost.consumers(queues.first().context("no queue")?).await
    }

    /// The town's process sweeps, lapses and counts.
    pub fn keeps_house(&self) {
        let stop = self.workers.leave.child_token();
        let task = self.tasks.spawn(housekeeping(self.engine.clone(), stop.clone()));
        *self.housekeeping.lock().unwrap_or_else(PoisonError::into_inner) = Some(AtWork { stop, task });
    }

    /// It does not any more: another process has to.
    ///
    /// # Errors
    /// Where it does not stop in time.
    pub async fn keeps_no_house(&self) -> Result<()> {
        let house = self.housekeeping.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(AtWork { stop, task }) = house else { return Ok(()) };
        stop.cancel();
        tokio::time::timeout(STOPS_WITHIN, task).await.context("the housekeeping did not stop")??;
        Ok(())
    }

    /// Whether what outside systems report is refused: they try again until it is not.
    pub fn hears(&self, hears: bool) {
        self.deaf.store(!hears, Ordering::SeqCst);
    }

    /// The blueprint of one more process of the town.
    fn another_process(&self) -> Blueprint {
        let number = self.processes.fetch_add(1, Ordering::SeqCst) + 1;
        let seed = self.plan.seed.wrapping_mul(1_000_003).wrapping_add(number);
        Blueprint { seed, connections: (4, 1), ..self.plan.clone() }
    }

    /// The stages that do not run.
    fn not_running(&self) -> Vec<String> {
        let at_work = self.workers.at_work();
        pipeline::names().into_iter().filter(|s| !at_work.contains_key(s)).map(str::to_owned).collect()
    }

    /// The doors, as whoever calls them finds them.
    pub const fn doors(&self) -> &Router {
        &self.doors
    }

    /// Business time goes on by so many days, for everybody.
    ///
    /// # Errors
    /// Where the database refuses.
    pub async fn clock_passes(&self, days: i64) -> Result<()> {
        let seconds = self.sandbox.world.clock.offset() + days * 86_400;
        clock::set_offset_ms(&self.owner, seconds * 1000).await?;
        self.sandbox.world.clock.set_offset(seconds);
        Ok(clock_round(self.engine.clone()).await?)
    }

    /// Whatever must be zero, counted.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn counted(&self) -> Result<Checked> {
        Ok(check(&self.owner, Asked { unseen_seconds: 120.0, old_seconds: 60.0, journals: Journals::All }).await?)
    }

    /// Everybody goes home: waits until nothing is under way, then asserts that nothing is left in queue, hold and
    /// outbox and that no invariant is violated.
    ///
    /// # Errors
    /// Whatever is left, or does not come to rest.
    pub async fn finish(self) -> Result<()> {
        self.rest().await?;
        self.emptied().await?;
        let town = self.stopped().await?;
        let checked = town.counted().await?;
        ensure!(checked.sound(), "violated: {checked:?}");
        ensure!(checked.finished(), "left over: {:?}", checked.unfinished);
        town.gone().await
    }

    /// As [`Town::finish`], where cases may still wait for somebody.
    ///
    /// # Errors
    /// As [`Town::finish`].
    pub async fn leave_waiting(self) -> Result<()> {
        self.rest().await?;
        self.emptied().await?;
        let town = self.stopped().await?;
        let checked = town.counted().await?;
        ensure!(checked.sound(), "violated: {checked:?}");
        ensure!(checked.unfinished["outbox_rows"] == 0, "left in the outbox: {:?}", checked.unfinished);
        town.gone().await
    }

    /// Ends a town in which something was violated on purpose; queues must be empty all the same.
    ///
    /// # Errors
    /// What is left in a queue, or does not come to rest.
    pub async fn dissolve(self) -> Result<()> {
        self.rest().await?;
        self.emptied().await?;
        self.stopped().await?.gone().await
    }

    /// Waits until no queue has a message; a stale copy on the ladder takes some seconds to die.
    async fn emptied(&self) -> Result<()> {
        self.until("every queue to be empty", async || {
            let left = self.vhost.left().await?;
            Ok(left.is_empty().then_some(()))
        })
        .await
    }

    async fn stopped(self) -> Result<Self> {
        for stage in pipeline::names() {
            self.closes(stage).await?;
        }
        self.engine.flush_confirmed().await?;
        // what a worker had in hand and did not ack would be back in its queue now
        let left = self.vhost.left().await?;
        ensure!(left.is_empty(), "left in queues: {left:?}");
        Ok(self)
    }

    async fn gone(self) -> Result<()> {
        self.workers.leave.cancel();
        self.sandbox.stop().await?;
        self.tasks.close();
        if tokio::time::timeout(STOPS_WITHIN, self.tasks.wait()).await.is_err() {
            bail!("the town's own tasks did not end within {} s", STOPS_WITHIN.as_secs());
        }
        Ok(())
    }
}

/// What outside systems report comes in, unless nobody hears.
async fn hear(State(deaf): State<Arc<AtomicBool>>, request: Request, next: Next) -> Response {
    if deaf.load(Ordering::SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    next.run(request).await
}

/// What the engine logs is shown where `KEZEK_TEST_LOG` names a filter, e.g. `info`.
fn logging() {
    if let Ok(filter) = std::env::var("KEZEK_TEST_LOG") {
        // a second town of the process finds it set
        drop(tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init());
    }
}
