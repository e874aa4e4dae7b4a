//! A broker that is short of memory or disk takes no bytes of whoever publishes, and says so once.

use crate::own::{Own, applies, logged, metric, nothing_lost, readiness, rises, unready};
use anyhow::Result;
use kezek_testkit::town::{Founding, Town};

const BLOCKED: &str = "kezek_connection_blocked{use=\"publish\"}";

/// While the alarm stands: one application is on its way already, another comes.
async fn a_blocked_broker_takes_nothing_and_nothing_is_lost(
    own: &Own,
    town: Town,
    end: &'static [&'static str],
) -> Result<()> {
    let first = applies(&town).await?;
    rises(&town, BLOCKED, 1.0).await?;
    logged(&town, own, &["ERROR", "the broker blocks publishing"]).await?;
    unready(&town, "the broker blocks publishing").await?;
    // the portal has its receipt all the same: the outbox keeps what the broker does not take
    let second = applies(&town).await?;
    rises(&town, "kezek_unconfirmed_total{cause=\"blocked\"}", 1.0).await?;
    rises(&town, "kezek_outbox_rows", 2.0).await?;
    // whoever only takes is not blocked, and nobody mistakes the alarm for a lost connection
    assert!(metric(&town, "kezek_connection_up{use=\"publish\"}")? > 0.0);
    assert!(metric(&town, "kezek_consumer_up{stage=\"exemption\"}")? > 0.0);
    // once the oldest message is too old, stages whose messages do not leave stop taking
    unready(&town, "messages for").await?;
    own.rabbitmqctl(end).await?;
    town.until("the broker to take messages", async || Ok((metric(&town, BLOCKED)? < 1.0).then_some(()))).await?;
    logged(&town, own, &["the broker takes messages again"]).await?;
    assert!(own.heard.line(&["confirms are missing"]).is_none(), "a blocked connection was given up");
    nothing_lost(town, &[first, second]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_short_of_memory_is_waited_for() -> Result<()> {
    let own = Own::servers().await?;
    let town = own.town(Founding::default().seed(601)).await?;
    town.until("the stages to take", async || Ok((readiness(&town).await?.0.is_success()).then_some(()))).await?;
    own.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "20MB"]).await?;
    a_blocked_broker_takes_nothing_and_nothing_is_lost(&own, town, &["set_vm_memory_high_watermark", "0.4"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_whose_disk_is_full_is_waited_for() -> Result<()> {
    let own = Own::servers().await?;
    let town = own.town(Founding::default().seed(602)).await?;
    town.until("the stages to take", async || Ok((readiness(&town).await?.0.is_success()).then_some(()))).await?;
    own.rabbitmqctl(&["set_disk_free_limit", "1000000GB"]).await?;
    a_blocked_broker_takes_nothing_and_nothing_is_lost(&own, town, &["set_disk_free_limit", "50MB"]).await
}
