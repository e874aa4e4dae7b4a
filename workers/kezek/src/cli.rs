//! The command line: every command with its arguments, and what the process ends with.

use crate::commands;
use crate::config::{Config, Profile};
use clap::{Args, Parser, Subcommand};
use jiff::civil::Date;
use kezek_stage::ConfigError;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use uuid::Uuid;

/// Workers, doors and the operator's shell of Kezek.
#[derive(Debug, Parser)]
#[command(name = "kezek", version, propagate_version = true, after_help = AFTER)]
pub struct Cli {
    /// The configuration file; every key and its default is in ops/kezek.default.toml
    #[arg(long, global = true, env = "KEZEK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 3 not healthy.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Brings the database to this binary's migrations (role: owner)
    Migrate {
        /// What the installation is for; demo and test admit sample people and a moved clock, on an empty database only
        #[arg(long, value_enum)]
        profile: Option<Profile>,
    },
    /// The broker's exchanges, queues, bindings and policies
    #[command(subcommand)]
    Topology(Topology),
    /// Runs stages and doors until a signal; the second signal leaves at once
    Run(Run),
    /// Looks at a live installation and says what to do
    Doctor(Output),
    /// Draws flows, queues and ladder (Mermaid)
    Map {
        /// Writes the drawing between the markers of this file
        #[arg(long, value_name = "FILE")]
        write: Option<PathBuf>,
    },
    /// JSON Schema of every job, answer and section; asyncapi and openapi
    Schemas {
        /// Writes them into this folder
        #[arg(long, value_name = "DIR", conflicts_with = "check")]
        write: Option<PathBuf>,
        /// Compares them with this folder; exit code 3 where they differ
        #[arg(long, value_name = "DIR")]
        check: Option<PathBuf>,
    },
    /// Tells one case's whole story
    Case {
        /// Receipt, coupon or id
        number: String,
        #[command(flatten)]
        output: Output,
    },
    /// Messages that wait for an operator
    #[command(subcommand)]
    Dead(Dead),
    /// Pauses and resumes stages
    #[command(subcommand)]
    Stage(Stage),
    /// Repairs what no process can
    #[command(subcommand)]
    Repair(Repair),
    /// Who may call the doors
    #[command(subcommand)]
    Accounts(Accounts),
    /// The business clock, by which the law judges; it moves in the demo and test profile alone
    #[command(subcommand)]
    Clock(Clock),
    /// Seals the heads of journals and audit trail, once for each day that is over; a running process does so by itself
    Seal(Seal),
    /// What was written for good
    #[command(subcommand)]
    Journal(Journal),
    /// Compares what the receivers outside have done and told with what the database knows, as a process does once a day
    Reconcile(Reconcile),
    /// Lists what waits for people outside: cards that nobody fetches, refunds
    #[command(subcommand)]
    Report(Report),
    /// Counts what must be zero; exit code 3 where anything is not
    Check(Check),
    /// The keys of the encryption at rest
    #[command(subcommand)]
    Keys(Keys),
    /// The configuration that is in force
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The rules that are in force on a day, and why
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Outages of the systems outside, and whom they sent to the service centre (A12)
    #[command(subcommand)]
    Outages(OutagesCommand),
    /// Open cases whose term is short or over, and whose each day was (A4.2); exit code 3 where one is over
    Terms(Output),
}

/// How a command tells what it has to tell.
#[derive(Clone, Copy, Debug, Args)]
pub struct Output {
    /// One JSON value on stdout, nothing else there
    #[arg(long)]
    pub json: bool,
}

/// Who acts, and why; both are written down.
#[derive(Clone, Debug, Args)]
pub struct Act {
    /// Who acts; the user of this shell where it is left out
    #[arg(long, env = "KEZEK_ACTOR", value_name = "NAME", value_parser = short, default_value_t = user(), hide_default_value = true)]
    pub actor: String,
    /// Why, for whoever reads the journal later; no personal data
    #[arg(long, value_name = "TEXT", value_parser = short)]
    pub reason: String,
}

