//! What all stages of a process share: database, broker, clock, keys, flows, numbers.

use crate::breakers::SharedBreakers;
use crate::broker::{Link, Publisher};
use crate::effects::StoredEffects;
use crate::envelope::{Envelope, Mode, Subject, trace_of};
use crate::gather::Gather;
use crate::metrics::Metrics;
use crate::retry::Rung;
use crate::topology::{self, StageShape};
use jiff::Timestamp;
use kezek_domain::fault::Fault;
use kezek_domain::rules::Rules;
use kezek_domain::{CaseId, Coupon, Receipt, Region, Service, Ticket};
use kezek_stage::{Arrival, Brought, CaseHead, Clock, DoorError, Effects, Flow, Ids, Target};
use kezek_store::cases::CaseRow;
use kezek_store::crypt::Keyring;
use kezek_store::jobs::JobRow;
use kezek_store::outbox::OutboxRow;
use kezek_store::warm::Warm;
use kezek_store::{StoreError, outbox};
use serde_json::Value;
use sqlx::PgPool;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use uuid::Uuid;

/// Bounds of the engine; every one of them is finite on purpose.
#[derive(Clone, Debug, serde::Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Unacknowledged deliveries per stage and process.
    pub prefetch: u16,
    /// Turns settled in one transaction.
    pub batch: usize,
    /// Milliseconds that a stage under load waits for a batch to fill; one that is idle never waits.
    pub linger_ms: u64,
    /// Attempts of one stage that run at once in a process.
    pub in_flight: usize,
    /// Attempts before a job is parked.
    pub attempts: u32,
    /// Seconds an attempt may take before it counts as a transient fault.
    pub work_seconds: u64,
    /// Seconds a receiver may still act on a request whose answer is missing; longer than the longest call.
    pub effect_seconds: u64,
    /// Seconds a confirm may take before its row is left to the sweeper.
    pub confirm_seconds: u64,
    /// Seconds after which the sweeper takes a row that nobody confirmed.
    pub sweep_after_seconds: u64,
    /// Seconds of the oldest outbox row beyond which stages stop taking.
    pub outbox_full_seconds: u64,
    /// Longest time, in seconds, that a case, answer or notice that moves may go unseen at a stage, but for its time on
    /// the retry ladder and in the queue: then its message is held to be lost and issued again.
    pub unseen_seconds: u64,
    /// The same for single stages, by name.
    pub unseen: BTreeMap<String, u64>,
    /// Database connections of the engine's pool.
    pub connections: u32,
    /// Database connections of the console's pool.
    pub console_connections: u32,
}

impl Limits {
    /// Longest time that a moving subject may go unseen at a stage.
    #[must_use]
    pub fn unseen_at(&self, stage: &str) -> Duration {
        Duration::from_secs(self.unseen.get(stage).copied().unwrap_or(self.unseen_seconds))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            prefetch: 1000,
            batch: 400,
            linger_ms: 5,
            in_flight: 64,
            attempts: 8,
            work_seconds: 60,
            effect_seconds: 20,
            confirm_seconds: 10,
            sweep_after_seconds: 3,
            outbox_full_seconds: 60,
            unseen_seconds: 900,
            unseen: BTreeMap::new(),
            connections: 24,
            console_connections: 4,
        }
    }
}

/// Where each stage's messages may go: as the flows lead, to the notices, and to the refund of whoever closes.
fn feeds(flows: &HashMap<(String, u32), Arc<Flow>>, side: Option<&'static str>) -> HashMap<String, HashSet<String>> {
    let mut feeds: HashMap<String, HashSet<String>> = HashMap::new();
    for flow in flows.values() {
        for (from, _, step) in flow.arrows() {
            let to = match &step.target {
                Target::Stage { name, .. } => Some(name),
                Target::Close { .. } => flow.refund_stage(),
                Target::End => None,
            };
            let goals = feeds.entry(from.to_owned()).or_default();
            goals.extend(to.map(ToString::to_string));
            goals.extend(side.map(ToOwned::to_owned));
        }
    }
    feeds
}

/// What all stages of a process share. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

