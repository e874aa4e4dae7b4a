//! The broker's shape, derived from the list of stages by one function; applied at deployment, never by workers.
//!
//! Safety that must never change silently is queue arguments; numbers are policies. It works on RabbitMQ 3.10 to 4.x.

use crate::retry::LADDER;
use kezek_domain::Region;
use serde_json::{Value, json};

/// Work that is to be done.
pub const WORK: &str = "kezek.work";
/// Retries: a headers exchange that picks the rung and keeps the routing key.
pub const RETRY: &str = "kezek.retry";
/// What left the main line: `cancelled.*` to compensation, `parked.*` to recovery.
pub const DEAD: &str = "kezek.dead";
/// Where every exchange sends what it cannot route: into recovery's queue.
pub const UNROUTED: &str = "kezek.unrouted";
/// Recovery's own dead letters: no consumer, an alert.
pub const LAST: &str = "kezek.last";
/// The header that names the rung.
pub const RUNG: &str = "rung";

/// What the topology needs to know of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageShape {
    /// The stage's name.
    pub name: &'static str,
    /// One queue per region.
    pub per_region: bool,
    /// Takes `cancelled.*`.
    pub for_cancelled: bool,
    /// Takes `parked.*` and what could not be routed.
    pub for_parked: bool,
}

impl StageShape {
    /// The stage's queues.
    #[must_use]
    pub fn queues(&self) -> Vec<String> {
        if self.per_region {
            Region::all().iter().map(|r| format!("{}.{}", self.name, r.as_str())).collect()
        } else {
            vec![self.name.to_owned()]
        }
    }
    /// The routing key of a case's job for this stage.
    #[must_use]
    pub fn routing_key(&self, region: &str) -> String {
        if self.per_region { format!("{}.{region}", self.name) } else { self.name.to_owned() }
    }
}

/// An exchange, a queue or a binding to declare.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// Name.
    pub name: &'static str,
    /// `direct`, `topic`, `fanout` or `headers`.
    pub kind: &'static str,
    /// Where what it cannot route goes.
    pub alternate: Option<&'static str>,
}

/// A queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// Name.
    pub name: String,
    /// Arguments: the safety that never changes.
    pub arguments: Value,
}

/// A binding.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// From this exchange.
    pub exchange: &'static str,
    /// To this queue.
    pub queue: String,
    /// Routing key.
    pub key: String,
    /// Arguments (headers exchange).
    pub arguments: Value,
}

/// A policy: numbers that may be tuned.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Name.
    pub name: &'static str,
    /// Which queues.
    pub pattern: String,
    /// The numbers.
    pub definition: Value,
}

/// The whole shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Topology {
    /// Exchanges.
    pub exchanges: Vec<Exchange>,
    /// Queues.
    pub queues: Vec<Queue>,
    /// Bindings.
    pub bindings: Vec<Binding>,
    /// Policies.
    pub policies: Vec<Policy>,
}

/// The shape for a list of stages.
#[must_use]
pub fn topology(stages: &[StageShape]) -> Topology {
    let exchange = |name, kind, alternate| Exchange { name, kind, alternate };
    let exchanges = vec![
        exchange(UNROUTED, "fanout", None),
        exchange(LAST, "fanout", None),
        exchange(WORK, "direct", Some(UNROUTED)),
        exchange(RETRY, "headers", Some(UNROUTED)),
        exchange(DEAD, "topic", Some(UNROUTED)),
    ];
    let bound = |exchange, queue: &str, key: &str| Binding {
        exchange,
        queue: queue.to_owned(),
        key: key.to_owned(),
        arguments: json!({}),
    };
    let mut queues = Vec::new();
    let mut bindings = Vec::new();
    for stage in stages {
        // recovery's own dead letters must not come back to recovery
        let (exchange, key) =
            if stage.for_parked { (LAST, stage.name.to_owned()) } else { (DEAD, format!("parked.{}", stage.name)) };
        for queue in stage.queues() {
            queues.push(Queue {
                name: queue.clone(),
                arguments: json!({
                    "x-queue-type": "quorum",
                    "x-dead-letter-exchange": exchange,
                    "x-dead-letter-routing-key": key,
                    "x-dead-letter-strategy": "at-least-once",
                    "x-overflow": "reject-publish",
                }),
            });
            bindings.push(bound(WORK, &queue, &queue));
            if stage.for_cancelled {
                bindings.push(bound(DEAD, &queue, "cancelled.*"));
            }
            if stage.for_parked {
                bindings.push(bound(DEAD, &queue, "parked.*"));
                bindings.push(bound(UNROUTED, &queue, ""));
            }
        }
    }
    for rung in LADDER {
        let queue = format!("kezek.retry.{}", rung.name);
        queues.push(Queue {
            name: queue.clone(),
            arguments: json!({
                "x-queue-type": "quorum",
                "x-dead-letter-exchange": WORK,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
                "x-message-ttl": u64::try_from(rung.wait.as_millis()).unwrap_or(u64::MAX),
            }),
        });
        bindings.push(Binding {
            exchange: RETRY,
            queue,
            key: String::new(),
            arguments: json!({ "x-match": "all", RUNG: rung.name }),
        });
    }
    queues.push(Queue { name: LAST.to_owned(), arguments: json!({ "x-queue-type": "quorum" }) });
    bindings.push(bound(LAST, LAST, ""));
    let names: Vec<_> = stages.iter().map(|s| s.name).collect();
    let policies = vec![
        Policy {
            name: "kezek-work",
            pattern: format!("^({})(\\.KZ-[0-9]{{2}})?$", names.join("|")),
            // far above what a healthy message ever sees: a letter is tried alone before it is parked
            definition: json!({ "delivery-limit": 100, "max-length": 2_000_000 }),
        },
        Policy {
            name: "kezek-retry",
            pattern: "^kezek\\.retry\\.".to_owned(),
            definition: json!({ "max-length": 2_000_000 }),
        },
    ];
    Topology { exchanges, queues, bindings, policies }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_is_a_quorum_queue_and_nothing_is_dropped_silently() {
        let stage =
            |name, per_region, for_cancelled, for_parked| StageShape { name, per_region, for_cancelled, for_parked };
        let t = topology(&[
            stage("intake", false, false, false),
            stage("review", true, false, false),
            stage("refund", false, true, false),
            stage("recovery", false, false, true),
        ]);
        assert_eq!(t.queues.iter().filter(|q| q.name.starts_with("review.KZ-")).count(), 20);
        for q in &t.queues {
            assert_eq!(q.arguments["x-queue-type"], "quorum");
            if q.name != LAST {
                assert_eq!(q.arguments["x-overflow"], "reject-publish", "{}", q.name);
                assert_eq!(q.arguments["x-dead-letter-strategy"], "at-least-once", "{}", q.name);
            }
            assert!(t.bindings.iter().any(|b| b.queue == q.name), "{} is bound", q.name);
        }
        assert!(t.exchanges.iter().all(|e| e.alternate.is_some() || e.kind == "fanout"));
        let recovery = t.queues.iter().find(|q| q.name == "recovery").unwrap();
        assert_eq!(recovery.arguments["x-dead-letter-exchange"], LAST);
    }
}
