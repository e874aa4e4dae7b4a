//! An operator pauses a stage: no process takes, nothing is lost, and a resume goes on where it stopped.

use super::{apply, metric, number, waiting};
use anyhow::Result;
use kezek_domain::System;
use kezek_sandbox::faults::Kind;
use kezek_store::pauses;
use kezek_testkit::town::{Founding, Town};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_stops_every_process_and_a_resume_goes_on() -> Result<()> {
    let town = Town::founded(Founding::default().seed(331).people(150)).await?;
    let other = town.joined(&["exemption"], |_| {}).await?;
    town.until("both to take", async || Ok((town.consumers("exemption").await? == 2).then_some(()))).await?;
    // some are in hand when the pause comes
    super::disturb(&town, System::Sik, Kind::Latency { ms: 700 }, Some(4))?;
    let mut cases = apply(&town, 4).await?;
    town.until("four to be in hand", async || Ok(town.sandbox.world.faults().list().is_empty().then_some(()))).await?;
    pauses::pause(town.engine.pool(), "exemption", "operator", "SIK asked us to wait").await?;
    for engine in [&town.engine, &other] {
        let shown = "kezek_stage_paused{stage=\"exemption\"}";
        town.until("the pause to be shown", async || Ok((metric(engine, shown)? > 0.0).then_some(()))).await?;
    }
    town.until("both to leave", async || Ok((town.consumers("exemption").await? == 0).then_some(()))).await?;
    // what was in hand is settled all the same
    for case in &cases {
        town.until_held_at(*case, "review").await?;
    }
    let late = apply(&town, 3).await?;
    town.until("three to wait before exemption", async || {
        let n = number(&town, "SELECT count(*) FROM cases WHERE how = 'moving' AND stage = 'exemption'").await?;
        Ok((n == 3 && waiting(&town, "exemption").await?).then_some(()))
    })
    .await?;
    let made = "SELECT count(*) FROM journal WHERE stage = 'exemption'";
    let before = number(&town, made).await?;
    // a pause and a resume within a blink leave nothing behind that nobody acknowledges
    for _ in 0..3 {
        assert!(pauses::resume(town.engine.pool(), "exemption").await?);
        assert!(pauses::pause(town.engine.pool(), "exemption", "operator", "not yet").await?);
    }
    assert!(number(&town, made).await? <= before + 3);
    assert!(pauses::resume(town.engine.pool(), "exemption").await?);
    cases.extend(late);
    for case in &cases {
        town.until_held_at(*case, "review").await?;
    }
    let twice = "SELECT count(*) FROM (SELECT FROM journal WHERE stage = 'exemption' GROUP BY case_id
                 HAVING count(*) > 1) AS again";
    assert_eq!(number(&town, twice).await?, 0, "somebody was settled twice");
    town.leave_waiting().await
}
