//! KDP (A3.1), GBDFL (A3.2, A3.4, A3.6, A3.7), ZAGS IS (A3.5) and SIK (A3.14).

use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use kezek_domain::Iin;
use kezek_gateway::xml::{Node, Problem, base64_text, instant_text};

use crate::plan::Plan;
use crate::population::Person;
use crate::soap::{result, success};
use crate::world::World;

/// The data subject agrees, if there is one.
pub(super) fn consent(world: &World, data: &Node) -> Result<Node, Problem> {
    data.need_text("phone")?;
    data.need_text("purpose")?;
    let Some(person) = world.people.find_text(data.need_text("iin")?) else { return Ok(result("demo-denied")) };
    let consent = world.people.consent(&person.iin, world.clock.now());
    Ok(success()
        .field("kdpToken", consent.token)
        .field("publicKey", consent.public_key)
        .field("expiresAt", instant_text(consent.expires_at)))
}

/// The code with which a token is refused, if it is.
fn refused_token(world: &World, iin: &Iin, data: &Node) -> Option<&'static str> {
    let (Some(token), Some(key)) = (data.text("kdpToken"), data.text("publicKey")) else {
        return Some("demo-token-missing");
    };
    match world.people.token_expiry(iin, token, key) {
        None => Some("demo-token-unknown"),
        Some(expiry) if expiry <= world.clock.now() => Some("demo-token-expired"),
        Some(_) => None,
    }
}

/// The person's record.
pub(super) fn person(world: &World, data: &Node) -> Result<Node, Problem> {
    data.need_text("messageId")?;
    data.need_instant("messageDate")?;
    data.need_text("senderCode")?;
    let Some(person) = world.people.find_text(data.need_text("iin")?) else {
        return Ok(success().child(Node::new("persons")));
    };
    if let Some(code) = refused_token(world, &person.iin, data) {
        return Ok(result(code));
    }
    let mut persons = Node::new("persons");
    if person.plan != Plan::NotInRegister {
        persons = persons.child(record(person, world.people.as_of()));
    }
    if person.plan == Plan::SeveralPersons {
        persons = persons.child(record(person, world.people.as_of()));
    }
    Ok(success().child(persons))
}

/// The person's portrait.
pub(super) fn portrait(world: &World, data: &Node) -> Result<Node, Problem> {
    let Some(person) = world.people.find_text(data.need_text("iin")?) else { return Ok(result("demo-not-found")) };
    if let Some(code) = refused_token(world, &person.iin, data) {
        return Ok(result(code));
    }
    if person.plan == Plan::NotInRegister {
        return Ok(result("demo-not-found"));
    }
    let portrait = person.register_portrait().map_err(|_| Problem::at("portrait", "cannot be drawn"))?;
    Ok(success().field("portrait", base64_text(&portrait)))
}

/// What changed since a date.
pub(super) fn changes(world: &World, data: &Node) -> Result<Node, Problem> {
    let since = data.need_date("since")?;
    let Some(person) = world.people.find_text(data.need_text("iin")?) else { return Ok(success()) };
    let recorded = world.people.as_of().saturating_sub(40.days());
    let mut acts = Node::new("acts");
    if since <= recorded {
        for attribute in &person.changed {
            acts =
                acts.child(Node::new("act").field("attribute", attribute.label()).field("date", recorded.to_string()));
        }
    }
    Ok(success().child(acts))
}

/// Social statuses.
pub(super) fn statuses(world: &World, data: &Node) -> Result<Node, Problem> {
    data.need_date("onDate")?;
    let Some(person) = world.people.find_text(data.need_text("iin")?) else { return Ok(result("demo-not-found")) };
    if let Some(code) = refused_token(world, &person.iin, data) {
        return Ok(result(code));
    }
    let list = person.statuses.iter().fold(Node::new("statuses"), |list, (code, from, to)| {
        list.child(
            Node::new("status")
                .field("code", *code)
                .field("nameKz", format!("Мәртебе {code}"))
                .field("nameRu", format!("Статус {code}"))
                .field("beginDate", from.to_string())
                .maybe("endDate", to.map(|day| day.to_string())),
        )
    });
    Ok(success().child(list))
}

fn coded(name: &str, code: &str) -> Node {
    Node::new(name).field("code", code)
}

