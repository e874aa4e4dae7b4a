//! A process that is to die: the test's own program, started once more, takes an errand from its standard input, runs
//! some stages or acts at a door, and is killed by SIGKILL when it reaches the point that the errand names. Nothing of
//! it is stopped, flushed or told; what it leaves behind is what any worker that is killed there leaves behind.

use super::Town;
use super::process::{Blueprint, Process};
use anyhow::{Context as _, Result, bail, ensure};
use kezek_domain::{Actor, CaseId, Region, Role, Ticket};
use kezek_runtime::points::{Armed, Instead, Point, Then, arm, replace};
use kezek_runtime::{Limits, desk, housekeeping};
use kezek_stage::{Arrival, ArrivalSubject, Brought, Caller, Clock, Decided, Decision, DoorError, Money};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// The test that such a process runs, by its path in the test program; a test program that sends processes to die has
/// it, ignored otherwise.
pub const PROCESS: &str = "mortal::a_process_that_is_to_die";
/// Longest wait for a death.
const DIES_WITHIN: Duration = Duration::from_secs(40);
/// Longest wait for a death after something was done at a door.
const ACTS_WITHIN: Duration = Duration::from_secs(10);
/// What a killed process ends with.
const SIGKILL: i32 = 9;

/// Where a process dies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Death {
    /// The place.
    pub point: Point,
    /// Whose step; a stage's, `door`, `desk`, `lapses`, `outbox`; anybody's where it is `None`.
    pub stage: Option<String>,
    /// By whom the place must be reached; by anybody where it is empty.
    pub subjects: Vec<Uuid>,
    /// So many pass first.
    pub passing: usize,
}

/// What a process is to do until it dies.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Errand {
    /// Stages that it runs.
    pub stages: Vec<String>,
    /// Whether it sweeps, lapses and counts.
    pub housekeeping: bool,
    /// Turns that stages are made to return.
    pub replaced: Vec<(Uuid, Instead)>,
    /// What it does at a door.
    pub act: Option<Act>,
}

/// Something done at a door or at the operators' desk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Act {
    /// An arrival comes.
    Bring(Bring),
    /// An officer decides.
    Decide(Decide),
    /// An operator replays a letter.
    Replay(Uuid),
    /// The portal brings an application.
    Apply(Value),
}

/// An arrival, as it is told to another process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bring {
    /// The sender's number of it.
    pub reference: String,
    /// The case.
    pub case: CaseId,
    /// The stage that it answers.
    pub stage: String,
    /// Kind and version of the body.
    pub shape: (String, u32),
    /// The body.
    pub body: Value,
    /// The provider's number, kind and amount in tiyn of the money that it reports.
    pub money: Option<(String, String, String, i64)>,
}

/// A decision, as it is told to another process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decide {
    /// The case.
    pub case: CaseId,
    /// The stage at which it is held.
    pub stage: String,
    /// The ticket of the officer's page.
    pub ticket: i64,
    /// The whole answer.
    pub body: Value,
    /// The officer's region.
    pub region: Region,
}

/// What goes over the standard input.
#[derive(Serialize, Deserialize)]
struct Sealed {
    plan: Blueprint,
    errand: Errand,
    death: Death,
}

impl Act {
    /// Does it; what it was told.
    async fn done(self, process: &Process) -> String {
        match self {
            Self::Bring(bring) => {
                let told: Result<Brought, DoorError> = match bring.arrival() {
                    Ok(arrival) => process.answers.bring(arrival).await,
                    Err(error) => Err(error),
                };
                format!("{told:?}")
            }
            Self::Decide(decide) => {
                let told: Result<Decided, DoorError> = match decide.decision() {
                    Ok(decision) => process.answers.decide(decision).await,
                    Err(error) => Err(error),
                };
                format!("{told:?}")
            }
            Self::Replay(letter) => format!("{:?}", desk::replay(&process.engine, letter, SOURCE, "the trial").await),
            Self::Apply(application) => {
                let portal = crate::desk::account(Role::Portal);
                let told =
                    crate::desk::ask(&process.doors, &portal, "POST", "/v1/applications", Some(application)).await;
                told.0.to_string()
            }
        }
    }
}

