//! What is measured, and how much of it.

use clap::{Parser, ValueEnum};
use kezek_runtime::Limits;

/// Measures the engine: the bare hop, Kezek's batch-1 mode and Kezek in one run. Start it with `ops/bench`.
#[derive(Debug, Parser)]
#[command(name = "ops/bench", about)]
pub struct Options {
    /// Applications that are carried through the six stages.
    #[arg(long, default_value_t = 20_000, env = "KEZEK_BENCH_APPLICATIONS")]
    pub applications: u64,
    /// Only these parts, separated by commas.
    #[arg(long, value_delimiter = ',', env = "KEZEK_BENCH_ONLY")]
    pub only: Vec<Part>,
    /// Hops per second at which the latency is taken, separated by commas.
    #[arg(long, value_delimiter = ',', default_values_t = [600, 10_000])]
    pub rates: Vec<u64>,
    /// Seconds of each latency run, after two of warming up.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// Cases in the tables for the larger of the two flatness runs.
    #[arg(long, default_value_t = 1_000_000)]
    pub stored: u64,
    /// Messages that wait for the larger of the two memory samples.
    #[arg(long, default_value_t = 100_000)]
    pub waiting: u64,
    /// Print the statements that took most of the database's time.
    #[arg(long)]
    pub statements: bool,
    /// A smoke run: small numbers, no figure worth reading; fails unless every application got through.
    #[arg(long)]
    pub short: bool,
    /// Turns settled in one transaction, where not the default.
    #[arg(long)]
    pub batch: Option<usize>,
    /// Unacknowledged deliveries per stage, where not the default.
    #[arg(long)]
    pub prefetch: Option<u16>,
    /// Attempts of a stage at once, where not the default.
    #[arg(long)]
    pub in_flight: Option<usize>,
    /// Milliseconds that a stage under load lets its batch fill, where not the default.
    #[arg(long)]
    pub linger_ms: Option<u64>,
    /// `cargo bench` says so.
    #[arg(long, hide = true)]
    pub bench: bool,
}

/// One part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// A worker's memory while messages wait.
    Waiting,
    /// The bare hop, before and after.
    Bare,
    /// Kezek with batch 1 and prefetch 1.
    #[value(name = "batch-1")]
    Single,
    /// Kezek.
    Kezek,
    /// Latency per hop at constant arrival rates, bare and Kezek.
    Latency,
    /// The same run with few and with many stored cases.
    Stored,
}

impl Options {
    /// The command line; the smoke form where it asks for it.
    pub fn read() -> Self {
        let mut options = Self::parse();
        if options.short {
            options.applications = options.applications.min(60);
            options.rates = vec![30];
            options.seconds = 2;
            options.stored = options.stored.min(1_000);
            options.waiting = options.waiting.min(2_000);
        }
        options
    }
    /// The engine's bounds: the defaults, but for what is tried out.
    pub fn limits(&self) -> Limits {
        let known = Limits::default();
        Limits {
            batch: self.batch.unwrap_or(known.batch),
            prefetch: self.prefetch.unwrap_or(known.prefetch),
            in_flight: self.in_flight.unwrap_or(known.in_flight),
            linger_ms: self.linger_ms.unwrap_or(known.linger_ms),
            ..known
        }
    }
    /// Whether the part is wanted.
    pub fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
    /// Applications of the batch-1 run: its rate needs no more.
    pub fn single(&self) -> u64 {
        (self.applications / 20).clamp(20, 1_000)
    }
    /// Cases in the tables for the smaller of the two flatness runs; the larger ones are copies of these.
    pub fn few(&self) -> u64 {
        if self.short { 20 } else { 1_000 }
    }
}
