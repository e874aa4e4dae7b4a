//! What is derived is current: the README's map, the committed schemas, the described routes.

use kezek::commands::{map, schemas};
use kezek::doors::gateway;
use kezek::doors::openapi::{self, ROUTES};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_readme_shows_the_map_that_the_binary_draws() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("README.md");
    let drawn = map::drawn().expect("the flows hold");
    let placed = map::placed(&readme, &drawn).expect("README.md has the map's markers");
    assert!(placed == readme, "run: kezek map --write README.md");
}

#[test]
fn the_map_shows_every_stage_every_rung_and_every_end() {
    let drawn = map::drawn().expect("the flows hold");
    for stage in kezek::pipeline::names() {
        assert!(drawn.contains(&format!("q_{stage}[(")), "{stage}");
    }
    for rung in kezek_runtime::LADDER {
        assert!(drawn.contains(&format!("after {}", rung.name)), "{}", rung.name);
    }
    for flow in kezek::services::all().expect("the flows hold") {
        for (stage, outcome, step) in flow.arrows() {
            if !matches!(step.target, kezek_stage::Target::End) {
                assert!(drawn.contains(outcome), "{stage}/{outcome}");
            }
        }
    }
}

#[test]
fn the_committed_schemas_are_current() {
    let told = schemas::differences(&root().join("schemas"), &schemas::files());
    assert!(told.is_empty(), "{}", told.join("\n"));
}

/// The addresses that the doors' sources mount: the text after each `.route(`.
fn mounted(folder: &Path, out: &mut BTreeSet<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            mounted(&path, out)?;
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path)?;
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            out.extend(text.split(".route(").skip(1).map(|after| {
                match after.split(',').next().unwrap_or_default().trim() {
                    "PATH" => gateway::PATH.to_owned(),
                    "openapi::PATH" => openapi::PATH.to_owned(),
                    literal => literal.trim_matches('"').to_owned(),
                }
            }));
        }
    }
    Ok(())
}

#[test]
fn every_route_that_a_door_mounts_is_described_and_no_other() -> std::io::Result<()> {
    let mut found = BTreeSet::new();
    for worker in std::fs::read_dir(root().join("workers"))? {
        mounted(&worker?.path().join("src"), &mut found)?;
    }
    let described: BTreeSet<_> = ROUTES.iter().map(|r| r.path.to_owned()).collect();
    assert_eq!(found, described);
    assert_eq!(described.len(), ROUTES.len(), "one method per address");
    Ok(())
}

#[test]
fn every_reference_of_the_description_leads_somewhere() {
    fn walk(value: &serde_json::Value, document: &serde_json::Value) {
        if let Some(pointer) = value.get("$ref").and_then(|r| r.as_str()).and_then(|r| r.strip_prefix("#/components")) {
            assert!(document.pointer(&format!("/components{pointer}")).is_some(), "{pointer}");
        }
        match value {
            serde_json::Value::Object(map) => map.values().for_each(|v| walk(v, document)),
            serde_json::Value::Array(items) => items.iter().for_each(|v| walk(v, document)),
            _ => {}
        }
    }
    let mut document = openapi::document();
    // the form brings definitions of its own, which its references mean
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(|s| s.as_object_mut()) {
        schemas.insert("Form".to_owned(), serde_json::json!({ "type": "object" }));
    }
    walk(&document, &document);
}
