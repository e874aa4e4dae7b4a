//! `kezek check`: counts what must be zero.

use super::{Told as _, open, print_json};
use crate::cli::{Check, Exit};
use crate::config::Config;
use anyhow::Result;
use kezek_store::checks::{Asked, Checked, Journals, check};
use serde_json::json;

/// Journals that `--quick` verifies.
const QUICK: i64 = 1000;

/// Counts and prints.
///
/// # Errors
/// Where the database does not answer.
pub async fn run(config: &Config, args: &Check) -> Result<Exit> {
    let pool = open::pool(config).await?;
    let asked = Asked {
        unseen_seconds: args.unseen.unwrap_or(config.check.unseen_seconds),
        old_seconds: args.old.unwrap_or(config.check.old_seconds),
        journals: if args.quick { Journals::Latest(QUICK) } else { Journals::All },
    };
    let checked = check(&pool, asked).await.told("counting the invariants")?;
    let healthy = if args.at_rest { checked.finished() } else { checked.sound() };
    if args.output.json {
        print_json(&json!({
            "healthy": healthy, "violations": checked.violations, "unfinished": checked.unfinished,
            "facts": checked.facts, "examples": checked.examples,
        }))?;
    } else {
        tell(&checked, args.at_rest, healthy);
    }
    Ok(Exit::healthy(healthy))
}

fn tell(checked: &Checked, at_rest: bool, healthy: bool) {
    println!("must be zero at all times:");
    for (what, n) in &checked.violations {
        let examples = checked.examples.get(what).map_or_else(String::new, |e| format!("  e.g. {}", e.join(" ")));
        println!("  {} {what:34} {n}{examples}", if *n == 0 { "ok  " } else { "FAIL" });
    }
    println!("zero once everything is finished:");
    for (what, n) in &checked.unfinished {
        println!("  {} {what:34} {n}", if *n == 0 || !at_rest { "    " } else { "FAIL" });
    }
    println!("facts:");
    for (what, n) in &checked.facts {
        println!("       {what:34} {n}");
    }
    println!("{}", if healthy { "healthy" } else { "NOT healthy: `kezek case <id>` tells a case's story" });
}
