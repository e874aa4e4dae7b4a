//! Every metric of a worker: labels are closed sets (stage, outcome, cause, system), never a person or case.

use crate::item::Item;
use jiff::Timestamp;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, exponential_buckets,
};
use std::sync::Arc;

/// The metrics of one process.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is described by its help text below")]
pub struct Metrics {
    registry: Arc<Registry>,
    pub received: IntCounterVec,
    pub settled: IntCounterVec,
    pub stale: IntCounterVec,
    pub faults: IntCounterVec,
    pub retries: IntCounterVec,
    pub batch_size: HistogramVec,
    pub work_seconds: HistogramVec,
    pub settle_seconds: HistogramVec,
    pub publish_seconds: Histogram,
    pub hop_seconds: Histogram,
    pub unconfirmed: IntCounterVec,
    pub outbox_rows: IntGauge,
    pub outbox_set_aside: IntGauge,
    pub outbox_oldest_seconds: Gauge,
    pub holds: IntGaugeVec,
    pub oldest_waiting_seconds: GaugeVec,
    pub dead_letters: IntGaugeVec,
    pub breaker_open: IntGaugeVec,
    pub consumer_up: IntGaugeVec,
    pub consumer_ended: IntCounterVec,
    pub probes: IntCounterVec,
    pub reissued: IntCounterVec,
    pub stage_held_back: IntGaugeVec,
    pub outbox_destination_seconds: GaugeVec,
    pub connection_up: IntGaugeVec,
    pub connection_blocked: IntGaugeVec,
    pub stage_paused: IntGaugeVec,
    pub invariant: IntGaugeVec,
    pub pictures_shared: IntCounterVec,
    pub term_events: IntCounterVec,
    pub terms: IntGaugeVec,
    pub outage_seconds: GaugeVec,
    pub calls_seconds: HistogramVec,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Registers everything, and creates the series of known stages and systems at zero.
    ///
    /// # Errors
    /// A name registered twice: a fault of this file.
    pub fn new(stages: &[&str], systems: &[&str]) -> Result<Self, prometheus::Error> {
        let r = Registry::new();
        r.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let counter = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let c = IntCounterVec::new(Opts::new(name, help), labels)?;
            r.register(Box::new(c.clone()))?;
            Ok(c)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| -> Result<IntGaugeVec, prometheus::Error> {
            let g = IntGaugeVec::new(Opts::new(name, help), labels)?;
            r.register(Box::new(g.clone()))?;
            Ok(g)
        };
        let histogram = |name: &str,
                         help: &str,
                         first: f64,
                         n: usize,
                         labels: &[&str]|
         -> Result<HistogramVec, prometheus::Error> {
            let h =
                HistogramVec::new(HistogramOpts::new(name, help).buckets(exponential_buckets(first, 2.0, n)?), labels)?;
            r.register(Box::new(h.clone()))?;
            Ok(h)
        };
        let publish_seconds = Histogram::with_opts(
            HistogramOpts::new("kezek_publish_seconds", "Time from publishing a batch to its last confirm")
                .buckets(exponential_buckets(0.0005, 2.0, 16)?),
        )?;
        r.register(Box::new(publish_seconds.clone()))?;
        // fine steps: a p99 is compared with another engine's at the same load
        let hop_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "kezek_hop_seconds",
                "Time from issuing a message, before the commit that sends it, to the ack after its successors' confirms",
            )
            .buckets(exponential_buckets(0.00025, 1.2, 62)?),
        )?;
        r.register(Box::new(hop_seconds.clone()))?;
        let outbox_rows = IntGauge::new("kezek_outbox_rows", "Messages committed and not yet confirmed")?;
        r.register(Box::new(outbox_rows.clone()))?;
        let outbox_set_aside = IntGauge::new("kezek_outbox_set_aside_rows", "Messages that could not be published")?;
        r.register(Box::new(outbox_set_aside.clone()))?;
        let outbox_oldest_seconds = Gauge::new("kezek_outbox_oldest_seconds", "Age of the oldest unconfirmed message")?;
        r.register(Box::new(outbox_oldest_seconds.clone()))?;
        let oldest = GaugeVec::new(
            Opts::new("kezek_oldest_waiting_seconds", "Longest wait of a moving case at a stage, real time"),
            &["stage"],
        )?;
        r.register(Box::new(oldest.clone()))?;
        let destination = GaugeVec::new(
            Opts::new("kezek_outbox_destination_oldest_seconds", "Age of the oldest unconfirmed message, by its goal"),
            &["destination"],
        )?;
        r.register(Box::new(destination.clone()))?;
        let outage_seconds = GaugeVec::new(
            Opts::new("kezek_outage_seconds", "How long a system has been out, real time; nothing while it answers"),
            &["system"],
        )?;
        r.register(Box::new(outage_seconds.clone()))?;
        let metrics = Self {
            received: counter("kezek_received_total", "Messages taken from the stage's queues", &["stage"])?,
            settled: counter("kezek_settled_total", "Turns that became true, by outcome", &["stage", "outcome"])?,
            stale: counter("kezek_stale_total", "Messages whose ticket had been consumed: duplicates", &["stage"])?,
            faults: counter("kezek_faults_total", "Faults by kind and cause", &["stage", "kind", "cause"])?,
            retries: counter("kezek_retries_total", "Fresh publications into the ladder", &["stage", "rung"])?,
            batch_size: histogram("kezek_batch_size", "Turns settled in one transaction", 1.0, 11, &["stage"])?,
            work_seconds: histogram("kezek_work_seconds", "Time of one attempt's work", 0.0005, 16, &["stage"])?,
            settle_seconds: histogram(
                "kezek_settle_seconds",
                "Time of one settling transaction",
                0.0005,
                16,
                &["stage"],
            )?,
            publish_seconds,
            hop_seconds,
            unconfirmed: counter("kezek_unconfirmed_total", "Publications without a positive confirm", &["cause"])?,
            outbox_rows,
            outbox_set_aside,
            outbox_oldest_seconds,
            holds: gauges("kezek_holds", "Cases that wait for a person or an answer", &["stage"])?,
            oldest_waiting_seconds: oldest,
            dead_letters: gauges("kezek_dead_letters", "Letters that wait for an operator", &["stage", "cause"])?,
            breaker_open: gauges("kezek_breaker_open", "1 while an outside system is held to be down", &["system"])?,
            consumer_up: gauges("kezek_consumer_up", "1 while the stage consumes in this process", &["stage"])?,
            consumer_ended: counter(
                "kezek_consumer_ended_total",
                "Consumers that the broker or the connection ended",
                &["stage", "reason"],
            )?,
            probes: counter("kezek_probes_total", "Calls sent to a system that was held to be down", &["system"])?,
            reissued: counter(
                "kezek_reissued_total",
                "Messages issued again because the broker had lost them",
                &["stage"],
            )?,
            stage_held_back: gauges(
                "kezek_stage_held_back",
                "1 while the stage does not take because a system that it needs is down",
                &["stage"],
            )?,
            outbox_destination_seconds: destination,
            connection_up: gauges("kezek_connection_up", "1 while the connection to the broker stands", &["use"])?,
            connection_blocked: gauges(
                "kezek_connection_blocked",
                "1 while the broker blocks the connection",
                &["use"],
            )?,
            stage_paused: gauges("kezek_stage_paused", "1 while an operator has paused the stage", &["stage"])?,
            pictures_shared: counter(
                "kezek_pictures_shared_total",
                "Pictures whose very bytes came with another person's application too",
                &["which"],
            )?,
            term_events: counter(
                "kezek_term_events_total",
                "Cases warned of, and found overdue, once each",
                &["event"],
            )?,
            terms: gauges("kezek_terms", "Open cases whose term is short or over", &["standing"])?,
            outage_seconds,
            invariant: gauges("kezek_invariant_violations", "What must be zero at all times", &["invariant"])?,
            calls_seconds: histogram(
                "kezek_call_seconds",
                "Time of one call to an outside system",
                0.001,
                15,
                &["system"],
            )?,
            registry: Arc::new(r),
        };
        for stage in stages {
            metrics.received.with_label_values(&[stage]);
            metrics.stale.with_label_values(&[stage]);
            metrics.consumer_up.with_label_values(&[stage]);
            metrics.reissued.with_label_values(&[stage]);
            metrics.stage_held_back.with_label_values(&[stage]);
            metrics.outbox_destination_seconds.with_label_values(&[stage]);
            metrics.holds.with_label_values(&[stage]);
            metrics.stage_paused.with_label_values(&[stage]);
            metrics.oldest_waiting_seconds.with_label_values(&[stage]);
        }
        for system in systems {
            metrics.breaker_open.with_label_values(&[system]);
            metrics.probes.with_label_values(&[system]);
        }
        for what in ["publish", "consume"] {
            metrics.connection_up.with_label_values(&[what]);
            metrics.connection_blocked.with_label_values(&[what]);
        }
        for which in ["photo", "signature"] {
            metrics.pictures_shared.with_label_values(&[which]);
        }
        for event in ["warning", "overdue"] {
            metrics.term_events.with_label_values(&[event]);
            metrics.terms.with_label_values(&[event]);
        }
        for cause in ["nack", "returned", "timeout", "away", "blocked"] {
            metrics.unconfirmed.with_label_values(&[cause]);
        }
        Ok(metrics)
    }

    /// Counts how long the hops of acked deliveries took, from the issue of their messages until `now` (real time).
    pub(crate) fn count_hops(&self, acked: &[Item], now: Timestamp) {
        for envelope in acked.iter().filter_map(|item| item.envelope.as_ref()) {
            self.hop_seconds.observe(now.duration_since(envelope.time).as_secs_f64().max(0.0));
        }
    }

    /// The page that Prometheus reads.
    ///
    /// # Errors
    /// Where a metric cannot be written as text.
    pub fn page(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}