/// What an engine is made of.
pub struct Parts {
    /// The engine's pool (role `kezek_engine`).
    pub pool: PgPool,
    /// The console's pool (role `kezek_console`).
    pub console: PgPool,
    /// Address of the broker.
    pub amqp: String,
    /// Keys of the encryption at rest.
    pub keyring: Keyring,
    /// The business clock.
    pub clock: Clock,
    /// The source of identifiers.
    pub ids: Ids,
    /// The flows of all services and versions.
    pub flows: Vec<Flow>,
    /// All stages of the installation, run here or not.
    pub stages: Vec<StageShape>,
    /// The stage that tells the applicant.
    pub side_stage: Option<&'static str>,
    /// The metrics.
    pub metrics: Metrics,
    /// The bounds.
    pub limits: Limits,
    /// Version of this worker, written into dead letters.
    pub version: String,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parts")
    }
}

struct Inner {
    parts: Parts,
    // connections of the engine's pool for its small transactions
    warm: Warm,
    publisher: Publisher,
    consume: Link,
    breakers: Arc<SharedBreakers>,
    flows: HashMap<(String, u32), Arc<Flow>>,
    effects: Arc<StoredEffects>,
    arriving: Gather<Arrival, Result<Brought, DoorError>>,
    // confirmed rows that are still to be deleted
    confirmed: Mutex<Vec<Uuid>>,
    outbox_ages: Mutex<HashMap<String, Duration>>,
    paused: Mutex<HashSet<String>>,
    // where a stage's messages go: it stops taking only while those do not leave
    feeds: HashMap<String, HashSet<String>>,
    // how far each queue has been taken from here: the issue of the youngest message
    passed: Mutex<HashMap<String, Timestamp>>,
    // open letters whose message found no queue
    unroutable: AtomicI64,
    rule_version: String,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

/// Microseconds: what PostgreSQL stores, and so what the journal may hash.
pub(crate) fn micros(t: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(t.as_microsecond()).unwrap_or(t)
}

impl Engine {
    /// Assembles an engine under the built-in rules; connects to the broker on first use.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self::under(Rules::built_in(), parts)
    }
    /// Assembles an engine; every journal entry names the version of these rules.
    #[must_use]
    pub fn under(rules: &Rules, mut parts: Parts) -> Self {
        let publish = Link::new(&parts.amqp, "publish", parts.metrics.clone());
        let confirm = Duration::from_secs(parts.limits.confirm_seconds);
        let flows = std::mem::take(&mut parts.flows)
            .into_iter()
            .map(|f| ((f.service().to_string(), f.version()), Arc::new(f)))
            .collect::<HashMap<_, Arc<Flow>>>();
        let warm = Warm::new(parts.pool.clone(), parts.pool.options().get_max_connections() as usize / 2);
        Self(Arc::new(Inner {
            publisher: Publisher::new(publish, confirm, parts.metrics.clone()),
            consume: Link::new(&parts.amqp, "consume", parts.metrics.clone()),
            breakers: Arc::new(SharedBreakers::new(
                parts.metrics.clone(),
                parts.clock.clone(),
                Duration::from_secs(parts.limits.effect_seconds),
            )),
            feeds: feeds(&flows, parts.side_stage),
            passed: Mutex::default(),
            unroutable: AtomicI64::new(0),
            flows,
            effects: Arc::new(StoredEffects::new(
                warm.clone(),
                Duration::from_secs(parts.limits.effect_seconds),
                parts.limits.batch,
            )),
            warm,
            arriving: Gather::new(parts.limits.batch, 2),
            confirmed: Mutex::default(),
            outbox_ages: Mutex::default(),
            paused: Mutex::default(),
            rule_version: rules.version().to_owned(),
            parts,
        }))
    }
    /// The engine's pool.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.0.parts.pool
    }
    /// Warm connections of the engine's pool.
    pub(crate) fn warm(&self) -> &Warm {
        &self.0.warm
    }
    /// The console's pool.
    #[must_use]
    pub fn console(&self) -> &PgPool {
        &self.0.parts.console
    }
    /// The business clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.parts.clock
    }
    /// The source of identifiers.
    #[must_use]
    pub fn ids(&self) -> &Ids {
        &self.0.parts.ids
    }
    /// The keys.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.0.parts.keyring
    }
    /// The metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.parts.metrics
    }
    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.parts.limits
    }
    /// The publisher.
    #[must_use]
    pub fn publisher(&self) -> &Publisher {
        &self.0.publisher
    }
    pub(crate) fn effects(&self) -> Arc<dyn Effects> {
        Arc::clone(&self.0.effects) as Arc<dyn Effects>
    }
    pub(crate) fn arriving(&self) -> &Gather<Arrival, Result<Brought, DoorError>> {
        &self.0.arriving
    }
    pub(crate) fn consume_link(&self) -> &Link {
        &self.0.consume
    }
    /// The breakers.
    #[must_use]
    pub fn breakers(&self) -> &Arc<SharedBreakers> {
        &self.0.breakers
    }
    /// Version of this worker.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.parts.version
    }
    /// Version of the rules in force.
    #[must_use]
    pub fn rule_version(&self) -> &str {
        &self.0.rule_version
    }
    /// All stages of the installation.
    #[must_use]
    pub fn stages(&self) -> &[StageShape] {
        &self.0.parts.stages
    }
    pub(crate) fn side_stage(&self) -> Option<&'static str> {
        self.0.parts.side_stage
    }
    /// The newest flow of a service.
    #[must_use]
    pub fn newest_flow(&self, service: &Service) -> Option<&Arc<Flow>> {
        self.0.flows.values().filter(|f| f.service() == service).max_by_key(|f| f.version())
    }
    /// The flow that a case was opened with.
    ///
    /// # Errors
    /// Transient, where this worker does not know the flow: a newer one is coming.
    pub fn flow(&self, service: &str, version: u32) -> Result<&Arc<Flow>, Fault> {
        self.0
            .flows
            .get(&(service.to_owned(), version))
            .ok_or_else(|| Fault::transient("newer-flow", format!("flow {service} v{version} is not known here")))
    }
    pub(crate) fn shape(&self, stage: &str) -> Option<&StageShape> {
        self.0.parts.stages.iter().find(|s| s.name == stage)
    }
    pub(crate) fn routing_key(&self, stage: &str, region: &str) -> String {
        self.shape(stage).map_or_else(|| stage.to_owned(), |s| s.routing_key(region))
    }
    /// Whether an operator has paused the stage.
    #[must_use]
    pub fn is_paused(&self, stage: &str) -> bool {
        self.0.paused.lock().unwrap_or_else(PoisonError::into_inner).contains(stage)
    }
    pub(crate) fn pause_here(&self, stage: &str) {
        self.0.paused.lock().unwrap_or_else(PoisonError::into_inner).insert(stage.to_owned());
    }
    pub(crate) fn set_paused(&self, stages: HashSet<String>) {
        *self.0.paused.lock().unwrap_or_else(PoisonError::into_inner) = stages;
    }
    /// Whether a stage must stop taking because its messages do not leave: those for the stages that the flows lead to
    /// from it, for the ladder and for recovery. Other stages' messages do not count, nor do those that wait to get
    /// into the stage's own queue: it alone can make room there.
    #[must_use]
    pub fn outbox_full(&self, stage: &str) -> bool {
        let limit = Duration::from_secs(self.limits().outbox_full_seconds);
        let ages = self.0.outbox_ages.lock().unwrap_or_else(PoisonError::into_inner);
        if ages.is_empty() {
            return false;
        }
        let feeds = self.0.feeds.get(stage);
        let sent_there =
            |to: &str| self.shape(to).is_none_or(|s| s.for_parked) || feeds.is_some_and(|f| f.contains(to));
        ages.iter().any(|(to, age)| to != stage && *age > limit && sent_there(to))
    }
    /// Notes that messages of a queue were taken here, the youngest issued at `issued`.
    pub(crate) fn has_passed(&self, queue: &str, issued: Timestamp) {
        let mut passed = self.0.passed.lock().unwrap_or_else(PoisonError::into_inner);
        match passed.get_mut(queue) {
            Some(known) if *known >= issued => {}
            Some(known) => *known = issued,
            None => drop(passed.insert(queue.to_owned(), issued)),
        }
    }
    /// The issue of the youngest message that was taken here from a queue.
    pub(crate) fn passed(&self, queue: &str) -> Option<Timestamp> {
        self.0.passed.lock().unwrap_or_else(PoisonError::into_inner).get(queue).copied()
    }
    /// Open letters of messages that found no queue: the broker lacks a part of the topology.
    #[must_use]
    pub fn unroutable(&self) -> i64 {
        self.0.unroutable.load(Ordering::Relaxed)
    }
    pub(crate) fn set_unroutable(&self, letters: i64) {
        self.0.unroutable.store(letters, Ordering::Relaxed);
    }
    /// Where messages have not left for too long.
    #[must_use]
    pub fn outbox_stuck(&self) -> Vec<String> {
        let limit = Duration::from_secs(self.limits().outbox_full_seconds);
        let ages = self.0.outbox_ages.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stuck: Vec<_> = ages.iter().filter(|(_, age)| **age > limit).map(|(to, _)| to.clone()).collect();
        stuck.sort_unstable();
        stuck
    }
    /// The oldest waiting message by the stage that it is for.
    pub(crate) fn set_outbox_ages(&self, ages: Vec<(String, f64)>) {
        let ages = ages
            .into_iter()
            .map(|(to, age)| (to, Duration::try_from_secs_f64(age.max(0.0)).unwrap_or(Duration::MAX)))
            .collect();
        *self.0.outbox_ages.lock().unwrap_or_else(PoisonError::into_inner) = ages;
    }

    /// The message of a subject's current job.
    #[must_use]
    pub fn message(&self, job: &JobRow, rung: Option<&Rung>, alone: bool) -> OutboxRow {
        let id = self.ids().next();
        let envelope = Envelope {
            id,
            kind: job.kind.clone(),
            version: u32::try_from(job.version).unwrap_or(1),
            subject: Subject::parse(&job.subject).unwrap_or(Subject::Case),
            subject_id: job.subject_id,
            case: job.case_id,
            stage: job.stage.clone(),
            visit: u32::try_from(job.visit).unwrap_or(0),
            ticket: job.ticket,
            attempt: u32::try_from(job.attempt).unwrap_or(1),
            mode: if job.mode == Mode::Lapse.label() { Mode::Lapse } else { Mode::Job },
            alone,
            time: self.clock().real(),
            traceparent: job.traceparent.clone().or_else(|| job.case_id.map(trace_of)),
        };
        let mut headers = envelope.headers();
        if let (Some(rung), Some(map)) = (rung, headers.as_object_mut()) {
            map.insert(topology::RUNG.to_owned(), Value::String(rung.name.to_owned()));
        }
        OutboxRow {
            id,
            subject_id: Some(job.subject_id),
            exchange: if rung.is_some() { topology::RETRY } else { topology::WORK }.to_owned(),
            routing_key: job.routing_key.clone(),
            headers,
            body: job.body.to_string().into_bytes(),
        }
    }

    /// Publishes committed rows and notes what the broker has; the rest stays for the sweeper.
    pub async fn send(&self, rows: &[OutboxRow]) {
        let confirmed = self.publisher().confirmed(rows).await;
        self.0.confirmed.lock().unwrap_or_else(PoisonError::into_inner).extend(confirmed);
    }
    /// Deletes the rows that were confirmed since the last time; housekeeping does so twice a second. A process that
    /// is killed before leaves them to the sweeper, which sends them once more: their tickets are consumed.
    ///
    /// # Errors
    /// Where the database fails; the rows are kept in mind for the next time.
    pub async fn flush_confirmed(&self) -> Result<(), StoreError> {
        let ids = std::mem::take(&mut *self.0.confirmed.lock().unwrap_or_else(PoisonError::into_inner));
        if let Err(error) = outbox::delete(self.pool(), &ids).await {
            self.0.confirmed.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
            return Err(error);
        }
        Ok(())
    }

    /// The head of a case, as stages and doors read it.
    ///
    /// # Errors
    /// A row that the law does not know.
    pub fn head(row: &CaseRow, ticket: i64) -> Result<CaseHead, StoreError> {
        let odd = |what: &str| StoreError::Inconsistent { table: "cases", what: what.to_owned() };
        Ok(CaseHead {
            id: CaseId(row.id),
            receipt: Receipt::parse(&row.receipt).map_err(|_| odd("receipt"))?,
            coupon: match &row.coupon {
                Some(text) => Some(Coupon::parse(text).map_err(|_| odd("coupon"))?),
                None => None,
            },
            service: Service::from(row.service.clone()),
            flow_version: u32::try_from(row.flow_version).map_err(|_| odd("flow version"))?,
            region: Region::parse(&row.region).map_err(|_| odd("region"))?,
            language: match row.language.as_str() {
                "kk" => kezek_domain::dossier::Language::Kk,
                "ru" => kezek_domain::dossier::Language::Ru,
                _ => return Err(odd("language")),
            },
            filed_at: row.filed_at.to_jiff(),
            status: row.status()?,
            ticket: Ticket(ticket),
            revision: row.revision,
            purse: row.purse(),
        })
    }
}
