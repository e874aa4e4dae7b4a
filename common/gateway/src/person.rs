//! GBDFL, the state database of natural persons: one answer for capacity (A3.4), registration of
//! residence (A3.6) and the current document (A3.7).
//!
//! The service, its fields and its codes are the public ones; codes and numbers stay texts, because
//! leading zeros carry meaning.

use std::fmt;

use jiff::civil::Date;
use kezek_domain::{Iin, IinProfile, System};

use crate::answer::{Answer, SUCCESS};
use crate::stamp::{message_id, sent_at};
use crate::xml::{Node, Problem, instant_text};
use crate::{Consent, Gateway, GatewayFault, service_ids};

/// Document type of an ID card.
pub const ID_CARD: &str = "002";
/// Document status "valid".
pub const VALID: &str = "00";
/// Citizenship of the Republic of Kazakhstan.
pub const CITIZEN: &str = "398";

/// What GBDFL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonAnswer {
    /// Exactly one person.
    Found(Box<PersonRecord>),
    /// Nobody.
    NotFound,
    /// More than one person under one number: for a human.
    Several,
    /// The consent has expired: ask anew (A3.1).
    TokenExpired,
}

/// What GBDFL says when asked for the portrait.
#[derive(Clone, PartialEq, Eq)]
pub enum PortraitAnswer {
    /// A JPEG.
    Found(Vec<u8>),
    /// The person, or a portrait of him, is not there.
    NotFound,
    /// The consent has expired: ask anew (A3.1).
    TokenExpired,
}

impl fmt::Debug for PortraitAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Found(_) => "Found(…)",
            Self::NotFound => "NotFound",
            Self::TokenExpired => "TokenExpired",
        })
    }
}

/// A person's record. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonRecord {
    /// The person's number.
    pub iin: Iin,
    /// Surname.
    pub surname: String,
    /// Given name.
    pub name: String,
    /// Patronymic, where there is one.
    pub patronymic: Option<String>,
    /// Surname in Latin letters.
    pub latin_surname: Option<String>,
    /// Given name in Latin letters.
    pub latin_name: Option<String>,
    /// Birth date; it may differ from the one in the IIN.
    pub birth_date: Date,
    /// Date of death.
    pub death_date: Option<Date>,
    /// `1` male, `2` female.
    pub gender: String,
    /// Code of the nationality (ethnicity).
    pub nationality: Option<String>,
    /// Code of the citizenship.
    pub citizenship: String,
    /// `0` is ordinary.
    pub life_status: String,
    /// Country of birth, a code.
    pub birth_country: Option<String>,
    /// Registered residence.
    pub address: Option<Address>,
    /// A court's decision on capacity; absent for most people.
    pub capability: Option<Capability>,
    /// All documents, of any type and age.
    pub documents: Vec<Document>,
    /// The record was removed.
    pub removed: bool,
}

impl fmt::Debug for PersonRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonRecord(…)")
    }
}

/// Whether a registration of residence is permanent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressKind {
    /// Permanent.
    Permanent,
    /// Temporary.
    Temporary,
    /// A code that nobody mapped: for a human.
    Unknown(String),
}

/// Registered residence.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// `1` is registered.
    pub status: String,
    /// Permanent or temporary.
    pub kind: AddressKind,
    /// The register's code of the region; not KATO.
    pub region: String,
    /// The register's code of the district; not KATO.
    pub district: Option<String>,
    /// First day.
    pub begin: Option<Date>,
    /// Last day, where it ended.
    pub end: Option<Date>,
    /// Code in the address register.
    pub ar_code: Option<String>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}

/// A court's decision on capacity.
#[derive(Clone, PartialEq, Eq)]
pub struct Capability {
    /// `1` incapable, `2` of limited capacity, `0` capable again.
    pub status: String,
    /// First day.
    pub date: Option<Date>,
    /// Last day, where it ended.
    pub end: Option<Date>,
    /// Number of the decision.
    pub number: Option<String>,
    /// The court.
    pub court: Option<String>,
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Capability(…)")
    }
}

