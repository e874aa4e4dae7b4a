//! The bare hop: consume, one transaction of four set-based statements, publish with confirm, ack. No stages, no law.

use crate::buckets::Buckets;
use crate::machine::{Measured, measured};
use crate::pace::{Pace, WARM};
use anyhow::{Context as _, Result};
use futures_util::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use kezek_runtime::{Histogram, Metrics};
use kezek_stage::Clock;
use kezek_testkit::database::{Database, Servers};
use kezek_testkit::vhosts::Vhost;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use sqlx::{Executor as _, PgPool};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use uuid::Uuid;

const TABLES: &str = "
CREATE SCHEMA IF NOT EXISTS bare;
CREATE TABLE bare.inbox (id uuid PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE bare.state (app uuid PRIMARY KEY, stage integer NOT NULL, version bigint NOT NULL);
CREATE TABLE bare.event (app uuid NOT NULL, version bigint NOT NULL, body bytea NOT NULL, PRIMARY KEY (app, version));
CREATE TABLE bare.outbox (id uuid PRIMARY KEY, body bytea NOT NULL);";

/// How much is carried through.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// So many applications, all waiting from the start.
    All(u64),
    /// A constant arrival rate.
    Paced(Pace),
}

/// Carries applications, six hops each, through the queues of the main line; returns what the run measured and the
/// hops' times.
pub async fn run(servers: &Servers, what: &str, load: Load) -> Result<(Measured, Buckets)> {
    let database = Database::on(servers).await?;
    let owner = kezek_store::connect(&database.owner_url()?, 8, "kezek-bench").await?;
    owner.execute(TABLES).await?;
    let topology = crate::kezek::topology();
    let vhost = Vhost::lease(servers, &topology).await?;
    let applications = match load {
        Load::All(n) => n,
        Load::Paced(pace) => pace.total(),
    };
    let connection = Connection::connect(vhost.amqp(), ConnectionProperties::default()).await?;
    let publish = connection.create_channel().await?;
    publish.confirm_select(ConfirmSelectOptions::default()).await?;
    let ids: Vec<Uuid> = (0..applications).map(|i| Uuid::from_u128(u128::from(i) + 1)).collect();
    sqlx::query("INSERT INTO bare.state SELECT *, 0, 0 FROM unnest($1::uuid[])").bind(&ids).execute(&owner).await?;
    if let Load::All(_) = load {
        for chunk in ids.chunks(500) {
            let now = Clock::system().real();
            send(&publish, "intake", chunk.iter().map(|id| (*id, 0, now))).await?;
        }
    }
    // the same histogram as the engine's
    let metrics = Metrics::new(&crate::stages::NAMES, &[])?;
    let counted = || Buckets::read(&metrics, "kezek_hop_seconds", "");
    let done = Arc::new(AtomicU64::new(0));
    let mut before = counted()?;
    let result = measured(what, &owner, async {
        let mut stages = JoinSet::new();
        for (i, queue) in crate::stages::NAMES.iter().enumerate() {
            let next = crate::stages::NAMES.get(i + 1).copied();
            let (url, pool, done) = (vhost.amqp().to_owned(), owner.clone(), Arc::clone(&done));
            stages.spawn(stage(url, queue, next, pool, done, metrics.hop_seconds.clone()));
        }
        if let Load::Paced(pace) = load {
            let sending = async {
                let to = |i: u64, due| (ids[usize::try_from(i).unwrap_or(0)], 0, due);
                let channel = &publish;
                pace.run(Clock::system().real(), async move |group| {
                    send(channel, "intake", group.into_iter().map(|(i, due)| to(i, due))).await
                })
                .await
            };
            let warming = async {
                tokio::time::sleep(WARM).await;
                counted()
            };
            let (sent, warm) = tokio::join!(sending, warming);
            sent?;
            before = warm?;
        }
        let patience = match load {
            Load::All(_) => Duration::from_secs(600),
            Load::Paced(pace) => pace.length(),
        };
        let began = Instant::now();
        while done.load(Ordering::Relaxed) < applications * 6 && began.elapsed() < patience {
            tokio::select! {
                ended = stages.join_next() => ended.context("no stage runs")???,
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
        stages.shutdown().await;
        Ok(done.load(Ordering::Relaxed))
    })
    .await?;
    if let Load::All(_) = load {
        anyhow::ensure!(result.hops == applications * 6, "{what}: {} of {} hops", result.hops, applications * 6);
    }
    vhost.purge().await?;
    Ok((result, counted()?.since(&before)))
}

async fn send(channel: &Channel, queue: &str, messages: impl Iterator<Item = (Uuid, i64, Timestamp)>) -> Result<()> {
    let body = [b'x'; 200];
    let mut waiting = Vec::new();
    for (app, version, issued) in messages {
        let mut headers = FieldTable::default();
        headers.insert("time".into(), AMQPValue::LongLongInt(issued.as_microsecond()));
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_headers(headers)
            .with_message_id(format!("{app}/{version}").as_str().into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        waiting.push(channel.basic_publish("kezek.work".into(), queue.into(), options, &body, properties).await?);
    }
    for confirm in waiting {
        anyhow::ensure!(matches!(confirm.await?, lapin::Confirmation::Ack(None)), "not confirmed");
    }
    Ok(())
}

fn issued(delivery: &Delivery) -> Option<i64> {
    match delivery.properties.headers().as_ref()?.inner().get("time")? {
        AMQPValue::LongLongInt(micros) => Some(*micros),
        _ => None,
    }
}

async fn stage(
    url: String,
    queue: &'static str,
    next: Option<&'static str>,
    pool: PgPool,
    done: Arc<AtomicU64>,
    hops: Histogram,
) -> Result<()> {
    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let publish = connection.create_channel().await?;
    publish.confirm_select(ConfirmSelectOptions::default()).await?;
    channel.basic_qos(800, BasicQosOptions { global: false }).await?;
    let mut stream = channel
        .basic_consume(queue.into(), "bare".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await?;
    // one batch publishes while the next is in the database; acks stay in the order of their tags
    let publishing = Arc::new(Semaphore::new(1));
    let mut sent = JoinSet::new();
    while let Some(first) = stream.next().await {
        let mut batch = vec![first?];
        while batch.len() < 200 {
            match stream.next().now_or_never() {
                Some(Some(next)) => batch.push(next?),
                _ => break,
            }
        }
        let mut apps = Vec::with_capacity(batch.len());
        let mut versions = Vec::with_capacity(batch.len());
        let mut ids = Vec::with_capacity(batch.len());
        for delivery in &batch {
            let id = delivery.properties.message_id().as_ref().context("no id")?.to_string();
            let (app, version) = id.split_once('/').context("odd id")?;
            apps.push(app.parse::<Uuid>()?);
            versions.push(version.parse::<i64>()? + 1);
            ids.push(Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_bytes()));
        }
        let bodies = vec![vec![b'y'; 400]; apps.len()];
        // as the engine does: a message counts from before the commit that sends it
        let now = Clock::system().real();
        let mut tx = pool.begin().await?;
        sqlx::query("INSERT INTO bare.inbox (id) SELECT * FROM unnest($1::uuid[]) ON CONFLICT DO NOTHING")
            .bind(&ids)
            .execute(&mut *tx)
            .await?;
        sqlx::query("UPDATE bare.state SET version = n.v, stage = stage + 1 FROM unnest($1::uuid[], $2::bigint[]) AS n (a, v) WHERE app = n.a")
            .bind(&apps)
            .bind(&versions)
            .execute(&mut *tx)
            .await?;
        sqlx::query("INSERT INTO bare.event SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bytea[])")
            .bind(&apps)
            .bind(&versions)
            .bind(&bodies)
            .execute(&mut *tx)
            .await?;
        sqlx::query("INSERT INTO bare.outbox SELECT * FROM unnest($1::uuid[], $2::bytea[]) ON CONFLICT DO NOTHING")
            .bind(&ids)
            .bind(&bodies)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        let turn = Arc::clone(&publishing).acquire_owned().await?;
        let (publish, channel, done, hops) = (publish.clone(), channel.clone(), Arc::clone(&done), hops.clone());
        let times: Vec<i64> = batch.iter().filter_map(issued).collect();
        let last = batch.last().map(|d| d.delivery_tag).unwrap_or_default();
        let n = apps.len() as u64;
        while let Some(ended) = sent.try_join_next() {
            ended??;
        }
        sent.spawn(async move {
            if let Some(next) = next {
                send(&publish, next, apps.into_iter().zip(versions).map(|(a, v)| (a, v, now))).await?;
            }
            channel.basic_ack(last, BasicAckOptions { multiple: true }).await?;
            let acked = Clock::system().real().as_microsecond();
            times.iter().for_each(|t| hops.observe((acked - t).max(0) as f64 / 1e6));
            done.fetch_add(n, Ordering::Relaxed);
            drop(turn);
            anyhow::Ok(())
        });
    }
    Ok(())
}