/// The user of this shell.
fn user() -> String {
    use std::os::unix::fs::MetadataExt as _;
    let named = ["USER", "LOGNAME"].iter().find_map(|v| std::env::var(v).ok()).filter(|n| short(n).is_ok());
    named.unwrap_or_else(|| {
        std::fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |m| format!("uid-{}", m.uid()))
    })
}

fn short(text: &str) -> Result<String, String> {
    let length = text.trim().chars().count();
    if (1..=300).contains(&length) && !text.chars().any(char::is_control) {
        Ok(text.trim().to_owned())
    } else {
        Err("give 1 to 300 printable characters".to_owned())
    }
}

#[derive(Debug, Subcommand)]
enum Topology {
    /// Applies it; applying it twice changes nothing
    Apply {
        /// Creates the virtual host of broker.amqp_url first, and lets the worker's user work in it
        #[arg(long)]
        vhost_create: bool,
    },
    /// Prints it
    Show(Output),
    /// Compares the broker with it; exit code 3 where they differ
    Check(Output),
}

/// What a process runs.
#[derive(Debug, Args)]
pub struct Run {
    /// Stages, and `doors` for the HTTP routes; all of them where it is left out
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub only: Vec<String>,
    /// Where the HTTP server listens, instead of doors.listen; port 0 takes any that is free
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<std::net::SocketAddr>,
}

#[derive(Debug, Subcommand)]
enum Dead {
    /// Lists letters, newest first
    List {
        /// open, replaying, closed, discarded, or all
        #[arg(long, default_value = "open", value_parser = ["open", "replaying", "closed", "discarded", "all"])]
        state: String,
        /// Of this cause alone
        #[arg(long)]
        cause: Option<String>,
        /// Of this stage alone
        #[arg(long)]
        stage: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
        limit: u16,
        #[command(flatten)]
        output: Output,
    },
    /// Shows a letter whole
    Show {
        /// The letter's id
        letter: Uuid,
        #[command(flatten)]
        output: Output,
    },
    /// Sends its subject's job once more, under a new ticket; effect keys stay
    Replay {
        /// The letters' ids
        #[arg(required = true)]
        letters: Vec<Uuid>,
        #[command(flatten)]
        act: Act,
    },
    /// Ends it
    Discard {
        /// The letter's id
        letter: Uuid,
        /// Also ends the parked case: as `cancelled`, which gives held money back
        #[arg(long)]
        close_case: bool,
        #[command(flatten)]
        act: Act,
    },
}

#[derive(Debug, Subcommand)]
enum Stage {
    /// Stops a stage in every process; what it has in hand is finished
    Pause {
        /// The stage
        stage: String,
        #[command(flatten)]
        act: Act,
    },
    /// Lets it go on
    Resume {
        /// The stage
        stage: String,
        #[command(flatten)]
        act: Act,
    },
    /// Lists paused stages
    List(Output),
}

#[derive(Debug, Subcommand)]
enum Repair {
    /// Issues the current jobs of moving cases again, under the same tickets: after a broker was lost or restored
    Resend(Resend),
    /// Empties every queue after a database was restored from a backup; keeps what is ahead of it as letters. Workers off
    Purge(Purge),
    /// Compares what the receivers outside have done for us with what the database knows of it
    Reconcile(Reconcile),
}

/// Emptying the queues.
#[derive(Debug, Args)]
pub struct Purge {
    /// Who acts, and why.
    #[command(flatten)]
    pub act: Act,
}

