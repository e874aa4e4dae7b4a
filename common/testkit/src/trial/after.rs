//! What an operator or a deployment does about a message that could not be read, and what must be seen of it.

use super::{Before, NEWER, Ordeal, RUBBISH, publish};
use crate::town::Town;
use anyhow::{Context as _, Result, ensure};
use kezek_domain::CaseId;
use kezek_runtime::{Line, desk};
use kezek_store::jobs::{self, JobRow};
use uuid::Uuid;

/// What an operator or a deployment does about it while the stage runs.
pub(super) async fn after(town: &Town, line: &Line, before: &Before) -> Result<()> {
    for job in &before.jobs {
        match before.ordeal {
            Ordeal::None | Ordeal::SameBatch | Ordeal::AfterCommit | Ordeal::Stale | Ordeal::TwoWorkers => {}
            Ordeal::Future => future(town, job).await?,
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
    if done { Ok(()) } else { replayed(town, job, &["too-old-message"], None).await }
}

/// A message from the future: the database is behind the broker. It is kept for the operators, its case is untouched,
/// and goes on with the message that it waits for.
async fn future(town: &Town, job: &JobRow) -> Result<()> {
    let (id, cause, _) = town.until("a letter that keeps what came", async || letter_of(town, job).await).await?;
    ensure!(cause == "ahead-of-database", "the letter says {cause}");
    let now = jobs::list(&town.owner, &[job.subject_id]).await?.remove(&job.subject_id).context("the job is gone")?;
    let same = (now.ticket, now.attempt, now.visit, &now.stage) == (job.ticket, job.attempt, job.visit, &job.stage);
    ensure!(same, "a ticket from the future has changed something: {now:?}");
    ensure!(stands_at(town, job).await?, "a ticket from the future has moved its subject");
    let replayed = desk::replay(&town.engine, id, "trial", "the trial").await;
    ensure!(matches!(replayed, Err(desk::DeskError::GoneOn(_))), "it was replayed: {replayed:?}");
    desk::discard(&town.engine, id, "trial", "the database was restored", desk::CaseEnd::Leave).await?;
    publish(town, &[town.engine.message(job, None, false)]).await
}

/// A letter of the job has come, with its bytes; its replay finishes and closes it.
async fn replayed(town: &Town, job: &JobRow, causes: &[&str], bytes: Option<&[u8]>) -> Result<()> {
    let (id, cause, body) = town.until("a letter that keeps what came", async || letter_of(town, job).await).await?;
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