/// A document.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// `002` is an ID card.
    pub kind: String,
    /// Its number; may start with zero.
    pub number: String,
    /// First day.
    pub begin: Option<Date>,
    /// Last day; never computed.
    pub end: Option<Date>,
    /// `00` is valid.
    pub status: String,
    /// Who issued it, a code.
    pub issuer: Option<String>,
    /// From when it is not valid.
    pub invalid_from: Option<Date>,
    /// Surname as printed.
    pub surname: Option<String>,
    /// Given name as printed.
    pub name: Option<String>,
    /// Patronymic as printed.
    pub patronymic: Option<String>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Document(…)")
    }
}

impl PersonRecord {
    /// All ID cards.
    pub fn id_cards(&self) -> impl Iterator<Item = &Document> {
        self.documents.iter().filter(|document| document.kind == ID_CARD)
    }

    /// The ID card that was issued last, whatever its status (A3.7).
    #[must_use]
    pub fn newest_id_card(&self) -> Option<&Document> {
        self.id_cards().max_by(|a, b| a.begin.cmp(&b.begin).then_with(|| a.number.cmp(&b.number)))
    }

    /// Whether the person is a citizen of the Republic (A2).
    #[must_use]
    pub fn is_citizen(&self) -> bool {
        self.citizenship == CITIZEN
    }

    /// Whether the record is of a living person and not removed.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.life_status == "0" && self.death_date.is_none() && !self.removed
    }

    /// Whether no decision limits the person's capacity on this day (A3.4).
    #[must_use]
    pub fn capable_on(&self, day: Date) -> bool {
        self.capability.as_ref().is_none_or(|decision| {
            decision.status == "0"
                || decision.end.is_some_and(|end| end < day)
                || decision.date.is_some_and(|begin| day < begin)
        })
    }

    /// Whether the person is permanently registered on this day (A3.6).
    #[must_use]
    pub fn permanently_registered_on(&self, day: Date) -> bool {
        self.address.as_ref().is_some_and(|address| {
            address.status == "1"
                && address.kind == AddressKind::Permanent
                && address.begin.is_none_or(|begin| begin <= day)
                && address.end.is_none_or(|end| day <= end)
        })
    }
}

impl Document {
    /// Whether the register calls it valid (A3.7); says nothing about its last day.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.status == VALID && self.invalid_from.is_none()
    }
}

impl Gateway {
    /// Asks GBDFL for a person (A3.2, A3.4, A3.6, A3.7).
    ///
    /// # Errors
    /// A technical failure, or a record that lacks what every record has.
    pub async fn person(&self, iin: &Iin, consent: &Consent) -> Result<PersonAnswer, GatewayFault> {
        let answer = self.ask(System::Gbdfl, service_ids::PERSON, None, &question("request", iin, consent)).await?;
        match answer.code.as_str() {
            SUCCESS => read(&answer, iin),
            "demo-token-expired" => Ok(PersonAnswer::TokenExpired),
            "demo-not-found" => Ok(PersonAnswer::NotFound),
            _ => Err(answer.unexpected()),
        }
    }

    /// Asks GBDFL for the person's portrait.
    ///
    /// # Errors
    /// A technical failure.
    pub async fn portrait(&self, iin: &Iin, consent: &Consent) -> Result<PortraitAnswer, GatewayFault> {
        let answer =
            self.ask(System::Gbdfl, service_ids::PORTRAIT, None, &question("portraitRequest", iin, consent)).await?;
        match answer.code.as_str() {
            SUCCESS => {
                answer.data.need_bytes("portrait").map(PortraitAnswer::Found).map_err(|problem| answer.bad(problem))
            }
            "demo-token-expired" => Ok(PortraitAnswer::TokenExpired),
            "demo-not-found" => Ok(PortraitAnswer::NotFound),
            _ => Err(answer.unexpected()),
        }
    }
}

fn question(name: &str, iin: &Iin, consent: &Consent) -> Node {
    Node::new(name)
        .field("messageId", message_id().to_string())
        .field("messageDate", instant_text(sent_at()))
        .field("senderCode", "KEZEK")
        .field("iin", iin.expose())
        .field("kdpToken", consent.token.as_str())
        .field("publicKey", consent.public_key.as_str())
}