/// What is compared, and whether anything is done about it.
#[derive(Debug, Args)]
pub struct Reconcile {
    /// Brings the answers that the database has lost, sets aside cases that have ended outside, and notes messages to
    /// applicants that may have been sent as in doubt; otherwise it only lists
    #[arg(long, requires = "reason")]
    pub apply: bool,
    /// Why, with --apply; no personal data
    #[arg(long, value_name = "TEXT", value_parser = short)]
    pub reason: Option<String>,
    /// Who acts, with --apply; the user of this shell where it is left out
    #[arg(long, env = "KEZEK_ACTOR", value_name = "NAME", value_parser = short, default_value_t = user(), hide_default_value = true)]
    pub actor: String,
    /// A portal's own list of accepted receipts, one a line: those that the database does not know are listed
    #[arg(long, value_name = "FILE")]
    pub receipts: Option<PathBuf>,
    /// How it is told.
    #[command(flatten)]
    pub output: Output,
}

/// Which jobs are issued again.
#[derive(Debug, Args)]
pub struct Resend {
    /// Those not seen for so many seconds
    #[arg(long, default_value_t = 4500, value_name = "SECONDS")]
    pub unseen: u32,
    /// Of this stage alone
    #[arg(long)]
    pub stage: Option<String>,
    /// Of this case alone: receipt, coupon or id
    #[arg(long)]
    pub case: Option<String>,
    /// Who acts, and why.
    #[command(flatten)]
    pub act: Act,
}

#[derive(Debug, Subcommand)]
enum Accounts {
    /// Creates an account and prints its bearer token, once
    Create(commands::accounts::Create),
    /// Lists accounts
    List(Output),
    /// Blocks an account
    Block {
        /// The account
        account: String,
        #[command(flatten)]
        act: Act,
    },
}

#[derive(Debug, Subcommand)]
enum Clock {
    /// Prints both clocks
    Show(Output),
    /// Moves the business clock; forward only, once there are cases
    Set(commands::clock::Set),
    /// Moves it to the next deadline, where nothing is under way; exit code 3 where something is, or none is left
    Advance(Output),
}

/// What is sealed.
#[derive(Debug, Args)]
pub struct Seal {
    /// Makes nothing: counts every seal again; exit code 3 where one is no longer borne out
    #[arg(long)]
    pub verify: bool,
    /// With --verify: seals that were kept elsewhere, as `kezek seal --json` printed them
    #[arg(long, value_name = "FILE", requires = "verify")]
    pub against: Option<PathBuf>,
    /// How it is told.
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Subcommand)]
enum Report {
    /// Cards that lie ready and nobody has fetched (A11d), longest first
    Uncollected {
        /// Ready for at least so many days of business time
        #[arg(long, default_value_t = 30)]
        days: u32,
        #[command(flatten)]
        output: Output,
    },
    /// Refunds under way (A11c), longest first: claimed or not, and which the tax authority should have paid
    Refunds(Output),
}

#[derive(Debug, Subcommand)]
enum Journal {
    /// Reads every journal and the audit trail from the first entry to the last, and counts every seal again; exit code 3
    /// where anything was changed, removed, moved or cut
    Verify(Verify),
}

/// What is verified.
#[derive(Debug, Args)]
pub struct Verify {
    /// Seals that were kept elsewhere, as `kezek seal --json` printed them: with them a case shows that was taken out
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// How it is told.
    #[command(flatten)]
    pub output: Output,
}

/// What is counted.
#[derive(Debug, Args)]
pub struct Check {
    /// Also wants everything finished: no open case, no message, no letter
    #[arg(long)]
    pub at_rest: bool,
    /// Verifies the journals of the cases that moved last, not all
    #[arg(long)]
    pub quick: bool,
    /// Age at which a moving case without a message in the outbox counts as lost, instead of check.unseen_seconds
    #[arg(long, value_name = "SECONDS")]
    pub unseen: Option<f64>,
    /// Age at which an unanswered request or an unsent message counts, instead of check.old_seconds
    #[arg(long, value_name = "SECONDS")]
    pub old: Option<f64>,
    /// How it is told.
    #[command(flatten)]
    pub output: Output,
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Writes a new keys file, for the demo and test profile; in production keys come from where secrets are kept
    New {
        /// The file; an existing one is never touched
        file: PathBuf,
    },
    /// Writes a copy of keys.file with one more wrapping key, which becomes the current one; for the demo and test profile
    Next {
        /// The new file; an existing one is never touched
        file: PathBuf,
    },
    /// Counts how many keys of cases lie under which wrapping key
    Status(Output),
    /// Wraps every case's key, and seals every officer's IIN, under the current wrapping key; may be stopped at any
    /// instant and repeated. Exit code 3 while anything is left under another key
    Rotate(Rotate),
}

