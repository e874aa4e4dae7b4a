//! `kezek-sandbox`: stand-ins for the systems of the state, on loopback.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use jiff::civil::Date;
use kezek_sandbox::demo::chaos::{self, Chaos};
use kezek_sandbox::demo::{self, Demo, Ended};
use kezek_sandbox::{Options, start};
use tokio_util::sync::CancellationToken;

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
    /// Lets applications walk through every stage of an installation, and judges what came of them.
    Demo(Demo),
    /// The demonstration while servers, lines, systems and workers fail by a seeded schedule.
    Chaos(Chaos),
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
    /// How many people; 39 and more have every plan.
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
        Command::Serve(serve) => run(serve).await.map(|()| Ended::Well),
        Command::Demo(demo) => {
            let until_over = demo.once;
            // without an end of its own, a demonstration that is told to stop has ended well
            let ended = until_stopped(|stop| demo::run(demo, stop)).await;
            ended.map(|ended| if ended == Ended::Stopped && !until_over { Ended::Well } else { ended })
        }
        Command::Chaos(chaos) => until_stopped(|stop| chaos::run(chaos, stop)).await,
    };
    match done {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::Badly) => ExitCode::FAILURE,
        // as a shell would say it
        Ok(Ended::Stopped) => ExitCode::from(130),
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
    told_to_stop().await?;
    tracing::info!("stopping");
    running.stop().await
}

/// Ends when somebody wants an end: Ctrl-C, or a termination from outside.
async fn told_to_stop() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        signal = tokio::signal::ctrl_c() => signal,
        _ = terminate.recv() => Ok(()),
    }
}

/// Runs until it is over or somebody wants an end.
async fn until_stopped<R: Future<Output = anyhow::Result<Ended>>>(
    run: impl FnOnce(CancellationToken) -> R,
) -> anyhow::Result<Ended> {
    let stop = CancellationToken::new();
    let mut running = std::pin::pin!(run(stop.clone()));
    tokio::select! {
        ended = &mut running => return ended,
        signal = told_to_stop() => signal?,
    }
    eprintln!("stopping what was started");
    stop.cancel();
    running.await
}
