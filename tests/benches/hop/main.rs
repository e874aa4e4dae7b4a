//! How fast the engine moves cases, as ratios in one run: the bare hop (four statements, consume, publish, confirm,
//! ack, no stages), Kezek's own batch-1 mode, and Kezek. Run it with `ops/bench`.
//!
//! The six stages of the main line stand here with their gateways in the process: they file sections, hold and are
//! answered as the real ones do, but ask nobody outside, so that what is measured is the engine, its law, dossier,
//! journal and encryption, and not pictures or signatures.

mod bare;
mod kezek;
mod stages;

use anyhow::{Context as _, Result};
use kezek_runtime::Limits;
use kezek_testkit::database::Servers;
use serde_json::json;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: kezek_runtime::Allocator = kezek_runtime::Allocator;

/// CPU seconds of this process so far.
fn own_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    cpu_of(&stat)
}

/// CPU seconds of all processes whose name contains `name`.
fn cpu_named(name: &str) -> f64 {
    let Ok(dir) = std::fs::read_dir("/proc") else { return 0.0 };
    dir.flatten()
        .filter_map(|e| std::fs::read_to_string(e.path().join("stat")).ok())
        .filter(|stat| stat.split(')').next().is_some_and(|head| head.contains(name)))
        .map(|stat| cpu_of(&stat))
        .sum()
}

fn cpu_of(stat: &str) -> f64 {
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let tick = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    // user, system, and those of children that ended (PostgreSQL's backends), in hundredths of a second
    (tick(11) + tick(12)) / 100.0
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
}

impl Measured {
    /// Hops per second.
    pub fn rate(&self) -> f64 {
        self.hops as f64 / self.seconds
    }
}

/// Runs one part and takes the clock and the CPU seconds of this process, the broker and the database around it.
pub async fn measured(what: &str, run: impl Future<Output = Result<u64>>) -> Result<Measured> {
    let before = [own_cpu(), cpu_named("beam.smp"), cpu_named("postgres")];
    let began = Instant::now();
    let hops = run.await.with_context(|| what.to_owned())?;
    let seconds = began.elapsed().as_secs_f64();
    let after = [own_cpu(), cpu_named("beam.smp"), cpu_named("postgres")];
    let cpu = std::array::from_fn(|i| (after[i] - before[i]) / seconds * 100.0);
    let m = Measured { what: what.to_owned(), hops, seconds, cpu };
    eprintln!(
        "{:<44} {:>8} hops {:>7.2} s {:>9.0} hops/s   CPU % of a core: here {:>3.0}, broker {:>3.0}, database {:>3.0}",
        m.what,
        m.hops,
        m.seconds,
        m.rate(),
        m.cpu[0],
        m.cpu[1],
        m.cpu[2]
    );
    Ok(m)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() -> Result<()> {
    let applications = number("KEZEK_BENCH_APPLICATIONS", 20_000);
    let single = number("KEZEK_BENCH_SINGLE", 600);
    let servers = Servers::from_environment()?;
    let bare = bare::run(&servers, applications.min(20_000) * 3).await?;
    let one = Limits { prefetch: 1, batch: 1, in_flight: 1, ..Limits::default() };
    let slow = kezek::run(&servers, "Kezek, batch 1, prefetch 1", single, one).await?;
    let fast = kezek::run(&servers, "Kezek", applications, Limits { in_flight: 256, ..Limits::default() }).await?;
    let again = bare::run(&servers, applications.min(20_000) * 3).await?;
    let bare_rate = (bare.rate() + again.rate()) / 2.0;
    println!(
        "{}",
        json!({
            "applications": applications,
            "bare_hops_per_second": bare_rate.round(),
            "settles_per_second": fast.rate().round(),
            "applications_per_second": (applications as f64 / fast.seconds).round(),
            "batch_1_settles_per_second": slow.rate().round(),
            "share_of_bare": (fast.rate() / bare_rate * 100.0).round() / 100.0,
            "times_batch_1": (fast.rate() / slow.rate() * 10.0).round() / 10.0,
            "cpu_percent": { "kezek": fast.cpu[0].round(), "broker": fast.cpu[1].round(), "database": fast.cpu[2].round() },
        })
    );
    Ok(())
}
