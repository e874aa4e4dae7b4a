//! Taking: one supervised consumer per stage. A stream that ends without an error is a failure too; whatever ends
//! leads back to "connect, check, qos, consume".

use crate::acks::Acks;
use crate::engine::Engine;
use crate::item::{Came, Item};
use crate::retry::Waits;
use futures_util::StreamExt as _;
use futures_util::stream::select_all;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Takes deliveries of a stage's queues into a bounded channel until `stop`; never gives up before.
pub(crate) async fn take(
    engine: Engine,
    stage: &'static str,
    queues: Vec<String>,
    into: mpsc::Sender<Item>,
    stop: CancellationToken,
) {
    let mut waits = Waits::default();
    let up = engine.metrics().consumer_up.with_label_values(&[stage]);
    while !stop.is_cancelled() {
        if engine.is_paused(stage) || engine.outbox_full(stage) {
            pause(&stop, Duration::from_millis(300)).await;
            continue;
        }
        let ended = tokio::select! {
            () = stop.cancelled() => break,
            ended = consume(&engine, stage, &queues, &into, &stop, &mut waits) => ended,
        };
        up.set(0);
        if stop.is_cancelled() {
            break;
        }
        let wait = waits.next_wait();
        tracing::warn!(stage, reason = ended, retry_in_ms = wait.as_millis(), "consumer ended");
        pause(&stop, wait).await;
    }
    up.set(0);
}

async fn pause(stop: &CancellationToken, wait: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(wait) => {}
    }
}

async fn consume(
    engine: &Engine,
    stage: &'static str,
    queues: &[String],
    into: &mpsc::Sender<Item>,
    stop: &CancellationToken,
    waits: &mut Waits,
) -> &'static str {
    let Some(channel) = engine.consume_link().channel().await else { return "no connection" };
    let ended = follow(engine, stage, queues, into, stop, waits, &channel).await;
    if ended != "stopped" {
        // no consumer is left behind; what is still in hand comes again and is recognised by its ticket
        let _ = tokio::time::timeout(Duration::from_secs(2), channel.close(200, ended.into())).await;
    }
    ended
}

async fn follow(
    engine: &Engine,
    stage: &'static str,
    queues: &[String],
    into: &mpsc::Sender<Item>,
    stop: &CancellationToken,
    waits: &mut Waits,
    channel: &Channel,
) -> &'static str {
    // without a prefetch lapin buffers without bound; it counts per consumer, and a stage may have one per region
    let share = usize::from(engine.limits().prefetch) / queues.len().max(1);
    let prefetch = u16::try_from(share.max(20)).unwrap_or(u16::MAX);
    let qos = channel.basic_qos(prefetch, BasicQosOptions { global: false });
    if qos.await.is_err() {
        return "prefetch refused";
    }
    let mut streams = Vec::with_capacity(queues.len());
    for queue in queues {
        let tag = format!("kezek-{queue}");
        let consumer = channel
            .basic_consume(
                queue.as_str().into(),
                tag.as_str().into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await;
        match consumer {
            Ok(consumer) => streams.push(consumer.map(Some).chain(futures_util::stream::once(async { None }))),
            Err(error) => {
                tracing::error!(stage, queue, %error, "the queue cannot be consumed: was `kezek topology apply` run?");
                return "queue cannot be consumed";
            }
        }
    }
    engine.metrics().consumer_up.with_label_values(&[stage]).set(1);
    waits.reset();
    let acks = Acks::new(channel.clone());
    let received = engine.metrics().received.with_label_values(&[stage]);
    let mut deliveries = select_all(streams.into_iter().map(Box::pin));
    let mut check = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return "stopped",
            _ = check.tick() => {
                if engine.is_paused(stage) {
                    return "paused";
                }
            }
            next = deliveries.next() => match next {
                Some(Some(Ok(delivery))) => {
                    acks.taken(delivery.delivery_tag);
                    received.inc();
                    let item = item(delivery, &acks);
                    if into.send(item).await.is_err() {
                        return "stopped";
                    }
                }
                Some(Some(Err(_))) => return "delivery error",
                // one of the queues has ended: deleted, or the broker's time-out
                Some(None) | None => return "stream ended",
            },
        }
        if engine.outbox_full(stage) {
            return "outbox full";
        }
    }
}

fn item(delivery: Delivery, acks: &Acks) -> Item {
    let table = delivery.properties.headers().clone().unwrap_or_default();
    // the first reason: a letter may have passed several queues
    let died = table.inner().get("x-first-death-reason").and_then(|v| match v {
        AMQPValue::LongString(s) => Some(String::from_utf8_lossy(s.as_bytes()).into_owned()),
        _ => None,
    });
    let came = Came {
        exchange: delivery.exchange.to_string(),
        routing_key: delivery.routing_key.to_string(),
        message_id: delivery.properties.message_id().as_ref().map(ToString::to_string),
        table,
        body: delivery.data,
        died,
    };
    Item::new(acks, delivery.delivery_tag, came)
}
