//! The trial of the stage whose subject is the letter itself: a letter is kept once, whatever its bytes are.

use super::{NEWER, RUBBISH, header, publish, way};
use crate::town::Town;
use anyhow::{Context as _, Result, ensure};
use kezek_runtime::{Line, desk};
use kezek_store::jobs::{self, JobRow};
use kezek_store::outbox::OutboxRow;
use serde_json::json;
use uuid::Uuid;

/// The stage of letters: a letter is kept once, whatever its bytes are.
pub(super) async fn letters(town: Town, line: &Line) -> Result<Town> {
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
    ensure!(
        rows.len() == letters && rows.iter().all(|n| *n == seen),
        "{letters} letters, seen {seen} times each: {rows:?}"
    );
    Ok(())
}
