//! `kezek report`: what waits for people outside. No personal data.

use super::{Told as _, open, print_json};
use crate::cli::{Exit, Output};
use crate::config::Config;
use anyhow::Result;
use kezek_domain::Tiyn;
use kezek_store::reports;

/// Cards that nobody has fetched.
///
/// # Errors
/// The database.
pub async fn uncollected(config: &Config, days: u32, output: Output) -> Result<Exit> {
    let rows = reports::uncollected(&open::pool(config).await?, days).await.told("reading the cards that wait")?;
    if output.json {
        print_json(&rows)?;
        return Ok(Exit::Done);
    }
    for r in &rows {
        println!(
            "{}  {:6}  {:24}  {} day(s), since {}",
            r.receipt,
            r.region,
            r.coupon.as_deref().unwrap_or("-"),
            r.days,
            r.since
        );
    }
    println!("{} card(s) ready for {days} day(s) or more", rows.len());
    Ok(Exit::Done)
}

/// Refunds under way.
///
/// # Errors
/// The database.
pub async fn refunds(config: &Config, output: Output) -> Result<Exit> {
    let rows = reports::refunding(&open::pool(config).await?).await.told("reading the refunds")?;
    if output.json {
        print_json(&rows)?;
        return Ok(Exit::Done);
    }
    for r in &rows {
        let state = match (r.claimed_at, r.terms_passed) {
            (None, _) => "not claimed".to_owned(),
            (Some(at), 0) => format!("claimed {at}"),
            (Some(at), n) => format!("claimed {at}, OVERDUE for {n} term(s)"),
        };
        println!("{}  {:6}  {}  since {}  {state}", r.receipt, r.region, Tiyn(r.held_tiyn), r.since);
    }
    println!("{} refund(s) under way", rows.len());
    Ok(Exit::Done)
}
