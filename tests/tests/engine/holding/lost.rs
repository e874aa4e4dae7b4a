//! The watchdog: whose message the broker has lost gets it again under the same ticket; who merely waits in a long
//! queue, on the ladder or before a paused stage does not.

use super::{apply, disturb, metric, number, waiting};
use anyhow::Result;
use kezek_domain::System;
use kezek_runtime::Limits;
use kezek_sandbox::faults::Kind;
use kezek_store::pauses;
use kezek_testkit::town::{Founding, Town};
use std::collections::BTreeMap;

const REISSUED: &str = "kezek_reissued_total{stage=\"exemption\"}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_the_broker_has_lost_is_issued_again_and_a_long_queue_is_left_alone() -> Result<()> {
    // exemption's budget alone is short; one job at a time, so that a queue grows before it
    let unseen = BTreeMap::from([("exemption".to_owned(), 4)]);
    let limits = Limits { batch: 1, in_flight: 1, prefetch: 1, unseen, ..Founding::default().limits };
    let founding = Founding { limits, ..Founding::default().seed(341).people(150).closed("exemption") };
    let town = Town::founded(founding).await?;
    let lost = apply(&town, 3).await?;
    town.rest().await?;
    let tickets = "SELECT sum(ticket)::bigint FROM jobs WHERE subject = 'case'";
    let before = number(&town, tickets).await?;
    town.vhost.purge_some(&["exemption".to_owned()]).await?;
    let waits = apply(&town, 8).await?;
    town.until("eight to wait in the queue", async || {
        let n = number(&town, "SELECT count(*) FROM cases WHERE how = 'moving' AND stage = 'exemption'").await?;
        Ok((n == 11 && number(&town, "SELECT count(*) FROM outbox").await? == 0).then_some(()))
    })
    .await?;
    // while nobody takes there is no evidence of anything: nothing is issued again
    disturb(&town, System::Sik, Kind::Latency { ms: 1200 }, None)?;
    town.opens("exemption")?;
    // eight jobs of more than a second each: the last of them is older than the budget before its turn comes
    town.until("the three that were lost to be issued again", async || {
        Ok((metric(&town.engine, REISSUED)? >= 3.0).then_some(()))
    })
    .await?;
    town.sandbox.world.faults().clear();
    for case in lost.iter().chain(&waits) {
        town.until_held_at(*case, "review").await?;
    }
    assert!((metric(&town.engine, REISSUED)? - 3.0).abs() < 0.5, "somebody who merely waited was issued again");
    assert!(before > 0);
    let journal = "SELECT count(*) FROM journal WHERE stage = 'exemption'";
    assert_eq!(number(&town, journal).await?, 11, "each was settled once, under the ticket that it had");
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_on_the_ladder_or_before_a_paused_stage_is_not_lost() -> Result<()> {
    let unseen = BTreeMap::from([("exemption".to_owned(), 2)]);
    let limits = Limits { unseen, ..Founding::default().limits };
    let town = Town::founded(Founding { limits, ..Founding::default().seed(342).people(150) }).await?;
    // the fourth attempt comes after 30 s: two of them are waited for
    disturb(&town, System::Sik, Kind::Error { code: "FAULT-015".to_owned() }, Some(3))?;
    let climbing = apply(&town, 1).await?;
    town.until("the case to be on a rung that lasts longer than the budget", async || {
        let long = "SELECT count(*) FROM journal WHERE move_label = 'retry' AND detail ->> 'rung' IN ('5s', '30s')";
        Ok((number(&town, long).await? > 0).then_some(()))
    })
    .await?;
    pauses::pause(town.engine.pool(), "exemption", "operator", "to see who is held to be lost").await?;
    town.until("the consumer to leave", async || {
        let paused = metric(&town.engine, "kezek_stage_paused{stage=\"exemption\"}")? > 0.0;
        Ok((paused && metric(&town.engine, "kezek_consumer_up{stage=\"exemption\"}")? < 1.0).then_some(()))
    })
    .await?;
    let paused = apply(&town, 2).await?;
    town.until("two to wait", async || Ok(waiting(&town, "exemption").await?.then_some(()))).await?;
    let old = "SELECT count(*) FROM jobs j JOIN cases c ON c.id = j.subject_id
               WHERE c.how = 'moving' AND j.issued_at < now() - interval '4 seconds'";
    town.until("all three to be older than the budget", async || Ok((number(&town, old).await? == 3).then_some(())))
        .await?;
    assert!(metric(&town.engine, REISSUED)? < 0.5);
    assert!(pauses::resume(town.engine.pool(), "exemption").await?);
    for case in climbing.iter().chain(&paused) {
        town.until_held_at(*case, "review").await?;
    }
    assert!(metric(&town.engine, REISSUED)? < 0.5, "somebody who waited was held to be lost");
    town.leave_waiting().await
}
