//! The operator's commands, one file each, and what they share: how a failure is told, and how the installation is
//! opened.

pub mod accounts;
pub mod case;
pub mod check;
pub mod clock;
pub mod config;
pub mod dead;
pub mod doctor;
pub mod ending;
pub mod journal;
pub mod keys;
pub mod map;
pub mod migrate;
pub mod open;
pub mod outages;
pub mod reconcile;
pub mod repair;
pub mod report;
pub mod rules;
pub mod run;
pub mod schemas;
pub mod seal;
pub mod stage;
pub mod terms;
pub mod topology;

use crate::cli::Act;
use anyhow::{Result, anyhow};
use kezek_store::{StoreError, audit, mint};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgPool;

/// Prints a value as JSON on stdout.
///
/// # Errors
/// Where it cannot be written.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    use std::io::Write as _;
    let text = serde_json::to_string_pretty(value)?;
    match writeln!(std::io::stdout(), "{text}") {
        // whoever reads has read enough
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// A failure of the database as an operator should read it: never a row's content, always what to do.
pub trait Told<T> {
    /// Tells it, with what was being done.
    ///
    /// # Errors
    /// The failure.
    fn told(self, doing: &str) -> Result<T>;
}

impl<T> Told<T> for Result<T, StoreError> {
    fn told(self, doing: &str) -> Result<T> {
        self.map_err(|error| {
            let text = error.tell();
            let remedy = match () {
                () if text.contains("42P01") || text.contains("42703") || text.contains("42501") => {
                    "; run `kezek migrate` with the owner's address"
                }
                () if text.starts_with("connection") || text.contains("pool") => {
                    "; is PostgreSQL up? try `kezek doctor`"
                }
                () => "",
            };
            anyhow!("{doing}: {text}{remedy}")
        })
    }
}

impl<T> Told<T> for Result<T, sqlx::Error> {
    fn told(self, doing: &str) -> Result<T> {
        self.map_err(StoreError::from).told(doing)
    }
}

/// Writes an operator's act into the audit trail.
///
/// # Errors
/// Where the database fails.
pub async fn write_down(pool: &PgPool, act: &Act, what: &str, detail: Value) -> Result<()> {
    let mut tx = pool.begin().await.told("writing the act down")?;
    let entry = audit::Entry {
        account: &format!("shell:{}", act.actor),
        role: "operator",
        act: what,
        case_id: None,
        detail: json!({ "reason": act.reason, "of": detail }),
    };
    audit::append(&mut mint(&mut tx), &entry).await.told("writing the act down")?;
    tx.commit().await.told("writing the act down")
}
