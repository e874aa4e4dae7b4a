//! Coverage of the law: every line of the order is proved by tests that carry its id, and the rule behind it can be
//! switched off, whereupon one of them fails. `ops/law` prints the table and tries the switches.

use crate::rooms::root;
use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A line of the order, as `tests/law/order-a.toml` names it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    says: String,
    fulfilled_by: Option<String>,
    #[serde(flatten)]
    off: Option<Off>,
}

/// How to switch the rule of a line off: what stands in which file instead of what, and the test that must fail then.
#[derive(Debug, Deserialize)]
struct Off {
    file: String,
    old: String,
    new: String,
    package: String,
    test: String,
}

#[derive(Deserialize)]
struct Order {
    line: Vec<Line>,
}

fn order() -> Result<Vec<Line>> {
    let text = std::fs::read_to_string(root().join("tests/law/order-a.toml"))?;
    Ok(toml::from_str::<Order>(&text)?.line)
}

/// The ids that a test's name begins with: `a3_1_a3_3_…`, and ranges of one paragraph: `a3_1_to_a3_7_…`.
fn ids_of_name(name: &str) -> Vec<String> {
    let mut ids: Vec<(String, Option<u32>)> = Vec::new();
    let mut words = name.split('_').peekable();
    let mut range = false;
    while let Some(word) = words.peek() {
        let Some(rest) = word.strip_prefix('a').filter(|r| r.starts_with(|c: char| c.is_ascii_digit())) else {
            if !(*word == "to" || *word == "and") || ids.is_empty() {
                break;
            }
            range = *word == "to";
            words.next();
            continue;
        };
        let paragraph = format!("A{rest}");
        words.next();
        let item = words.peek().and_then(|w| w.parse::<u32>().ok());
        if item.is_some() {
            words.next();
        }
        if let (true, Some((from, Some(first))), Some(last)) = (range, ids.last().cloned(), item)
            && from == paragraph
        {
            ids.extend((first + 1..last).map(|n| (paragraph.clone(), Some(n))));
        }
        range = false;
        ids.push((paragraph, item));
    }
    ids.into_iter().map(|(p, item)| item.map_or(p.clone(), |n| format!("{p}.{n}"))).collect()
}

/// Every test with an id of the order in its name: id → `file: name`.
fn tests() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for folder in ["common", "workers", "ops/sandbox", "tests/tests"] {
        let mut files = Vec::new();
        crate::sources::walk(&root().join(folder), &mut files)?;
        for path in files.iter().filter(|p| !p.components().any(|c| c.as_os_str() == "target")) {
            let text = std::fs::read_to_string(path)?;
            let name = path.strip_prefix(root())?.display().to_string();
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[") && line.contains("test") || line.starts_with("proptest!") {
                    marked = true;
                } else if let Some(signature) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ") {
                    let test = signature.split('(').next().unwrap_or_default();
                    for id in ids_of_name(test).into_iter().filter(|_| marked) {
                        found.entry(id).or_default().insert(format!("{name}: {test}"));
                    }
                    marked = line_is_proptest(&text, test);
                }
            }
        }
    }
    Ok(found)
}

/// Inside `proptest! { … }` several functions may stand without an attribute of their own.
fn line_is_proptest(text: &str, test: &str) -> bool {
    text.find("proptest!").is_some_and(|begin| text.find(&format!("fn {test}(")).is_some_and(|at| at > begin))
}

#[test]
fn names_are_read_as_ids() {
    let of = |name: &str| ids_of_name(name).join(" ");
    assert_eq!(of("a3_14_a_certain_none_leads_to_payment"), "A3.14");
    assert_eq!(of("a3_1_to_a3_3_x"), "A3.1 A3.2 A3.3");
    assert_eq!(of("a3_2_and_a2_what"), "A3.2 A2");
    assert_eq!(of("a11a_approval"), "A11a");
    assert_eq!(of("a_case"), "");
    assert_eq!(of("a7"), "A7");
}

