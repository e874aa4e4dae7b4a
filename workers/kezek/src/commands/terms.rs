//! `kezek terms`: how open cases stand with their term (A4.2), and the round that writes warnings down.

use super::{Told as _, open, print_json};
use crate::cli::{Exit, Output};
use crate::config::Config;
use crate::rulebook;
use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use kezek_domain::Rules;
use kezek_domain::rules::{Mark, Reckoning, Standing};
use kezek_runtime::Engine;
use kezek_stage::Clock;
use kezek_store::terms::{self, NewEvent, Running};
use kezek_store::{StoreError, audit, clock, mint};
use serde_json::json;
use sqlx::PgPool;

/// Cases reckoned in one round.
const ROUND: i64 = 500;
/// Cases that a command reckons.
const LISTED: i64 = 10_000;

/// A case with its reckoning.
struct Reckoned {
    case: Running,
    told: Reckoning,
}

/// Lists open cases whose term is short or over; exit code 3 where one is over.
///
/// # Errors
/// The database, or rules that are not in order.
pub async fn run(config: &Config, output: Output) -> Result<Exit> {
    let pool = open::pool(config).await?;
    let rules = rulebook::read(config, &pool).await?;
    let clock = Clock::system();
    clock.set_offset_ms(clock::offset_ms(&pool).await.told("reading the business clock")?);
    let mut all = reckoned(&pool, &rules, clock.now(), LISTED, true).await.told("reading the journals")?;
    all.retain(|r| r.told.standing != Standing::OnTime);
    all.sort_by_key(|r| (r.told.due, r.case.filed_at));
    if output.json {
        let rows: Vec<_> = all
            .iter()
            .map(|r| {
                json!({
                    "receipt": r.case.receipt, "service": r.case.service, "region": r.case.region,
                    "stage": r.case.stage, "filed_at": r.case.filed_at, "term": r.told,
                })
            })
            .collect();
        print_json(&rows)?;
    } else if all.is_empty() {
        println!("every open case is in time");
    } else {
        for r in &all {
            println!("{}", line(r));
        }
    }
    Ok(Exit::healthy(all.iter().all(|r| r.told.standing != Standing::Overdue)))
}

fn line(r: &Reckoned) -> String {
    let whose: Vec<_> = r.told.whose.iter().map(|(whose, days)| format!("{whose} {days}")).collect();
    let provisional = if r.told.provisional { " (provisional)" } else { "" };
    format!(
        "{} {} {} at {}: due {}{provisional}, {} working days used ({}), {} paused",
        r.case.receipt,
        r.case.region,
        r.told.standing,
        r.case.stage.as_deref().unwrap_or("no stage"),
        r.told.due,
        r.told.used,
        whose.join(", "),
        r.told.paused
    )
}

/// Reckons one case.
#[must_use]
pub fn reckon(rules: &Rules, filed: Timestamp, journal: &[Mark], stage: Option<&str>, now: Timestamp) -> Reckoning {
    rules.clock().reckon((rules.calendar(), rules.terms()), filed, journal, stage, now)
}

async fn reckoned(
    pool: &PgPool,
    rules: &Rules,
    now: Timestamp,
    limit: i64,
    overdue_too: bool,
) -> Result<Vec<Reckoned>, StoreError> {
    // earlier than so many calendar days ago nothing can be short: no more working days than days have passed
    let days = rules.terms().total_working_days - rules.terms().warning_working_days;
    let before = now.checked_sub(SignedDuration::from_hours(24 * (i64::from(days) - 1))).unwrap_or(now);
    let running = terms::running(pool, before, &rules.clock().resting(), overdue_too, limit).await?;
    let ids: Vec<_> = running.iter().map(|r| r.case).collect();
    let mut journals = terms::marks(pool, &ids).await?;
    Ok(running
        .into_iter()
        .map(|case| {
            let journal = journals.remove(&case.case).unwrap_or_default();
            let told = reckon(rules, case.filed_at, &journal, case.stage.as_deref(), now);
            Reckoned { case, told }
        })
        .collect())
}

/// One round: writes down, once each, which cases are warned of and which are overdue, and counts them.
///
/// # Errors
/// Where the database fails; the next round tries again.
pub async fn round(engine: &Engine, rules: &Rules) -> Result<(), StoreError> {
    let now = engine.clock().now();
    let all = reckoned(engine.pool(), rules, now, ROUND, false).await?;
    let events: Vec<NewEvent> = all
        .iter()
        .filter_map(|r| {
            let event = match r.told.standing {
                Standing::OnTime => return None,
                Standing::Warning => "warning",
                Standing::Overdue => "overdue",
            };
            Some(NewEvent {
                case: r.case.case,
                event,
                due: r.told.due.to_string(),
                provisional: r.told.provisional,
                used: i32::try_from(r.told.used).unwrap_or(i32::MAX),
                paused: i32::try_from(r.told.paused).unwrap_or(i32::MAX),
                whose: json!(r.told.whose),
                rule_version: rules.version().to_owned(),
            })
        })
        .collect();
    if !events.is_empty() {
        let mut tx = engine.pool().begin().await?;
        let mut permit = mint(&mut tx);
        let new = terms::insert(&mut permit, &events, now).await?;
        for (case, event) in &new {
            let Some(told) = events.iter().find(|e| e.case == *case && e.event == event) else { continue };
            let entry = audit::Entry {
                account: "kezek",
                role: "system",
                act: if event == "overdue" { "term-overdue" } else { "term-warning" },
                case_id: Some(*case),
                detail: json!({ "due": told.due, "used": told.used, "paused": told.paused, "whose": told.whose }),
            };
            audit::append(&mut permit, &entry).await?;
        }
        tx.commit().await?;
        for (case, event) in new {
            engine.metrics().term_events.with_label_values(&[&event]).inc();
            tracing::warn!(case.id = %case, event, "a case's term");
        }
    }
    for (event, n) in terms::standing(engine.pool()).await? {
        engine.metrics().terms.with_label_values(&[&event]).set(n);
    }
    Ok(())
}
