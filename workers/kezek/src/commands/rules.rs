//! `kezek rules`: what is in force on a day and why, whether it can be worked by, and the file that extends a legal
//! basis. Nothing here changes a rule: rules are reviewed files, and an extension is signed by two persons.

use super::{Told as _, open, print_json};
use crate::cli::{Exit, Output};
use crate::config::{Config, needed};
use crate::rulebook::{self, Extended};
use anyhow::{Context as _, Result};
use clap::Args;
use jiff::civil::Date;
use kezek_domain::rules::{Extension, InForce, Line};
use kezek_domain::{Rules, Service};
use kezek_stage::Clock;
use kezek_store::clock;
use serde_json::json;
use std::path::PathBuf;

/// Which rules, and of what day.
#[derive(Clone, Debug, Args)]
pub struct Which {
    /// The day, YYYY-MM-DD; today by the installation's business clock where it is left out
    #[arg(long, value_name = "DATE", value_parser = crate::cli::date)]
    pub on: Option<Date>,
    /// The service
    #[arg(long, default_value = "id-card-renewal")]
    pub service: String,
    /// How it is told.
    #[command(flatten)]
    pub output: Output,
}

/// What an extension says.
#[derive(Clone, Debug, Args)]
pub struct Extend {
    /// The file; an existing one is never touched
    pub file: PathBuf,
    /// The service
    #[arg(long, default_value = "id-card-renewal")]
    pub service: String,
    /// First day of effect
    #[arg(long, value_name = "DATE", value_parser = crate::cli::date)]
    pub from: Date,
    /// Last day of effect
    #[arg(long, value_name = "DATE", value_parser = crate::cli::date)]
    pub to: Date,
    /// The act, with its number and date
    #[arg(long)]
    pub act: String,
    /// Where in it the period is said
    #[arg(long)]
    pub citation: String,
    /// Why it is entered by hand
    #[arg(long)]
    pub reason: String,
    /// The account of a person of the Committee who will sign; twice, for two different persons
    #[arg(long = "signer", value_name = "ACCOUNT", required = true)]
    pub signers: Vec<String>,
}

/// Prints what is in force.
///
/// # Errors
/// An extension that is not in order, or the database.
pub async fn show(config: &Config, which: &Which, topic: Option<&str>) -> Result<Exit> {
    let (rules, _, today) = here(config).await?;
    let mut told = rules.in_force(&Service::owned(which.service.clone()), which.on.unwrap_or(today));
    if let Some(topic) = topic {
        told.lines.retain(|line| line.topic == topic);
        anyhow::ensure!(
            !told.lines.is_empty(),
            "no rule of topic {topic} is in force then; leave --topic out to see all"
        );
    }
    if which.output.json {
        print_json(&told)?;
    } else {
        print!("{}", text(&told));
    }
    Ok(Exit::Done)
}

/// Judges whether applications of a day can be worked by the rules.
///
/// # Errors
/// As [`show`].
pub async fn check(config: &Config, which: &Which) -> Result<Exit> {
    let (rules, extended, today) = here(config).await?;
    let told = rules.in_force(&Service::owned(which.service.clone()), which.on.unwrap_or(today));
    if which.output.json {
        let extension = extended.as_ref().map(|e| {
            let shown: Vec<_> = e.evidence.iter().map(|s| s.evidence_sha256.as_str()).collect();
            json!({ "says": e.extension, "signatures_sha256": shown })
        });
        print_json(&json!({
            "rule_version": told.rule_version, "service": told.service, "on": told.on, "open": told.open,
            "rules": told.lines.len(), "gaps": told.gaps, "extension": extension,
        }))?;
    } else {
        println!("{} rules of version {} for {} on {}", told.lines.len(), told.rule_version, told.service, told.on);
        if let Some(Extended { extension: e, .. }) = &extended {
            let [first, second] = &e.signers;
            println!("extended by {} from {} to {}, signed by {first} and {second}: {}", e.act, e.from, e.to, e.reason);
        }
        println!("{}", if told.open { "open" } else { "closed" });
        for gap in &told.gaps {
            println!("gap: {gap}");
        }
    }
    Ok(Exit::healthy(told.gaps.is_empty()))
}

/// Writes the file to be signed, and says how.
///
/// # Errors
/// What the file may not say, or a file that exists.
pub fn extend(new: &Extend) -> Result<Exit> {
    let [first, second] = new.signers.as_slice() else {
        anyhow::bail!("two persons sign: give --signer twice");
    };
    let extension = Extension {
        format: 1,
        service: Service::owned(new.service.clone()),
        from: new.from,
        to: new.to,
        act: new.act.clone(),
        citation: new.citation.clone(),
        reason: new.reason.clone(),
        signers: [first.clone(), second.clone()],
    };
    let text = extension.text()?;
    // what would be refused at start is refused before anybody signs it
    let read = Extension::parse(&new.file.display().to_string(), &text)?;
    Rules::built_in().extended(&read, &text)?;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(&new.file).with_context(|| {
        format!("{} cannot be made; an existing file is never touched: name another", new.file.display())
    })?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    println!("{} is written. Both now sign its exact bytes, each a detached CMS signature (DER):", new.file.display());
    for signer in [first, second] {
        println!("  {}", rulebook::signature_of(&new.file, signer).display());
    }
    println!(
        "With a key in files: openssl cms -sign -binary -in FILE -signer CERT.pem -inkey KEY.pem -outform DER -out \
         FILE.ACCOUNT.p7s; with a national key: NCALayer, createCAdESFromBase64, detached.\n\
         Then set rules.extension_file (or KEZEK_RULES_EXTENSION) and run `kezek rules check`."
    );
    Ok(Exit::Done)
}

/// The rules here, the extension that was taken, and today. Without a database the built-in rules by the machine's clock.
async fn here(config: &Config) -> Result<(Rules, Option<Extended>, Date)> {
    let clock = Clock::system();
    let extended = !config.rules.extension_file.as_os_str().is_empty();
    if !extended && needed("database.engine_url", &config.database.engine_url).is_err() {
        return Ok((Rules::built_in().clone(), None, clock.today()));
    }
    let pool = open::pool(config).await?;
    clock.set_offset_ms(clock::offset_ms(&pool).await.told("reading the business clock")?);
    let (rules, extended) = rulebook::read_with(config, &pool).await?;
    Ok((rules, extended, clock.today()))
}

fn text(told: &InForce) -> String {
    let state = if told.open { "open" } else { "closed" };
    let mut out = vec![format!("{} on {}: {state}; rules of version {}", told.service, told.on, told.rule_version)];
    for gap in &told.gaps {
        out.push(format!("gap: {gap}"));
    }
    let mut topic = "";
    for line in &told.lines {
        if line.topic != topic {
            topic = line.topic;
            out.push(format!("\n{topic}"));
        }
        out.push(one(line));
    }
    out.push(String::new());
    out.join("\n")
}

fn one(line: &Line) -> String {
    let period = match (line.from, line.to) {
        (Some(from), Some(to)) => format!(" [{from} to {to}]"),
        (Some(from), None) => format!(" [since {from}]"),
        (None, _) => String::new(),
    };
    format!("  {}: {}{period}\n      why: {}", line.of, line.says, line.why)
}
