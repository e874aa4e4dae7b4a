//! `kezek seal`: once a day, so that a tail that was cut or rewritten later shows.

use super::{Told as _, open, print_json};
use crate::cli::{Exit, Seal as Args};
use crate::config::Config;
use anyhow::{Context as _, Result};
use kezek_store::mint;
use kezek_store::seals::{self, Seal};
use serde_json::json;
use std::path::Path;

/// Seals that were kept elsewhere.
///
/// # Errors
/// A file that cannot be read, or holds no seals.
pub fn kept(file: Option<&Path>) -> Result<Vec<Seal>> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(file).with_context(|| format!("--against {}", file.display()))?;
    let whole: serde_json::Value = serde_json::from_str(&text)
        .with_context(|| format!("--against {} is not what `kezek seal --json` prints", file.display()))?;
    serde_json::from_value(whole.get("seals").cloned().unwrap_or(whole))
        .with_context(|| format!("--against {} holds no seals", file.display()))
}

/// Seals, or verifies.
///
/// # Errors
/// Where the database does not answer, or the file cannot be read.
pub async fn run(config: &Config, args: &Args) -> Result<Exit> {
    let pool = open::pool(config).await?;
    let mut tx = pool.begin().await.told("sealing")?;
    if args.verify {
        let known = kept(args.against.as_deref())?;
        let differing = seals::differing(&mut tx, &known).await.told("counting the seals again")?;
        if args.output.json {
            print_json(&json!({ "differing": differing }))?;
        } else {
            for seal in &differing {
                println!("{} {}: no longer what was sealed ({} entries)", seal.day, seal.what, seal.entries);
            }
            println!("{} seal(s) not borne out", differing.len());
        }
        return Ok(Exit::healthy(differing.is_empty()));
    }
    let made = seals::make(&mut mint(&mut tx)).await.told("sealing")?;
    tx.commit().await.told("sealing")?;
    let all = seals::list(&pool).await.told("reading the seals")?;
    if args.output.json {
        // the export: to be kept where nobody who can write the database can write
        print_json(&json!({ "made": made, "seals": all }))?;
    } else {
        for seal in &made {
            println!("{} {}: {} entries, {}", seal.day, seal.what, seal.entries, seal.digest);
        }
        println!("{} seal(s) made, {} in all; keep `kezek seal --json` elsewhere", made.len(), all.len());
    }
    Ok(Exit::Done)
}
