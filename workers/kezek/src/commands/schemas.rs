//! `kezek schemas`: JSON Schema of every job, answer and section, asyncapi and openapi. What was written once under a
//! version is never changed: a new shape takes a new version, and the old file stays for whoever lies in a queue.

use crate::cli::Exit;
use crate::doors::openapi;
use crate::pipeline;
use anyhow::{Context as _, Result};
use kezek_domain::dossier::{self, Filed};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Prints the names, writes the files, or compares them.
///
/// # Errors
/// A folder that cannot be read or written.
pub fn run(write: Option<&Path>, check: Option<&Path>) -> Result<Exit> {
    let files = files();
    if let Some(folder) = write {
        for (name, text) in &files {
            let path = folder.join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
            }
            std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        println!("{} schemas written", files.len());
        return Ok(Exit::Done);
    }
    if let Some(folder) = check {
        let differences = differences(folder, &files);
        for difference in &differences {
            println!("{difference}");
        }
        return Ok(Exit::healthy(differences.is_empty()));
    }
    for name in files.keys() {
        println!("{name}");
    }
    Ok(Exit::Done)
}

/// What a folder lacks or has otherwise.
#[must_use]
pub fn differences(folder: &Path, files: &BTreeMap<String, String>) -> Vec<String> {
    let mut out = Vec::new();
    for (name, text) in files {
        match std::fs::read_to_string(folder.join(name)) {
            Err(_) => out.push(format!("{name} is missing: run `kezek schemas --write {}`", folder.display())),
            Ok(there) if there != *text => {
                let versioned = name.contains(".v");
                let remedy = if versioned {
                    "a shape that may lie in a queue or row is never changed: raise its VERSION and write `upgrade`"
                } else {
                    "run `kezek schemas --write`"
                };
                out.push(format!("{name} differs: {remedy}"));
            }
            Ok(_) => {}
        }
    }
    out
}

/// Every file by its path below the folder.
#[must_use]
pub fn files() -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for body in pipeline::STAGES.iter().flat_map(kezek_runtime::Line::schemas) {
        let mut schema = body.schema.clone();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("$id".to_owned(), json!(format!("urn:kezek:{}:{}", body.kind, body.version)));
            schema.insert("examples".to_owned(), json!(body.samples));
        }
        out.insert(format!("{}/{}.v{}.json", body.family, body.kind, body.version), pretty(&schema));
    }
    for (name, version, schema) in sections() {
        out.insert(format!("sections/{name}.v{version}.json"), pretty(&schema));
    }
    out.insert("asyncapi.json".to_owned(), pretty(&asyncapi()));
    out.insert("openapi.json".to_owned(), pretty(&openapi::document()));
    out
}

/// The sections of the dossier, the form among them: label, version, schema.
#[must_use]
pub fn sections() -> Vec<(&'static str, u32, Value)> {
    fn one<T: Filed>() -> (&'static str, u32, Value) {
        let mut schema = schemars::schema_for!(T).to_value();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("$id".to_owned(), json!(format!("urn:kezek:section:{}:{}", T::SECTION.label(), T::VERSION)));
        }
        (T::SECTION.label(), T::VERSION, schema)
    }
    vec![
        one::<dossier::Form>(),
        one::<dossier::Identity>(),
        one::<dossier::Document>(),
        one::<dossier::Findings>(),
        one::<dossier::Registration>(),
        one::<dossier::DutyAssessment>(),
        one::<dossier::Exemption>(),
        one::<dossier::PaymentOrder>(),
        one::<dossier::Payment>(),
        one::<dossier::Decision>(),
        one::<dossier::Proposal>(),
        one::<dossier::Production>(),
        one::<dossier::Handover>(),
        one::<dossier::Refund>(),
        one::<dossier::Questions>(),
        one::<dossier::Review>(),
    ]
}

