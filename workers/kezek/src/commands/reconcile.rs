//! `kezek reconcile`, by hand and once a day: what the receivers outside have done for us, compared with what the database knows of it.
//!
//! After a restore the receivers know more. Their effects are left alone: every stage asks for the same thing under the
//! same key again, and they dedupe. What the stages cannot get again is what the receivers have *told* us: their answers
//! were acknowledged in a future that is lost. `--apply` brings those once more.

mod compare;

use super::{Told as _, open, print_json, write_down};
use crate::cli::{Act, Exit, Reconcile};
use crate::config::Config;
use crate::doors::gateway::arrival;
use anyhow::{Context as _, Result, anyhow};
use compare::{Compared, Facts, Remedy};
use kezek_domain::System;
use kezek_gateway::incoming::Message;
use kezek_gateway::{Gateway, STATING, Stated};
use kezek_runtime::{Engine, answers, desk, workers_off};
use kezek_stage::{Answers, Brought, EffectKey};
use kezek_store::{audit, dead_letters, mint, reconcile};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Letters of one cause that are listed at most.
const LETTERS: i64 = 100_000;

/// One thing that outside and database do not agree on.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// Its kind, a label.
    pub kind: &'static str,
    /// Who states it; none for a message of the broker or a receipt of the portal.
    pub system: Option<&'static str>,
    /// The effect's key, the payment's or refund's number, the letter's id, or the receipt.
    pub key: String,
    /// The case that it names.
    pub case: Option<Uuid>,
    /// That case's receipt, where the database knows it.
    pub receipt: Option<String>,
    /// What there is to know.
    pub what: String,
    /// What was done about it: `listed`, `brought`, `set-aside`, `in-doubt`, or `later`.
    pub done: &'static str,
}

/// Compares, tells, and with `--apply` acts.
///
/// # Errors
/// A receiver that does not answer, the database, or the broker.
pub async fn run(config: &Config, args: &Reconcile) -> Result<Exit> {
    let engine = open::engine(config).await?;
    let gateway = open::gateway(config)?;
    if args.apply {
        let reason = args.reason.clone().unwrap_or_default();
        let act = Act { actor: args.actor.clone(), reason };
        write_down(engine.pool(), &act, "reconcile", json!({})).await?;
    }
    let queues: Vec<String> = crate::pipeline::broker().queues.into_iter().map(|queue| queue.name).collect();
    let desk = Desk {
        answers: answers(&engine, &[]),
        apply: args.apply,
        // what a worker may be doing this very moment must not be judged as left undone
        workers_off: args.apply && workers_off(&engine, &queues).await.is_ok(),
        actor: args.actor.clone(),
        engine,
    };
    let mut differences = desk.letters().await?;
    if let Some(file) = &args.receipts {
        let text = std::fs::read_to_string(file).with_context(|| format!("--receipts {}", file.display()))?;
        let receipts: Vec<String> = text.lines().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect();
        differences.extend(desk.receipts(&receipts).await?);
    }
    differences.extend(desk.statements(&gateway).await?);
    let left = differences.iter().filter(|d| matches!(d.done, "listed" | "later")).count();
    if args.output.json {
        print_json(&json!({ "agrees": left == 0, "left": left, "differences": differences }))?;
    } else {
        tell(&differences, left, args.apply);
    }
    Ok(Exit::healthy(left == 0))
}

struct Desk {
    engine: Engine,
    answers: Arc<dyn Answers>,
    apply: bool,
    workers_off: bool,
    actor: String,
}

/// Compares by itself, while the workers work: brings answers that were lost (each once, by its number), touches nothing
/// else, and writes down how much is left for a person. Once in `every`, whichever process comes to it.
///
/// # Errors
/// A receiver that does not answer, or the database; the next round tries again.
pub async fn by_itself(engine: &Engine, gateway: &Gateway, every: Duration) -> Result<Option<Vec<Difference>>> {
    let pool = engine.pool();
    let mut tx = pool.begin().await.told("looking when it was last compared")?;
    if !audit::first_within(&mut mint(&mut tx), DAILY, every.as_secs_f64())
        .await
        .told("looking when it was compared")?
    {
        return Ok(None);
    }
    let entry = audit::Entry { account: "kezek", role: "operator", act: DAILY, case_id: None, detail: json!({}) };
    audit::append(&mut mint(&mut tx), &entry).await.told("writing the act down")?;
    tx.commit().await.told("writing the act down")?;
    let desk = Desk {
        answers: answers(engine, &[]),
        apply: true,
        // workers are at work: nothing is judged that they may be doing this very moment
        workers_off: false,
        actor: "kezek".to_owned(),
        engine: engine.clone(),
    };
    let mut differences = desk.letters().await?;
    differences.extend(desk.statements(gateway).await?);
    let count = |done: &[&str]| differences.iter().filter(|d| done.contains(&d.done)).count();
    let (brought, left) = (count(&["brought"]), count(&["listed", "later"]));
    if left > 0 {
        tracing::warn!(brought, left, "compared with the receivers: `kezek reconcile` lists what is left for a person");
    } else {
        tracing::info!(brought, "compared with the receivers: nothing is left");
    }
    Ok(Some(differences))
}

/// What the daily comparison is called in the audit trail.
const DAILY: &str = "reconciled-by-itself";

impl Desk {
    /// Every page of every receiver's statement.
    async fn statements(&self, gateway: &Gateway) -> Result<Vec<Difference>> {
        let mut differences = Vec::new();
        for system in STATING {
            let mut after = String::new();
            loop {
                let page = gateway.statement(system, &after).await.map_err(|fault| {
                    anyhow!("{} does not give its statement: {fault}; try again when it answers", system.label())
                })?;
                let Some(last) = page.last() else { break };
                after.clone_from(&last.key);
                differences.extend(self.page(system, &page).await?);
            }
        }
        Ok(differences)
    }

