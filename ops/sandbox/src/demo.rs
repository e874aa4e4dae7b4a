//! `kezek-sandbox demo`: applications walk through every stage of a real installation, and a judge compares what came
//! of them with what was planned.
//!
//! It starts the sandbox in its own process and the workers as children, lets people apply, lets scripted officers
//! decide (with `--once`), leaps the business clock where everything waits for a date, and looks at both sides of
//! every wire when all is over. Nobody but the sandbox and the judge knows the plans.

mod broker;
pub mod chaos;
mod door;
pub mod evidence;
mod eye;
pub mod judge;
mod officers;
mod pace;
mod portal;
pub mod privacy;
mod progress;
mod setup;
mod shell;
mod verdict;
mod view;
mod workers;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use jiff::civil::Date;
use kezek_domain::Service;
use kezek_domain::rules::Rules;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::faults::{Command as Fault, Kind};
use crate::{Options, Running, start};
use broker::Broker;
use chaos::Weather;
use chaos::schedule::{Schedule, Trouble};
use door::Doors;
use judge::Sent;
use officers::Officers;
use pace::{Next, Pulse};
use portal::Portal;
use progress::Progress;
use setup::{Accounts, Folder, SENDER};
use shell::Kezek;
use view::{Look, View};
use workers::Workers;

/// Every so many answers are lost with `--lose-answers`.
const LOSE_EVERY: u32 = 7;
/// How often the installation is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// How many stuck cases are named.
const NAMED: i64 = 5;

/// What a demonstration is started with.
#[derive(Debug, Clone, Args)]
pub struct Demo {
    /// How many applications
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub applications: u32,
    /// Scripted officers decide; ends when every case is closed, exit code 0 only if everything is as planned
    #[arg(long)]
    pub once: bool,
    /// One JSON object on stdout, nothing else there
    #[arg(long)]
    pub json: bool,
    /// The business clock's first day, YYYY-MM-DD
    #[arg(long, default_value = "2025-09-02")]
    pub as_of: Date,
    /// Seed of the people, their pictures and keys, and of who is killed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many worker processes, each with all stages and doors
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8), value_name = "P")]
    pub processes: u8,
    /// Kills workers without warning so many times on the way
    #[arg(long, default_value_t = 0, value_name = "K")]
    pub kill_workers: u32,
    /// Every seventh answer of every system is lost after what was asked has been done
    #[arg(long)]
    pub lose_answers: bool,
    /// Two persons of the Committee sign a file that extends the legal basis over the day (A0.3)
    #[arg(long)]
    pub extend: bool,
    /// The `kezek` binary
    #[arg(long, default_value = "kezek", value_name = "FILE")]
    pub kezek: PathBuf,
    /// Where keys, configuration, tokens and logs of the run go [default: a folder of the stack]
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// How a demonstration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As planned; or, without `--once`, when it was told to.
    Well,
    /// Otherwise than planned.
    Badly,
    /// By a signal.
    Stopped,
}

/// Runs a demonstration until it is over or `stop`.
///
/// # Errors
/// Where it cannot be carried through: what is missing, and what to do.
pub async fn run(demo: Demo, stop: CancellationToken) -> anyhow::Result<Ended> {
    let town = Town::found(demo, None, stop.clone()).await?;
    run_town(town, &stop).await
}

async fn run_town(mut town: Town, stop: &CancellationToken) -> anyhow::Result<Ended> {
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => Ok(Ended::Stopped),
        ended = town.live() => ended,
    };
    let stopped = town.close().await;
    match ended {
        Err(_) if stop.is_cancelled() => Ok(Ended::Stopped),
        Ok(ended) => stopped.map(|()| ended),
        Err(error) => Err(error),
    }
}

