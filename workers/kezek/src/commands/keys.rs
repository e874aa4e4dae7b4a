//! `kezek keys`: keys for demonstrations and tests. In production they come from where secrets are kept.

use crate::cli::Exit;
use crate::config::{Config, new_keys_file};
use anyhow::{Result, bail};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
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
    if !config.rules.profile.is_play() {
        bail!(
            "`rules.profile` is production: keys come from where secrets are kept, with a copy that survives this machine; \
             for a demonstration set KEZEK_PROFILE=demo"
        );
    }
    new_keys_file(file, random)?;
    println!("{} written, mode 600; name it in keys.file or KEZEK_KEYS_FILE", file.display());
    Ok(Exit::Done)
}