    /// Letters of a time that the database does not know.
    async fn letters(&self) -> Result<Vec<Difference>> {
        let mut differences = Vec::new();
        for cause in ["ahead-of-database", "unknown-case"] {
            let letters = dead_letters::list(self.engine.pool(), Some("open"), Some(cause), None, LETTERS).await;
            for letter in letters.told("reading the letters")? {
                let named = letter.headers["case"].as_str().and_then(|case| case.parse().ok());
                differences.push(Difference {
                    kind: "message-ahead",
                    system: None,
                    key: letter.id.to_string(),
                    case: letter.case_id.or(named),
                    receipt: None,
                    what: format!(
                        "the broker kept a message for {}: {}; discard it once its case is settled",
                        letter.stage.as_deref().unwrap_or("no stage"),
                        letter.detail
                    ),
                    done: "listed",
                });
            }
        }
        Ok(differences)
    }

    async fn receipts(&self, receipts: &[String]) -> Result<Vec<Difference>> {
        let unknown = reconcile::unknown_receipts(self.engine.pool(), receipts).await.told("looking receipts up")?;
        let difference = |receipt: String| Difference {
            kind: "receipt-unknown",
            system: None,
            key: receipt,
            case: None,
            receipt: None,
            what: "the portal holds this receipt and there is no such case: the applicant has to apply again"
                .to_owned(),
            done: "listed",
        };
        Ok(unknown.into_iter().map(difference).collect())
    }

    /// One page of a statement.
    async fn page(&self, system: System, page: &[Stated]) -> Result<Vec<Difference>> {
        let pool = self.engine.pool();
        let ids: BTreeSet<Uuid> = page.iter().filter_map(|s| EffectKey::case_of(&s.key)).map(|case| case.0).collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let keys: Vec<String> = page.iter().map(|s| s.key.clone()).collect();
        let numbers: Vec<String> = page.iter().flat_map(|s| &s.told).filter_map(compare::number).collect();
        let facts = Facts {
            cases: reconcile::cases(pool, &ids).await.told("reading the cases")?,
            booked: reconcile::booked(pool, &numbers).await.told("reading the ledger")?,
            arrived: reconcile::arrived(pool, system.label(), &keys).await.told("reading the arrivals")?,
            noticed: reconcile::noticed(pool, &keys).await.told("reading the notices")?,
        };
        let mut differences = Vec::new();
        for stated in page {
            for compared in compare::compare(stated, &facts) {
                differences.push(self.act(system, stated, compared, &facts).await?);
            }
        }
        Ok(differences)
    }

    /// Does what the difference asks for, where it may.
    async fn act(&self, system: System, stated: &Stated, compared: Compared, facts: &Facts) -> Result<Difference> {
        let case = EffectKey::case_of(&stated.key).map(|case| case.0);
        let done = match (&compared.remedy, case) {
            (_, _) if !self.apply => "listed",
            (Remedy::None, _) => "listed",
            (Remedy::Later, _) => "later",
            (Remedy::Bring(message), _) => self.bring(message).await?,
            (Remedy::SetAside | Remedy::Doubt { .. }, _) if !self.workers_off => "later",
            (Remedy::SetAside, Some(case)) => {
                let aside = desk::set_aside(&self.engine, case, &self.actor, "ended-outside", &compared.what).await?;
                if aside { "set-aside" } else { "listed" }
            }
            (Remedy::Doubt { key }, Some(case)) => {
                let mut tx = self.engine.pool().begin().await.told("noting a doubt")?;
                let mut permit = mint(&mut tx);
                let noted = reconcile::doubt(&mut permit, key, case, "notice", System::Sms.label(), "message").await;
                noted.told("noting a doubt")?;
                tx.commit().await.told("noting a doubt")?;
                "in-doubt"
            }
            (Remedy::SetAside | Remedy::Doubt { .. }, None) => "listed",
        };
        Ok(Difference {
            kind: compared.kind,
            system: Some(system.label()),
            key: compared.key,
            case,
            receipt: case.and_then(|case| facts.cases.get(&case)).map(|case| case.receipt.clone()),
            what: compared.what,
            done,
        })
    }

    async fn bring(&self, message: &Message) -> Result<&'static str> {
        let arrival = arrival(self.engine.keyring(), message).map_err(|fault| anyhow!("{fault}"))?;
        let brought = self.answers.bring(arrival).await;
        let brought = brought.map_err(|error| anyhow!("an answer could not be kept ({}); run it again", error.code))?;
        Ok(match brought {
            Brought::Kept | Brought::Unclaimed => "brought",
            // it is here already and was not booked: it would overdraw its case, and waits for a person
            Brought::Before => "listed",
        })
    }
}

fn tell(differences: &[Difference], left: usize, apply: bool) {
    let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for d in differences {
        let who = d.receipt.clone().or_else(|| d.case.map(|case| case.to_string())).unwrap_or_default();
        println!("{:20} {:18} {:9} {who}  {}  {}", d.kind, d.system.unwrap_or("-"), d.done, d.key, d.what);
        *kinds.entry((d.kind, d.done)).or_default() += 1;
    }
    for ((kind, done), n) in kinds {
        println!("{n:6} {kind}: {done}");
    }
    match (left, apply) {
        (0, _) => println!("outside and database agree, or will as the cases go on"),
        (_, true) => println!("{left} left; `later` ones can be brought once their cases have caught up: run it again"),
        (_, false) => println!("{left} listed; `--apply --reason …` brings what can be brought"),
    }
}