fn read(answer: &Answer, iin: &Iin) -> Result<PersonAnswer, GatewayFault> {
    let mut persons = answer.data.find("persons").map_or(&[][..], Node::children).iter();
    let Some(first) = persons.next() else { return Ok(PersonAnswer::NotFound) };
    if persons.next().is_some() {
        return Ok(PersonAnswer::Several);
    }
    let record = read_person(first).map_err(|problem| answer.bad(problem))?;
    if record.iin != *iin {
        return Err(answer.bad(first.problem("iin", "is another person's")));
    }
    Ok(PersonAnswer::Found(Box::new(record)))
}

fn owned(node: &Node, path: &str) -> Option<String> {
    node.text(path).map(str::to_owned)
}

/// A flag as converters write it.
fn flag(node: &Node, path: &str) -> Result<bool, Problem> {
    match node.text(path) {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(_) => Err(node.problem(path, "neither true nor false")),
    }
}

/// A code that is either a text or an element with a `code`.
fn code(node: &Node, path: &str) -> Option<String> {
    owned(node, path).or_else(|| node.find(path).and_then(|inner| owned(inner, "code")))
}

fn need_code(node: &Node, path: &str) -> Result<String, Problem> {
    code(node, path).ok_or_else(|| node.problem(path, "missing"))
}

fn read_person(node: &Node) -> Result<PersonRecord, Problem> {
    Ok(PersonRecord {
        // which centuries are admitted was decided at the door; here the arithmetic is checked
        iin: Iin::parse(node.need_text("iin")?, IinProfile::Demo).map_err(|_| node.problem("iin", "not an IIN"))?,
        surname: node.need_text("surname")?.to_owned(),
        name: node.need_text("name")?.to_owned(),
        patronymic: owned(node, "patronymic"),
        latin_surname: owned(node, "engSurname"),
        latin_name: owned(node, "engFirstName"),
        birth_date: node.need_date("birthDate")?,
        death_date: node.date("deathDate")?,
        gender: need_code(node, "gender")?,
        nationality: code(node, "nationality"),
        citizenship: need_code(node, "citizenship")?,
        life_status: need_code(node, "lifeStatus")?,
        birth_country: node.find("birthPlace").and_then(|place| code(place, "country")),
        address: node.find("regAddress").map(read_address).transpose()?,
        capability: node.find("personCapableStatus").map(read_capability).transpose()?.flatten(),
        documents: node
            .find("documents")
            .map_or(&[][..], Node::children)
            .iter()
            .map(read_document)
            .collect::<Result<_, _>>()?,
        removed: flag(node, "removed")?,
    })
}

fn read_address(node: &Node) -> Result<Address, Problem> {
    Ok(Address {
        status: need_code(node, "status")?,
        kind: match code(node, "type").as_deref() {
            // the public schema has no such element for the main address: absent is permanent
            None | Some("1") => AddressKind::Permanent,
            Some("2") => AddressKind::Temporary,
            Some(other) => AddressKind::Unknown(crate::envelope::plain_code(other)),
        },
        region: need_code(node, "region")?,
        district: code(node, "district"),
        begin: node.date("beginDate")?,
        end: node.date("endDate")?,
        ar_code: owned(node, "arCode"),
    })
}

/// An empty block is a person without a decision.
fn read_capability(node: &Node) -> Result<Option<Capability>, Problem> {
    if node.children().is_empty() {
        return Ok(None);
    }
    Ok(Some(Capability {
        status: need_code(node, "capableStatus")?,
        date: node.date("capableDate")?,
        end: node.date("capableEndDate")?,
        number: owned(node, "capableNumber"),
        court: code(node, "court"),
    }))
}

