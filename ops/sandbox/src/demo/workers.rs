//! The worker processes and who looks after them: one that dies is started again, on command one is killed without
//! warning, at the end each is asked to leave before it is made to.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::setup::Folder;
use super::shell::Kezek;

/// How long a worker may take to be ready.
const READY: Duration = Duration::from_secs(120);
/// How long a worker may take to leave.
const LEAVE: Duration = Duration::from_secs(25);

/// All workers.
pub struct Workers {
    list: Vec<Worker>,
    minders: JoinSet<anyhow::Result<()>>,
    killed: Arc<AtomicU32>,
}

struct Worker {
    name: String,
    address: SocketAddr,
    log: PathBuf,
    orders: mpsc::Sender<Order>,
    starts: Arc<AtomicU32>,
}

enum Order {
    /// To be killed; the sender is dropped once it is dead.
    Kill(oneshot::Sender<()>),
    /// To be killed, and to stay down until it is to go again; the sender is dropped once it is dead.
    Rest(oneshot::Sender<()>),
    Go,
    Leave,
}

impl Workers {
    /// Starts one process at each address, with all stages and doors.
    ///
    /// # Errors
    /// Where a log file or a process cannot be made.
    pub fn start(kezek: &Kezek, folder: &Folder, addresses: &[SocketAddr]) -> anyhow::Result<Self> {
        let mut workers = Self { list: Vec::new(), minders: JoinSet::new(), killed: Arc::default() };
        for (index, address) in addresses.iter().enumerate() {
            let name = format!("worker-{}", char::from(b'a' + u8::try_from(index).unwrap_or(25).min(25)));
            let log = folder.file(&format!("{name}.log"));
            let (sender, orders) = mpsc::channel(1);
            let starts = Arc::new(AtomicU32::new(0));
            let minder = Minder {
                kezek: kezek.clone(),
                name: name.clone(),
                address: *address,
                log: log.clone(),
                starts: Arc::clone(&starts),
                killed: Arc::clone(&workers.killed),
            };
            workers.list.push(Worker { name, address: *address, log, orders: sender, starts });
            workers.minders.spawn(minder.mind(orders));
        }
        Ok(workers)
    }

    /// The log files.
    #[must_use]
    pub fn logs(&self) -> Vec<PathBuf> {
        self.list.iter().map(|worker| worker.log.clone()).collect()
    }

    /// How many died of the kill that was ordered: counted at their death, not at the order.
    #[must_use]
    pub fn killed(&self) -> u32 {
        self.killed.load(Ordering::Relaxed)
    }