/// Everything that runs.
struct Town {
    demo: Demo,
    folder: Folder,
    kezek: Kezek,
    sandbox: Running,
    workers: Workers,
    accounts: Accounts,
    doors: Arc<Doors>,
    http: reqwest::Client,
    view: View,
    broker: Broker,
    progress: Progress,
    schedule: Schedule,
    weather: Option<Weather>,
    // how many people apply before the judge is called; the rest apply while the database is lost, in this order
    wave: usize,
    restore: Option<chaos::Order>,
    // whether an act lets the service be asked for on the first day
    open: bool,
    stop: CancellationToken,
    began: Instant,
}

impl Town {
    async fn found(demo: Demo, weather: Option<(Weather, Schedule)>, stop: CancellationToken) -> anyhow::Result<Self> {
        let began = Instant::now();
        let lawful = Rules::built_in().legal_basis(&Service::ID_CARD_RENEWAL, demo.as_of).is_some();
        if !lawful && !demo.extend {
            eprintln!("{}: no act covers the day (A0.3); everybody is told that the service is closed", demo.as_of);
        }
        let open = lawful || demo.extend;
        let view = View::open().await?;
        let broker = Broker::open()?;
        let path = demo.folder.clone().unwrap_or_else(|| match std::env::var_os("KEZEK_STACK_STATE") {
            Some(state) => PathBuf::from(state).join("demo"),
            None => std::env::temp_dir().join("kezek-demo"),
        });
        let folder = Folder::fresh(&path)?;
        let addresses = setup::free_addresses(usize::from(demo.processes))?;
        let first = addresses.first().context("no address")?;
        let password = hex::encode(rand::random::<[u8; 16]>());
        let options = Options {
            port: 0,
            callback_url: format!("http://{SENDER}:{password}@{first}/gateway/async"),
            seed: demo.seed,
            population: usize::try_from(demo.applications)?,
            as_of: demo.as_of,
        };
        let sandbox = start(&options).await?;
        let pem = sandbox.world.authority.pem()?;
        let (mut weather, schedule) = match weather {
            Some((weather, schedule)) => (Some(weather), schedule),
            None => (None, Schedule::kills(demo.seed, demo.kill_workers)),
        };
        let gateway = match &mut weather {
            Some(weather) => weather.before(sandbox.address).await?,
            None => sandbox.address,
        };
        let kezek = setup::configure(&folder, &demo.kezek, gateway, &pem, &password, demo.extend).await?;
        kezek.must(&["clock", "set", "--as-of", &demo.as_of.to_string()], None).await?;
        let accounts = Accounts::create(&kezek, &sandbox.world.people).await?;
        folder.write("tokens.json", &accounts.told())?;
        if demo.extend {
            setup::extend(&folder, &kezek, &accounts, &sandbox.world.authority, demo.as_of).await?;
        }
        if demo.once {
            broker.open_tap().await?;
        }
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build()?;
        let env = weather.as_ref().map(Weather::env).unwrap_or_default();
        let workers = Workers::start(&Kezek { env, ..kezek.clone() }, &folder, &addresses)?;
        let doors = addresses.iter().map(|address| format!("http://{address}")).collect();
        let town = Self {
            folder,
            kezek,
            sandbox,
            workers,
            accounts,
            doors: Arc::new(Doors::new(doors, stop.clone())?),
            http,
            view,
            broker,
            progress: Progress::new(usize::try_from(demo.applications)?),
            wave: usize::try_from(demo.applications)?,
            restore: None,
            demo,
            schedule,
            weather,
            open,
            stop,
            began,
        };
        town.follow_clock().await?;
        Ok(town)
    }

    /// Sets the sandbox's business clock to Kezek's.
    async fn follow_clock(&self) -> anyhow::Result<()> {
        let told = self.kezek.must(&["clock", "show", "--json"], None).await?.json()?;
        let offset = told["offset_ms"].as_i64().context("kezek clock show tells no offset")?;
        self.sandbox.world.clock.set_offset(offset.div_euclid(1000));
        Ok(())
    }

