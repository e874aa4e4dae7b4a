//! `kezek-sandbox chaos`: the demonstration in bad weather. Everything that can befall an installation befalls it, by
//! one seeded schedule; the end is judged as ever, and a failing seed tells how to run it again.
//!
//! The workers reach broker, database and gateway through proxies that disturb on command; the judge, the operator's
//! commands and the driver itself go straight.

mod restore;
pub mod schedule;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use reqwest::Url;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Demo, Ended, Town, run_town};
use crate::faults::{Command as Fault, Kind};
use crate::proxy::Proxy;
use crate::world::World;
pub use restore::Order;
use schedule::{Break, Line, Schedule, Server, Storm, Trouble};

/// What the run is started with.
#[derive(Debug, Clone, Args)]
pub struct Chaos {
    /// How many applications
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub applications: u32,
    /// How often a worker is killed (SIGKILL)
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub kills: u32,
    /// How often everything else befalls it: servers, lines, systems, the purge
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub rounds: u32,
    /// Leaves out the last part, in which the database is lost and restored from a backup
    #[arg(long)]
    pub no_restore: bool,
    /// After the restore workers are started before anything else: what the runbook forbids
    #[arg(long, conflicts_with = "no_restore")]
    pub wrong_order: bool,
    /// Seed of the people and of everything that happens
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// One JSON object on stdout, nothing else there
    #[arg(long)]
    pub json: bool,
    /// The `kezek` binary
    #[arg(long, default_value = "kezek", value_name = "FILE")]
    pub kezek: PathBuf,
    /// The script that starts and stops the servers of the stack named by KEZEK_STACK_NAME
    #[arg(long, default_value = "ops/stack", value_name = "FILE")]
    pub stack: PathBuf,
    /// Where keys, configuration, tokens and logs of the run go [default: a folder of the stack]
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

impl Chaos {
    /// How to run the very same again.
    fn again(&self) -> String {
        let Self { applications, kills, rounds, seed, .. } = self;
        let mut again =
            format!("ops/chaos --seed {seed} --applications {applications} --kills {kills} --rounds {rounds}");
        for (flag, given) in [(" --no-restore", self.no_restore), (" --wrong-order", self.wrong_order)] {
            if given {
                again.push_str(flag);
            }
        }
        again
    }
}

/// Runs it to the end, or until `stop`.
///
/// # Errors
/// Where it cannot be carried through; the seed is told on stderr.
pub async fn run(chaos: Chaos, stop: CancellationToken) -> anyhow::Result<Ended> {
    let again = chaos.again();
    let ended = carry_through(chaos, stop).await;
    match &ended {
        Ok(Ended::Well | Ended::Stopped) => {}
        Ok(Ended::Badly) => eprintln!("this seed FAILED; run it again with: {again}"),
        Err(error) => eprintln!("this seed FAILED ({error:#}); run it again with: {again}"),
    }
    ended
}

async fn carry_through(chaos: Chaos, stop: CancellationToken) -> anyhow::Result<Ended> {
    let weather = Weather::open(&chaos).await?;
    let schedule = Schedule::storm(chaos.seed, Storm { kills: chaos.kills, rounds: chaos.rounds });
    eprintln!("seed {}: what happens, and after which share of the run", chaos.seed);
    for line in schedule.told() {
        eprintln!("  {line}");
    }
    let demo = Demo {
        applications: chaos.applications,
        once: true,
        json: chaos.json,
        as_of: jiff::civil::date(2025, 9, 2),
        seed: chaos.seed,
        processes: 2,
        kill_workers: chaos.kills,
        lose_answers: true,
        extend: false,
        kezek: chaos.kezek,
        folder: chaos.folder,
    };
    let order = if chaos.wrong_order { Order::Wrong } else { Order::Right };
    let restore = (!chaos.no_restore).then_some(order);
    let mut town = Town::found(demo, Some((weather, schedule)), stop.clone()).await?;
    if let Some(order) = restore {
        town.keep_back(order);
    }
    run_town(town, &stop).await
}

/// The lines and servers that can be disturbed, and what is being disturbed just now.
pub struct Weather {
    broker: Arc<Proxy>,
    database: Arc<Proxy>,
    gateway: Option<Arc<Proxy>>,
    env: Vec<(&'static str, String)>,
    stack: PathBuf,
    name: String,
    servers: JoinSet<anyhow::Result<()>>,
    passing: JoinSet<()>,
    faced: BTreeMap<String, u64>,
    touched: u64,
}

impl Weather {
    async fn open(chaos: &Chaos) -> anyhow::Result<Self> {
        let name = std::env::var("KEZEK_STACK_NAME")
            .context("KEZEK_STACK_NAME is not set: run ops/chaos, which starts a stack of its own")?;
        let (amqp, broker) = behind("KEZEK_AMQP_URL").await?;
        let (engine, database) = behind("KEZEK_ENGINE_URL").await?;
        let console = moved("KEZEK_CONSOLE_URL", database.address())?;
        Ok(Self {
            broker: Arc::new(broker),
            database: Arc::new(database),
            gateway: None,
            env: vec![("KEZEK_AMQP_URL", amqp), ("KEZEK_ENGINE_URL", engine), ("KEZEK_CONSOLE_URL", console)],
            stack: chaos.stack.clone(),
            name,
            servers: JoinSet::new(),
            passing: JoinSet::new(),
            faced: BTreeMap::new(),
            touched: 0,
        })
    }

