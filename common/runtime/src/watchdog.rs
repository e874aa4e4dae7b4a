//! The watchdog: finds cases, answers and notices that move and whose message the broker has lost, issues it again
//! under the same ticket, and counts it.
//!
//! Who merely waits in a long queue is not lost. A queue is first in, first out: once messages that were issued later
//! have been taken, or the queue was seen empty, whoever was due before had been handed to somebody. From then on
//! half of the stage's time is left for whoever has it in hand; the other half is counted from the issue. A stage that
//! is paused, held back or not consumed here gives no such evidence, and nothing is issued again.

use crate::engine::Engine;
use crate::item::Item;
use crate::retry::LADDER;
use jiff::{SignedDuration, Timestamp};
use kezek_store::unseen::{self, Asked};
use kezek_store::{StoreError, mint, outbox};
use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Issued again at most so many at once.
const AT_ONCE: i64 = 500;
/// Clocks of two machines, and a message on its way into its queue.
const SLACK: SignedDuration = SignedDuration::from_secs(2);

/// How far a consumer has taken from its queues, told to the engine now and then.
pub(crate) struct Marks {
    engine: Engine,
    /// Where there is one queue alone, whatever comes is from it.
    only: Option<String>,
    latest: HashMap<String, Timestamp>,
}

impl Marks {
    pub(crate) fn of(engine: &Engine, queues: &[String]) -> Self {
        let only = if let [only] = queues { Some(only.clone()) } else { None };
        Self { engine: engine.clone(), only, latest: HashMap::new() }
    }
    /// Notes one delivery.
    pub(crate) fn note(&mut self, item: &Item) {
        let Some(issued) = item.envelope.as_ref().map(|e| e.time) else { return };
        let queue = self.only.as_ref().unwrap_or(&item.routing_key);
        match self.latest.get_mut(queue) {
            // one that came over the ladder is older than its neighbours
            Some(latest) => *latest = (*latest).max(issued),
            None => drop(self.latest.insert(queue.clone(), issued)),
        }
    }
    /// Tells the engine.
    pub(crate) fn tell(&mut self) {
        for (queue, issued) in self.latest.drain() {
            self.engine.has_passed(&queue, issued);
        }
    }
}

/// What a queue's head had passed at an instant.
type Passed = (Instant, Timestamp);

/// The watchdog of one process.
#[derive(Clone, Default)]
pub(crate) struct Watchdog(Arc<Mutex<HashMap<String, VecDeque<Passed>>>>);

impl Watchdog {
    /// Looks at every queue that this process consumes.
    ///
    /// # Errors
    /// Where the database fails; the next round tries again.
    pub(crate) async fn round(self, engine: Engine) -> Result<(), StoreError> {
        let consumed: Vec<_> = engine
            .stages()
            .iter()
            .filter(|s| !s.for_parked && engine.metrics().consumer_up.with_label_values(&[s.name]).get() == 1)
            .collect();
        if consumed.is_empty() {
            return Ok(());
        }
        let Some(channel) = engine.consume_link().channel().await else { return Ok(()) };
        let mut asking = Some(channel);
        for stage in consumed {
            let half = engine.limits().unseen_at(stage.name) / 2;
            for queue in stage.queues() {
                let now = engine.clock().real();
                let empty = is_empty(&mut asking, &queue).await;
                let mark = if empty { Some(now) } else { engine.passed(&queue) };
                let Some(passed) = mark.and_then(|mark| self.sample(&queue, Instant::now(), mark, half)) else {
                    continue;
                };
                let due_before = passed.checked_sub(SLACK).unwrap_or(passed);
                let routing_key = stage.per_region.then_some(queue.as_str());
                reissue(&engine, stage.name, routing_key, half, due_before).await?;
            }
        }
        if let Some(channel) = asking {
            // best effort: a connection that is gone has taken its channels with it
            drop(timeout(Duration::from_secs(2), channel.close(200, "seen".into())).await);
        }
        Ok(())
    }

    /// Keeps what the queue's head has passed now; what it had passed at least `ago`.
    fn sample(&self, queue: &str, now: Instant, mark: Timestamp, ago: Duration) -> Option<Timestamp> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = all.entry(queue.to_owned()).or_default();
        samples.push_back((now, mark));
        // the youngest of those that are old enough; older ones say less
        while samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= ago) {
            samples.pop_front();
        }
        samples.front().filter(|(at, _)| now.duration_since(*at) >= ago).map(|(_, mark)| *mark)
    }
}

/// Whether a queue holds nothing that could be taken. A queue that cannot be asked gives no evidence.
async fn is_empty(asking: &mut Option<Channel>, queue: &str) -> bool {
    let Some(channel) = asking else { return false };
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let asked = channel.queue_declare(queue.into(), passive, FieldTable::default());
    match timeout(Duration::from_secs(5), asked).await {
        Ok(Ok(told)) => told.message_count() == 0,
        // the broker closes a channel that asked for a queue that is not there
        _ => {
            *asking = None;
            false
        }
    }
}

async fn reissue(
    engine: &Engine,
    stage: &str,
    routing_key: Option<&str>,
    half: Duration,
    due_before: Timestamp,
) -> Result<(), StoreError> {
    let names: Vec<String> = LADDER.iter().map(|r| r.name.to_owned()).collect();
    let waits: Vec<f64> = LADDER.iter().map(|r| r.wait.as_secs_f64()).collect();
    let seconds = half.as_secs_f64();
    let asked = Asked {
        stage,
        routing_key,
        notices: engine.side_stage() == Some(stage),
        seconds,
        due_before,
        ladder: (&names, &waits),
        limit: AT_ONCE,
    };
    let found = unseen::list(engine.pool(), asked).await?;
    if found.is_empty() {
        return Ok(());
    }
    let mut tx = engine.pool().begin().await?;
    let mut permit = mint(&mut tx);
    let jobs = unseen::reissue(&mut permit, &found, seconds).await?;
    let rows: Vec<_> = jobs.iter().map(|j| engine.message(j, None, false)).collect();
    outbox::insert(&mut permit, &rows).await?;
    tx.commit().await?;
    if !rows.is_empty() {
        engine.metrics().reissued.with_label_values(&[stage]).inc_by(rows.len() as u64);
        let first = jobs.first().map(|j| j.subject_id.to_string());
        tracing::warn!(stage, issued = rows.len(), first, "messages were lost by the broker and are issued again");
        engine.send(&rows).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_counts_once_it_is_old_enough_and_the_youngest_such_one_counts() {
        let (dog, ago, start) = (Watchdog::default(), Duration::from_secs(10), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let mark = |s| Timestamp::from_second(s).unwrap();
        assert_eq!(dog.sample("q", at(0), mark(1), ago), None);
        assert_eq!(dog.sample("q", at(6), mark(2), ago), None);
        assert_eq!(dog.sample("q", at(11), mark(3), ago), Some(mark(1)));
        assert_eq!(dog.sample("q", at(17), mark(4), ago), Some(mark(2)));
        assert_eq!(dog.sample("other", at(17), mark(9), ago), None);
    }
}
