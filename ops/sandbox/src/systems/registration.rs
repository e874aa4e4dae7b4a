//! RP DRN: registration and its coupon (A3.13), cancellation (A11b), closing (A11d).

use std::sync::Arc;

use kezek_gateway::xml::{Node, Problem};
use sha2::{Digest as _, Sha256};

use super::orders;
use crate::ledger::{Registration, RegistrationState};
use crate::plan::Plan;
use crate::random::name;
use crate::soap::{result, success};
use crate::world::World;

/// Registers, or refuses; the same key gets the same answer.
pub(super) fn register(world: &World, data: &Node) -> Result<Node, Problem> {
    let key = data.need_text("key")?;
    for field in ["region", "registrationPoint", "documentNumber", "photoSha256", "signatureSha256", "contentSha256"] {
        data.need_text(field)?;
    }
    data.need_instant("filedAt")?;
    let request_sha256 = hex::encode(Sha256::digest(data.to_xml().as_bytes()));
    let Some(person) = world.people.find_text(data.need_text("iin")?) else {
        return Ok(refusal("demo-refused-unknown-person"));
    };
    let mut ledger = world.ledger();
    if let Some(row) = ledger.registrations.get_mut(key) {
        row.calls += 1;
        let same = row.request_sha256 == request_sha256;
        let answer = told(row, person.plan);
        if !same {
            ledger.conflict("register", key, "another request under the same key");
            return Ok(result("demo-conflict"));
        }
        return Ok(answer);
    }
    let open =
        ledger.registrations.values().any(|row| row.person == person.index && row.state == RegistrationState::Open);
    let refusal = if person.plan == Plan::RegistrationRefused {
        Some("demo-refused-restricted".to_owned())
    } else {
        open.then(|| "demo-refused-open-case".to_owned())
    };
    let coupon = refusal
        .is_none()
        .then(|| format!("DEMO-{}", name(world.people.seed(), "coupon", key.as_bytes())[..12].to_uppercase()));
    let state = if refusal.is_some() { RegistrationState::Refused } else { RegistrationState::Open };
    let row = Registration {
        person: person.index,
        coupon,
        refusal,
        state,
        request_sha256,
        calls: 1,
        cancel_calls: 0,
        close_calls: 0,
    };
    let answer = told(&row, person.plan);
    ledger.register(key, row);
    Ok(answer)
}

fn told(row: &Registration, plan: Plan) -> Node {
    match &row.coupon {
        Some(coupon) => registered(coupon, plan),
        None => refusal(row.refusal.as_deref().unwrap_or("demo-refused-open-case")),
    }
}

fn registered(coupon: &str, plan: Plan) -> Node {
    // A4.1: officers check the documentation codes given to applications
    let code = if plan == Plan::CancelledForVerification { "demo-expiry-verify" } else { "demo-expiry" };
    success().field("coupon", coupon).field("documentationCode", code)
}

fn refusal(code: &str) -> Node {
    result("demo-refused").child(
        Node::new("refusal")
            .field("code", code)
            .field("textKz", "Өтінімді тіркеуден бас тартылды")
            .field("textRu", "В регистрации заявки отказано"),
    )
}

/// What became of a registration.
pub(super) fn state(world: &World, data: &Node) -> Result<Node, Problem> {
    let key = data.need_text("key")?;
    let ledger = world.ledger();
    let Some((row, coupon)) =
        ledger.registrations.get(key).and_then(|row| row.coupon.as_ref().map(|coupon| (row, coupon)))
    else {
        return Ok(success().field("state", "unknown"));
    };
    let state = match row.state {
        RegistrationState::Open => "open",
        RegistrationState::Cancelled => "cancelled",
        RegistrationState::Closed => "closed",
        RegistrationState::Refused => "unknown",
    };
    Ok(success().field("state", state).field("coupon", coupon.as_str()))
}

/// Cancels; some pay once more after that.
pub(super) fn cancel(world: &Arc<World>, data: &Node) -> Result<Node, Problem> {
    data.need_text("reason")?;
    let coupon = data.need_text("coupon")?.to_owned();
    let answer = end(world, data, RegistrationState::Cancelled)?;
    orders::cancelled(world, &coupon);
    Ok(answer)
}

/// Closes: the card was handed over.
pub(super) fn close(world: &World, data: &Node) -> Result<Node, Problem> {
    end(world, data, RegistrationState::Closed)
}

fn end(world: &World, data: &Node, state: RegistrationState) -> Result<Node, Problem> {
    let (key, coupon) = (data.need_text("key")?, data.need_text("coupon")?);
    let mut ledger = world.ledger();
    let Some(row) = ledger.by_coupon_mut(coupon) else {
        return Ok(result("demo-not-found"));
    };
    if state == RegistrationState::Closed {
        row.close_calls += 1
    } else {
        row.cancel_calls += 1
    }
    if row.state == RegistrationState::Open {
        row.state = state;
    } else if row.state != state {
        ledger.conflict("end of registration", key, "the registration has ended otherwise");
        return Ok(result("demo-conflict"));
    }
    Ok(success())
}
