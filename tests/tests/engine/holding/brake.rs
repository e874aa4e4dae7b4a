//! The storm brake: a stage that parks most of what it takes stops itself.

use super::{apply, disturb, metric, number, waiting};
use anyhow::Result;
use kezek_domain::System;
use kezek_runtime::{Limits, desk};
use kezek_sandbox::faults::Kind;
use kezek_testkit::town::{Founding, Town};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_that_parks_everything_pauses_itself_and_goes_on_when_an_operator_resumes_it() -> Result<()> {
    let limits = Limits { batch: 2, in_flight: 2, prefetch: 10, ..Founding::default().limits };
    let founding = Founding { limits, ..Founding::default().seed(321).people(260).closed("exemption") };
    let town = Town::founded(founding).await?;
    let cases = apply(&town, 60).await?;
    town.rest().await?;
    disturb(&town, System::Sik, Kind::Rubbish, None)?;
    town.opens("exemption")?;
    let (actor, reason): (String, String) = town
        .until("the brake", async || {
            Ok(sqlx::query_as("SELECT actor, reason FROM stage_pauses WHERE stage = 'exemption'")
                .fetch_optional(&town.owner)
                .await?)
        })
        .await?;
    assert_eq!(actor, "storm-brake");
    assert!(reason.contains("kezek stage resume"), "{reason}");
    let paused = || metric(&town.engine, "kezek_stage_paused{stage=\"exemption\"}");
    town.until("the pause to be shown", async || Ok((paused()? > 0.0).then_some(()))).await?;
    town.until("the consumer to leave", async || Ok((town.consumers("exemption").await? == 0).then_some(()))).await?;
    // 25 park before the brake is pulled, and at most what was in hand after it
    let parked = "SELECT count(*) FROM cases WHERE how = 'parked'";
    let n = number(&town, parked).await?;
    assert!((25..=37).contains(&n), "{n} were parked");
    assert!(waiting(&town, "exemption").await?, "the others wait in the queue, untouched");
    // no other stage is paused with it
    assert_eq!(number(&town, "SELECT count(*) FROM stage_pauses").await?, 1);

    town.sandbox.world.faults().clear();
    assert!(kezek_store::pauses::resume(town.engine.pool(), "exemption").await?);
    town.until("the resume to be shown", async || Ok((paused()? < 1.0).then_some(()))).await?;
    town.until("those that waited to go on", async || {
        Ok((number(&town, "SELECT count(*) FROM cases WHERE how = 'moving'").await? == 0).then_some(()))
    })
    .await?;
    assert_eq!(number(&town, parked).await?, n, "nobody is parked any more");
    let letters: Vec<Uuid> =
        sqlx::query_scalar("SELECT id FROM dead_letters WHERE state = 'open'").fetch_all(&town.owner).await?;
    for letter in letters {
        desk::replay(&town.engine, letter, "operator", "SIK answers in its own words again").await?;
    }
    for case in &cases {
        town.until_held_at(*case, "review").await?;
    }
    town.leave_waiting().await
}
