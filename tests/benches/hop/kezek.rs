//! Kezek itself: applications are opened through the door's own function, then carried through the six stages; every
//! hold is answered through the door's own function.

use crate::stages::{Exemption, Intake, Issuance, NAMES, Payment, Production, Review, Yes, flow};
use crate::{Measured, measured};
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
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
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

fn shapes() -> Vec<StageShape> {
    LINES.iter().map(Line::shape).collect()
}

/// The topology of the six stages.
pub fn topology() -> Topology {
    kezek_runtime::topology::topology(&shapes())
}

/// Carries `applications` from submission to their ends.
pub async fn run(servers: &Servers, what: &str, applications: u64, limits: Limits) -> Result<Measured> {
    let database = Database::on(servers).await?;
    let vhost = Vhost::lease(servers, &topology()).await?;
    let pool = kezek_store::connect(&database.engine_url()?, limits.connections, "kezek-bench").await?;
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
        metrics,
        limits,
        version: "bench".to_owned(),
    });
    let kit = Kit::new(Clock::system(), Ids::real());
    let rooms = LINES
        .iter()
        .map(|l| l.open(serde_json::Value::Null, &kit, &engine))
        .collect::<Result<Vec<Arc<dyn Room>>, _>>()?;
    let answers = kezek_runtime::answers(&engine, &rooms);
    open(&answers, applications).await?;
    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    let m = measured(what, async {
        for room in &rooms {
            tasks.spawn(Arc::clone(room).run(stop.clone()));
        }
        tasks.spawn(kezek_runtime::housekeeping(engine.clone(), stop.clone()));
        answer_all(&answers, &pool, applications).await?;
        // every settle is an entry of the journal but for the opening and the money
        let settles =
            sqlx::query_scalar::<_, i64>("SELECT count(*) FROM journal WHERE move_label NOT IN ('open', 'money')")
                .fetch_one(&pool)
                .await?;
        Ok(u64::try_from(settles)?)
    })
    .await?;
    stop.cancel();
    tasks.join_all().await;
    vhost.purge().await?;
    Ok(m)
}

/// Opens the cases, before the clock starts.
async fn open(answers: &Arc<dyn Answers>, applications: u64) -> Result<()> {
    let region = Region::parse("KZ-75").ok().context("region")?;
    let mut todo = stream::iter(0..applications)
        .map(|i| {
            let answers = Arc::clone(answers);
            async move {
                let form = form(i, region)?;
                let submission = Submission {
                    source: "bench".to_owned(),
                    request_id: format!("r{i}"),
                    request_sha256: [u8::try_from(i % 251)?; 32],
                    service: Service::ID_CARD_RENEWAL,
                    form,
                    attachments: vec![Picture {
                        which: Attachment::Photo,
                        media_type: "image/jpeg".to_owned(),
                        bytes: vec![7; 2000],
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

/// Answers every hold once, until every case is closed.
async fn answer_all(answers: &Arc<dyn Answers>, pool: &PgPool, applications: u64) -> Result<()> {
    let mut idle = 0;
    loop {
        let held = sqlx::query_as::<_, (Uuid, String)>(
            "SELECT h.case_id, h.stage FROM holds h
             WHERE NOT EXISTS (SELECT FROM arrivals a WHERE a.case_id = h.case_id AND a.stage = h.stage) LIMIT 2000",
        )
        .fetch_all(pool)
        .await?;
        if held.is_empty() {
            idle += 1;
            let closed =
                sqlx::query_scalar::<_, i64>("SELECT count(*) FROM cases WHERE how = 'closed'").fetch_one(pool).await?;
            if u64::try_from(closed)? == applications {
                return Ok(());
            }
            anyhow::ensure!(idle < 3000, "nothing moves any more");
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        }
        idle = 0;
        let mut todo = stream::iter(held)
            .map(|(case, stage)| {
                let answers = Arc::clone(answers);
                async move { answers.bring(arrival(case, &stage)?).await.map_err(anyhow::Error::from) }
            })
            .buffer_unordered(512);
        while let Some(done) = todo.next().await {
            done?;
        }
    }
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
