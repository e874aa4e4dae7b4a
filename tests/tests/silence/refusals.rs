//! A broker that has nowhere to put a message: caught by the alternate exchange, returned, or refused by a full queue.

use crate::own::{Own, applies, logged, metric, nothing_lost, readiness, rises, unready};
use anyhow::{Context as _, Result};
use kezek_runtime::desk;
use kezek_testkit::town::Founding;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_that_no_queue_takes_is_kept_as_a_letter_and_goes_on_when_it_is_replayed() -> Result<()> {
    let own = Own::servers().await?;
    let town = own.town(Founding::default().seed(611)).await?;
    town.vhost.api("DELETE", "bindings/{vhost}/e/kezek.work/q/exemption/exemption", None).await?;
    let case = applies(&town).await?;
    let (letter, cause) = town.letter(case).await?;
    assert_eq!(cause, "unroutable");
    assert_eq!(town.standing(case).await?.how, "parked");
    rises(&town, "kezek_dead_letters{cause=\"unroutable\",stage=\"exemption\"}", 1.0).await?;
    logged(&town, &own, &["WARN", "a letter waits for an operator", "unroutable"]).await?;
    // every process can work, so none is taken out of service; but it is shown
    let (status, told) = readiness(&town).await?;
    assert!(status.is_success(), "{told}");
    assert!(told["warnings"].to_string().contains("1 message(s) found no queue"), "{told}");
    own.mended(&town).await?;
    desk::replay(&town.engine, letter, "operator", "the binding is there again").await?;
    nothing_lost(town, &[case]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publication_that_comes_back_stays_in_the_outbox_until_a_queue_takes_it() -> Result<()> {
    let own = Own::servers().await?;
    let town = own.town(Founding::default().seed(612)).await?;
    // not even recovery takes what cannot be routed: the broker returns it, and confirms it all the same
    town.vhost.api("DELETE", "bindings/{vhost}/e/kezek.unrouted/q/recovery/~", None).await?;
    town.vhost.api("DELETE", "bindings/{vhost}/e/kezek.work/q/exemption/exemption", None).await?;
    let case = applies(&town).await?;
    rises(&town, "kezek_unconfirmed_total{cause=\"returned\"}", 1.0).await?;
    logged(&town, &own, &["WARN", "the broker returns messages", "to=\"exemption\""]).await?;
    unready(&town, "messages for exemption do not leave").await?;
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE routing_key = 'exemption'")
        .fetch_one(&town.owner)
        .await?;
    assert_eq!(kept, 1);
    own.mended(&town).await?;
    nothing_lost(town, &[case]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_and_the_stage_before_it_stops_taking_and_no_other() -> Result<()> {
    let own = Own::servers().await?;
    let town = own.town(Founding::default().seed(613).closed("exemption")).await?;
    let tiny = json!({ "pattern": "^exemption$", "apply-to": "queues", "priority": 10,
                       "definition": { "max-length": 1, "delivery-limit": 100 } });
    town.vhost.api("PUT", "policies/{vhost}/tiny", Some(tiny)).await?;
    let mut cases = Vec::new();
    // a quorum queue's limit is approximate: it takes some more before it refuses
    while metric(&town, "kezek_unconfirmed_total{cause=\"nack\"}")? < 1.0 {
        cases.push(applies(&town).await?);
        let last = *cases.last().context("nobody has applied")?;
        town.until("the case to be settled by intake", async || {
            Ok((town.standing(last).await?.stage.as_deref() == Some("exemption")).then_some(()))
        })
        .await?;
    }
    logged(&town, &own, &["WARN", "a queue is full", "to=\"exemption\""]).await?;
    unready(&town, "messages for exemption do not leave").await?;
    let up = |stage: &str| metric(&town, &format!("kezek_consumer_up{{stage=\"{stage}\"}}"));
    town.until("intake to stop taking", async || Ok((up("intake")? < 1.0).then_some(()))).await?;
    logged(&town, &own, &["the stage takes nothing for now", "intake", "outbox full"]).await?;
    assert!(metric(&town, "kezek_outbox_destination_oldest_seconds{destination=\"exemption\"}")? > 2.0);
    for other in ["payment", "review", "production", "issuance", "refund", "recovery", "notice"] {
        assert!(up(other)? > 0.0, "{other} sends nothing to exemption and should go on");
    }
    // who comes now waits before intake: nothing more is made for the full queue
    let late = applies(&town).await?;
    cases.push(late);
    assert_eq!(town.standing(late).await?.stage.as_deref(), Some("intake"));
    town.opens("exemption")?;
    town.vhost.api("DELETE", "policies/{vhost}/tiny", None).await?;
    town.until("intake to take again", async || Ok((up("intake")? > 0.0).then_some(()))).await?;
    nothing_lost(town, &cases).await
}