    /// A proxy before the sandbox's gateway; gives its address.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn before(&mut self, gateway: SocketAddr) -> anyhow::Result<SocketAddr> {
        let proxy = Proxy::start(gateway).await?;
        let address = proxy.address();
        self.gateway = Some(Arc::new(proxy));
        Ok(address)
    }

    /// What the workers find in their environment.
    #[must_use]
    pub fn env(&self) -> Vec<(&'static str, String)> {
        self.env.clone()
    }

    /// What has happened so far, by kind, and how many connections were disturbed.
    #[must_use]
    pub fn faced(&self) -> (&BTreeMap<String, u64>, u64) {
        (&self.faced, self.touched)
    }

    /// Whether something is still being disturbed, or a server still comes back.
    ///
    /// # Errors
    /// Where a server did not come back.
    pub fn blows(&mut self) -> anyhow::Result<bool> {
        while self.passing.try_join_next().is_some() {}
        while let Some(done) = self.servers.try_join_next() {
            done??;
        }
        Ok(!self.passing.is_empty() || !self.servers.is_empty())
    }

    /// Lets it happen; kills of workers and the purge are the town's own affair.
    ///
    /// # Errors
    /// Where a server cannot be stopped or does not come back.
    pub async fn strike(&mut self, trouble: Trouble, world: &World) -> anyhow::Result<()> {
        *self.faced.entry(trouble.kind()).or_default() += 1;
        match trouble {
            Trouble::KillServer(server) => self.server("kill", server).await?,
            Trouble::RestartServer(server) => self.server("down", server).await?,
            Trouble::Line(line, what) => {
                let proxy = self.line(line)?;
                self.touched += proxy.connections() as u64;
                match what {
                    Break::Cut => proxy.cut(),
                    Break::Delay(by, time) => {
                        proxy.delay(by);
                        self.passing.spawn(async move {
                            tokio::time::sleep(time).await;
                            proxy.delay(Duration::ZERO);
                        });
                    }
                    Break::HalfOpen(time) => {
                        proxy.half_open();
                        proxy.dark(true);
                        self.passing.spawn(async move {
                            tokio::time::sleep(time).await;
                            proxy.dark(false);
                        });
                    }
                }
            }
            Trouble::Down(system, time) => {
                let seconds = Some(time.as_secs_f64());
                let fault = Fault { system: Some(system), fault: Kind::Outage, count: None, seconds };
                world.faults().add(fault).map_err(anyhow::Error::msg)?;
            }
            Trouble::KillWorker(_) | Trouble::Purge => {}
        }
        Ok(())
    }

    fn line(&self, line: Line) -> anyhow::Result<Arc<Proxy>> {
        Ok(Arc::clone(match line {
            Line::To(Server::Broker) => &self.broker,
            Line::To(Server::Database) => &self.database,
            Line::Gateway => self.gateway.as_ref().context("there is no gateway yet")?,
        }))
    }

    /// One server at a time: the next one waits until the one before is back.
    async fn server(&mut self, act: &'static str, server: Server) -> anyhow::Result<()> {
        while let Some(done) = self.servers.join_next().await {
            done??;
        }
        let (stack, name) = (self.stack.clone(), self.name.clone());
        self.servers.spawn(async move {
            ops(&stack, &name, &[act, "--only", server.label()]).await?;
            ops(&stack, &name, &["up"]).await
        });
        Ok(())
    }

    /// Runs `ops/stack` on this run's stack.
    ///
    /// # Errors
    /// Where it fails: with what it said.
    pub async fn ops(&mut self, arguments: &[&str]) -> anyhow::Result<()> {
        while let Some(done) = self.servers.join_next().await {
            done??;
        }
        ops(&self.stack, &self.name, arguments).await
    }
}

async fn ops(stack: &std::path::Path, name: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(stack);
    // a Ctrl-C at the terminal must not leave a server half started
    command.args(arguments).args(["--name", name]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.process_group(0);
    let done = command.output().await.with_context(|| format!("{} cannot be run", stack.display()))?;
    let said = String::from_utf8_lossy(&done.stderr);
    anyhow::ensure!(done.status.success(), "ops/stack {} failed: {}", arguments.join(" "), said.trim());
    Ok(())
}

/// A proxy before the server that a variable names; gives the address through the proxy.
async fn behind(variable: &'static str) -> anyhow::Result<(String, Proxy)> {
    let url = address(variable)?;
    let host = url.host_str().unwrap_or_default();
    let port = url.port().with_context(|| format!("{variable} names no port"))?;
    let target = tokio::net::lookup_host((host, port)).await?.next();
    let proxy = Proxy::start(target.with_context(|| format!("{variable} names no host that is known"))?).await?;
    Ok((moved(variable, proxy.address())?, proxy))
}

fn address(variable: &'static str) -> anyhow::Result<Url> {
    let text = std::env::var(variable)
        .with_context(|| format!("{variable} is not set: run ops/chaos, or eval \"$(ops/stack env)\" first"))?;
    Url::parse(&text).with_context(|| format!("{variable} is no address"))
}

/// A variable's address, at another place.
fn moved(variable: &'static str, to: SocketAddr) -> anyhow::Result<String> {
    let mut url = address(variable)?;
    let set = url.set_host(Some(&to.ip().to_string())).is_ok() && url.set_port(Some(to.port())).is_ok();
    anyhow::ensure!(set, "{variable} is no address of a server");
    Ok(url.to_string())
}
