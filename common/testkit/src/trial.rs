//! The first trial: what every stage of the list must stand, simply by being there. One case is carried through the
//! stage once, undisturbed; others meet what a broker and a deployment may do to a message. In the end all rows, and
//! what the outside systems did, are the same.

mod after;
mod answers;
mod coverage;
mod cuts;
mod letters;
mod record;
mod way;

pub use coverage::Coverage;
pub use record::Record;

use crate::town::{Founding, Town};
use anyhow::{Context as _, Result, bail, ensure};
use kezek::pipeline;
use kezek_domain::CaseId;
use kezek_runtime::Line;
use kezek_runtime::points::{Armed, Meeting, Point, Then, arm, disarm};
use kezek_stage::SubjectKind;
use kezek_store::jobs::{self, JobRow};
use kezek_store::outbox::OutboxRow;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

/// Bytes that are no job of any stage; no JSON either.
const RUBBISH: &[u8] = b"\x00\xff{ not a job";
/// A version that nobody writes yet.
const NEWER: &str = "9999";

/// What happens to the message of one case on its way into the stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ordeal {
    /// Nothing: what the others are compared with.
    None,
    /// The same job lies in the queue several times: one batch has it more than once.
    SameBatch,
    /// Two workers have the same job in hand at the same time.
    TwoWorkers,
    /// It comes again after its settle.
    AfterCommit,
    /// A message of an earlier ticket comes before it.
    Stale,
    /// A message of a later ticket comes before it: the database is behind the broker.
    Future,
    /// Its bytes cannot be read; an operator replays the letter.
    Undecodable,
    /// It was written by an older worker.
    Older,
    /// It was written by a newer worker, which comes later.
    Newer,
}

impl Ordeal {
    const ALL: [Self; 9] = [
        Self::None,
        Self::SameBatch,
        Self::AfterCommit,
        Self::Stale,
        Self::Future,
        Self::Undecodable,
        Self::Older,
        Self::Newer,
        // last: it has its own workers
        Self::TwoWorkers,
    ];
}

/// Tries one stage of the list.
///
/// # Errors
/// What the stage, or the engine around it, did not stand.
pub async fn stands(line: &Line) -> Result<()> {
    let stage = line.name();
    let town = Town::founded(founding(0, stage)).await?;
    let town = match line.subject() {
        SubjectKind::Case => messages(town, line, way::reach(line.name())).await,
        SubjectKind::SideMessage => messages(town, line, way::Reach::Submitted).await,
        SubjectKind::Letter => letters::letters(town, line).await,
    };
    town.with_context(|| format!("the first trial of stage {stage}"))?
        .leave_waiting()
        .await
        .with_context(|| format!("after the first trial of stage {stage}"))
}

/// A case, or the notices of a case, before the closed stage, with the job rows as they stand.
struct Before {
    ordeal: Ordeal,
    case: CaseId,
    jobs: Vec<JobRow>,
}

/// Stages whose subject is a case or a side message.
async fn messages(town: Town, line: &Line, reach: way::Reach) -> Result<Town> {
    let stage = line.name();
    let count = Ordeal::ALL.len() - 1;
    let cases = way::bring(&town, stage, &reach, count).await?;
    let mut tried = Vec::new();
    for (ordeal, case) in Ordeal::ALL.into_iter().zip(cases) {
        tried.push(Before { ordeal, case, jobs: waiting(&town, line, case).await? });
    }
    // what lies in the queue is taken away; each case's message comes back as its ordeal wants it
    town.vhost.purge_some(&line.shape().queues()).await?;
    together(&town, stage, &tried).await?;
    for before in &tried {
        after::after(&town, line, before).await.with_context(|| format!("{:?}", before.ordeal))?;
    }
    town.rest().await?;
    again(&town, stage, &tried).await?;
    let last = two_workers(&town, line, &reach).await?;
    tried.push(last);
    town.rest().await?;
    compare(&town, &tried).await?;
    Ok(town)
}

/// Opens the stage so that everything but the first case's messages is read as one batch: the room is stopped with
/// those in hand until all others have come. One batch has each job of [`Ordeal::SameBatch`] more than once.
async fn together(town: &Town, stage: &str, tried: &[Before]) -> Result<()> {
    let ids = |before: &Before| before.jobs.iter().map(|j| j.subject_id).collect::<Vec<Uuid>>();
    let armed =
        |subjects, then| Armed { point: Point::Taken, stage: Some(stage.to_owned()), subjects, passing: 0, then };
    let (first, others) = tried.split_first().context("nothing is tried")?;
    let stopped = Meeting::of(2);
    arm(armed(ids(first), Then::Meet(stopped.clone())));
    let same = others.iter().find(|b| b.ordeal == Ordeal::SameBatch).context("no batch is tried")?;
    let most = Arc::new(AtomicUsize::new(0));
    arm(armed(ids(same), Then::Count(Arc::clone(&most))));
    let received = town.engine.metrics().received.with_label_values(&[stage]);
    for job in &first.jobs {
        send(town, first.ordeal, job).await?;
    }
    town.opens(stage)?;
    town.until("the room to be stopped", async || Ok((stopped.come() >= 1).then_some(()))).await?;
    let mut sent = u64::try_from(first.jobs.len())?;
    for before in others {
        for job in &before.jobs {
            sent += send(town, before.ordeal, job).await?;
        }
    }
    town.until("all messages to wait behind it", async || Ok((received.get() >= sent).then_some(()))).await?;
    stopped.join().await;
    let ended =
        town.until("the batch to be read", async || Ok((most.load(Ordering::Relaxed) >= 1).then_some(()))).await;
    disarm(&[ids(first), ids(same)].concat());
    ended?;
    let most = most.load(Ordering::Relaxed);
    ensure!(most == 3, "one batch had a job {most} times, not three times");
    Ok(())
}

