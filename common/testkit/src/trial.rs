//! The first trial: what every stage of the list must stand, simply by being there. One case is carried through the
//! stage once, undisturbed; others meet what a broker and a deployment may do to a message. In the end all rows, and
//! what the outside systems did, are the same.

mod record;
mod way;

pub use record::Record;

use crate::town::{Founding, Town};
use anyhow::{Context as _, Result, bail, ensure};
use kezek::pipeline;
use kezek_domain::CaseId;
use kezek_runtime::{Line, desk};
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
        SubjectKind::Letter => letters(town, line).await,
    };
    town.with_context(|| format!("the first trial of stage {stage}"))?.leave_waiting().await.with_context(|| format!("after the first trial of stage {stage}"))
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
        after(&town, line, before).await.with_context(|| format!("{:?}", before.ordeal))?;
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

/// What an operator or a deployment does about it while the stage runs.
async fn after(town: &Town, line: &Line, before: &Before) -> Result<()> {
    for job in &before.jobs {
        match before.ordeal {
            Ordeal::None | Ordeal::SameBatch | Ordeal::AfterCommit | Ordeal::TwoWorkers => {}
            Ordeal::Undecodable => replayed(town, job, &["undecodable"], Some(RUBBISH)).await?,
            Ordeal::Older => older(town, line, job).await?,
            Ordeal::Newer => newer(town, job).await?,
        }
    }
    Ok(())
}

/// An older message is lifted and done, or parked with a clear word, and then replayed.
async fn older(town: &Town, line: &Line, job: &JobRow) -> Result<()> {
    let done = town
        .until(&format!("the older message of {} to be lifted or parked", line.name()), async || {
            if !stands_at(town, job).await? {
                return Ok(Some(true));
            }
            Ok(letter_of(town, job).await?.map(|_| false))
        })
        .await?;
    if done { Ok(()) } else { replayed(town, job, &["too-old-message", "undecodable"], None).await }
}

/// A letter of the job has come, with its bytes; its replay finishes and closes it.
async fn replayed(town: &Town, job: &JobRow, causes: &[&str], bytes: Option<&[u8]>) -> Result<()> {
    let (id, cause, body) =
        town.until("a letter that keeps what came", async || letter_of(town, job).await).await?;
    ensure!(causes.contains(&cause.as_str()), "the letter says {cause}, not {causes:?}");
    if let Some(bytes) = bytes {
        ensure!(body == bytes, "the letter's bytes are not those that came: {} of {}", body.len(), bytes.len());
    }
    desk::replay(&town.engine, id, "trial", "the first trial").await?;
    town.until("the replayed letter to be closed", async || {
        let state: String =
            sqlx::query_scalar("SELECT state FROM dead_letters WHERE id = $1").bind(id).fetch_one(&town.owner).await?;
        Ok((state == "closed").then_some(()))
    })
    .await
}

async fn letter_of(town: &Town, job: &JobRow) -> Result<Option<(Uuid, String, Vec<u8>)>> {
    Ok(sqlx::query_as("SELECT id, cause, body FROM dead_letters WHERE subject_id = $1 AND state = 'open'")
        .bind(job.subject_id)
        .fetch_optional(&town.owner)
        .await?)
}

/// Whether the subject has not been settled since, but by retries.
async fn stands_at(town: &Town, job: &JobRow) -> Result<bool> {
    let now = jobs::list(&town.owner, &[job.subject_id]).await?.remove(&job.subject_id).context("the job is gone")?;
    if job.subject == "case" {
        let standing = town.standing(CaseId(job.subject_id)).await?;
        return Ok(now.visit == job.visit && now.stage == job.stage && matches!(standing.how, "moving" | "parked"));
    }
    let state: String = sqlx::query_scalar("SELECT state FROM side_messages WHERE id = $1")
        .bind(job.subject_id)
        .fetch_one(&town.owner)
        .await?;
    Ok(state != "ended")
}

/// A newer message is kept and tried again, spending nothing, until the newer worker is there.
async fn newer(town: &Town, job: &JobRow) -> Result<()> {
    let now = town
        .until("the newer message to be put off", async || {
            let now = jobs::list(&town.owner, &[job.subject_id]).await?.remove(&job.subject_id);
            Ok(now.filter(|n| n.ticket > job.ticket))
        })
        .await?;
    ensure!(now.attempt == job.attempt, "a newer message has spent an attempt: {} of {}", now.attempt, job.attempt);
    ensure!(stands_at(town, job).await?, "a newer message was settled");
    ensure!(letter_of(town, job).await?.is_none(), "a newer message was parked");
    ensure!(now.version.to_string() == NEWER && now.body == job.body, "a newer message was changed while it waits");
    // the worker that knows it, and the message once more: the copy on the ladder will be stale
    sqlx::query("UPDATE jobs SET version = $2 WHERE subject_id = $1")
        .bind(job.subject_id)
        .bind(job.version)
        .execute(&town.owner)
        .await?;
    publish(town, &[town.engine.message(&JobRow { version: job.version, ..now }, None, false)]).await
}

