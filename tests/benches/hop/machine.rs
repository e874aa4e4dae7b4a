//! What the processes and the database cost: CPU, memory, commits, log bytes.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::pin::pin;
use std::time::{Duration, Instant};

/// The processes that are measured: this one, the broker, and PostgreSQL with its children.
#[derive(Clone, Copy, Debug)]
pub struct Processes {
    broker: u32,
    database: u32,
}

impl Processes {
    /// The private stack's, as `ops/stack env` names them.
    pub fn from_environment() -> Result<Self> {
        let pid = |name: &str| {
            let text = std::env::var(name).with_context(|| format!("{name} is not set: run `ops/bench`"))?;
            text.parse().with_context(|| format!("{name} is no process id"))
        };
        Ok(Self { broker: pid("KEZEK_RABBITMQ_PID")?, database: pid("KEZEK_POSTGRES_PID")? })
    }

    /// CPU seconds so far: here, broker, database.
    fn cpu(self) -> [f64; 3] {
        let database: f64 = children(self.database).into_iter().map(|pid| cpu(&pid.to_string(), false)).sum();
        [cpu("self", false), cpu(&self.broker.to_string(), false), cpu(&self.database.to_string(), true) + database]
    }

    /// MiB of memory now: resident here and of the broker; of the database each page once (PSS).
    pub fn memory(self) -> [f64; 3] {
        let mut all = children(self.database);
        all.push(self.database);
        let database: f64 = all.into_iter().map(|pid| kib(&format!("/proc/{pid}/smaps_rollup"), "Pss:")).sum();
        [resident("self"), resident(&self.broker.to_string()), database / 1024.0]
    }

    /// MiB resident of this process and of the broker.
    pub fn resident(self) -> [f64; 2] {
        [resident("self"), resident(&self.broker.to_string())]
    }
}

fn stat(pid: &str) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name may hold blanks and brackets
    Some(text.rsplit(')').next()?.split_whitespace().map(str::to_owned).collect())
}

/// CPU seconds of a process; with what its ended children used, where those are ours to count.
fn cpu(pid: &str, ended: bool) -> f64 {
    let Some(fields) = stat(pid) else { return 0.0 };
    let tick = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    let own = tick(11) + tick(12);
    // Linux counts in hundredths of a second for every program
    (if ended { own + tick(13) + tick(14) } else { own }) / 100.0
}

fn children(parent: u32) -> Vec<u32> {
    let Ok(dir) = std::fs::read_dir("/proc") else { return Vec::new() };
    dir.flatten()
        .filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let of = stat(&pid.to_string()).and_then(|f| f.get(1).and_then(|p| p.parse::<u32>().ok()));
            of == Some(parent)
        })
        .collect()
}

fn kib(file: &str, key: &str) -> f64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(key));
    line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0.0)
}

fn resident(pid: &str) -> f64 {
    kib(&format!("/proc/{pid}/status"), "VmRSS:") / 1024.0
}

/// Commits of the database so far, bytes of write-ahead log of the server.
async fn books(pool: &PgPool) -> Result<[i64; 2]> {
    let row: (i64, i64) = sqlx::query_as(
        "SELECT coalesce((SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()), 0),
                (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint",
    )
    .fetch_one(pool)
    .await?;
    Ok([row.0, row.1])
}

/// What one part of the run measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Its name.
    pub what: String,
    /// Hops, or settles.
    pub hops: u64,
    /// How long it took.
    pub seconds: f64,
    /// CPU of this process, the broker and the database, in percent of one core.
    pub cpu: [f64; 3],
    /// MiB: the most that was resident here and of the broker; the database's at the end.
    pub memory: [f64; 3],
    /// Transactions that committed.
    pub commits: u64,
    /// Bytes of write-ahead log.
    pub wal: u64,
}

impl Measured {
    /// Hops per second.
    pub fn rate(&self) -> f64 {
        self.hops as f64 / self.seconds
    }
    /// One line for people.
    pub fn tell(&self) {
        let [here, broker, database] = self.cpu;
        let [rss, broker_rss, pss] = self.memory;
        eprintln!(
            "{:<34} {:>8} hops {:>7.2} s {:>7.0} hops/s  CPU % of a core: here {here:>3.0}, broker {broker:>3.0}, \
             database {database:>3.0}  MiB: {rss:.0}, {broker_rss:.0}, {pss:.0}",
            self.what,
            self.hops,
            self.seconds,
            self.rate(),
        );
    }
    /// The figures with their units.
    pub fn json(&self) -> Value {
        let named = |values: [f64; 3]| json!({ "kezek": values[0].round(), "broker": values[1].round(), "database": values[2].round() });
        json!({
            "hops": self.hops,
            "seconds": round(self.seconds, 2),
            "hops_per_second": self.rate().round(),
            "cpu_percent_of_one_core": named(self.cpu),
            "cpu_microseconds_per_hop": named(self.cpu.map(|c| c / 100.0 * self.seconds * 1e6 / self.hops.max(1) as f64)),
            "memory_mib": named(self.memory),
            "commits_per_second": (self.commits as f64 / self.seconds).round(),
            "wal_bytes_per_hop": (self.wal as f64 / self.hops.max(1) as f64).round(),
        })
    }
}

/// A figure with so many digits after the point.
pub fn round(value: f64, digits: i32) -> f64 {
    let k = 10_f64.powi(digits);
    (value * k).round() / k
}

/// Runs one part, which returns its hops, and takes clock, CPU, memory and the database's books around it.
pub async fn measured(what: &str, pool: &PgPool, run: impl Future<Output = Result<u64>>) -> Result<Measured> {
    let processes = Processes::from_environment()?;
    let before = books(pool).await?;
    let cpu = processes.cpu();
    let began = Instant::now();
    let mut run = pin!(run);
    let mut most = processes.resident();
    let hops = loop {
        tokio::select! {
            hops = &mut run => break hops.with_context(|| what.to_owned())?,
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                most.iter_mut().zip(processes.resident()).for_each(|(most, now)| *most = most.max(now));
            }
        }
    };
    let seconds = began.elapsed().as_secs_f64();
    let used = processes.cpu();
    let mut memory = processes.memory();
    memory.iter_mut().zip(most).for_each(|(memory, most)| *memory = memory.max(most));
    // backends report their commits at most once a second
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let after = books(pool).await?;
    let grown = |i: usize| u64::try_from(after[i] - before[i]).unwrap_or(0);
    let m = Measured {
        what: what.to_owned(),
        hops,
        seconds,
        cpu: std::array::from_fn(|i| (used[i] - cpu[i]) / seconds * 100.0),
        memory,
        commits: grown(0),
        wal: grown(1),
    };
    m.tell();
    Ok(m)
}
