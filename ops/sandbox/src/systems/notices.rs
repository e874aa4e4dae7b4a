//! Text messages, which nobody dedupes, and the personal cabinet, which dedupes by key.

use std::collections::BTreeMap;

use kezek_gateway::xml::{Node, Problem};
use sha2::{Digest as _, Sha256};

use crate::ledger::Notice;
use crate::soap::success;
use crate::world::World;

/// Sends a text message, whatever was sent before.
pub(super) fn sms(world: &World, data: &Node) -> Result<Node, Problem> {
    let (phone, text) = (data.need_text("phone")?, data.need_text("text")?);
    let person = world.people.people().iter().find(|person| person.phone.expose() == phone).map(|person| person.index);
    note(&mut world.ledger().sms, data.need_text("key")?, person, &format!("{phone}\n{text}"), true);
    Ok(success())
}

/// Puts a message into the cabinet, once per key.
pub(super) fn cabinet(world: &World, data: &Node) -> Result<Node, Problem> {
    let (iin, title, text) = (data.need_text("iin")?, data.need_text("title")?, data.need_text("text")?);
    let person = world.people.find_text(iin).map(|person| person.index);
    note(&mut world.ledger().cabinet, data.need_text("key")?, person, &format!("{iin}\n{title}\n{text}"), false);
    Ok(success())
}

fn note(rows: &mut BTreeMap<String, Notice>, key: &str, person: Option<usize>, words: &str, each_call: bool) {
    let text_sha256 = hex::encode(Sha256::digest(words.as_bytes()));
    let row = rows.entry(key.to_owned()).or_insert(Notice { person, text_sha256, calls: 0, effects: 0 });
    row.calls += 1;
    if each_call || row.effects == 0 {
        row.effects += 1;
    }
}
