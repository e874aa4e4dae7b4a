//! A consumer that the broker ends: its queue is deleted, or it has held a delivery for too long.

use crate::own::{Own, applies, logged, metric, nothing_lost, ready, rises, unready};
use anyhow::Result;
use kezek_domain::{CaseId, System};
use kezek_runtime::desk;
use kezek_sandbox::faults::{Command, Kind};
use kezek_testkit::town::{Founding, Town};

/// The next answer of a system comes late.
fn late(town: &Town, system: System, ms: u64) -> Result<()> {
    let command = Command { system: Some(system), fault: Kind::Latency { ms }, count: Some(1), seconds: None };
    town.sandbox.world.faults().add(command).map_err(anyhow::Error::msg)
}

/// Waits until a case is being worked on: the late answer has been asked for.
async fn in_hand(town: &Town, case: CaseId) -> Result<()> {
    town.until("the case to be in hand", async || {
        let asked = town.sandbox.world.faults().list().is_empty();
        Ok((asked && town.standing(case).await?.stage.as_deref() == Some("exemption")).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_ends_without_an_error_is_a_consumer_that_ended() -> Result<()> {
    let own = Own::servers().await?;
    let town = own.town(Founding::default().seed(621)).await?;
    ready(&town).await?;
    late(&town, System::Sik, 1500)?;
    let first = applies(&town).await?;
    in_hand(&town, first).await?;
    town.vhost.api("DELETE", "queues/{vhost}/exemption", None).await?;
    rises(&town, "kezek_consumer_ended_total{reason=\"stream ended\",stage=\"exemption\"}", 1.0).await?;
    logged(&town, &own, &["WARN", "consumer ended", "stream ended", "exemption"]).await?;
    unready(&town, "stage exemption does not consume").await?;
    // what was in hand is settled: a settle needs no broker
    town.until_held_at(first, "review").await?;
    // who comes while the queue is away is kept as a letter
    let second = applies(&town).await?;
    let (letter, cause) = town.letter(second).await?;
    assert_eq!(cause, "unroutable");
    own.mended(&town).await?;
    rises(&town, "kezek_consumer_up{stage=\"exemption\"}", 1.0).await?;
    desk::replay(&town.engine, letter, "operator", "the queue is there again").await?;
    nothing_lost(town, &[first, second]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_held_for_longer_than_the_broker_allows_is_settled_once() -> Result<()> {
    let own = Own::servers().await?;
    let town = own.town(Founding::default().seed(622)).await?;
    ready(&town).await?;
    late(&town, System::Sik, 4200)?;
    let case = applies(&town).await?;
    in_hand(&town, case).await?;
    unready(&town, "stage exemption does not consume").await?;
    let ended = |reason: &str| format!("kezek_consumer_ended_total{{reason=\"{reason}\",stage=\"exemption\"}}");
    town.until("the time-out to be counted", async || {
        let counted = metric(&town, &ended("delivery error"))? + metric(&town, &ended("stream ended"))?;
        Ok((counted >= 1.0).then_some(()))
    })
    .await?;
    logged(&town, &own, &["WARN", "consumer ended", "exemption"]).await?;
    town.until_held_at(case, "review").await?;
    // the copy that the broker delivered again met a ticket that had been consumed
    rises(&town, "kezek_stale_total{stage=\"exemption\"}", 1.0).await?;
    let settled: i64 = sqlx::query_scalar("SELECT count(*) FROM journal WHERE case_id = $1 AND stage = 'exemption'")
        .bind(case.0)
        .fetch_one(&town.owner)
        .await?;
    assert_eq!(settled, 1);
    nothing_lost(town, &[case]).await
}