fn record(person: &Person, as_of: Date) -> Node {
    let citizen = person.plan != Plan::NotCitizen;
    let mut record = Node::new("person")
        .field("iin", person.iin.expose())
        .field("surname", person.surname.as_str())
        .field("name", person.name.as_str())
        .maybe("patronymic", person.patronymic.as_deref())
        .field("engFirstName", person.latin_name.to_uppercase())
        .field("engSurname", person.latin_surname.to_uppercase())
        .field("birthDate", registered_birth(person).to_string())
        .maybe("deathDate", (person.plan == Plan::Dead).then(|| as_of.saturating_sub(90.days()).to_string()))
        .child(coded("gender", if person.female { "2" } else { "1" }))
        .child(coded("nationality", "005"))
        .child(coded("citizenship", if citizen { "398" } else { "643" }))
        .child(coded("lifeStatus", "0"))
        .child(Node::new("birthPlace").child(coded("country", "398")))
        .child(address(person));
    if person.plan == Plan::Incapable {
        record = record.child(
            Node::new("personCapableStatus")
                .child(coded("capableStatus", "1"))
                .field("capableDate", as_of.saturating_sub(3.years()).to_string())
                .field("capableNumber", format!("demo-{:05}", person.index))
                .child(coded("court", "demo-court")),
        );
    }
    record.child(documents(person)).field("removed", (person.plan == Plan::Removed).to_string())
}

/// The birth date of the register: a day later than the number's where that is the plan.
fn registered_birth(person: &Person) -> Date {
    let later = i64::from(person.plan == Plan::BirthDateDiffers);
    person.birth_date.saturating_add(later.days())
}

fn address(person: &Person) -> Node {
    let temporary = person.plan == Plan::TemporaryRegistration;
    let known = person.region.gbdfl_codes().first().map_or("", String::as_str);
    let region = if person.plan == Plan::RegionUnmapped { "demo-0" } else { known };
    Node::new("regAddress")
        .child(coded("country", "398"))
        .child(coded("region", region))
        .child(coded("district", &format!("{:04}", 100 + person.index % 40)))
        .child(coded("type", if temporary { "2" } else { "1" }))
        .child(coded("status", "1"))
        .field("beginDate", date(2021, 3, 15).to_string())
        .field("arCode", format!("{:016}", 200_000_000 + person.index))
}

fn documents(person: &Person) -> Node {
    let printed = |document: Node| {
        document
            .field("surname", person.surname.as_str())
            .field("name", person.name.as_str())
            .maybe("patronymic", person.patronymic.as_deref())
            .field("birthDate", person.birth_date.to_string())
    };
    let card = |number: &str, begin: Date, end: Option<Date>, status: &str, invalid: Option<Date>| {
        let document = Node::new("document")
            .child(coded("type", "002"))
            .field("number", number)
            .field("beginDate", begin.to_string())
            .maybe("endDate", end.map(|day| day.to_string()))
            .child(coded("issueOrganization", "002"))
            .child(coded("status", status))
            .maybe("invalidityDate", invalid.map(|day| day.to_string()));
        printed(document)
    };
    let replaced = person.plan == Plan::DocumentReplaced;
    let (status, invalid) =
        if replaced { ("17", Some(person.card_end.saturating_sub(60.days()))) } else { ("00", None) };
    let ends = (person.plan != Plan::NoExpiry).then_some(person.card_end);
    let mut documents =
        Node::new("documents").child(card(&person.card_number, person.card_begin, ends, status, invalid));
    if person.index.is_multiple_of(3) {
        // the card before, long invalid
        let before = person.card_begin.saturating_sub(10.years());
        let number = format!("0{}", person.card_number.get(1..).unwrap_or_default());
        let number = if number == person.card_number {
            format!("1{}", person.card_number.get(1..).unwrap_or_default())
        } else {
            number
        };
        documents = documents.child(card(
            &number,
            before,
            Some(person.card_begin.saturating_sub(1.day())),
            "17",
            Some(person.card_begin),
        ));
    }
    if person.index.is_multiple_of(4) {
        let passport = Node::new("document")
            .child(coded("type", "001"))
            .field("number", format!("N{:08}", person.index))
            .field("beginDate", person.card_begin.to_string())
            .child(coded("issueOrganization", "002"))
            .child(coded("status", "00"));
        documents = documents.child(printed(passport));
    }
    documents
}