/// How keys are wrapped anew.
#[derive(Debug, Args)]
pub struct Rotate {
    /// Cases in one transaction
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=5_000))]
    pub page: u16,
    /// How it is told.
    #[command(flatten)]
    pub output: Output,
    /// Who acts, and why.
    #[command(flatten)]
    pub act: Act,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Judges the configuration
    Check,
    /// Prints every key, its value and where it came from; secrets masked
    Show(Output),
}

#[derive(Debug, Subcommand)]
enum OutagesCommand {
    /// Lists outages with begin, end and how many cases they sent away
    List(commands::outages::List),
    /// Reports that something that is not measured here is out, or answers again
    Report(commands::outages::Report),
}

#[derive(Debug, Subcommand)]
enum RulesCommand {
    /// Prints every rule in force on a day with its period and citation
    Show {
        #[command(flatten)]
        which: commands::rules::Which,
        /// Of this topic alone: legal-basis, window, duty, exemption, calendar, term, clock, question, text …
        #[arg(long)]
        topic: Option<String>,
    },
    /// Judges the rules and an operator's extension; exit code 3 where anything of that day is missing
    Check(commands::rules::Which),
    /// Writes the file by which two persons of the Committee extend a legal basis (A0.3), to be signed as it stands
    Extend(commands::rules::Extend),
}

/// What a process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// What was asked could not be done.
    Failed,
    /// The command line or the configuration cannot be used.
    Usage,
    /// It was done, and the installation is not healthy.
    Unhealthy,
}

impl Exit {
    /// `Done` or `Unhealthy`.
    #[must_use]
    pub const fn healthy(healthy: bool) -> Self {
        if healthy { Self::Done } else { Self::Unhealthy }
    }
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unhealthy => 3,
        }
    }
}

/// Runs the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("kezek: no threads: {error}");
            return ExitCode::from(Exit::Failed.code());
        }
    };
    let exit = runtime.block_on(act(cli)).unwrap_or_else(|error| {
        eprintln!("kezek: {error:#}");
        let configuration = error.chain().any(|e| e.is::<ConfigError>());
        if configuration { Exit::Usage } else { Exit::Failed }
    });
    // what a second signal would end is not waited for
    runtime.shutdown_background();
    ExitCode::from(exit.code())
}

