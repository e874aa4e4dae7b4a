//! Kezek itself: applications are opened through the door's own function, then carried through the six stages; every
//! hold is answered through the door's own function.

use crate::buckets::Buckets;
use crate::machine::{Measured, measured};
use crate::pace::{Pace, WARM};
use crate::stages::{Exemption, Heard, Intake, Issuance, NAMES, Payment, Production, Review, Yes, flow, tell};
use anyhow::{Context as _, Result};
use futures_util::stream::{self, StreamExt as _};
use kezek_domain::dossier::{Consent, Form, Language, Reason};
use kezek_domain::{Actor, CaseId, Iin, IinProfile, Phone, Region, Service};
use kezek_runtime::topology::{StageShape, Topology};
use kezek_runtime::{Engine, Limits, Line, Metrics, Parts, Room};
use kezek_stage::{Answers, Arrival, ArrivalSubject, Attachment, Clock, Ids, Kit, Picture, Submission};
use kezek_store::crypt::Keyring;
use kezek_testkit::database::{Database, Servers};
use kezek_testkit::vhosts::Vhost;
use serde_json::Value;
use sqlx::PgPool;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const LINES: [Line; 6] = [
    Line::of::<Intake>(),
    Line::of::<Exemption>(),
    Line::of::<Payment>(),
    Line::of::<Review>(),
    Line::of::<Production>(),
    Line::of::<Issuance>(),
];
/// How long the outside world takes to answer a hold: longer than the commit of the hold.
const ANSWERS_AFTER: Duration = Duration::from_millis(30);

fn shapes() -> Vec<StageShape> {
    LINES.iter().map(Line::shape).collect()
}

/// The topology of the six stages.
pub fn topology() -> Topology {
    kezek_runtime::topology::topology(&shapes())
}

/// The engine with its six stages, a database and a virtual host of its own; nothing runs yet.
pub struct Works {
    pub pool: PgPool,
    pub owner: PgPool,
    pub engine: Engine,
    pub metrics: Metrics,
    pub vhost: Vhost,
    answers: Arc<dyn Answers>,
    rooms: Vec<Arc<dyn Room>>,
    // dropped last: it takes its connections with it
    _database: Database,
}

/// The stages while they run.
pub struct Running {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    heard: UnboundedReceiver<Heard>,
}

impl Running {
    /// The next turn that became true.
    pub async fn heard(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }
    /// Stops the stages; they finish what they have in hand.
    pub async fn stop(self) {
        tell(None);
        self.stop.cancel();
        self.tasks.join_all().await;
    }
}

impl Works {
    /// Builds it on the given servers.
    pub async fn new(servers: &Servers, limits: Limits) -> Result<Self> {
        let database = Database::on(servers).await?;
        let vhost = Vhost::lease(servers, &topology()).await?;
        let pool = kezek_store::connect_for(
            kezek_store::Plans::Once,
            &database.engine_url()?,
            limits.connections,
            "kezek-bench",
        )
        .await?;
        let console = kezek_store::connect(&database.console_url()?, 2, "kezek-bench").await?;
        let systems: Vec<&str> = kezek_domain::System::all().iter().map(|s| s.label()).collect();
        let metrics = Metrics::new(&NAMES, &systems)?;
        let engine = Engine::new(Parts {
            pool: pool.clone(),
            console,
            amqp: vhost.amqp().to_owned(),
            keyring: Keyring::new("k", &BTreeMap::from([("k".to_owned(), [1; 32])]), [2; 32])?,
            clock: Clock::system(),
            ids: Ids::real(),
            flows: vec![flow()?],
            stages: shapes(),
            side_stage: None,
            metrics: metrics.clone(),
            limits,
            version: "bench".to_owned(),
        });
        let kit = Kit::new(Clock::system(), Ids::real());
        let rooms =
            LINES.iter().map(|l| l.open(Value::Null, &kit, &engine)).collect::<Result<Vec<Arc<dyn Room>>, _>>()?;
        let answers = kezek_runtime::answers(&engine, &rooms);
        let owner = database.owner().await?;
        Ok(Self { pool, owner, engine, metrics, vhost, answers, rooms, _database: database })
    }

    /// Starts the stages.
    pub fn start(&self) -> Running {
        let (told, heard) = unbounded_channel();
        tell(Some(told));
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for room in &self.rooms {
            tasks.spawn(Arc::clone(room).run(stop.clone()));
        }
        tasks.spawn(kezek_runtime::housekeeping(self.engine.clone(), stop.clone()));
        Running { stop, tasks, heard }
    }

