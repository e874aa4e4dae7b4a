//! The first trial: what every stage of the list must stand, simply by being there. One case is carried through the
//! stage once, undisturbed; others meet what a broker and a deployment may do to a message. In the end all rows, and
//! what the outside systems did, are the same.

mod after;
mod letters;
mod record;
mod way;

pub use record::Record;

use crate::town::{Founding, Town};
use anyhow::{Context as _, Result, bail, ensure};
use kezek::pipeline;
use kezek_domain::CaseId;
use kezek_runtime::Line;
use kezek_stage::SubjectKind;
use kezek_store::jobs::{self, JobRow};
use kezek_store::outbox::OutboxRow;
use serde_json::{Value, json};
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
    /// Its bytes cannot be read; an operator replays the letter.
    Undecodable,
    /// It was written by an older worker.
    Older,
    /// It was written by a newer worker, which comes later.
    Newer,
}

impl Ordeal {
    const ALL: [Self; 7] = [
        Self::None,
        Self::SameBatch,
        Self::AfterCommit,
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
    let founding = Founding { people: 450, ..Founding::default() }.closed(stage);
    let town = Town::founded(founding).await?;
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
    for before in &tried {
        for job in &before.jobs {
            send(&town, before.ordeal, job).await?;
        }
    }
    town.opens(stage)?;
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

async fn send(town: &Town, ordeal: Ordeal, job: &JobRow) -> Result<()> {
    let message = || town.engine.message(job, None, false);
    let rows = match ordeal {
        Ordeal::None | Ordeal::AfterCommit => vec![message()],
        // the same message twice, and the same job under another message id
        Ordeal::SameBatch | Ordeal::TwoWorkers => {
            let first = message();
            vec![first.clone(), first, message()]
        }
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
    publish(town, &rows).await
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
    for job in &before.jobs {
        send(town, Ordeal::TwoWorkers, job).await?;
    }
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
    let conflicts = town.sandbox.world.ledger().conflicts.clone();
    ensure!(conflicts.is_empty(), "outside systems were told contradictions: {conflicts:?}");
    Ok(())
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