/// The messages of before come once more, after everything was settled.
async fn again(town: &Town, stage: &str, tried: &[Before]) -> Result<()> {
    let old: Vec<OutboxRow> = tried
        .iter()
        .filter(|b| matches!(b.ordeal, Ordeal::AfterCommit | Ordeal::SameBatch))
        .flat_map(|b| &b.jobs)
        .map(|job| town.engine.message(job, None, false))
        .collect();
    let stale = town.engine.metrics().stale.with_label_values(&[stage]);
    let before = stale.get();
    publish(town, &old).await?;
    let wanted = before + old.len() as u64;
    town.until("the old messages to be known as duplicates", async || Ok((stale.get() >= wanted).then_some(()))).await?;
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

/// The stage of letters: a letter is kept once, whatever its bytes are.
async fn letters(town: Town, line: &Line) -> Result<Town> {
    let stage = line.name();
    let letter = |name: &str, body: &[u8], known: Option<&JobRow>| {
        let mut row = match known {
            Some(job) => town.engine.message(job, None, false),
            None => OutboxRow {
                id: Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()),
                subject_id: None,
                exchange: String::new(),
                routing_key: String::new(),
                headers: json!({}),
                body: Vec::new(),
            },
        };
        "kezek.dead".clone_into(&mut row.exchange);
        "parked.intake".clone_into(&mut row.routing_key);
        row.body = body.to_vec();
        header(&mut row, "cause", "undecodable");
        row
    };
    // of a case that is known, and of nobody
    let cases = way::bring(&town, "intake", &way::Reach::Submitted, 1).await?;
    town.rest().await?;
    let job = jobs::list(&town.owner, &[cases[0].0]).await?.remove(&cases[0].0).context("no job")?;
    let old = JobRow { ticket: 1, stage: "intake".to_owned(), ..job };
    let of_case = letter("case", b"{ of a case", Some(&old));
    let of_nobody = letter("nobody", RUBBISH, None);
    let mut newer = letter("newer", b"{}", Some(&old));
    header(&mut newer, "version", NEWER);
    let distinct = [of_case.clone(), of_nobody.clone(), newer];
    // each three times in one batch
    publish(&town, &[&distinct[..], &distinct[..], &distinct[..]].concat()).await?;
    town.opens(stage)?;
    kept(&town, distinct.len(), 3).await?;
    // again after commit, with two workers
    town.opens(stage)?;
    publish(&town, &[&distinct[..], &distinct[..]].concat()).await?;
    kept(&town, distinct.len(), 5).await?;

    for row in [&of_case, &of_nobody] {
        let (body, cause): (Vec<u8>, String) =
            sqlx::query_as("SELECT body, cause FROM dead_letters WHERE message_id = $1")
                .bind(row.id.to_string())
                .fetch_one(&town.owner)
                .await?;
        ensure!(body == row.body, "the bytes of a letter were changed");
        ensure!(cause == "undecodable", "the cause of a letter was changed to {cause}");
    }
    // the case of an old letter has gone on and is not touched; its letter cannot be replayed, only discarded
    let letters: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM dead_letters").fetch_all(&town.owner).await?;
    for id in letters {
        let replayed = desk::replay(&town.engine, id, "trial", "the first trial").await;
        ensure!(
            matches!(replayed, Err(desk::DeskError::GoneOn(_) | desk::DeskError::NoSubject(_))),
            "a letter that nobody stands at was replayed: {replayed:?}"
        );
        desk::discard(&town.engine, id, "trial", "the first trial", desk::CaseEnd::Leave).await?;
    }
    Ok(town)
}

/// So many letters are kept, each seen so often.
async fn kept(town: &Town, letters: usize, seen: i32) -> Result<()> {
    let rows: Vec<i32> = town
        .until("all letters to be kept", async || {
            let rows: Vec<i32> = sqlx::query_scalar("SELECT seen FROM dead_letters").fetch_all(&town.owner).await?;
            Ok((rows.iter().sum::<i32>() >= seen * i32::try_from(letters)?).then_some(rows))
        })
        .await?;
    ensure!(rows.len() == letters && rows.iter().all(|n| *n == seen), "{letters} letters, seen {seen} times each: {rows:?}");
    Ok(())
}

/// Every stage of the list by name: what a test binary goes through.
#[must_use]
pub fn stages() -> Vec<&'static Line> {
    pipeline::STAGES.iter().collect()
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
