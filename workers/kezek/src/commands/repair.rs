//! `kezek repair`: the broker is disposable; the jobs are in the database.

use super::{Told as _, open, write_down};
use crate::cli::{Exit, Purge, Resend};
use crate::config::Config;
use anyhow::{Result, bail};
use kezek_runtime::{desk, drain};
use kezek_store::cases;
use serde_json::json;

/// Issues current jobs again, under the same tickets: where the message still exists, one of both is stale.
///
/// # Errors
/// No such stage or case, the database, or the broker.
pub async fn resend(config: &Config, args: &Resend) -> Result<Exit> {
    let names = crate::pipeline::names();
    if let Some(stage) = args.stage.as_deref().filter(|s| !names.contains(s)) {
        bail!("there is no stage `{stage}`; there are {}", names.join(", "));
    }
    let engine = open::engine(config).await?;
    let case = match &args.case {
        None => None,
        Some(number) => match cases::find_id(engine.pool(), number).await.told("looking the case up")? {
            Some(id) => Some(id),
            None => bail!("there is no case `{number}`; give its receipt, coupon or id"),
        },
    };
    let filter = desk::Resend { case, stage: args.stage.clone(), idle_seconds: f64::from(args.unseen) };
    let detail = json!({ "unseen": args.unseen, "stage": args.stage, "case": case });
    write_down(engine.pool(), &args.act, "resend", detail).await?;
    let sent = desk::resend(&engine, &filter).await?;
    println!("{sent} job(s) issued again, under the same tickets");
    Ok(Exit::Done)
}

/// Empties every queue after a restore; what is ahead of the database is kept as letters, for `repair reconcile`.
///
/// # Errors
/// A worker that still consumes, the database, or the broker.
pub async fn purge(config: &Config, args: &Purge) -> Result<Exit> {
    let engine = open::engine(config).await?;
    write_down(engine.pool(), &args.act, "purge", json!({})).await?;
    let queues: Vec<String> = crate::pipeline::broker().queues.into_iter().map(|queue| queue.name).collect();
    let drained = drain(&engine, &queues).await?;
    println!(
        "{} message(s) dropped: `kezek repair resend --unseen 0` issues their jobs again; {} kept as letters: they are \
         of a time that this database does not know",
        drained.dropped, drained.kept
    );
    Ok(Exit::Done)
}
