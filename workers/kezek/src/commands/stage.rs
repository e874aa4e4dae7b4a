//! `kezek stage`: pauses and resumes a stage in every process.

use super::{Told as _, open, print_json, write_down};
use crate::cli::{Act, Exit, Output};
use crate::config::Config;
use crate::pipeline;
use anyhow::{Result, bail};
use kezek_store::pauses;
use serde_json::json;

fn known(stage: &str) -> Result<()> {
    let names = pipeline::names();
    if names.contains(&stage) {
        return Ok(());
    }
    bail!("there is no stage `{stage}`; there are {}", names.join(", "))
}

/// Pauses.
///
/// # Errors
/// No such stage, or the database.
pub async fn pause(config: &Config, stage: &str, act: &Act) -> Result<Exit> {
    known(stage)?;
    let pool = open::pool(config).await?;
    if pauses::pause(&pool, stage, &act.actor, &act.reason).await.told("pausing")? {
        write_down(&pool, act, "stage-paused", json!({ "stage": stage })).await?;
        println!("{stage} is paused: every process stops taking within seconds and finishes what it has");
    } else {
        println!("{stage} was paused before; `kezek stage list` says by whom");
    }
    Ok(Exit::Done)
}

/// Resumes.
///
/// # Errors
/// No such stage, or the database.
pub async fn resume(config: &Config, stage: &str, act: &Act) -> Result<Exit> {
    known(stage)?;
    let pool = open::pool(config).await?;
    if pauses::resume(&pool, stage).await.told("resuming")? {
        write_down(&pool, act, "stage-resumed", json!({ "stage": stage })).await?;
        println!("{stage} goes on");
    } else {
        println!("{stage} was not paused");
    }
    Ok(Exit::Done)
}

/// Lists.
///
/// # Errors
/// The database.
pub async fn list(config: &Config, output: Output) -> Result<Exit> {
    let paused = pauses::list(&open::pool(config).await?).await.told("reading the pauses")?;
    if output.json {
        let all: Vec<_> =
            paused.iter().map(|(stage, by, why)| json!({ "stage": stage, "actor": by, "reason": why })).collect();
        print_json(&all)?;
    } else if paused.is_empty() {
        println!("no stage is paused");
    } else {
        for (stage, by, why) in paused {
            println!("{stage}: paused by {by}: {why}");
        }
    }
    Ok(Exit::Done)
}
