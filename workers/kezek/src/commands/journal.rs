//! `kezek journal verify`: what was written for good, read again from the first entry to the last (A0.1).

use super::{Told as _, open, print_json, seal};
use crate::cli::{Exit, Verify};
use crate::config::Config;
use anyhow::Result;
use kezek_store::trail;

/// Verifies journals, audit trail and seals.
///
/// # Errors
/// Where the database does not answer, or the file cannot be read.
pub async fn verify(config: &Config, args: &Verify) -> Result<Exit> {
    let known = seal::kept(args.against.as_deref())?;
    let pool = open::pool(config).await?;
    let verified = trail::verify(&pool, &known).await.told("reading what was written for good")?;
    let sound = verified.findings.is_empty();
    if args.output.json {
        print_json(&verified)?;
        return Ok(Exit::healthy(sound));
    }
    for found in &verified.findings {
        let case = found.case.map_or_else(String::new, |case| format!(" of case {case}"));
        println!("{} {}{case}, at {}: {}", found.of, found.what, found.place, found.told);
    }
    let what = if sound { "as they were written" } else { "NOT as they were written" };
    println!("{} journal(s) and {} seal(s): {what}", verified.cases, verified.seals);
    if known.is_empty() {
        println!(
            "with --against FILE, seals that were kept elsewhere are compared too: a case that was taken out shows"
        );
    }
    Ok(Exit::healthy(sound))
}
