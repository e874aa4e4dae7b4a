//! The register's record of the sample person, as the law wants it.

use jiff::civil::date;
use kezek_gateway::{Address, AddressKind, Document, PersonRecord};
use kezek_testkit::paper;

pub use kezek_testkit::paper::form;

/// The record; tests change what they are about.
pub fn record() -> PersonRecord {
    let (identity, card) = (paper::identity(), paper::document());
    PersonRecord {
        iin: paper::iin(),
        surname: identity.surname,
        name: identity.given_name,
        patronymic: identity.patronymic,
        latin_surname: None,
        latin_name: None,
        birth_date: identity.birth_date,
        death_date: None,
        gender: "1".to_owned(),
        nationality: None,
        citizenship: "398".to_owned(),
        life_status: "0".to_owned(),
        birth_country: Some("398".to_owned()),
        address: Some(Address {
            status: "1".to_owned(),
            kind: AddressKind::Permanent,
            region: "demo-75".to_owned(),
            district: None,
            begin: Some(date(2015, 1, 1)),
            end: None,
            ar_code: None,
        }),
        capability: None,
        documents: vec![Document {
            kind: "002".to_owned(),
            number: card.number,
            begin: Some(card.begins),
            end: card.ends,
            status: "00".to_owned(),
            issuer: None,
            invalid_from: None,
            surname: None,
            name: None,
            patronymic: None,
        }],
        removed: false,
    }
}