/// Keys in one order, whatever the map that held them.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let in_order: BTreeMap<_, _> = map.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
            Value::Object(in_order.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn pretty(value: &Value) -> String {
    format!("{:#}\n", sorted(value))
}

/// The envelope's headers.
fn headers() -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    json!({
        "type": "object",
        "description": "CloudEvents attribute names; no personal data. Values are text.",
        "required": ["specversion", "id", "source", "type", "version", "subject", "subjectid", "stage", "visit", "ticket", "attempt", "mode", "time"],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": text("The message; the same for every publication of one outbox row."),
            "source": { "const": "kezek" },
            "type": text("Kind of the body."),
            "dataschema": text("kezek:<kind>:<version>"),
            "version": text("Version of the body."),
            "subject": { "enum": ["case", "arrival", "side-message"], "description": "Whose ticket it carries." },
            "subjectid": text("The subject's id."),
            "case": text("The case it belongs to."),
            "stage": text("The stage it is for."),
            "visit": text("How often the case has entered that stage."),
            "ticket": text("The ticket it was issued with: good for one settle."),
            "attempt": text("1 for the first."),
            "mode": { "enum": ["job", "lapse"] },
            "alone": text("Tried alone in its batch."),
            "time": text("When it was issued, real time."),
            "traceparent": text("W3C trace context."),
            "rung": text("In the ladder: how long it waits."),
            "cause": text("In a letter: why it left the main line."),
            "detail": text("In a letter: the fault, without personal data."),
            "workerversion": text("In a letter: who gave it up."),
        },
    })
}

/// The messages between the rooms.
fn asyncapi() -> Value {
    let (mut channels, mut operations, mut messages) = (Map::new(), Map::new(), Map::new());
    for line in pipeline::STAGES {
        let (name, shape) = (line.name(), line.shape());
        let mut takes = Map::new();
        for body in line.schemas() {
            takes.insert(body.kind.to_owned(), json!({ "$ref": format!("#/components/messages/{}", body.kind) }));
            messages.insert(
                body.kind.to_owned(),
                json!({
                    "name": body.kind, "contentType": "application/json",
                    "headers": { "$ref": "#/components/schemas/headers" },
                    "payload": { "$ref": format!("./{}/{}.v{}.json", body.family, body.kind, body.version) },
                }),
            );
        }
        let mut channel = json!({
            "address": if shape.per_region { format!("{name}.{{region}}") } else { name.to_owned() },
            "messages": takes,
            "bindings": { "amqp": { "is": "queue", "queue": { "name": name, "durable": true, "exclusive": false, "autoDelete": false } } },
        });
        if shape.per_region {
            let regions: Vec<_> = kezek_domain::Region::all().iter().map(|r| r.as_str()).collect();
            channel["parameters"] = json!({ "region": { "enum": regions } });
        }
        channels.insert(name.to_owned(), channel);
        operations.insert(
            format!("take-{name}"),
            json!({ "action": "receive", "channel": { "$ref": format!("#/channels/{name}") } }),
        );
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Kezek: messages between its rooms", "version": env!("CARGO_PKG_VERSION"),
            "description": "One quorum queue per stage. A body is exactly a job or an answer; everything else is in the headers.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": { "headers": headers() } },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use kezek_domain::Section;

    #[test]
    fn every_section_of_the_dossier_has_its_schema() {
        let named: Vec<_> = sections().into_iter().map(|(name, _, _)| name).collect();
        let all: Vec<_> = Section::ALL.iter().map(|s| s.label()).collect();
        assert_eq!(named, all);
    }

    #[test]
    fn every_stage_has_a_channel_and_a_schema_of_its_job() {
        let files = files();
        let asyncapi: Value = serde_json::from_str(&files["asyncapi.json"]).expect("JSON");
        for line in pipeline::STAGES {
            assert!(asyncapi["channels"][line.name()].is_object(), "{}", line.name());
            for body in line.schemas() {
                assert!(files.contains_key(&format!("{}/{}.v{}.json", body.family, body.kind, body.version)));
            }
        }
    }

    #[test]
    fn a_changed_shape_is_told_to_take_a_new_version() {
        let folder = std::env::temp_dir().join(format!("kezek-schemas-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("jobs")).expect("folder");
        std::fs::write(folder.join("jobs/a.job.v1.json"), "{}\n").expect("file");
        let wanted = BTreeMap::from([("jobs/a.job.v1.json".to_owned(), "{ }\n".to_owned())]);
        let told = differences(&folder, &wanted);
        std::fs::remove_dir_all(&folder).expect("gone");
        assert!(told[0].contains("raise its VERSION"), "{told:?}");
    }
}