#[test]
fn every_line_of_the_order_is_proved_and_can_be_switched_off() -> Result<()> {
    let (lines, tests) = (order()?, tests()?);
    let known: BTreeSet<&str> = lines.iter().map(|l| l.id.as_str()).collect();
    ensure!(known.len() == lines.len(), "an id stands twice");
    let mut wrong = Vec::new();
    // a whole paragraph is not a line: a journey may name it
    let part = |rest: &str| rest.starts_with(|c: char| c == '.' || c.is_ascii_lowercase());
    let paragraph = |id: &str| known.iter().any(|k| k.strip_prefix(id).is_some_and(part));
    for id in tests.keys().filter(|id| !known.contains(id.as_str()) && !paragraph(id)) {
        wrong.push(format!("{id} is named by a test and stands in no line of the order"));
    }
    let mut table = String::new();
    for line in &lines {
        let proved = tests.get(&line.id);
        writeln!(table, "{:<6} {}", line.id, line.says)?;
        match (&line.fulfilled_by, &line.off) {
            (Some(who), None) => writeln!(table, "       fulfilled by {who}")?,
            (None, Some(off)) => {
                for test in proved.into_iter().flatten() {
                    writeln!(table, "       {test}")?;
                }
                if !proved.is_some_and(|p| p.iter().any(|t| t.ends_with(&format!(": {}", off.test)))) {
                    wrong.push(format!("{}: no test `{}` carries its id", line.id, off.test));
                }
                let text = std::fs::read_to_string(root().join(&off.file)).with_context(|| line.id.clone())?;
                let times = text.matches(&off.old).count();
                if times != 1 || off.old == off.new {
                    wrong.push(format!("{}: what is to be switched off stands {times} times in {}", line.id, off.file));
                }
            }
            _ => wrong.push(format!("{}: either somebody else fulfils it, or its rule can be switched off", line.id)),
        }
    }
    println!("{table}");
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// A copy of the repository whose files keep their times, so that only what is changed is built anew.
fn copy_to(copy: &Path) -> Result<()> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output()?;
    ensure!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    for name in String::from_utf8(listed.stdout)?.split('\0').filter(|n| !n.is_empty()) {
        let (from, to) = (root().join(name), copy.join(name));
        // a file that was deleted and not yet committed
        let Ok(meta) = std::fs::metadata(&from) else { continue };
        let same =
            std::fs::metadata(&to).is_ok_and(|m| m.modified().ok() == meta.modified().ok() && m.len() == meta.len());
        if !same {
            std::fs::create_dir_all(to.parent().context("a folder")?)?;
            std::fs::copy(&from, &to)?;
            std::fs::File::options().write(true).open(&to)?.set_modified(meta.modified()?)?;
        }
    }
    Ok(())
}

/// Runs one test of a package's library; whether it passed.
fn passes(copy: &Path, off: &Off) -> Result<bool> {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--locked", "--quiet", "-p", &off.package, "--lib", &off.test])
        .env("SQLX_OFFLINE", "true")
        .env("CARGO_TARGET_DIR", root().join("target/law/build"))
        .env("RUSTFLAGS", "--cap-lints allow")
        .current_dir(copy)
        .output()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        ensure!(told.contains("1 passed"), "{}: no such test was run:\n{told}", off.test);
        return Ok(true);
    }
    // what does not compile proves nothing
    ensure!(
        told.contains("test result: FAILED"),
        "{} was not run:\n{}",
        off.test,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(false)
}

/// The proof that the proofs prove: rule by rule, with the rule its test passes, without it the test fails.
/// `KEZEK_LAW_LINES` names single lines, separated by commas.
#[test]
#[ignore = "builds the product once per rule: ops/law --switch-off"]
fn switched_off_each_rule_fails_its_test() -> Result<()> {
    let only: Vec<String> = std::env::var("KEZEK_LAW_LINES")
        .unwrap_or_default()
        .split(',')
        .filter(|s| !s.is_empty())
        .map(Into::into)
        .collect();
    let copy: PathBuf = root().join("target/law/copy");
    copy_to(&copy)?;
    let mut tried = 0;
    let mut wrong = Vec::new();
    for line in order()?.iter().filter(|l| only.is_empty() || only.contains(&l.id)) {
        let Some(off) = &line.off else { continue };
        let path = copy.join(&off.file);
        let text = std::fs::read_to_string(&path)?;
        if !passes(&copy, off)? {
            bail!("{}: {} fails with the rule in place", line.id, off.test);
        }
        std::fs::write(&path, text.replacen(&off.old, &off.new, 1))?;
        let noticed = passes(&copy, off);
        std::fs::write(&path, &text)?;
        println!(
            "{:<6} {}  {}",
            line.id,
            if matches!(noticed, Ok(false)) { "noticed" } else { "NOT NOTICED" },
            off.test
        );
        match noticed {
            Ok(false) => tried += 1,
            Ok(true) => wrong.push(format!("{}: {} passes without the rule", line.id, off.test)),
            Err(error) => wrong.push(format!("{}: {error}", line.id)),
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(tried > 0, "no line of that name has a rule of ours");
    println!("{tried} rules switched off one by one: each time its test failed");
    Ok(())
}