/// The rows of the jobs that wait before the stage for a case.
async fn waiting(town: &Town, line: &Line, case: CaseId) -> Result<Vec<JobRow>> {
    let ids: Vec<Uuid> = match line.subject() {
        SubjectKind::Case => vec![case.0],
        SubjectKind::SideMessage | SubjectKind::Letter => {
            sqlx::query_scalar("SELECT id FROM side_messages WHERE case_id = $1 AND state = 'moving'")
                .bind(case.0)
                .fetch_all(&town.owner)
                .await?
        }
    };
    let rows: Vec<JobRow> = jobs::list(&town.owner, &ids).await?.into_values().collect();
    ensure!(!rows.is_empty(), "nothing waits before {} for case {case}", line.name());
    ensure!(rows.iter().all(|r| r.stage == line.name()), "case {case} waits before another stage");
    Ok(rows)
}

async fn publish(town: &Town, rows: &[OutboxRow]) -> Result<()> {
    let answers = town.engine.publisher().publish(rows).await;
    ensure!(answers.iter().all(|a| *a == kezek_runtime::Published::Confirmed), "not confirmed: {answers:?}");
    Ok(())
}

fn header(row: &mut OutboxRow, name: &str, text: &str) {
    row.headers[name] = json!(text);
}

/// Sends what the ordeal makes of a job's message; how many messages.
async fn send(town: &Town, ordeal: Ordeal, job: &JobRow) -> Result<u64> {
    let message = || town.engine.message(job, None, false);
    let rows = match ordeal {
        Ordeal::None | Ordeal::AfterCommit => vec![message()],
        // the same message twice, and the same job under another message id
        Ordeal::SameBatch | Ordeal::TwoWorkers => {
            let first = message();
            vec![first.clone(), first, message()]
        }
        Ordeal::Stale => {
            vec![town.engine.message(&JobRow { ticket: job.ticket - 1, ..job.clone() }, None, false), message()]
        }
        Ordeal::Future => vec![town.engine.message(&JobRow { ticket: job.ticket + 7, ..job.clone() }, None, false)],
        Ordeal::Undecodable => {
            let mut row = message();
            row.body = RUBBISH.to_vec();
            vec![row]
        }
        Ordeal::Older => {
            let mut row = message();
            header(&mut row, "version", &(job.version - 1).to_string());
            vec![row]
        }
        Ordeal::Newer => {
            // a newer worker has written row and message
            sqlx::query("UPDATE jobs SET version = $2 WHERE subject_id = $1")
                .bind(job.subject_id)
                .bind(NEWER.parse::<i32>()?)
                .execute(&town.owner)
                .await?;
            let mut row = message();
            header(&mut row, "version", NEWER);
            vec![row]
        }
    };
    publish(town, &rows).await?;
    Ok(rows.len() as u64)
}

/// The messages of before come once more, after everything was settled; those of answers too.
async fn again(town: &Town, stage: &str, tried: &[Before]) -> Result<()> {
    let mut old: Vec<OutboxRow> = tried
        .iter()
        .filter(|b| matches!(b.ordeal, Ordeal::AfterCommit | Ordeal::SameBatch))
        .flat_map(|b| &b.jobs)
        .map(|job| town.engine.message(job, None, false))
        .collect();
    let cases: Vec<Uuid> = tried.iter().map(|b| b.case.0).collect();
    let answers: Vec<Uuid> = sqlx::query_scalar(
        "SELECT j.subject_id FROM jobs j JOIN arrivals a ON a.id = j.subject_id
         WHERE a.case_id = ANY ($1) AND j.stage = $2 AND j.ticket > 1",
    )
    .bind(&cases)
    .bind(stage)
    .fetch_all(&town.owner)
    .await?;
    let answers = jobs::list(&town.owner, &answers).await?;
    old.extend(answers.into_values().map(|job| town.engine.message(&JobRow { ticket: 1, ..job }, None, false)));
    let stale = town.engine.metrics().stale.with_label_values(&[stage]);
    let before = stale.get();
    publish(town, &old).await?;
    let wanted = before + old.len() as u64;
    town.until("the old messages to be known as duplicates", async || Ok((stale.get() >= wanted).then_some(())))
        .await?;
    ensure!(letters_open(town).await? == 0, "a duplicate became a letter");
    Ok(())
}