    async fn live(&mut self) -> anyhow::Result<Ended> {
        self.workers.ready(&self.http).await?;
        if self.demo.lose_answers {
            let lose =
                Fault { system: None, fault: Kind::LoseAnswer { every: LOSE_EVERY }, count: None, seconds: None };
            self.sandbox.world.faults().add(lose).map_err(anyhow::Error::msg)?;
        }
        let token = self.accounts.token_of("portal").context("there is no portal")?.to_owned();
        let portal = Arc::new(Portal::new(Arc::clone(&self.sandbox.world), Arc::clone(&self.doors), token, self.open));
        let list = self.folder.file("accepted.txt");
        let sending = self.sandbox.world.tasks.spawn(Arc::clone(&portal).send_some(0..self.wave, list));
        if !self.demo.once {
            return self.watch(&portal, sending).await;
        }
        let (mut told, mut holds) = self.once(&portal, sending).await?;
        if let (Some(order), true) = (self.restore, holds) {
            let rest = self.wave..usize::try_from(self.demo.applications)?;
            let (restored, well) = self.lose_the_database(&portal, rest, order).await?;
            holds = well;
            told["restore"] = restored;
            told["holds"] = holds.into();
        }
        self.conclude(&told, holds)
    }

    /// Keeps every fifth person back for the last part of chaos.
    fn keep_back(&mut self, order: chaos::Order) {
        self.wave -= self.wave / 5;
        self.restore = Some(order);
    }

