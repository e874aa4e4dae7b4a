//! Rooms: a crate leans only on the rooms that the design allows it, and lies under its own room.

use anyhow::{Context as _, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A crate of the workspace.
pub struct Crate {
    pub name: String,
    /// Its folder, from the root.
    pub folder: String,
    /// What it is built with, by the name on the registry; dev-dependencies are free.
    pub normal: BTreeSet<String>,
}

/// The crates of the workspace, as cargo sees them.
pub fn crates() -> Result<Vec<Crate>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .context("running cargo metadata")?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)))?;
    let top = root().canonicalize()?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    packages
        .iter()
        .map(|package| {
            let text = |key: &str| package[key].as_str().map(str::to_owned).with_context(|| format!("no {key}"));
            let manifest = PathBuf::from(text("manifest_path")?);
            let folder = manifest.parent().and_then(|p| p.strip_prefix(&top).ok()).context("outside the repository")?;
            let normal = package["dependencies"]
                .as_array()
                .context("no dependencies")?
                .iter()
                .filter(|d| d["kind"].is_null() || d["kind"] == "build")
                .filter_map(|d| d["name"].as_str().map(str::to_owned))
                .collect();
            Ok(Crate { name: text("name")?, folder: folder.display().to_string(), normal })
        })
        .collect()
}

/// What a room may depend on, of ours; `None` for rooms that stand outside the product.
fn allowed(folder: &str) -> Option<BTreeSet<String>> {
    let rooms: &[&str] = match folder {
        "common/domain" => &[],
        "common/store" => &["domain"],
        "common/stage" => &["domain", "store"],
        "common/runtime" => &["domain", "store", "stage"],
        "common/gateway" | "common/web" => &["domain", "store"],
        "workers/kezek" => &["domain", "store", "stage", "runtime", "gateway", "web"],
        "common/testkit" | "ops/sandbox" | "tests" => return None,
        stage if stage.starts_with("workers/") => &["domain", "stage", "gateway", "web"],
        _ => &[],
    };
    Some(rooms.iter().map(|r| format!("kezek-{r}")).collect())
}

/// What is wrong with the edges, one line each.
fn judge(crates: &[Crate]) -> Vec<String> {
    let ours: BTreeMap<&str, &str> = crates.iter().map(|c| (c.name.as_str(), c.folder.as_str())).collect();
    let mut wrong = Vec::new();
    for c in crates {
        let Some(mut may) = allowed(&c.folder) else { continue };
        if c.folder == "workers/kezek" {
            // the binary has every stage
            let stages = crates.iter().filter(|s| s.folder.starts_with("workers/") && s.folder != c.folder);
            may.extend(stages.map(|s| s.name.clone()));
        }
        for dependency in c.normal.iter().filter(|d| ours.contains_key(d.as_str())) {
            if !may.contains(dependency) {
                wrong.push(format!("{} leans on {}", c.folder, ours[dependency.as_str()]));
            }
        }
    }
    wrong
}

#[test]
fn a_room_leans_only_on_what_the_design_allows_it() -> Result<()> {
    assert_eq!(judge(&crates()?), Vec::<String>::new());
    Ok(())
}

#[test]
fn a_forbidden_edge_is_seen() {
    let of = |folder: &str, normal: &[&str]| Crate {
        name: format!("kezek-{}", folder.rsplit('/').next().unwrap_or(folder)),
        folder: folder.to_owned(),
        normal: normal.iter().map(|n| format!("kezek-{n}")).collect(),
    };
    let crates = [
        of("common/domain", &["stage"]),
        of("common/stage", &["domain"]),
        of("common/store", &[]),
        of("workers/payment", &["stage", "store", "refund"]),
        of("workers/refund", &["sandbox"]),
        of("workers/kezek", &["payment", "sandbox"]),
        of("ops/sandbox", &["payment"]),
    ];
    assert_eq!(
        judge(&crates),
        [
            "common/domain leans on common/stage",
            "workers/payment leans on workers/refund",
            "workers/payment leans on common/store",
            "workers/refund leans on ops/sandbox",
            "workers/kezek leans on ops/sandbox",
        ]
    );
}

#[test]
fn every_crate_lies_under_its_room_and_is_named_after_it() -> Result<()> {
    for c in crates()? {
        let (room, name) = c.folder.rsplit_once('/').unwrap_or(("", &c.folder));
        assert!(matches!((room, name), ("common" | "workers", _) | ("ops", "sandbox") | ("", "tests")), "{}", c.folder);
        let wanted = if c.folder == "workers/kezek" { "kezek".to_owned() } else { format!("kezek-{name}") };
        assert_eq!(c.name, wanted);
    }
    Ok(())
}

#[test]
fn only_the_engine_is_built_with_the_brokers_client_and_the_delays() -> Result<()> {
    for c in crates()? {
        for dependency in ["lapin", "backoff"] {
            assert_eq!(c.normal.contains(dependency), c.folder == "common/runtime", "{} and {dependency}", c.folder);
        }
    }
    Ok(())
}

#[test]
fn the_readmes_rooms_name_every_crate() -> Result<()> {
    let readme = std::fs::read_to_string(root().join("README.md"))?;
    let rooms =
        readme.split("\n## ").find(|part| part.starts_with("Rooms")).context("README.md has no part `Rooms`")?;
    for c in crates()? {
        assert!(rooms.contains(&format!("]({})", c.folder)), "README.md, Rooms: {} is missing", c.folder);
    }
    // and nothing that is not there
    for link in rooms.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(root().join(link).exists(), "README.md, Rooms: {link} does not exist");
    }
    Ok(())
}
