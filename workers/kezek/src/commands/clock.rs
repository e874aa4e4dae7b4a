//! `kezek clock`: the business clock, by which the law judges. It moves in the demo and test profile alone, and only
//! forward once there are cases.

use super::{Told as _, open, print_json};
use crate::cli::{Exit, Output, date};
use crate::config::Config;
use anyhow::{Context as _, Result};
use clap::Args;
use jiff::civil::Date;
use jiff::tz::{TimeZone, offset};
use jiff::{SignedDuration, Timestamp};
use kezek_stage::Clock;
use kezek_store::checks::{Asked, Journals, check};
use kezek_store::{clock, holds};
use serde_json::json;

/// Where to.
#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Set {
    /// To ten in the morning, Almaty time, of this day
    #[arg(long, value_name = "DATE", value_parser = date)]
    pub as_of: Option<Date>,
    /// To real time and so many seconds
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub offset_seconds: Option<i64>,
}

/// Seconds that a leap goes past the deadline, so that it is over.
const PAST: i64 = 1;

fn told(clock: &Clock, output: Output) -> Result<()> {
    let (business, real, offset) = (clock.now(), clock.real(), clock.offset_ms());
    if output.json {
        return print_json(&json!({ "business": business, "real": real, "offset_ms": offset, "today": clock.today() }));
    }
    println!("business {business} ({} in Almaty)\nreal     {real}\noffset   {} s", clock.today(), offset / 1000);
    Ok(())
}

/// Shows both.
///
/// # Errors
/// The database.
pub async fn show(config: &Config, output: Output) -> Result<Exit> {
    let pool = open::pool(config).await?;
    let clock = Clock::system();
    clock.set_offset_ms(clock::offset_ms(&pool).await.told("reading the business clock")?);
    told(&clock, output)?;
    Ok(Exit::Done)
}

/// Moves it.
///
/// # Errors
/// In production, or backward where there are cases.
pub async fn set(config: &Config, set: &Set) -> Result<Exit> {
    let pool = open::pool(config).await?;
    open::play_only(&pool, "moving the business clock").await?;
    let here = Clock::system();
    let offset = match (set.as_of, set.offset_seconds) {
        (Some(day), _) => {
            let ten = day.at(10, 0, 0, 0).to_zoned(TimeZone::fixed(offset(5))).context("--as-of")?.timestamp();
            millis(here.real(), ten)
        }
        (None, Some(seconds)) => seconds.saturating_mul(1000),
        // the command line wants one of the two
        (None, None) => here.offset_ms(),
    };
    move_to(&pool, &here, offset).await?;
    told(&here, Output { json: false })?;
    Ok(Exit::Done)
}

async fn move_to(pool: &sqlx::PgPool, here: &Clock, offset: i64) -> Result<()> {
    clock::set_offset_ms(pool, offset).await.told("moving the business clock")?;
    here.set_offset_ms(offset);
    Ok(())
}

fn millis(from: Timestamp, to: Timestamp) -> i64 {
    i64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

/// Leaps to the next deadline, where nothing is under way: whoever is moving would otherwise seem late.
///
/// # Errors
/// In production, or the database.
pub async fn advance(config: &Config, output: Output) -> Result<Exit> {
    let pool = open::pool(config).await?;
    open::play_only(&pool, "moving the business clock").await?;
    let asked = Asked { unseen_seconds: 1e9, old_seconds: 1e9, journals: Journals::Latest(0) };
    let under_way = check(&pool, asked).await.told("looking for work under way")?.unfinished;
    let busy: Vec<_> = ["cases_moving", "outbox_rows", "arrivals_moving", "notices_moving", "holds_due"]
        .into_iter()
        .filter(|what| under_way.get(what).is_some_and(|n| *n > 0))
        .collect();
    let refuse = |why: String| -> Result<Exit> {
        if output.json {
            print_json(&json!({ "advanced": false, "why": why }))?;
        } else {
            println!("not moved: {why}");
        }
        Ok(Exit::Unhealthy)
    };
    if !busy.is_empty() {
        return refuse(format!("something is under way ({}); wait", busy.join(", ")));
    }
    let Some(next) = holds::next_deadline(&pool).await.told("reading the deadlines")? else {
        return refuse("no deadline lies ahead".to_owned());
    };
    let clock = Clock::system();
    let past = next.checked_add(SignedDuration::from_secs(PAST)).unwrap_or(next);
    move_to(&pool, &clock, millis(clock.real(), past)).await?;
    if output.json {
        print_json(&json!({
            "advanced": true, "deadline": next, "business": clock.now(), "offset_ms": clock.offset_ms(),
        }))?;
    } else {
        told(&clock, output)?;
    }
    Ok(Exit::Done)
}