async fn letters_open(town: &Town) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM dead_letters WHERE state IN ('open', 'replaying')")
        .fetch_one(&town.owner)
        .await?)
}

/// Two workers take the same job at the same time: each has a queue's delivery of it, one of them becomes true.
async fn two_workers(town: &Town, line: &Line, reach: &way::Reach) -> Result<Before> {
    let stage = line.name();
    town.closes(stage).await?;
    let cases = way::bring(town, stage, reach, 1).await?;
    let case = *cases.first().context("no case")?;
    let before = Before { ordeal: Ordeal::TwoWorkers, case, jobs: waiting(town, line, case).await? };
    town.vhost.purge_some(&line.shape().queues()).await?;
    town.opens(stage)?;
    town.opens(stage)?;
    town.until("two workers to take", async || Ok((town.consumers(stage).await? >= 2).then_some(()))).await?;
    let stale = town.engine.metrics().stale.with_label_values(&[stage]);
    let duplicates = stale.get() + 2 * before.jobs.len() as u64;
    // neither begins before the other has read the same file
    let meetings: Vec<Meeting> = before.jobs.iter().map(|_| Meeting::of(2)).collect();
    for (job, meeting) in before.jobs.iter().zip(&meetings) {
        let (subjects, then) = (vec![job.subject_id], Then::Meet(meeting.clone()));
        arm(Armed { point: Point::BeforeWork, stage: Some(stage.to_owned()), subjects, passing: 0, then });
        send(town, Ordeal::TwoWorkers, job).await?;
    }
    let met = town
        .until("both workers to have the same job", async || Ok(meetings.iter().all(|m| m.come() >= 2).then_some(())))
        .await;
    disarm(&before.jobs.iter().map(|j| j.subject_id).collect::<Vec<_>>());
    met?;
    town.until("all but one of them to be duplicates", async || Ok((stale.get() >= duplicates).then_some(()))).await?;
    Ok(before)
}

/// Everybody's rows, and what was done outside for them, are those of the one that nothing happened to.
async fn compare(town: &Town, tried: &[Before]) -> Result<()> {
    let clean = tried.iter().find(|b| b.ordeal == Ordeal::None).context("no clean run")?;
    let clean = Record::of(town, clean.case).await?;
    for before in tried {
        let record = Record::of(town, before.case).await?;
        if record != clean {
            bail!("{:?} ends otherwise than a clean run:\n{}", before.ordeal, clean.difference(&record));
        }
    }
    no_conflicts(town)
}

fn no_conflicts(town: &Town) -> Result<()> {
    let conflicts = town.sandbox.world.ledger().conflicts.clone();
    ensure!(conflicts.is_empty(), "outside systems were told contradictions: {conflicts:?}");
    Ok(())
}

/// Kills workers of one stage of the list at every point that its messages pass.
///
/// # Errors
/// What the stage, or the engine around it, did not stand.
pub async fn killed(line: &Line) -> Result<Coverage> {
    let stage = line.name();
    let town = Town::founded(founding(1, stage)).await?;
    let done = match line.subject() {
        SubjectKind::Case => cuts::jobs_killed(town, line, &way::reach(stage)).await,
        SubjectKind::SideMessage => cuts::jobs_killed(town, line, &way::Reach::Submitted).await,
        SubjectKind::Letter => letters::killed(town, line).await,
    };
    let (town, coverage) = done.with_context(|| format!("workers of {stage} are killed"))?;
    town.leave_waiting().await.with_context(|| format!("after workers of {stage} were killed"))?;
    coverage.tell("killed");
    Ok(coverage)
}

/// Tries the answers and deadlines of one stage of the list.
///
/// # Errors
/// What the stage, or the engine around it, did not stand.
pub async fn answered(line: &Line) -> Result<Coverage> {
    let stage = line.name();
    let town = Town::founded(founding(2, stage)).await?;
    let (town, coverage) =
        answers::answered(town, line).await.with_context(|| format!("answers and deadlines of {stage}"))?;
    town.leave_waiting().await.with_context(|| format!("after answers and deadlines of {stage}"))?;
    coverage.tell("answers and deadlines");
    Ok(coverage)
}

/// Many people, an identity of its own, and nobody waits long for the sweeper.
fn founding(what: u64, stage: &'static str) -> Founding {
    // points are armed by subject, and all towns of a test program share them: no two may make the same identifiers
    let seed = stage.bytes().fold(what, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut founding = Founding { people: 31 * 60, ..Founding::default() }.seed(seed).closed(stage);
    founding.limits.sweep_after_seconds = 1;
    founding
}

/// The line of a stage.
///
/// # Errors
/// Where the list has no such stage.
pub fn line(stage: &str) -> Result<&'static Line> {
    pipeline::STAGES.iter().find(|l| l.name() == stage).with_context(|| format!("the list has no stage {stage}"))
}

/// What a body would be without what differs between two runs of the same.
pub(crate) fn without(value: &Value, names: &[(String, &str)]) -> String {
    names.iter().fold(value.to_string(), |text, (from, to)| text.replace(from, to))
}
