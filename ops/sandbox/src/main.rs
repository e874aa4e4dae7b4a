//! `kezek-sandbox`: stand-ins for the systems of the state, on loopback.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use jiff::civil::Date;
use kezek_sandbox::{Options, start};

/// Stand-ins for the systems of the state, with a population whose ends are planned.
#[derive(Parser)]
#[command(name = "kezek-sandbox", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves both channels of the gateway until it is stopped.
    Serve(Serve),
}

#[derive(Args)]
struct Serve {
    /// Port on loopback; 0 for any that is free.
    #[arg(long, default_value_t = 14580)]
    port: u16,
    /// Where Kezek listens for messages of the asynchronous channel.
    #[arg(long)]
    callback_url: String,
    /// Seed of the population, its pictures and its keys.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many people; 31 and more have every plan.
    #[arg(long, default_value_t = 200)]
    population: usize,
    /// The business day, YYYY-MM-DD.
    #[arg(long, default_value = "2025-09-02")]
    as_of: Date,
    /// Writes the demo authority's certificate (PEM) here before serving.
    #[arg(long)]
    ca_out: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let done = match Cli::parse().command {
        Command::Serve(serve) => run(serve).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // one line: what, and what lies behind it
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(serve: Serve) -> anyhow::Result<()> {
    let options = Options {
        port: serve.port,
        callback_url: serve.callback_url,
        seed: serve.seed,
        population: serve.population,
        as_of: serve.as_of,
    };
    let running = start(&options).await?;
    if let Some(path) = serve.ca_out {
        let pem = running.world.authority.pem()?;
        std::fs::write(&path, pem).with_context(|| format!("--ca-out {} cannot be written", path.display()))?;
    }
    // for whoever started it with port 0
    println!("http://{}", running.address);
    tracing::info!(address = %running.address, population = options.population, as_of = %options.as_of, "sandbox is serving");
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        signal = tokio::signal::ctrl_c() => signal?,
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    running.stop().await
}
