//! `kezek dead`: messages that wait for an operator. A replay goes through the outbox under a new ticket and keeps
//! the effect keys; only the settle that consumes its ticket closes the letter.

use super::{Told as _, ending, open, print_json, write_down};
use crate::cli::{Act, Exit, Output};
use crate::config::Config;
use anyhow::{Result, bail};
use kezek_runtime::answers;
use kezek_runtime::desk::{self, CaseEnd};
use kezek_store::SqlTime;
use kezek_store::dead_letters::{self, LetterRow};
use serde_json::{Value, json};
use uuid::Uuid;

fn brief(letter: &LetterRow) -> Value {
    json!({
        "id": letter.id, "state": letter.state, "cause": letter.cause, "detail": letter.detail, "stage": letter.stage,
        "subject": letter.subject, "case": letter.case_id, "ticket": letter.ticket, "attempt": letter.attempt,
        "region": letter.region, "seen": letter.seen, "first_seen": time(letter.first_seen),
        "last_seen": time(letter.last_seen), "acted_by": letter.acted_by, "acted_reason": letter.acted_reason,
        "replay_ticket": letter.replay_ticket, "worker_version": letter.worker_version,
    })
}

fn time(t: SqlTime) -> String {
    t.to_jiff().to_string()
}

/// Lists.
///
/// # Errors
/// The database.
pub async fn list(
    config: &Config,
    state: Option<&str>,
    cause: Option<&str>,
    stage: Option<&str>,
    limit: i64,
    output: Output,
) -> Result<Exit> {
    let pool = open::pool(config).await?;
    let letters = dead_letters::list(&pool, state, cause, stage, limit).await.told("reading the letters")?;
    if output.json {
        print_json(&letters.iter().map(brief).collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    for l in &letters {
        let case = l.case_id.map_or_else(|| "no case".to_owned(), |c| c.to_string());
        let stage = l.stage.as_deref().unwrap_or("unknown");
        println!("{}  {:9}  {stage:10}  {:24}  {case}  {}", l.id, l.state, l.cause, time(l.last_seen));
    }
    println!("{} letter(s); `kezek dead show <id>` tells more", letters.len());
    Ok(Exit::Done)
}

/// Shows one whole. The body is a job: labels and numbers.
///
/// # Errors
/// No such letter, or the database.
pub async fn show(config: &Config, id: Uuid, output: Output) -> Result<Exit> {
    let pool = open::pool(config).await?;
    let Some(letter) = dead_letters::find(&pool, id).await.told("reading the letter")? else {
        bail!(desk::DeskError::NoLetter(id));
    };
    let mut whole = brief(&letter);
    whole["message_id"] = json!(letter.message_id);
    whole["exchange"] = json!(letter.exchange);
    whole["routing_key"] = json!(letter.routing_key);
    whole["headers"] = letter.headers.clone();
    whole["body"] = match serde_json::from_slice::<Value>(&letter.body) {
        Ok(job) => job,
        Err(_) => json!({ "undecodable": hex::encode(&letter.body) }),
    };
    if output.json {
        print_json(&whole)?;
    } else {
        for (key, value) in whole.as_object().into_iter().flatten() {
            println!("{key:15} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    Ok(Exit::Done)
}

/// Replays.
///
/// # Errors
/// The first letter that cannot be replayed; those before it are.
pub async fn replay(config: &Config, ids: &[Uuid], act: &Act) -> Result<Exit> {
    let engine = open::engine(config).await?;
    let mut failed = 0;
    for id in ids {
        match desk::replay(&engine, *id, &act.actor, &act.reason).await {
            Ok(ticket) => {
                write_down(engine.pool(), act, "letter-replayed", json!({ "letter": id })).await?;
                println!("{id}: under way again, ticket {ticket}");
            }
            Err(error) => {
                failed += 1;
                eprintln!("{id}: {error}");
            }
        }
    }
    Ok(if failed == 0 { Exit::Done } else { Exit::Failed })
}

/// Discards.
///
/// # Errors
/// A letter that cannot be discarded, or the database.
pub async fn discard(config: &Config, id: Uuid, close_case: bool, act: &Act) -> Result<Exit> {
    let engine = open::engine(config).await?;
    let end = if close_case { CaseEnd::Close } else { CaseEnd::Leave };
    if close_case {
        // outside first: a case that is closed here while its registration stands would be nobody's any more
        let case = desk::ends(&engine, id).await?;
        let gateway = open::gateway(config)?;
        for told in ending::outside(&engine, &gateway, &*answers(&engine, &[]), case).await? {
            println!("{id}: {told}");
        }
    }
    desk::discard(&engine, id, &act.actor, &act.reason, end).await?;
    write_down(engine.pool(), act, "letter-discarded", json!({ "letter": id, "case_closed": close_case })).await?;
    println!("{id}: discarded{}", if close_case { "; its case ends as cancelled, held money goes back" } else { "" });
    Ok(Exit::Done)
}
