//! BMG (A3.2) and Digital-ID (A3.3, A3.11).

use kezek_gateway::xml::{Node, Problem};

use crate::plan::Plan;
use crate::soap::{result, success};
use crate::world::World;

/// Is the number the person's?
pub(super) fn phone(world: &World, data: &Node) -> Result<Node, Problem> {
    let (iin, phone) = (data.need_text("iin")?, data.need_text("phone")?);
    let owner = world.people.people().iter().find(|person| person.phone.expose() == phone);
    Ok(match owner {
        // half of those whose number is not theirs gave one that nobody registered
        Some(person) if person.plan == Plan::PhoneNotBound && person.index % 2 == 1 => result("demo-not-in-base"),
        Some(person) => {
            let bound = person.iin.expose() == iin && person.plan != Plan::PhoneNotBound;
            success().field("bound", bound.to_string())
        }
        None => result("demo-not-in-base"),
    })
}

/// Did the person identify himself in the session?
pub(super) fn session(world: &World, data: &Node) -> Result<Node, Problem> {
    let (iin, session) = (data.need_text("iin")?, data.need_text("sessionId")?);
    let matched = world
        .people
        .find_text(iin)
        .is_some_and(|person| person.session == session && person.plan != Plan::NotIdentified);
    Ok(success().field("result", if matched { "matched" } else { "not-matched" }))
}

/// Does the photograph show the person?
pub(super) fn face(world: &World, data: &Node) -> Result<Node, Problem> {
    let photo = data.need_bytes("photo")?;
    let Some(person) = world.people.find_text(data.need_text("iin")?) else { return Ok(result("demo-not-found")) };
    if image::guess_format(&photo).ok() != Some(image::ImageFormat::Jpeg) {
        return Err(data.problem("photo", "not a JPEG"));
    }
    let said = match person.plan {
        Plan::PhotoMismatch => "not-matched",
        Plan::PortraitUnsure => "unsure",
        _ => "matched",
    };
    Ok(success().field("result", said))
}
