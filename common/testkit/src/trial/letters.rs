//! The trial of the stage whose subject is the letter itself: a letter is kept once, whatever its bytes are.

use super::coverage::Coverage;
use super::cuts::{HOP, Passed, replay_all};
use super::{NEWER, RUBBISH, Record, header, publish, way};
use crate::town::Town;
use crate::town::mortal::{Death, Errand};
use anyhow::{Context as _, Result, bail, ensure};
use kezek_runtime::points::Point;
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

/// Workers of the stage of letters are killed, each with the letter of a case that still stands at its ticket: the case
/// is parked with it, once, and goes on when an operator replays it.
pub(super) async fn killed(town: Town, line: &Line) -> Result<(Town, Coverage)> {
    let stage = line.name();
    let mut coverage = Coverage::of(stage);
    let cases = way::bring(&town, "intake", &way::Reach::Submitted, HOP.len() + 1).await?;
    town.rest().await?;
    let mut letters = Vec::new();
    for case in &cases {
        let job = jobs::list(&town.owner, &[case.0]).await?.remove(&case.0).context("no job")?;
        let mut row = town.engine.message(&job, None, false);
        "kezek.dead".clone_into(&mut row.exchange);
        row.routing_key = format!("parked.{}", job.stage);
        header(&mut row, "cause", "trial");
        letters.push(row);
    }
    let (clean, others) = letters.split_first().context("no letter")?;
    let passed = Passed::by(stage, vec![clean.id]);
    publish(&town, std::slice::from_ref(clean)).await?;
    town.opens(stage)?;
    letter(&town, clean).await?;
    town.closes(stage).await?;
    let passed = passed.counted();
    let mut cuts = Vec::new();
    for (point, row) in HOP.into_iter().zip(others) {
        if passed.get(&point).is_none_or(|n| *n == 0) {
            coverage.cannot(format!("{point:?}"), "an undisturbed run of the stage does not come to it");
            continue;
        }
        publish(&town, std::slice::from_ref(row)).await?;
        let errand = Errand { stages: vec![stage.to_owned()], ..Errand::default() };
        let death = Death { point, stage: Some(stage.to_owned()), subjects: vec![row.id], passing: 0 };
        town.dies(errand, death).await.with_context(|| format!("killed at {point:?}"))?;
        cuts.push((point, row));
    }
    for turn in ["Again", "Transient", "Permanent", "Hold"] {
        coverage
            .cannot(format!("Committed of {turn}"), "its subject is a letter, which is settled by its verdict alone");
    }
    to_the_last(&town, line).await.context("a letter by delivery limit")?;
    coverage.stood("a letter by delivery limit");
    town.opens(stage)?;
    for (point, row) in &cuts {
        letter(&town, row).await.with_context(|| format!("killed at {point:?}"))?;
    }
    replay_all(&town).await?;
    town.rest().await?;
    let clean = Record::of(&town, cases[0]).await?;
    for (point, row) in &cuts {
        let at = letters.iter().position(|l| l.id == row.id).context("no letter")?;
        let record = Record::of(&town, cases[at]).await?;
        if record != clean {
            bail!("killed at {point:?}, it ends otherwise than a clean run:\n{}", clean.difference(&record));
        }
        coverage.stood(format!("{point:?}"));
    }
    Ok((town, coverage))
}

/// A letter that takes its worker down again and again must not come back to it: it lies where nobody takes it, and an
/// alert stands before it.
async fn to_the_last(town: &Town, line: &Line) -> Result<()> {
    let stage = line.name();
    // what earlier deaths have left is kept first: it would come back with it
    town.opens(stage)?;
    let queues = line.shape().queues();
    town.until("the letters to be kept", async || {
        let left = town.vhost.left().await?;
        Ok((!left.iter().any(|(queue, _)| queues.contains(queue))).then_some(()))
    })
    .await?;
    town.closes(stage).await?;
    town.vhost.limit_deliveries(&queues, 1).await?;
    let row = OutboxRow {
        id: Uuid::new_v5(&Uuid::NAMESPACE_OID, b"the last"),
        subject_id: None,
        exchange: "kezek.dead".to_owned(),
        routing_key: "parked.intake".to_owned(),
        headers: json!({}),
        body: RUBBISH.to_vec(),
    };
    publish(town, &[row]).await?;
    for _ in 0..2 {
        let errand = Errand { stages: vec![stage.to_owned()], ..Errand::default() };
        let death = Death { point: Point::Taken, stage: Some(stage.to_owned()), subjects: Vec::new(), passing: 0 };
        town.dies(errand, death).await?;
    }
    let last = [kezek_runtime::topology::LAST.to_owned()];
    town.until("the letter to be the last's", async || {
        let left = town.vhost.left().await?;
        Ok(left.iter().any(|(queue, _)| last.contains(queue)).then_some(()))
    })
    .await?;
    town.vhost.limit_no_deliveries().await?;
    town.vhost.purge_some(&last).await
}

/// The letter is kept, once, and its case is parked with it.
async fn letter(town: &Town, row: &OutboxRow) -> Result<()> {
    let id = row.id.to_string();
    let case = row.subject_id.context("a letter of nobody")?;
    town.until("the letter to be kept", async || {
        let kept: i64 =
            sqlx::query_scalar("SELECT count(*) FROM dead_letters WHERE message_id = $1 AND state = 'open'")
                .bind(&id)
                .fetch_one(&town.owner)
                .await?;
        Ok((kept == 1).then_some(()))
    })
    .await?;
    let parked: i64 = sqlx::query_scalar("SELECT count(*) FROM journal WHERE case_id = $1 AND move_label = 'park'")
        .bind(case)
        .fetch_one(&town.owner)
        .await?;
    ensure!(parked == 1, "a case was parked {parked} times with one letter");
    Ok(())
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