    /// Until every case is closed; then the judge.
    async fn once(&mut self, portal: &Portal, sending: Sending) -> anyhow::Result<(Value, bool)> {
        let home = self.stop.child_token();
        let mut officers = Officers::start(&self.accounts, &self.doors, &self.sandbox.world, &home)?;
        let patience = if self.weather.is_some() { pace::STUCK_IN_CHAOS } else { pace::STUCK };
        let mut pulse = Pulse::new(Instant::now(), patience);
        let (mut leaps, mut sending, mut sent) = (0_u32, Some(sending), None);
        let finished = loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Some(error) = officers.fault().or_else(|| self.workers.fault()) {
                return Err(error);
            }
            // known before looking: whoever has been answered shows in the look
            if sending.as_ref().is_some_and(JoinHandle::is_finished)
                && let Some(sending) = sending.take()
            {
                sent = Some(sending.await??);
            }
            let Some(look) = self.look().await? else { continue };
            let ended = self.show(&look, portal);
            #[expect(clippy::cast_precision_loss, reason = "a share of the run")]
            let done = (portal.answered() + ended) as f64 / (2 * self.wave) as f64;
            if let Some(trouble) = self.schedule.strike(done, Instant::now()) {
                self.befall(trouble).await?;
                continue;
            }
            let blows = match &mut self.weather {
                Some(weather) => weather.blows()?,
                None => false,
            };
            if pulse.stuck(&look, portal.answered(), Instant::now()) {
                break false;
            }
            if sent.is_none() || !look.still() || blows {
                continue;
            }
            let pending = self.sandbox.world.outbound.pending();
            let Some(after) = self.look().await? else { continue };
            match pace::next(&look, pending, &after) {
                Next::Wait => {}
                // whatever was to happen on the way happens before it ends
                Next::Leap | Next::Over if self.schedule.left() > 0 => {
                    if let Some(trouble) = self.schedule.strike(1.0, Instant::now()) {
                        self.befall(trouble).await?;
                    }
                }
                Next::Leap => leaps += u32::from(self.leap().await?),
                Next::Over => break true,
                Next::Dead => break false,
            }
        };
        home.cancel();
        let seconds = self.began.elapsed().as_secs_f64();
        self.progress.done();
        if !finished {
            self.tell_stuck().await?;
        }
        let sent = sent.context("not every application was sent")?;
        self.judge(sent, finished, seconds, leaps).await
    }

    /// Looks; `None` where the database is away and may be.
    async fn look(&self) -> anyhow::Result<Option<view::Look>> {
        match self.view.look().await {
            Ok(look) => Ok(Some(look)),
            Err(_) if self.weather.is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets something happen.
    async fn befall(&mut self, trouble: Trouble) -> anyhow::Result<()> {
        if let Some(weather) = &mut self.weather {
            self.progress.say(&format!("chaos: {trouble}"));
            weather.strike(trouble, &self.sandbox.world).await?;
        }
        match trouble {
            Trouble::KillWorker(whom) => self.workers.kill(whom, &self.http).await,
            Trouble::Purge => self.purge_and_rebuild().await,
            Trouble::KillServer(_) | Trouble::RestartServer(_) | Trouble::Line(..) | Trouble::Down(..) => Ok(()),
        }
    }

    /// A broker that has lost everything: the workers die, every queue is emptied, and the jobs are issued again from
    /// the database.
    async fn purge_and_rebuild(&mut self) -> anyhow::Result<()> {
        if let Some(weather) = &mut self.weather {
            // both servers are wanted for it
            weather.ops(&["up"]).await?;
        }
        self.workers.rest().await;
        let purged = self.broker.purge().await?;
        let resend = ["repair", "resend", "--unseen", "0", "--actor", "demo", "--reason", "the queues were purged"];
        let told = self.kezek.must(&resend, None).await?;
        self.progress.say(&format!("chaos: {purged} messages were purged; {}", told.out.trim()));
        self.workers.go().await;
        self.workers.ready(&self.http).await
    }

    /// Leaps to the next deadline; `false` where the binary sees something under way.
    async fn leap(&self) -> anyhow::Result<bool> {
        let said = self.kezek.run(&["clock", "advance", "--json"], None).await?;
        if said.code == 1 && self.weather.is_some() {
            // a server that is away: there is no hurry
            return Ok(false);
        }
        anyhow::ensure!(matches!(said.code, 0 | 3), "kezek clock advance ended with {}", said.code);
        let told = said.json()?;
        self.follow_clock().await?;
        if let Some(deadline) = told["deadline"].as_str() {
            self.progress.say(&format!("everything waits: the business clock leaps past {deadline}"));
        }
        Ok(said.code == 0)
    }

    fn show(&mut self, look: &Look, portal: &Portal) -> usize {
        let closed = usize::try_from(look.closed_cases()).unwrap_or_default();
        let open = usize::try_from(look.open_cases()).unwrap_or_default();
        // whoever was refused before a case was opened needs nothing more
        let refused = portal.answered().saturating_sub(closed + open);
        self.progress.show(look, portal.answered(), closed + refused);
        closed + refused
    }

    async fn tell_stuck(&self) -> anyhow::Result<()> {
        let look = self.view.look().await?;
        eprintln!("stuck: {} cases are open and nothing changes; some of them:", look.open_cases());
        for receipt in self.view.some_open(NAMED).await? {
            let told = self.kezek.run(&["case", &receipt], None).await?;
            eprintln!("{}", told.out);
        }
        Ok(())
    }

    /// Without `--once`: people apply, tasks wait for whoever takes them, until the signal.
    async fn watch(&mut self, portal: &Portal, sending: Sending) -> anyhow::Result<Ended> {
        let mut sending = Some(sending);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Some(error) = self.workers.fault() {
                return Err(error);
            }
            if sending.as_ref().is_some_and(JoinHandle::is_finished)
                && let Some(sending) = sending.take()
            {
                let sent = sending.await??;
                self.tell_where(&sent);
            }
            let look = self.view.look().await?;
            self.show(&look, portal);
        }
    }

    /// Sends everybody home.
    async fn close(mut self) -> anyhow::Result<()> {
        self.progress.done();
        self.workers.stop().await;
        self.sandbox.stop().await
    }
}

type Sending = JoinHandle<anyhow::Result<Vec<Sent>>>;
