//! `kezek keys`: new keys for demonstrations and tests (in production they come from where secrets are kept), and the
//! rotation of the wrapping key everywhere.

use super::{Told as _, open, print_json, write_down};
use crate::cli::{Exit, Output, Rotate};
use crate::config::{Config, new_keys_file, next_keys_file, read_keys};
use anyhow::{Result, bail};
use kezek_store::crypt::Keyring;
use kezek_store::{mint, rotation};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use serde_json::json;
use sqlx::PgPool;
use std::path::Path;

/// 32 bytes that nobody can guess.
///
/// # Errors
/// Where the machine has no randomness.
pub fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes)?;
    Ok(bytes)
}

/// Writes a new keys file.
///
/// # Errors
/// In production, or where the file exists.
pub fn new(config: &Config, file: &Path) -> Result<Exit> {
    play_only(config)?;
    new_keys_file(file, random)?;
    println!("{} written, mode 600; name it in keys.file or KEZEK_KEYS_FILE", file.display());
    Ok(Exit::Done)
}

fn play_only(config: &Config) -> Result<()> {
    if !config.rules.profile.is_play() {
        bail!(
            "`rules.profile` is production: keys come from where secrets are kept, with a copy that survives this machine; \
             for a demonstration set KEZEK_PROFILE=demo"
        );
    }
    Ok(())
}

/// Writes a copy of the keys with one more wrapping key, the current one from then on.
///
/// # Errors
/// In production, where the keys cannot be read, or where the new file exists.
pub fn next(config: &Config, file: &Path) -> Result<Exit> {
    play_only(config)?;
    let id = next_keys_file(&config.keys.file, file, random)?;
    println!("{} written, mode 600, current key {id}", file.display());
    println!(
        "start every process with it, then run `kezek keys rotate`; drop the old key when nothing is left under it"
    );
    Ok(Exit::Done)
}

/// Tells how many keys of cases lie under which wrapping key.
///
/// # Errors
/// The database, or keys that cannot be read.
pub async fn status(config: &Config, output: Output) -> Result<Exit> {
    let (pool, ring) = (open::pool(config).await?, read_keys(&config.keys.file)?);
    tell(&pool, &ring, output).await
}

async fn tell(pool: &PgPool, ring: &Keyring, output: Output) -> Result<Exit> {
    let under = rotation::count(pool).await.told("counting keys")?;
    let left: i64 = under.iter().filter(|u| u.key_id != ring.current()).map(|u| u.cases).sum();
    if output.json {
        print_json(&json!({ "current": ring.current(), "left": left, "under": under }))?;
    } else {
        for u in &under {
            println!("{:20} {}", u.key_id, u.cases);
        }
        println!("{left} left under another key than {}", ring.current());
    }
    Ok(Exit::healthy(left == 0))
}

/// Wraps everything anew under the current key, page by page.
///
/// # Errors
/// The database, or a key that the keys file does not have: what was done until then is done.
pub async fn rotate(config: &Config, args: &Rotate) -> Result<Exit> {
    let (pool, ring) = (open::pool(config).await?, read_keys(&config.keys.file)?);
    write_down(&pool, &args.act, "keys-rotated", json!({ "to": ring.current() })).await?;
    let mut moved = 0;
    loop {
        let mut tx = pool.begin().await.told("wrapping keys anew")?;
        let page = rotation::cases(&mut mint(&mut tx), &ring, args.page.into()).await.told("wrapping keys anew")?;
        tx.commit().await.told("wrapping keys anew")?;
        moved += page;
        if page == 0 {
            break;
        }
    }
    let mut tx = pool.begin().await.told("sealing officers' IINs anew")?;
    let officers = rotation::accounts(&mut mint(&mut tx), &ring).await.told("sealing officers' IINs anew")?;
    tx.commit().await.told("sealing officers' IINs anew")?;
    if !args.output.json {
        println!("{moved} case key(s) and {officers} account(s) now under {}", ring.current());
    }
    tell(&pool, &ring, args.output).await
}
