//! Sources: who names the broker's client, the delays, SQL; and that no arrow has a catch-all.

use crate::rooms::root;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Every source file of the product's rooms, with its path from the root. Tests and stand-ins are not the product.
pub fn sources() -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for room in ["common", "workers"] {
        walk(&root().join(room), &mut found)?;
    }
    let top = root();
    found
        .into_iter()
        .filter_map(|path| {
            let name = path.strip_prefix(&top).ok()?.display().to_string();
            let outside = name.starts_with("common/testkit/") || name.contains("/tests/") || name.contains("/target/");
            (!outside).then_some((name, path))
        })
        .map(|(name, path)| Ok((name, std::fs::read_to_string(path)?)))
        .collect()
}

/// The Rust files of a folder and those below it.
pub fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// A line without its comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

fn naming(needle: &str) -> Result<Vec<String>> {
    let hits = sources()?.into_iter().filter(|(_, text)| text.lines().any(|l| code(l).contains(needle)));
    Ok(hits.map(|(name, _)| name).collect())
}

#[test]
fn only_the_engine_names_the_brokers_client() -> Result<()> {
    let named = naming("lapin::")?;
    assert!(!named.is_empty(), "this check sees nothing");
    for name in named {
        assert!(name.starts_with("common/runtime/"), "{name} names lapin");
    }
    Ok(())
}

#[test]
fn one_module_owns_the_delays() -> Result<()> {
    assert_eq!(naming("backoff::")?, ["common/runtime/src/retry.rs"]);
    Ok(())
}

#[test]
fn sql_lies_in_the_store_in_reads_and_in_each_stages_own_file() -> Result<()> {
    let named = naming("sqlx::query")?;
    assert!(named.len() > 10, "this check sees nothing");
    for name in named {
        let stage_store = name.starts_with("workers/") && name.ends_with("/src/store.rs");
        let spine = name.starts_with("common/store/src/") || name == "common/runtime/src/reads.rs";
        assert!(spine || stage_store, "{name} has SQL: it belongs into the store's file of that table");
    }
    Ok(())
}

/// Catch-alls in the arrows of a services file, by line.
fn catch_alls(text: &str) -> Vec<usize> {
    let product = text.split("#[cfg(test)]").next().unwrap_or(text);
    let lines = product.lines().enumerate();
    lines
        .filter(|(_, l)| code(l).trim_start().starts_with("_ =>") || code(l).contains("| _ =>"))
        .map(|(n, _)| n + 1)
        .collect()
}

#[test]
fn arrows_name_every_outcome() -> Result<()> {
    let services: Vec<_> =
        sources()?.into_iter().filter(|(name, _)| name.starts_with("workers/kezek/src/services")).collect();
    assert!(services.len() > 1, "this check sees nothing");
    for (name, text) in services {
        assert_eq!(catch_alls(&text), Vec::<usize>::new(), "{name}: an arrow has a catch-all");
    }
    assert_eq!(catch_alls("match o {\n  A => x,\n  _ => y, // rest\n}\n// _ => no\nB | _ => z"), [3, 6]);
    Ok(())
}

#[test]
fn stages_write_only_tables_of_their_own_schema() -> Result<()> {
    let mut seen = 0;
    for (name, text) in sources()? {
        let Some(stage) = name.strip_prefix("workers/").and_then(|n| n.strip_suffix("/src/store.rs")) else { continue };
        seen += 1;
        let words: Vec<&str> = text.split_whitespace().collect();
        for pair in words.windows(2) {
            // `UPDATE SET` and `FOR UPDATE` name no table
            let table = pair[1].trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_');
            let keyword = pair[0].trim_start_matches('"');
            if matches!(keyword, "INTO" | "UPDATE" | "FROM" | "JOIN") && table.contains('.') {
                assert!(table.starts_with(&format!("{stage}.")), "{name} touches {table}");
            } else if matches!(keyword, "INTO") {
                assert!(table.contains('.'), "{name} writes {table}, which is not of its schema");
            }
        }
    }
    assert!(seen > 1, "this check sees nothing");
    Ok(())
}
