//! A half-open connection: what a vanished machine leaves behind. Both sockets stay, nothing passes, nobody is told.

use crate::own::{Own, applies, logged, nothing_lost, ready, rises, unready};
use anyhow::{Context as _, Result};
use kezek_sandbox::proxy::Proxy;
use kezek_testkit::database::Servers;
use kezek_testkit::town::Founding;

/// The broker through a proxy, with a heart that beats fast enough for a test.
async fn proxied(own: &Own) -> Result<(Proxy, Servers)> {
    let amqp = &own.addresses().amqp;
    let (head, rest) = amqp.split_once('@').context("the broker's address has no user")?;
    let (target, path) = rest.split_once('/').context("the broker's address has no virtual host")?;
    let proxy = Proxy::start(target.parse()?).await?;
    let path = path.split('?').next().unwrap_or_default();
    let through = format!("{head}@{}/{path}?heartbeat=2", proxy.address());
    Ok((proxy, Servers { amqp: through, ..own.addresses().clone() }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_connection_is_noticed_and_given_up() -> Result<()> {
    let own = Own::servers().await?;
    let (proxy, servers) = proxied(&own).await?;
    // stages that stop taking for their full outbox would not be there to notice
    let town = own.town_at(servers, 60, Founding::default().seed(631)).await?;
    ready(&town).await?;
    proxy.half_open();
    // new connections are swallowed too: nothing comes through in secret
    proxy.dark(true);
    let case = applies(&town).await?;
    rises(&town, "kezek_unconfirmed_total{cause=\"timeout\"}", 1.0).await?;
    logged(&town, &own, &["WARN", "confirms are missing"]).await?;
    unready(&town, "the broker does not answer").await?;
    // the side that only takes has nothing to wait for but the heartbeat
    unready(&town, "stage intake does not consume").await?;
    town.until("the consumer to end", async || {
        let page = town.engine.metrics().page()?;
        let ended = page.lines().filter(|l| l.starts_with("kezek_consumer_ended_total{")).count();
        Ok((ended > 0).then_some(()))
    })
    .await?;
    logged(&town, &own, &["WARN", "consumer ended", "intake"]).await?;
    logged(&town, &own, &["WARN", "the broker is away"]).await?;
    proxy.dark(false);
    // what was swallowed is closed, as its machine's return would do
    proxy.cut();
    ready(&town).await?;
    nothing_lost(town, &[case]).await
}