fn read_document(node: &Node) -> Result<Document, Problem> {
    Ok(Document {
        kind: need_code(node, "type")?,
        number: node.need_text("number")?.to_owned(),
        begin: node.date("beginDate")?,
        end: node.date("endDate")?,
        status: need_code(node, "status")?,
        issuer: code(node, "issueOrganization"),
        invalid_from: node.date("invalidityDate")?,
        surname: owned(node, "surname"),
        name: owned(node, "name"),
        patronymic: owned(node, "patronymic"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;
    use jiff::civil::date;

    const IIN: &str = "000101200032";

    fn answer(persons: &str) -> Result<PersonAnswer, GatewayFault> {
        let text = format!(
            "<response><messageResult><code>00000</code></messageResult><persons>{persons}</persons></response>"
        );
        let answer = Answer::read(System::Gbdfl, parse(text.as_bytes(), 100_000).unwrap())?;
        read(&answer, &Iin::parse(IIN, IinProfile::Demo).unwrap())
    }

    fn person(more: &str) -> String {
        format!(
            "<person><iin>{IIN}</iin><surname>А</surname><name>Б</name><birthDate>1800-01-01</birthDate><gender><code>2</code></gender>\
<citizenship><code>398</code></citizenship><lifeStatus>0</lifeStatus>{more}</person>"
        )
    }

    fn found(more: &str) -> PersonRecord {
        let PersonAnswer::Found(record) = answer(&person(more)).unwrap() else { panic!("not found") };
        *record
    }

    #[test]
    fn none_one_and_several_persons() {
        assert_eq!(answer("").unwrap(), PersonAnswer::NotFound);
        assert_eq!(answer(&format!("{}{}", person(""), person(""))).unwrap(), PersonAnswer::Several);
        assert!(found("").is_citizen() && found("").is_alive());
        assert!(!found("<removed>true</removed>").is_alive());
    }

    #[test]
    fn another_persons_record_is_no_answer() {
        let other = person("").replace(IIN, "850101100012");
        let fault = answer(&other).unwrap_err();
        assert_eq!(fault.to_string(), "gbdfl: bad answer at person/iin: is another person's");
    }

    #[test]
    fn what_is_missing_is_named() {
        let fault = answer(&person("").replace("<surname>А</surname>", "")).unwrap_err();
        assert_eq!(fault.to_string(), "gbdfl: bad answer at person/surname: missing");
    }

    #[test]
    fn a3_4_a_decision_limits_capacity_between_its_dates() {
        assert!(found("<personCapableStatus/>").capable_on(date(2025, 9, 2)));
        let decided = found(
            "<personCapableStatus><capableStatus>1</capableStatus><capableDate>2020-01-01</capableDate><capableEndDate>2025-09-01</capableEndDate></personCapableStatus>",
        );
        assert!(!decided.capable_on(date(2025, 9, 1)));
        assert!(decided.capable_on(date(2025, 9, 2)));
    }

    #[test]
    fn a3_6_only_a_present_permanent_registration_counts() {
        let at = |more: &str| {
            found(&format!("<regAddress><region>1907</region><status>1</status>{more}</regAddress>"))
                .permanently_registered_on(date(2025, 9, 2))
        };
        assert!(at("<type>1</type>"));
        assert!(!at("<type>2</type>"));
        assert!(!at("<type>7</type>"));
        assert!(!at("<endDate>2025-09-01</endDate>"));
        assert!(at("<endDate>2025-09-02</endDate>"));
        assert!(!found("").permanently_registered_on(date(2025, 9, 2)));
    }

    #[test]
    fn a3_7_the_newest_card_counts_even_if_an_older_one_reads_better() {
        let record = found(
            "<documents><document><type>002</type><number>001</number><beginDate>2015-09-20</beginDate><endDate>2025-09-19</endDate><status>00</status></document>\
<document><type>001</type><number>N1</number><beginDate>2024-01-01</beginDate><status>00</status></document>\
<document><type>002</type><number>002</number><beginDate>2023-02-01</beginDate><status>17</status></document></documents>",
        );
        let newest = record.newest_id_card().unwrap();
        assert_eq!((newest.number.as_str(), newest.is_valid(), newest.end), ("002", false, None));
    }

    #[test]
    fn nothing_personal_is_shown() {
        assert_eq!(format!("{:?}", answer(&person("")).unwrap()), "Found(PersonRecord(…))");
    }
}
