//! How fast the engine moves cases, as ratios in one run: the bare hop (four statements, consume, publish, confirm,
//! ack, no stages), Kezek's own batch-1 mode, and Kezek. Run it with `ops/bench`.
//!
//! The six stages of the main line stand here with their gateways in the process: they file sections, hold and are
//! answered as the real ones do, but ask nobody outside, so that what is measured is the engine, its law, dossier,
//! journal and encryption, and not pictures or signatures.
//!
//! A hop's time runs from issuing its message, before the commit that sends it (at a constant arrival rate: from the
//! instant it was due), to the ack after its successor was confirmed; in the bare hop and in the engine alike.

mod bare;
mod buckets;
mod kezek;
mod machine;
mod options;
mod pace;
mod stages;
mod statements;
mod stored;
mod waiting;

use crate::bare::Load;
use crate::buckets::Buckets;
use crate::kezek::Works;
use crate::machine::{Measured, round};
use crate::options::{Options, Part};
use crate::pace::Pace;
use anyhow::Result;
use kezek_runtime::Limits;
use kezek_testkit::database::Servers;
use serde_json::{Map, Value, json};

#[global_allocator]
static ALLOCATOR: kezek_runtime::Allocator = kezek_runtime::Allocator;

/// Settles of one paid application: six stages, four of which hold and are answered.
const SETTLES: f64 = 10.0;
/// Hops of one bare application.
const HOPS: f64 = 6.0;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::read();
    let servers = Servers::from_environment()?;
    let mut out = Map::new();
    out.insert("applications".to_owned(), json!(options.applications));
    out.insert("machine".to_owned(), machine(&servers).await?);
    // first, while this process is young: what earlier parts have freed would hide what this one takes
    if options.wants(Part::Waiting) {
        out.insert("waiting".to_owned(), waiting(&servers, &options).await?);
    }
    // a bare run is over in a second or two: long enough to be measured, short enough to be run twice
    let bare = Load::All(if options.short { options.applications } else { (options.applications / 2).max(5_000) });
    let mut bares = Vec::new();
    if options.wants(Part::Bare) {
        bares.push(bare::run(&servers, "bare hop, before", bare).await?.0);
    }
    let mut single = None;
    if options.wants(Part::Single) {
        let one = Limits { prefetch: 1, batch: 1, in_flight: 1, linger_ms: 0, ..Limits::default() };
        let works = Works::new(&servers, one).await?;
        single = Some(works.carry("Kezek, batch 1, prefetch 1", 0, options.single()).await?);
        works.close().await?;
    }
    let mut full = None;
    if options.wants(Part::Kezek) {
        let works = Works::new(&servers, options.limits()).await?;
        let m = works.carry("Kezek", 0, options.applications).await?;
        let mut told = m.json();
        told["applications_per_second"] = json!((options.applications as f64 / m.seconds).round());
        told["wal_bytes_per_application"] = json!(m.wal / options.applications);
        told["settles_per_application"] = json!(round(m.hops as f64 / options.applications as f64, 2));
        told["batch_sizes"] = batches(&works)?;
        told["table_bytes_per_application"] = json!(stored_bytes(&works, options.applications).await?);
        if options.statements {
            told["statements"] = statements::tell(&servers, &works.pool).await?;
        }
        out.insert("kezek".to_owned(), told);
        works.close().await?;
        full = Some(m);
    }
    if options.wants(Part::Bare) {
        bares.push(bare::run(&servers, "bare hop, after", bare).await?.0);
        out.insert("bare".to_owned(), bares.iter().map(Measured::json).collect());
    }
    if let Some(single) = &single {
        out.insert("batch_1".to_owned(), single.json());
    }
    if let Some(full) = &full {
        out.insert("ratios".to_owned(), ratios(&bares, single.as_ref(), full));
    }
    if options.wants(Part::Latency) {
        out.insert("latency".to_owned(), latency(&servers, &options).await?);
    }
    if options.wants(Part::Stored) {
        out.insert("stored".to_owned(), stored(&servers, &options).await?);
    }
    println!("{}", Value::Object(out));
    Ok(())
}

async fn machine(servers: &Servers) -> Result<Value> {
    let mut connection = servers.maintenance().await?;
    let (version, fsync): (String, String) =
        sqlx::query_as("SELECT current_setting('server_version'), current_setting('fsync')")
            .fetch_one(&mut connection)
            .await?;
    let cores = std::thread::available_parallelism()?.get();
    eprintln!("{cores} cores, PostgreSQL {version} with fsync {fsync}, {} build", build());
    Ok(json!({ "cores": cores, "postgresql": version, "fsync": fsync, "build": build() }))
}

const fn build() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

fn ratios(bares: &[Measured], single: Option<&Measured>, full: &Measured) -> Value {
    let mut ratios = Map::new();
    if !bares.is_empty() {
        let bare = bares.iter().map(Measured::rate).sum::<f64>() / bares.len() as f64;
        let share = full.rate() / bare;
        eprintln!("Kezek settles at {:.0} % of the bare hop rate ({bare:.0} hops/s)", share * 100.0);
        ratios.insert("settles_to_bare_hops".to_owned(), json!(round(share, 3)));
    }
    if let Some(single) = single {
        let times = full.rate() / single.rate();
        eprintln!("Kezek settles {times:.1} times as fast as with batch 1");
        ratios.insert("settles_to_batch_1".to_owned(), json!(round(times, 2)));
    }
    Value::Object(ratios)
}

