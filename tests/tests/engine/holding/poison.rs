//! A poison case beside healthy ones: they are settled while it is tried, split off and parked. Told by who was
//! settled when and how often, not by the clock.

use super::{apply, disturb, number};
use anyhow::Result;
use kezek_domain::{CaseId, System};
use kezek_sandbox::faults::Kind;
use kezek_testkit::town::{Founding, Town};

/// From now on the database refuses every move of one case, as it refuses data that no column takes.
async fn poisoned(town: &Town, case: CaseId) -> Result<()> {
    let statement = format!(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN
           IF NEW.id = '{}' AND NEW.how <> 'parked' AND NEW.stage <> 'exemption' THEN
             RAISE EXCEPTION 'poison' USING ERRCODE = '22000'; END IF; RETURN NEW; END $f$;
         CREATE TRIGGER poison BEFORE UPDATE ON cases FOR EACH ROW EXECUTE FUNCTION refuse();",
        case.0
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&town.owner).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_that_cannot_be_settled_is_parked_alone_and_its_batch_goes_on() -> Result<()> {
    let town = Town::founded(Founding::default().seed(351).people(150).closed("exemption")).await?;
    let cases = apply(&town, 12).await?;
    town.rest().await?;
    poisoned(&town, cases[5]).await?;
    town.opens("exemption")?;
    for case in cases.iter().filter(|c| **c != cases[5]) {
        town.until_held_at(*case, "review").await?;
    }
    town.until("the poison to be parked", async || Ok((town.standing(cases[5]).await?.how == "parked").then_some(())))
        .await?;
    let cause = "SELECT count(*) FROM dead_letters WHERE cause = 'database-data' AND state = 'open'";
    town.until("its letter", async || Ok((number(&town, cause).await? == 1).then_some(()))).await?;
    // the healthy ones spent no attempt and were settled once each
    let again = "SELECT count(*) FROM journal WHERE stage = 'exemption' AND move_label IN ('retry', 'again')";
    assert_eq!(number(&town, again).await?, 0);
    let once = "SELECT count(*) FROM journal WHERE stage = 'exemption' AND outcome IS NOT NULL";
    assert_eq!(number(&town, once).await?, 11);
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_came_with_a_slow_case_is_settled_before_it() -> Result<()> {
    let town = Town::founded(Founding::default().seed(352).people(150).closed("exemption")).await?;
    let cases = apply(&town, 12).await?;
    town.rest().await?;
    // one answer comes after four seconds, all others at once
    disturb(&town, System::Sik, Kind::Latency { ms: 4000 }, Some(1))?;
    town.opens("exemption")?;
    let behind = "SELECT count(*) FROM cases WHERE how = 'moving' AND stage = 'exemption'";
    town.until("one to be left", async || Ok((number(&town, behind).await? == 1).then_some(()))).await?;
    // the others are past the stage, and past the next, while the slow one is still being worked on
    let past = "SELECT count(*) FROM cases WHERE how = 'held' AND stage IN ('payment', 'review')";
    town.until("eleven to be past it, the slow one still at work", async || {
        assert_eq!(number(&town, behind).await?, 1, "the slow one did not wait for its answer: this shows nothing");
        Ok((number(&town, past).await? == 11).then_some(()))
    })
    .await?;
    for case in &cases {
        town.until_held_at(*case, "review").await?;
    }
    let last = "SELECT count(*) FROM journal slow WHERE slow.stage = 'exemption' AND NOT EXISTS
                (SELECT FROM journal j WHERE j.stage = 'exemption' AND j.recorded_at > slow.recorded_at)";
    assert_eq!(number(&town, last).await?, 1);
    town.leave_waiting().await
}
