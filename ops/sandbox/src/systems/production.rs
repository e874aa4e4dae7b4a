//! The production centre: incoming control (A5.3, A5.4), making, faulty cards.

use std::sync::Arc;

use kezek_gateway::service_ids;
use kezek_gateway::xml::{Node, Problem, instant_text};

use crate::ledger::{Card, CardResult, Ledger};
use crate::plan::Plan;
use crate::population::Person;
use crate::random::digest;
use crate::world::World;

/// Takes an order; its result follows as a message, once per key.
pub(super) fn order(world: &Arc<World>, data: &Node) -> Result<(), Problem> {
    let (key, coupon) = (data.need_text("orderKey")?.to_owned(), data.need_text("coupon")?.to_owned());
    for field in ["iin", "surname", "name", "birthCountry", "region", "registrationPoint"] {
        data.need_text(field)?;
    }
    data.need_date("birthDate")?;
    let pictures = [data.need_bytes("photo")?, data.need_bytes("signature")?];
    let readable = pictures.iter().all(|bytes| image::guess_format(bytes).is_ok());
    let holder = world.holder(&coupon);
    let fits = holder.is_some_and(|person| data.text("iin") == Some(person.iin.expose()));
    {
        let mut ledger = world.ledger();
        if let Some(card) = ledger.cards.get_mut(&key) {
            card.calls += 1;
            if card.coupon != coupon {
                ledger.conflict("production-order", &key, "another coupon under the same key");
            }
            return Ok(());
        }
        let result = match holder {
            Some(person) if fits && readable => make(world, &ledger, person, &coupon, &key),
            Some(_) | None => failed(if fits { "demo-photo" } else { "demo-coupon" }),
        };
        ledger.cards.insert(key.clone(), Card { coupon, result: CardResult::Waiting, calls: 1 });
        drop(ledger);
        world.later(world.delay("produce", &key, 30, 160), |world| async move {
            let at = world.clock.now();
            if let Some(card) = world.ledger().cards.get_mut(&key) {
                card.result = result.clone();
            }
            let message = Node::new("productionResult")
                .field("orderKey", key.as_str())
                .child(told(&result))
                .field("at", instant_text(at));
            world.outbound.deliver(service_ids::PRODUCTION_RESULT, &key, &message).await;
        });
    }
    Ok(())
}

fn failed(code: &str) -> CardResult {
    CardResult::IncomingControlFailed { code: code.to_owned() }
}

fn make(world: &World, ledger: &Ledger, person: &Person, coupon: &str, key: &str) -> CardResult {
    let paid: i64 = ledger.orders.values().filter(|order| order.coupon == coupon).map(|order| order.paid().0).sum();
    if paid < world.owes(person).0 {
        // A5.3: the second, independent gate
        return failed("demo-unpaid");
    }
    let first = ledger.cards.values().all(|card| card.coupon != coupon);
    if person.plan == Plan::DefectRemade && first {
        return CardResult::Defect { code: "demo-misprint".to_owned() };
    }
    let bytes = digest(world.people.seed(), "card", key.as_bytes());
    let number = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) % 1_000_000_000;
    CardResult::Produced { card_number: format!("{number:09}") }
}

pub(super) fn told(result: &CardResult) -> Node {
    let node = Node::new("result");
    match result {
        CardResult::Produced { card_number } => {
            node.field("kind", "produced").field("cardNumber", card_number.as_str())
        }
        CardResult::Defect { code } => node.field("kind", "defect").field("code", code.as_str()),
        CardResult::IncomingControlFailed { code } => {
            node.field("kind", "incoming-control-failed").field("code", code.as_str())
        }
        CardResult::Waiting => node.field("kind", "waiting"),
    }
}