/// How many turns were settled together, by stage.
fn batches(works: &Works) -> Result<Value> {
    let mut told = Map::new();
    for stage in stages::NAMES {
        let sizes = Buckets::read(&works.metrics, "kezek_batch_size", &format!("stage=\"{stage}\""))?;
        let shares: Vec<String> = sizes.shares().iter().map(|(le, n)| format!("{le}: {n}")).collect();
        eprintln!("    {stage:<11} {:>7} batches  {}", sizes.count(), shares.join("  "));
        told.insert(stage.to_owned(), sizes.shares().into_iter().map(|(le, n)| json!([le, n])).collect());
    }
    Ok(Value::Object(told))
}

/// Bytes of every table with its indexes, per application.
async fn stored_bytes(works: &Works, applications: u64) -> Result<Value> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT relname::text, pg_total_relation_size(oid) FROM pg_class
         WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 2 DESC LIMIT 12",
    )
    .fetch_all(&works.owner)
    .await?;
    let per = |bytes: i64| bytes / i64::try_from(applications.max(1)).unwrap_or(i64::MAX);
    Ok(Value::Object(rows.into_iter().map(|(table, bytes)| (table, json!(per(bytes)))).collect()))
}

async fn waiting(servers: &Servers, options: &Options) -> Result<Value> {
    let limits = match options.limits() {
        // fewer cases to open
        limits if options.short => Limits { prefetch: 400, batch: 200, ..limits },
        limits => limits,
    };
    let samples = waiting::run(servers, limits, options.waiting, if options.short { 4 } else { 25 }).await?;
    let told: Vec<Value> = samples
        .iter()
        .map(|s| json!({ "messages": s.waiting, "kezek_rss_mib": round(s.resident[0], 1), "broker_rss_mib": round(s.resident[1], 1) }))
        .collect();
    let growth = match samples.as_slice() {
        [few, .., many] => many.resident[0] / few.resident[0],
        _ => 1.0,
    };
    eprintln!("a worker's memory with many waiting is {growth:.2} times that with few");
    Ok(json!({ "samples": told, "kezek_rss_ratio": round(growth, 3) }))
}

async fn latency(servers: &Servers, options: &Options) -> Result<Value> {
    let mut told = Vec::new();
    for rate in &options.rates {
        let wanted = *rate as f64;
        let bare = Pace { per_second: wanted / HOPS, seconds: options.seconds };
        let (m, hops) = bare::run(servers, &format!("bare hop at {rate}/s"), Load::Paced(bare)).await?;
        let floor = hop_times("bare", wanted, &m, &hops, m.hops >= bare.total() * 6);
        let works = Works::new(servers, options.limits()).await?;
        let pace = Pace { per_second: wanted / SETTLES, seconds: options.seconds };
        let (m, hops, all) = works.paced(&format!("Kezek at {rate} settles/s"), pace).await?;
        let kezek = hop_times("kezek", wanted, &m, &hops, all);
        works.close().await?;
        anyhow::ensure!(!options.short || all, "at {rate} hops/s not every application got through");
        let ratio = |key: &str| kezek[key].as_f64().unwrap_or(0.0) / floor[key].as_f64().unwrap_or(f64::NAN);
        eprintln!("at {rate} hops/s Kezek's p99 is {:.2} times the bare one's", ratio("p99_ms"));
        told.push(json!({
            "hops_per_second": rate, "bare": floor, "kezek": kezek,
            "p50_ratio": round(ratio("p50_ms"), 2), "p99_ratio": round(ratio("p99_ms"), 2),
        }));
    }
    Ok(Value::Array(told))
}

fn hop_times(who: &str, wanted: f64, m: &Measured, hops: &Buckets, all: bool) -> Value {
    let (p50, p99) = (hops.quantile(0.5) * 1e3, hops.quantile(0.99) * 1e3);
    let kept = if all { "kept up" } else { "did NOT keep up: its times grow with the length of the run" };
    eprintln!("    {who}: p50 {p50:.2} ms, p99 {p99:.2} ms per hop at {wanted} hops/s; {kept}");
    json!({
        "p50_ms": round(p50, 2), "p99_ms": round(p99, 2), "hops": hops.count(), "kept_up": all,
        "cpu_percent_of_one_core": m.json()["cpu_percent_of_one_core"],
    })
}

async fn stored(servers: &Servers, options: &Options) -> Result<Value> {
    let applications = options.applications.min(10_000);
    let flat = stored::run(servers, options.limits(), options.few(), options.stored, applications).await?;
    let rates: Vec<f64> = flat.runs.iter().map(|(_, m)| m.rate()).collect();
    let ratio = rates.last().copied().unwrap_or(0.0) / rates.first().copied().unwrap_or(f64::NAN);
    eprintln!("with many stored cases Kezek settles at {:.2} of its rate with few", ratio);
    let runs: Vec<Value> = flat.runs.iter().map(|(cases, m)| json!({ "cases": cases, "run": m.json() })).collect();
    let per_case = flat.bytes / i64::try_from(options.stored.max(1))?;
    Ok(json!({
        "runs": runs, "settles_ratio": round(ratio, 3), "filling_seconds": flat.filling.round(),
        "database_bytes": flat.bytes, "database_bytes_per_case": per_case,
    }))
}