    /// How many times any was started beyond the first.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.list.iter().map(|worker| worker.starts.load(Ordering::Relaxed).saturating_sub(1)).sum()
    }

    /// Waits until all are ready.
    ///
    /// # Errors
    /// Where one is not for long: with the end of its log.
    pub async fn ready(&mut self, http: &reqwest::Client) -> anyhow::Result<()> {
        for index in 0..self.list.len() {
            self.one_ready(index, http).await?;
        }
        Ok(())
    }

    async fn one_ready(&mut self, index: usize, http: &reqwest::Client) -> anyhow::Result<()> {
        let worker = self.list.get(index).context("no such worker")?;
        let began = tokio::time::Instant::now();
        loop {
            let asked = http.get(format!("http://{}/readyz", worker.address)).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Some(ended) = self.minders.try_join_next() {
                ended??;
            }
            if began.elapsed() > READY {
                anyhow::bail!("{} is not ready; its log ends with:\n{}", worker.name, tail(&worker.log));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Kills one without warning, once it is ready, and waits for its death; it is started again. `index` counts
    /// modulo their number.
    ///
    /// # Errors
    /// Where it is not ready for long.
    pub async fn kill(&mut self, index: usize, http: &reqwest::Client) -> anyhow::Result<()> {
        let index = index % self.list.len().max(1);
        // one that has only just been started does no work that could be torn
        self.one_ready(index, http).await?;
        let worker = self.list.get(index).context("no such worker")?;
        let (alive, dead) = oneshot::channel();
        if worker.orders.send(Order::Kill(alive)).await.is_ok() {
            // nothing is ever sent: its end says that the process is gone
            let _ = dead.await;
        }
        Ok(())
    }

    /// Kills all at once without warning, and waits for their death; they stay down until [`Self::go`].
    pub async fn rest(&self) {
        for worker in &self.list {
            let (alive, dead) = oneshot::channel();
            if worker.orders.send(Order::Rest(alive)).await.is_ok() {
                let _ = dead.await;
            }
        }
    }

    /// Starts all again.
    pub async fn go(&self) {
        for worker in &self.list {
            let _ = worker.orders.send(Order::Go).await;
        }
    }

    /// The fault of a worker that cannot be kept running, if there is one.
    pub fn fault(&mut self) -> Option<anyhow::Error> {
        match self.minders.try_join_next()? {
            Ok(Ok(())) => Some(anyhow::anyhow!("a worker has left")),
            Ok(Err(error)) => Some(error),
            Err(error) => Some(error.into()),
        }
    }

    /// Asks all to leave, waits, and makes whoever did not.
    pub async fn stop(&mut self) {
        for worker in &self.list {
            let _ = worker.orders.send(Order::Leave).await;
        }
        while let Some(ended) = self.minders.join_next().await {
            if let Ok(Err(error)) = ended {
                tracing::warn!("{error:#}");
            }
        }
    }
}

struct Minder {
    kezek: Kezek,
    name: String,
    address: SocketAddr,
    log: PathBuf,
    starts: Arc<AtomicU32>,
    killed: Arc<AtomicU32>,
}

impl Minder {
    async fn mind(self, mut orders: mpsc::Receiver<Order>) -> anyhow::Result<()> {
        let mut early = 0;
        loop {
            let began = tokio::time::Instant::now();
            let mut child = self.spawn()?;
            self.starts.fetch_add(1, Ordering::Relaxed);
            let (mut on_command, mut resting) = (None, None);
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status?,
                    order = orders.recv() => match order {
                        Some(Order::Kill(alive)) => {
                            child.start_kill()?;
                            on_command = Some(alive);
                        }
                        Some(Order::Rest(alive)) => {
                            child.start_kill()?;
                            resting = Some(alive);
                        }
                        // it runs already
                        Some(Order::Go) => {}
                        Some(Order::Leave) | None => return leave(&self.name, child).await,
                    },
                }
            };
            if let Some(alive) = resting {
                drop(alive);
                loop {
                    match orders.recv().await {
                        Some(Order::Go) => break,
                        Some(Order::Kill(_) | Order::Rest(_)) => {}
                        Some(Order::Leave) | None => return Ok(()),
                    }
                }
                continue;
            }
            if on_command.is_some() && killed(status) {
                self.killed.fetch_add(1, Ordering::Relaxed);
                tracing::info!(worker = self.name, "killed without warning");
                continue;
            }
            tracing::warn!(worker = self.name, status = %told(status), "a worker has ended; it is started again");
            early = if began.elapsed() < Duration::from_secs(5) { early + 1 } else { 0 };
            if status.code() == Some(2) || early >= 5 {
                anyhow::bail!("{} cannot be kept running; its log ends with:\n{}", self.name, tail(&self.log));
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("{} cannot be opened", self.log.display()))?;
        // the worker ends with us even if we are killed
        let mut command = std::process::Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(&self.kezek.binary);
        self.kezek.dress(&mut command);
        command.args(["run", "--listen", &self.address.to_string()]);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // a Ctrl-C at the terminal is ours to pass on
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut command = Command::from(command);
        command.kill_on_drop(true);
        command.spawn().context("a worker cannot be started; is util-linux (setpriv) installed?")
    }
}

async fn leave(name: &str, mut child: Child) -> anyhow::Result<()> {
    // not reaped yet, so that the number is still its own
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        kill_process(pid, Signal::INT)?;
    }
    match tokio::time::timeout(LEAVE, child.wait()).await {
        Ok(status) => {
            let status = status?;
            anyhow::ensure!(status.success(), "{name} left with {}", told(status));
        }
        Err(_) => {
            child.kill().await?;
            anyhow::bail!("{name} did not leave within {} s and was killed", LEAVE.as_secs());
        }
    }
    Ok(())
}

/// Whether a process died of SIGKILL.
fn killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::KILL.as_raw())
}

fn told(status: ExitStatus) -> String {
    status.to_string()
}

/// The last lines of a log.
fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_death_by_kill_is_a_kill() {
        assert!(killed(ExitStatus::from_raw(9)));
        // terminated; left with code 9; left well
        for other in [15, 9 << 8, 0] {
            assert!(!killed(ExitStatus::from_raw(other)));
        }
    }
}
