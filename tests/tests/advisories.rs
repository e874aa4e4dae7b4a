//! The locked dependencies have no known weakness that is not named and justified: `Cargo.lock` is held against
//! `ops/advisories.toml`, and exceptions are those of `deny.toml`, each with a reason and each still needed.

use anyhow::{Context, Result};
use semver::{Prerelease, Version, VersionReq};
use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};

/// Reads a TOML file of the repository.
fn read(name: &str) -> Result<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
    parse(&text).with_context(|| format!("in {name}"))
}

fn parse(text: &str) -> Result<Value> {
    Ok(toml::from_str(text)?)
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value]> {
    value[key].as_array().map(Vec::as_slice).with_context(|| format!("{key} must be a list"))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().with_context(|| format!("{key} must be a text in {value}"))
}

/// Whether a locked version is among the affected. Semver requirements pass over pre-releases, so one is also judged
/// as the release that it precedes.
fn affected(advisory: &Value, version: &Version) -> Result<bool> {
    let release = Version { pre: Prerelease::EMPTY, ..version.clone() };
    for requirement in list(advisory, "affected")? {
        let requirement = VersionReq::parse(requirement.as_str().context("affected must hold texts")?)?;
        if requirement.matches(version) || requirement.matches(&release) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is wrong, one line each; empty means that all is well.
fn judge(lock: &Value, advisories: &Value, deny: &Value) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut ignored = BTreeSet::new();
    for ignore in list(&deny["advisories"], "ignore")? {
        let id = text(ignore, "id")?;
        ignored.insert(id);
        if ignore["reason"].as_str().is_none_or(|reason| reason.trim().len() < 20) {
            problems.push(format!("deny.toml ignores {id} without a reason"));
        }
    }
    let mut needed = BTreeSet::new();
    let mut known = BTreeSet::new();
    for advisory in list(advisories, "advisory")? {
        let id = text(advisory, "id")?;
        if !known.insert(id) {
            problems.push(format!("ops/advisories.toml names {id} twice"));
        }
        text(advisory, "what")?;
        for package in list(lock, "package")? {
            let name = text(package, "name")?;
            let version = Version::parse(text(package, "version")?)?;
            if name != text(advisory, "crate")? || !affected(advisory, &version)? {
                continue;
            }
            needed.insert(id);
            if !ignored.contains(id) {
                let remedy = advisory["fixed_in"].as_str().map_or_else(
                    || "no version is fixed: replace the crate, or ignore it in deny.toml with a reason".to_owned(),
                    |fixed| format!("fixed in {fixed}"),
                );
                problems.push(format!("{name} {version} is affected by {id} ({remedy})"));
            }
        }
    }
    for stale in ignored.difference(&needed) {
        problems.push(format!("deny.toml ignores {stale}, which no locked crate needs: remove it"));
    }
    Ok(problems)
}

#[test]
fn locked_crates_have_no_known_weakness() -> Result<()> {
    let problems = judge(&read("Cargo.lock")?, &read("ops/advisories.toml")?, &read("deny.toml")?)?;
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    Ok(())
}

const FACTS: &str = r#"
[[advisory]]
id = "X-1"
crate = "leaky"
affected = [">=1.0.0, <1.2.3", "=2.0.0"]
fixed_in = "2.0.1"
what = "leaks"
"#;

fn lock(version: &str) -> Result<Value> {
    parse(&format!("[[package]]\nname = \"leaky\"\nversion = \"{version}\"\n"))
}

fn ignoring(entries: &str) -> Result<Value> {
    parse(&format!("[advisories]\nignore = [{entries}]\n"))
}

#[test]
fn an_affected_version_is_found() -> Result<()> {
    for version in ["1.0.0", "1.2.2", "1.2.2-rc.1", "2.0.0", "1.2.2+build"] {
        let problems = judge(&lock(version)?, &parse(FACTS)?, &ignoring("")?)?;
        assert_eq!(problems, [format!("leaky {version} is affected by X-1 (fixed in 2.0.1)")]);
    }
    for version in ["0.9.0", "1.2.3", "2.0.1"] {
        assert!(judge(&lock(version)?, &parse(FACTS)?, &ignoring("")?)?.is_empty(), "{version}");
    }
    Ok(())
}

#[test]
fn an_exception_needs_a_reason_and_a_cause() -> Result<()> {
    let reasoned = ignoring("{ id = \"X-1\", reason = \"only called with trusted input\" }")?;
    assert!(judge(&lock("1.0.0")?, &parse(FACTS)?, &reasoned)?.is_empty());
    assert_eq!(
        judge(&lock("1.2.3")?, &parse(FACTS)?, &reasoned)?,
        ["deny.toml ignores X-1, which no locked crate needs: remove it"]
    );
    assert_eq!(
        judge(&lock("1.0.0")?, &parse(FACTS)?, &ignoring("{ id = \"X-1\" }")?)?,
        ["deny.toml ignores X-1 without a reason"]
    );
    Ok(())
}
