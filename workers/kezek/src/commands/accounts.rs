//! `kezek accounts`: who may call the doors. A token is printed once and kept as its digest alone.

use super::{Told as _, keys, open, print_json, write_down};
use crate::cli::{Act, Exit, Output};
use crate::config::{Config, read_keys};
use crate::doors::auth::OFFICER;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use kezek_domain::{Iin, IinProfile, Region, Role};
use kezek_store::accounts::{self, AccountRow};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::io::Read as _;

/// A new account.
#[derive(Clone, Debug, Args)]
pub struct Create {
    /// Its name: letters, digits, `-`, `_`, `.`
    #[arg(value_parser = name)]
    pub account: String,
    /// What it may do
    #[arg(long, value_parser = role)]
    pub role: Role,
    /// Its region, e.g. KZ-75: for reviewer, issuer and head
    #[arg(long, value_parser = region)]
    pub region: Option<Region>,
    /// Its registration points, e.g. KZ-75-01,KZ-75-02: whoever issues hands cards over there and nowhere else (A3.19)
    #[arg(long, value_delimiter = ',', value_parser = name, value_name = "POINT,…")]
    pub points: Vec<String>,
    /// Reads the person's IIN from stdin: whoever decides signs with a key of that IIN (A11a)
    #[arg(long)]
    pub iin_stdin: bool,
    /// Gives an existing account a new token, role and region
    #[arg(long)]
    pub renew: bool,
    /// How it is told.
    #[command(flatten)]
    pub output: Output,
    /// Who acts, and why.
    #[command(flatten)]
    pub act: Act,
}

fn name(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("give 1 to 64 letters, digits, `-`, `_` or `.`".to_owned())
    }
}

fn role(text: &str) -> Result<Role, String> {
    let known: Vec<_> = Role::ALL.iter().map(|r| r.label()).collect();
    Role::parse(text).ok_or_else(|| format!("there are {}", known.join(", ")))
}

fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).map_err(|e| e.to_string())
}

const fn regional(role: Role) -> bool {
    match role {
        Role::Reviewer | Role::Issuer | Role::Head => true,
        Role::Committee
        | Role::Production
        | Role::Operator
        | Role::Auditor
        | Role::Tax
        | Role::Portal
        | Role::PaymentProvider => false,
    }
}

/// Creates.
///
/// # Errors
/// A region that does not fit the role, an account that exists, an IIN that is none, the keys or the database.
pub async fn create(config: &Config, new: &Create) -> Result<Exit> {
    match (regional(new.role), &new.region) {
        (true, None) => bail!("role {} acts in one region: name it with --region", new.role.label()),
        (false, Some(_)) => bail!("role {} acts nationally: leave --region out", new.role.label()),
        (true, Some(_)) | (false, None) => {}
    }
    match (new.role == Role::Issuer, new.points.is_empty()) {
        (true, true) => bail!("role issuer hands cards over at its own points (A3.19): name them with --points"),
        (false, false) => bail!("role {} hands no cards over: leave --points out", new.role.label()),
        (true, false) | (false, true) => {}
    }
    let pool = open::pool(config).await?;
    open::same_profile(config, &pool).await?;
    let there = accounts::list(&pool).await.told("reading the accounts")?;
    if there.iter().any(|a| a.account == new.account) && !new.renew {
        bail!("account {} exists; --renew gives it a new token, role and region", new.account);
    }
    let iin = if new.iin_stdin { Some(sealed_iin(config)?) } else { None };
    let token = hex::encode(keys::random()?);
    let row = AccountRow {
        account: new.account.clone(),
        role: new.role.label().to_owned(),
        region: new.region.map(|r| r.as_str().to_owned()),
        iin,
        points: new.points.clone(),
        blocked: false,
    };
    accounts::put(&pool, &row, &Sha256::digest(token.as_bytes())).await.told("creating the account")?;
    let detail = json!({
        "account": row.account, "role": row.role, "region": row.region, "points": row.points, "renewed": new.renew,
    });
    write_down(&pool, &new.act, "account-created", detail).await?;
    if new.output.json {
        print_json(&json!({ "account": row.account, "role": row.role, "region": row.region, "token": token }))?;
    } else {
        println!("{} ({}): bearer token, shown this once:\n{token}", row.account, row.role);
    }
    Ok(Exit::Done)
}

fn sealed_iin(config: &Config) -> Result<Vec<u8>> {
    let mut text = String::new();
    std::io::stdin().take(64).read_to_string(&mut text).context("--iin-stdin: nothing could be read")?;
    let profile = if config.rules.profile.is_play() { IinProfile::Demo } else { IinProfile::Citizen };
    let iin = Iin::parse(text.trim(), profile).context("--iin-stdin")?;
    read_keys(&config.keys.file)?.seal(OFFICER, iin.expose().as_bytes()).told("sealing the IIN")
}

/// Lists; no token and no IIN is ever shown.
///
/// # Errors
/// The database.
pub async fn list(config: &Config, output: Output) -> Result<Exit> {
    let rows = accounts::list(&open::pool(config).await?).await.told("reading the accounts")?;
    if output.json {
        let all: Vec<_> = rows
            .iter()
            .map(|a| {
                json!({
                    "account": a.account, "role": a.role, "region": a.region, "points": a.points, "signs": a.iin.is_some(),
                    "blocked": a.blocked,
                })
            })
            .collect();
        print_json(&all)?;
    } else {
        for a in &rows {
            let signs = if a.iin.is_some() { "signs" } else { "-" };
            let state = if a.blocked { "blocked" } else { "active" };
            println!("{:24} {:16} {:6} {signs:6} {state}", a.account, a.role, a.region.as_deref().unwrap_or("-"));
        }
    }
    Ok(Exit::Done)
}

/// Blocks.
///
/// # Errors
/// No such account, or the database.
pub async fn block(config: &Config, account: &str, act: &Act) -> Result<Exit> {
    let pool = open::pool(config).await?;
    if !accounts::block(&pool, account).await.told("blocking the account")? {
        bail!("there is no active account {account}; `kezek accounts list` shows them");
    }
    write_down(&pool, act, "account-blocked", json!({ "account": account })).await?;
    println!("{account} is blocked; every process knows within {} s", config.doors.token_seconds);
    Ok(Exit::Done)
}