impl Bring {
    /// The arrival itself.
    ///
    /// # Errors
    /// Where the list has no such stage.
    pub fn arrival(&self) -> Result<Arrival, DoorError> {
        let line = kezek::pipeline::STAGES.iter().find(|l| l.name() == self.stage);
        let kind = line.and_then(|l| l.sample_answers().first().map(|s| s.kind));
        let (Some(line), Some(kind)) = (line, kind) else { return Err(DoorError::not_found("no such stage")) };
        let money = self.money.as_ref().and_then(|(provider, number, kind, tiyn)| {
            let kind = kezek_domain::ledger::PostingKind::parse(kind)?;
            let amount = kezek_domain::Tiyn(*tiyn);
            Some(Money { kind, provider: provider.clone(), number: number.clone(), amount })
        });
        Ok(Arrival {
            source: SOURCE.to_owned(),
            reference: self.reference.clone(),
            subject: ArrivalSubject::Case(self.case),
            stage: line.name(),
            kind,
            version: self.shape.1,
            body: self.body.clone(),
            money,
            actor: Actor::System,
        })
    }
}

/// As whom arrivals of the trial come.
pub const SOURCE: &str = "trial";

impl Decide {
    /// The decision itself.
    ///
    /// # Errors
    /// Where the list has no such stage.
    pub fn decision(&self) -> Result<Decision, DoorError> {
        let line = kezek::pipeline::STAGES.iter().find(|l| l.name() == self.stage);
        let Some(line) = line else { return Err(DoorError::not_found("no such stage")) };
        Ok(Decision {
            case: self.case,
            stage: line.name(),
            ticket: Ticket(self.ticket),
            body: self.body.clone(),
            choice: None,
            reason: None,
            caller: Caller {
                account: "trial".to_owned(),
                role: Role::Reviewer,
                region: Some(self.region),
                iin: None,
                points: Vec::new(),
            },
        })
    }
}

impl Town {
    /// Sends a process to its death and waits for it.
    ///
    /// # Errors
    /// Where it does not die of that point.
    pub async fn dies(&self, errand: Errand, death: Death) -> Result<()> {
        let place = format!("{:?} of {:?}", death.point, death.stage);
        let sealed = Sealed { plan: self.another_process(), errand, death };
        let mut child = tokio::process::Command::new(std::env::current_exe().context("the test's own program")?)
            .args([PROCESS, "--exact", "--ignored", "--nocapture", "--test-threads", "1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("the test's own program does not start once more")?;
        let mut errand = child.stdin.take().context("no standard input")?;
        let text = serde_json::to_vec(&sealed)?;
        errand.write_all(&u32::try_from(text.len())?.to_be_bytes()).await?;
        errand.write_all(&text).await?;
        errand.flush().await?;
        // the pipe stays open: a process whose test is gone finds it closed, and leaves
        let ended = tokio::time::timeout(DIES_WITHIN, child.wait()).await;
        drop(errand);
        match ended {
            Ok(status) => {
                let status = status?;
                ensure!(
                    status.signal() == Some(SIGKILL),
                    "the process ended with {status} instead of being killed at {place}"
                );
                Ok(())
            }
            Err(_) => {
                child.kill().await?;
                bail!("nobody came to {place} within {} s: {}", DIES_WITHIN.as_secs(), super::told(self).await?)
            }
        }
    }
}

/// The life of such a process.
///
/// # Errors
/// Whatever keeps it from dying where it should.
pub async fn live() -> Result<()> {
    let mut input = std::io::stdin();
    let mut length = [0; 4];
    input.read_exact(&mut length).context("no errand came: this is started by the trial of a stage")?;
    let mut text = vec![0; usize::try_from(u32::from_be_bytes(length))?];
    input.read_exact(&mut text)?;
    let Sealed { plan, errand, death } = serde_json::from_slice(&text)?;
    super::logging();
    let process = Process::open(&plan, Limits::default(), Clock::system()).await?;
    let Death { point, stage, subjects, passing } = death;
    arm(Armed { point, stage, subjects, passing, then: Then::Die });
    for (subject, instead) in errand.replaced {
        replace(subject, instead);
    }
    let tasks = TaskTracker::new();
    let stop = CancellationToken::new();
    for room in process.rooms.iter().filter(|r| errand.stages.iter().any(|s| s == r.name())) {
        tasks.spawn(Arc::clone(room).run(stop.clone()));
    }
    if errand.housekeeping {
        tasks.spawn(housekeeping(process.engine.clone(), stop.clone()));
    }
    if let Some(act) = errand.act {
        let told = act.done(&process).await;
        // what a door does after it has answered has a while to reach the point too
        tokio::time::sleep(ACTS_WITHIN).await;
        bail!("it was done and nobody died: {told}");
    }
    // until the point kills it, or its test is gone
    tokio::task::spawn_blocking(move || input.read_exact(&mut [0; 1])).await?.context("the test is gone")?;
    bail!("an errand has one part")
}
