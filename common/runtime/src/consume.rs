//! Taking: one supervised consumer per stage. A stream that ends without an error is a failure too; whatever ends
//! leads back to "connect, check, qos, consume". While a system that the stage needs is held to be down, one message
//! at a time is taken, by the process that has the right to send the probe.

use crate::acks::Acks;
use crate::breakers::{Gate, PROBE_EVERY};
use crate::engine::Engine;
use crate::item::{Came, Item};
use crate::retry::Waits;
use crate::watchdog::Marks;
use futures_util::StreamExt as _;
use futures_util::stream::{Stream, select_all};
use kezek_domain::System;
use lapin::Channel;
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How often a consumer looks whether it may go on.
const LOOKS: Duration = Duration::from_millis(500);
/// Longest wait for the broker's answer to what sets a consumer up.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Why a consumer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The process stops.
    Stopped,
    /// By our own will; it takes again once the reason has gone.
    Held(&'static str),
    /// By the broker or the connection: told, counted, and tried again after a wait.
    Broken(&'static str),
}

/// What takes, from where, and what for.
#[derive(Clone)]
pub(crate) struct Taking {
    pub engine: Engine,
    pub stage: &'static str,
    pub queues: Vec<String>,
    pub needs: &'static [System],
    pub into: mpsc::Sender<Item>,
    pub stop: CancellationToken,
}

impl Taking {
    /// Takes deliveries of a stage's queues into a bounded channel until `stop`; never gives up before.
    pub(crate) async fn run(self) {
        let (engine, stage) = (&self.engine, self.stage);
        let mut waits = Waits::default();
        let up = engine.metrics().consumer_up.with_label_values(&[stage]);
        let held_back = engine.metrics().stage_held_back.with_label_values(&[stage]);
        while !self.stop.is_cancelled() {
            let gate = engine.breakers().enter(stage, self.needs);
            held_back.set(i64::from(gate != Gate::Open));
            let wanted = !engine.is_paused(stage) && !engine.outbox_full(stage);
            engine.breakers().waits(stage, self.needs, wanted && gate != Gate::Open);
            if !wanted || gate == Gate::Shut {
                self.pause(Duration::from_millis(300)).await;
                continue;
            }
            let refused = engine.breakers().refused(self.needs);
            let ended = tokio::select! {
                () = self.stop.cancelled() => break,
                ended = self.consume(gate, &mut waits) => ended,
            };
            up.set(0);
            if self.stop.is_cancelled() {
                break;
            }
            match ended {
                Ended::Stopped => break,
                Ended::Held(reason) => {
                    tracing::info!(stage, reason, "the stage takes nothing for now");
                    // a message that met another closed door than the probe's must not drain the queue; one that
                    // asked nobody (its ticket was consumed long ago) makes room for the next
                    let drains = gate == Gate::Probe && engine.breakers().refused(self.needs) > refused;
                    self.pause(if drains { PROBE_EVERY } else { Duration::ZERO }).await;
                }
                Ended::Broken(reason) => {
                    engine.metrics().consumer_ended.with_label_values(&[stage, reason]).inc();
                    let wait = waits.next_wait();
                    tracing::warn!(stage, reason, retry_in_ms = wait.as_millis(), "consumer ended");
                    self.pause(wait).await;
                }
            }
        }
        engine.breakers().waits(stage, self.needs, false);
        up.set(0);
    }

    async fn pause(&self, wait: Duration) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    async fn consume(&self, gate: Gate, waits: &mut Waits) -> Ended {
        let Some(channel) = self.engine.consume_link().channel().await else { return Ended::Broken("no connection") };
        let ended = self.follow(gate, waits, &channel).await;
        if ended != Ended::Stopped {
            // no consumer is left behind; what is still in hand comes again and is recognised by its ticket
            let closing = channel.close(200, "the consumer has ended".into());
            if !matches!(timeout(Duration::from_secs(2), closing).await, Ok(Ok(()))) {
                tracing::debug!(stage = self.stage, "a channel could not be closed: its connection is gone");
            }
        }
        ended
    }

    async fn follow(&self, gate: Gate, waits: &mut Waits, channel: &Channel) -> Ended {
        let (engine, stage) = (&self.engine, self.stage);
        // without a prefetch lapin buffers without bound; it counts per consumer, and a stage may have one per region
        let share = usize::from(engine.limits().prefetch) / self.queues.len().max(1);
        let prefetch = if gate == Gate::Probe { 1 } else { u16::try_from(share.max(1)).unwrap_or(u16::MAX) };
        let qos = channel.basic_qos(prefetch, BasicQosOptions { global: false });
        // a half-open connection takes what it is given and answers nothing
        if !matches!(timeout(ANSWERS_WITHIN, qos).await, Ok(Ok(()))) {
            return Ended::Broken("prefetch refused");
        }
        let mut streams = Vec::with_capacity(self.queues.len());
        for queue in &self.queues {
            let tag = format!("kezek-{queue}");
            let consumer = channel.basic_consume(
                queue.as_str().into(),
                tag.as_str().into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            );
            match timeout(ANSWERS_WITHIN, consumer).await {
                Ok(Ok(consumer)) => streams.push(consumer.map(Some).chain(futures_util::stream::once(async { None }))),
                Ok(Err(error)) => {
                    tracing::error!(stage, queue, %error, "the queue cannot be consumed: was `kezek topology apply` run?");
                    return Ended::Broken("queue cannot be consumed");
                }
                Err(_) => return Ended::Broken("no answer"),
            }
        }
        engine.metrics().consumer_up.with_label_values(&[stage]).set(1);
        waits.reset();
        let acks = Acks::new(channel.clone());
        let received = engine.metrics().received.with_label_values(&[stage]);
        let mut marks = Marks::of(engine, &self.queues);
        let mut deliveries = select_all(streams.into_iter().map(Box::pin));
        let mut check = tokio::time::interval(LOOKS);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ended::Stopped,
                _ = check.tick() => {
                    marks.tell();
                    if let Some(reason) = self.stopped_at_once(&acks) {
                        return Ended::Held(reason);
                    }
                    if !self.as_before(gate) {
                        let reason = if gate == Gate::Open { "a system that it needs is down" } else { "the door has changed" };
                        return self.drain(channel, &acks, &mut deliveries, &mut marks, reason).await;
                    }
                }
                next = deliveries.next() => match next {
                    Some(Some(Ok(delivery))) => {
                        acks.taken(delivery.delivery_tag);
                        received.inc();
                        let item = item(delivery, &acks);
                        marks.note(&item);
                        if self.into.send(item).await.is_err() {
                            return Ended::Stopped;
                        }
                        if gate == Gate::Probe {
                            let reason = "the probe has been out";
                            return self.drain(channel, &acks, &mut deliveries, &mut marks, reason).await;
                        }
                    }
                    Some(Some(Err(error))) => {
                        tracing::warn!(stage, %error, "the broker ended a consumer with an error");
                        return Ended::Broken("delivery error");
                    }
                    // one of the queues has ended: deleted, or the broker's time-out
                    Some(None) | None => return Ended::Broken("stream ended"),
                },
            }
            if engine.outbox_full(stage) {
                return self.drain(channel, &acks, &mut deliveries, &mut marks, "outbox full").await;
            }
        }
    }

    /// Why the stage takes no more at once, if there is a reason: what it has not begun goes back to its queue.
    fn stopped_at_once(&self, acks: &Acks) -> Option<&'static str> {
        if self.engine.is_paused(self.stage) {
            return Some("paused");
        }
        // deliveries were left aside in a moment in which the stage was to take none: only an end brings them back
        acks.given_up().then_some("left aside")
    }

    /// Whether the stage takes as it does now.
    fn as_before(&self, gate: Gate) -> bool {
        self.engine.breakers().gate(self.stage, self.needs) == gate
    }

    /// Takes no more, and lets what is in hand leave before the channel is closed: what a broker has to deliver again
    /// counts towards the delivery limit, and a system that comes and goes would carry healthy messages there.
    async fn drain<S>(
        &self,
        channel: &Channel,
        acks: &Acks,
        deliveries: &mut S,
        marks: &mut Marks,
        reason: &'static str,
    ) -> Ended
    where
        S: Stream<Item = Option<Result<Delivery, lapin::Error>>> + Unpin,
    {
        for queue in &self.queues {
            let tag = format!("kezek-{queue}");
            let cancelled = channel.basic_cancel(tag.as_str().into(), BasicCancelOptions::default());
            if !matches!(timeout(ANSWERS_WITHIN, cancelled).await, Ok(Ok(()))) {
                return Ended::Broken("no answer");
            }
        }
        let metrics = self.engine.metrics();
        metrics.consumer_up.with_label_values(&[self.stage]).set(0);
        metrics.stage_held_back.with_label_values(&[self.stage]).set(i64::from(!self.as_before(Gate::Open)));
        let mut open = self.queues.len();
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ended::Stopped,
                next = deliveries.next(), if open > 0 => match next {
                    // delivered before the broker heard of it
                    Some(Some(Ok(delivery))) => {
                        acks.taken(delivery.delivery_tag);
                        self.engine.metrics().received.with_label_values(&[self.stage]).inc();
                        let item = item(delivery, acks);
                        marks.note(&item);
                        if self.into.send(item).await.is_err() {
                            return Ended::Stopped;
                        }
                    }
                    Some(Some(Err(_))) => return Ended::Broken("delivery error"),
                    Some(None) => open -= 1,
                    None => open = 0,
                },
                () = tokio::time::sleep(Duration::from_millis(50)) => {
                    marks.tell();
                    let goes_on = self.as_before(Gate::Open) && !self.engine.outbox_full(self.stage);
                    if acks.idle() || goes_on || self.stopped_at_once(acks).is_some() {
                        return Ended::Held(reason);
                    }
                    if !channel.status().connected() {
                        return Ended::Broken("connection lost");
                    }
                }
            }
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
