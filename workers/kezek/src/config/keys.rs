//! The keys file: the wrapping keys by id, the id of the current one, and the key of the IIN's hash. Nobody but its
//! owner may read it. No error repeats what stands in it.

use kezek_stage::ConfigError;
use kezek_store::crypt::Keyring;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

const WHAT: &str = "keys.file";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    current: String,
    iin: String,
    wrapping: BTreeMap<String, String>,
}

/// Reads the keys: TOML, or JSON where the file's name ends in `.json`.
///
/// # Errors
/// A file that others may read, cannot be read, or does not hold whole keys.
pub fn read_keys(path: &Path) -> Result<Keyring, ConfigError> {
    let wrong = |what: String| ConfigError::at(WHAT, format!("{}: {what}", path.display()));
    if path.as_os_str().is_empty() {
        return Err(ConfigError::at(WHAT, "is empty: name the file of the keys there or in KEZEK_KEYS_FILE"));
    }
    let about = std::fs::metadata(path)
        .map_err(|e| wrong(format!("cannot be read ({}); for demo and test, `kezek keys new` writes one", e.kind())))?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(wrong(format!("has mode {mode:03o}, others may read the keys: chmod 600 it")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| wrong(format!("cannot be read ({})", e.kind())))?;
    let not = "is not a keys file; it takes `current`, `iin` and a table `wrapping` of keys by id";
    let file: KeysFile = if path.extension().is_some_and(|e| e == "json") {
        serde_json::from_str(&text).map_err(|_| wrong(not.to_owned()))?
    } else {
        toml::from_str(&text).map_err(|_| wrong(not.to_owned()))?
    };
    let key = |place: &str, text: &str| -> Result<[u8; 32], ConfigError> {
        let bytes = hex::decode(text).ok().and_then(|b| <[u8; 32]>::try_from(b).ok());
        bytes.ok_or_else(|| wrong(format!("`{place}` is not 64 hexadecimal digits")))
    };
    let mut wrapping = BTreeMap::new();
    for (id, text) in &file.wrapping {
        wrapping.insert(id.clone(), key(&format!("wrapping.{id}"), text)?);
    }
    let iin = key("iin", &file.iin)?;
    Keyring::new(&file.current, &wrapping, iin)
        .map_err(|_| wrong("`current` names no key of `wrapping`; the key ids must agree".to_owned()))
}

/// Writes a new keys file that only its owner may read; an existing one is never touched.
///
/// # Errors
/// A file that exists, a folder that cannot be written, or no randomness.
pub fn new_keys_file(path: &Path, random: impl Fn() -> anyhow::Result<[u8; 32]>) -> anyhow::Result<()> {
    let text = format!(
        "# The keys of the encryption at rest. Losing them loses every dossier.\ncurrent = \"k1\"\n\
         # the key of the hash by which an IIN is found\niin = \"{}\"\n\n[wrapping]\nk1 = \"{}\"\n",
        hex::encode(random()?),
        hex::encode(random()?)
    );
    write_private(path, &text)
}

/// Writes a copy of a keys file with one more wrapping key under a new id, which becomes the current one. Returns the id.
///
/// # Errors
/// Keys that cannot be read, a file that exists, or no randomness.
pub fn next_keys_file(
    from: &Path,
    path: &Path,
    random: impl Fn() -> anyhow::Result<[u8; 32]>,
) -> anyhow::Result<String> {
    // judged whole before anything is written
    read_keys(from)?;
    let text = std::fs::read_to_string(from)?;
    let mut file: KeysFile = if from.extension().is_some_and(|e| e == "json") {
        serde_json::from_str(&text).map_err(|_| anyhow::anyhow!("{} is not a keys file", from.display()))?
    } else {
        toml::from_str(&text).map_err(|_| anyhow::anyhow!("{} is not a keys file", from.display()))?
    };
    let number = (1..).find(|n| !file.wrapping.contains_key(&format!("k{n}"))).unwrap_or(1_u32);
    let id = format!("k{number}");
    file.wrapping.insert(id.clone(), hex::encode(random()?));
    let wrapping: String = file.wrapping.iter().map(|(id, key)| format!("{id:?} = \"{key}\"\n")).collect();
    let text = format!(
        "# The keys of the encryption at rest. Losing them loses every dossier.\ncurrent = {id:?}\n\
         # the key of the hash by which an IIN is found\niin = \"{}\"\n\n[wrapping]\n{wrapping}",
        file.iin
    );
    write_private(path, &text)?;
    Ok(id)
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| {
        anyhow::anyhow!(
            "{} cannot be written ({}); keys are never overwritten: give a new name in an existing folder",
            path.display(),
            e.kind()
        )
    })?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}