    /// Opens cases with the numbers of the range.
    pub async fn open(&self, numbers: std::ops::Range<u64>, region: &str) -> Result<()> {
        let region = Region::parse(region).ok().context("region")?;
        let mut todo = stream::iter(numbers)
            .map(|i| {
                let answers = Arc::clone(&self.answers);
                async move {
                    let submission = Submission {
                        source: "bench".to_owned(),
                        request_id: format!("r{i}"),
                        request_sha256: [u8::try_from(i % 251)?; 32],
                        service: Service::ID_CARD_RENEWAL,
                        form: form(i, region)?,
                        attachments: vec![Picture {
                            which: Attachment::Photo,
                            media_type: "image/jpeg".to_owned(),
                            // the same picture under two numbers would be an alert
                            bytes: i.to_le_bytes().repeat(250),
                        }],
                    };
                    answers.open_case(submission).await?;
                    anyhow::Ok(())
                }
            })
            .buffer_unordered(64);
        while let Some(done) = todo.next().await {
            done?;
        }
        Ok(())
    }

    /// Answers every hold once, a moment after it was made, until so many cases have ended or the time is up; where
    /// `leave` says so, the last hold of a case is left unanswered and counts as its end. Returns how many ended.
    pub async fn answer(
        &self,
        running: &mut Running,
        applications: u64,
        within: Duration,
        leave: impl Fn(Uuid) -> bool,
    ) -> Result<u64> {
        let began = Instant::now();
        let mut seen = HashSet::new();
        let mut ended = 0;
        let places = Arc::new(Semaphore::new(512));
        let mut bringing: JoinSet<Result<()>> = JoinSet::new();
        while ended < applications || !bringing.is_empty() {
            anyhow::ensure!(!running.tasks.is_empty(), "the stages have ended");
            tokio::select! {
                heard = running.heard.recv() => match heard.context("nobody tells any more")? {
                    // a settle that is tried again tells it again
                    heard if !seen.insert(heard) => {}
                    Heard::Ended(_) => ended += 1,
                    Heard::Held(case, "issuance") if leave(case) => ended += 1,
                    Heard::Held(case, stage) => {
                        let (answers, places) = (Arc::clone(&self.answers), Arc::clone(&places));
                        bringing.spawn(async move {
                            tokio::time::sleep(ANSWERS_AFTER).await;
                            let _place = places.acquire_owned().await?;
                            answers.bring(arrival(case, stage)?).await?;
                            Ok(())
                        });
                    }
                },
                Some(brought) = bringing.join_next() => brought??,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
            if began.elapsed() > within {
                bringing.shutdown().await;
                return Ok(ended);
            }
        }
        Ok(ended)
    }

    /// Closed cases, once the last settle has been committed.
    async fn closed(&self, wanted: u64) -> Result<u64> {
        let began = Instant::now();
        loop {
            let closed =
                sqlx::query_scalar::<_, i64>("SELECT count(*) FROM cases WHERE how = 'closed' AND region = 'KZ-75'")
                    .fetch_one(&self.pool)
                    .await?;
            let closed = u64::try_from(closed)?;
            if closed >= wanted || began.elapsed() > Duration::from_secs(5) {
                return Ok(closed);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Settles that became true, by the engine's own count.
    pub fn settles(&self) -> Result<u64> {
        let page = self.metrics.page()?;
        let lines = page.lines().filter(|l| l.starts_with("kezek_settled_total{"));
        Ok(lines.filter_map(|l| l.rsplit_once(' ')?.1.parse::<f64>().ok()).sum::<f64>() as u64)
    }

    /// The hops' times so far.
    pub fn hops(&self) -> Result<Buckets> {
        Buckets::read(&self.metrics, "kezek_hop_seconds", "")
    }

    /// Opens cases with the numbers from `first` on, then carries all of them to their ends while the clock runs.
    pub async fn carry(&self, what: &str, first: u64, applications: u64) -> Result<Measured> {
        let patience = Duration::from_secs(120 + applications / 20);
        let before = self.closed(0).await?;
        self.open(first..first + applications, "KZ-75").await?;
        let mut running = self.start();
        let settled = self.settles()?;
        let m = measured(what, &self.pool, async {
            let ended = self.answer(&mut running, applications, patience, |_| false).await?;
            anyhow::ensure!(ended == applications, "{ended} of {applications} applications got through");
            let closed = self.closed(before + applications).await? - before;
            anyhow::ensure!(closed == applications, "{closed} of {applications} applications are closed");
            Ok(self.settles()? - settled)
        })
        .await?;
        running.stop().await;
        Ok(m)
    }

    /// Cases at a constant arrival rate; all are opened before, so that the door's work is not in the figure. Returns
    /// what the run measured, the hops' times, and whether all got through.
    pub async fn paced(&self, what: &str, pace: Pace) -> Result<(Measured, Buckets, bool)> {
        self.open(0..pace.total(), "KZ-75").await?;
        self.vhost.purge().await?;
        let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM cases ORDER BY id").fetch_all(&self.pool).await?;
        let mut jobs = kezek_store::jobs::list(&self.pool, &ids).await?;
        let mut running = self.start();
        // until every stage consumes
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut before = self.hops()?;
        let mut all = false;
        let m = measured(what, &self.pool, async {
            let sending = pace.run(self.engine.clock().real(), async |group| {
                let rows: Vec<_> = group
                    .into_iter()
                    .filter_map(|(i, due)| {
                        let job = jobs.remove(ids.get(usize::try_from(i).ok()?)?)?;
                        let mut row = self.engine.message(&job, None, false);
                        row.headers.as_object_mut()?.insert("time".to_owned(), Value::String(due.to_string()));
                        Some(row)
                    })
                    .collect();
                let sent = self.engine.publisher().confirmed(&rows).await;
                anyhow::ensure!(sent.len() == rows.len(), "the broker did not take every message");
                Ok(())
            });
            let warming = async {
                tokio::time::sleep(WARM).await;
                self.hops()
            };
            let answering = self.answer(&mut running, pace.total(), pace.length() * 2, |_| false);
            let (sent, warm, ended) = tokio::join!(sending, warming, answering);
            sent?;
            before = warm?;
            all = ended? == pace.total();
            self.settles()
        })
        .await?;
        running.stop().await;
        Ok((m, self.hops()?.since(&before), all))
    }

    /// Empties the queues.
    pub async fn close(self) -> Result<()> {
        self.vhost.purge().await
    }
}

fn form(i: u64, region: Region) -> Result<Form> {
    // the i-th number of the 1800s: date, serial and check digit by arithmetic, so that all differ
    let mut serial = i;
    let iin = loop {
        let day = 1 + serial % 28;
        let month = 1 + serial / 28 % 12;
        let year = serial / 336 % 100;
        let body = format!("{year:02}{month:02}{day:02}1{:04}", serial / 33_600 % 10_000);
        if let Some(check) = Iin::check_digit(&body) {
            break Iin::parse(&format!("{body}{check}"), IinProfile::Demo).ok().context("iin")?;
        }
        serial += 1_000_003;
    };
    let now = jiff::Timestamp::from_second(1_756_800_000)?;
    Ok(Form {
        iin,
        phone: Phone::parse("+77010000000").ok().context("phone")?,
        service: Service::ID_CARD_RENEWAL,
        reason: Reason::Expiry,
        region,
        registration_point: "demo-point".to_owned(),
        document_number: "012345678".to_owned(),
        document_expires: None,
        consent: Consent { token: "t".to_owned(), public_key: "k".to_owned(), expires_at: now },
        digital_id_session: "s".to_owned(),
        photo_sha256: "0".repeat(64),
        signature_sha256: "0".repeat(64),
        declared_exemption: None,
        language: Language::Kk,
        filled_at: now,
    })
}

fn arrival(case: Uuid, stage: &str) -> Result<Arrival> {
    let subject = ArrivalSubject::Case(CaseId(case));
    let by = Actor::Provider { system: "bench".to_owned() };
    let reference = format!("{stage}/{case}");
    let yes = |number: Option<String>| Yes { number };
    Ok(match stage {
        "payment" => Arrival::of::<Payment>("bench", reference.clone(), subject, &yes(Some(reference)), by)?,
        "review" => Arrival::of::<Review>("bench", reference, subject, &yes(None), by)?,
        "production" => Arrival::of::<Production>("bench", reference, subject, &yes(None), by)?,
        _ => Arrival::of::<Issuance>("bench", reference, subject, &yes(None), by)?,
    })
}