async fn act(cli: Cli) -> anyhow::Result<Exit> {
    let file = cli.config.as_deref();
    let config = || Config::read(file);
    match cli.command {
        Command::Migrate { profile } => commands::migrate::run(file, profile).await,
        Command::Topology(Topology::Apply { vhost_create }) => {
            commands::topology::apply(&config()?, vhost_create).await
        }
        Command::Topology(Topology::Show(output)) => commands::topology::show(output),
        Command::Topology(Topology::Check(output)) => commands::topology::check(&config()?, output).await,
        Command::Run(run) => commands::run::run(config()?, run).await,
        Command::Doctor(output) => commands::doctor::run(file, output).await,
        Command::Map { write } => commands::map::run(write.as_deref()),
        Command::Schemas { write, check } => commands::schemas::run(write.as_deref(), check.as_deref()),
        Command::Case { number, output } => commands::case::run(&config()?, &number, output).await,
        Command::Dead(dead) => act_on_letters(dead, &config()?).await,
        Command::Stage(Stage::Pause { stage, act }) => commands::stage::pause(&config()?, &stage, &act).await,
        Command::Stage(Stage::Resume { stage, act }) => commands::stage::resume(&config()?, &stage, &act).await,
        Command::Stage(Stage::List(output)) => commands::stage::list(&config()?, output).await,
        Command::Repair(Repair::Resend(resend)) => commands::repair::resend(&config()?, &resend).await,
        Command::Repair(Repair::Purge(purge)) => commands::repair::purge(&config()?, &purge).await,
        Command::Repair(Repair::Reconcile(reconcile)) => commands::reconcile::run(&config()?, &reconcile).await,
        Command::Accounts(Accounts::Create(create)) => commands::accounts::create(&config()?, &create).await,
        Command::Accounts(Accounts::List(output)) => commands::accounts::list(&config()?, output).await,
        Command::Accounts(Accounts::Block { account, act }) => {
            commands::accounts::block(&config()?, &account, &act).await
        }
        Command::Clock(Clock::Show(output)) => commands::clock::show(&config()?, output).await,
        Command::Clock(Clock::Set(set)) => commands::clock::set(&config()?, &set).await,
        Command::Clock(Clock::Advance(output)) => commands::clock::advance(&config()?, output).await,
        Command::Seal(seal) => commands::seal::run(&config()?, &seal).await,
        Command::Report(Report::Uncollected { days, output }) => {
            commands::report::uncollected(&config()?, days, output).await
        }
        Command::Report(Report::Refunds(output)) => commands::report::refunds(&config()?, output).await,
        Command::Journal(Journal::Verify(verify)) => commands::journal::verify(&config()?, &verify).await,
        Command::Reconcile(reconcile) => commands::reconcile::run(&config()?, &reconcile).await,
        Command::Check(check) => commands::check::run(&config()?, &check).await,
        Command::Keys(Keys::New { file: path }) => commands::keys::new(&config()?, &path),
        Command::Rules(RulesCommand::Show { which, topic }) => {
            commands::rules::show(&config()?, &which, topic.as_deref()).await
        }
        Command::Rules(RulesCommand::Check(which)) => commands::rules::check(&config()?, &which).await,
        Command::Rules(RulesCommand::Extend(extend)) => commands::rules::extend(&extend),
        Command::Outages(OutagesCommand::List(list)) => commands::outages::list(&config()?, &list).await,
        Command::Outages(OutagesCommand::Report(report)) => commands::outages::report(&config()?, &report).await,
        Command::Terms(output) => commands::terms::run(&config()?, output).await,
        Command::Keys(Keys::Next { file: path }) => commands::keys::next(&config()?, &path),
        Command::Keys(Keys::Status(output)) => commands::keys::status(&config()?, output).await,
        Command::Keys(Keys::Rotate(rotate)) => commands::keys::rotate(&config()?, &rotate).await,
        Command::Config(ConfigCommand::Check) => commands::config::check(file),
        Command::Config(ConfigCommand::Show(output)) => commands::config::show(file, output),
    }
}

async fn act_on_letters(dead: Dead, config: &Config) -> anyhow::Result<Exit> {
    match dead {
        Dead::List { state, cause, stage, limit, output } => {
            let state = Some(state.as_str()).filter(|s| *s != "all");
            commands::dead::list(config, state, cause.as_deref(), stage.as_deref(), limit.into(), output).await
        }
        Dead::Show { letter, output } => commands::dead::show(config, letter, output).await,
        Dead::Replay { letters, act } => commands::dead::replay(config, &letters, &act).await,
        Dead::Discard { letter, close_case, act } => commands::dead::discard(config, letter, close_case, &act).await,
    }
}

/// A day of the business clock.
///
/// # Errors
/// Where the text is no date.
pub fn date(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "give a date as YYYY-MM-DD".to_owned())
}

/// The layers of the configuration, whether or not they can be used.
///
/// # Errors
/// As [`crate::config::Layers::read`].
pub fn layers(file: Option<&Path>) -> Result<crate::config::Layers, ConfigError> {
    crate::config::Layers::read(file, |name| std::env::var(name).ok())
}
