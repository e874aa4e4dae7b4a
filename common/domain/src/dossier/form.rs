//! What the applicant filled in, himself (A3.8, A8), and what the portal brought with it.

use super::read::{FieldError, Reader};
use super::{Filed, Section};
use crate::iin::{Iin, IinProfile};
use crate::label::labelled;
use crate::name::Service;
use crate::phone::Phone;
use crate::region::Region;
use crate::text::masked;
use jiff::Timestamp;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

labelled! {
    /// Why a new card is wanted. Only expiry is served online (A7).
    pub enum Reason {
        /// The card expires or has expired.
        Expiry = "expiry",
        /// Lost or stolen.
        Loss = "loss",
        /// Damaged.
        Damage = "damage",
        /// Data of the person changed.
        DataChange = "data-change",
    }
}

labelled! {
    /// The language the applicant is written to in.
    pub enum Language {
        /// Kazakh.
        Kk = "kk",
        /// Russian.
        Ru = "ru",
    }
}

/// The person's consent to the look-ups (A3.1), as KDP gave it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Consent {
    /// Passed on to every register.
    pub token: String,
    /// Passed on with the token.
    pub public_key: String,
    /// From then on consent must be asked anew.
    pub expires_at: Timestamp,
}

/// The application form.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Form {
    /// The applicant.
    pub iin: Iin,
    /// The applicant's telephone (A3.2).
    pub phone: Phone,
    /// What is asked for.
    pub service: Service,
    /// Why.
    pub reason: Reason,
    /// The region the applicant chose (A10).
    pub region: Region,
    /// The registration point where the card is to be handed over (A3.19).
    pub registration_point: String,
    /// The present card: nine digits, a string, may start with zero.
    pub document_number: String,
    /// The expiry printed on it, where there is one.
    pub document_expires: Option<Date>,
    /// Consent (A3.1).
    pub consent: Consent,
    /// The identification session (A3.3).
    pub digital_id_session: String,
    /// Digest of the photograph, in hex (A3.9).
    pub photo_sha256: String,
    /// Digest of the specimen signature, in hex (A3.9).
    pub signature_sha256: String,
    /// An exemption ground the applicant claims, such as `622-6`.
    pub declared_exemption: Option<String>,
    /// For notices.
    pub language: Language,
    /// When the form was completed.
    pub filled_at: Timestamp,
}

masked!(Form, Consent);

impl Filed for Form {
    const SECTION: Section = Section::Form;
    const VERSION: u32 = 1;
}

impl Form {
    /// Reads a submitted form and checks every field (A0.1: format-logical control).
    ///
    /// # Errors
    /// Every field error at once, by JSON pointer, in the order of the fields; none repeats a value.
    pub fn read(bytes: &[u8], profile: IinProfile) -> Result<Self, Vec<FieldError>> {
        let value = super::read::parse(bytes).map_err(|error| vec![error])?;
        Self::read_value(&value, profile)
    }

    /// [`Form::read`] for JSON that is already parsed.
    ///
    /// # Errors
    /// As [`Form::read`].
    pub fn read_value(value: &serde_json::Value, profile: IinProfile) -> Result<Self, Vec<FieldError>> {
        let mut r = Reader::new(value)?;
        let iin = r.text("/iin", "give the 12 digits of the IIN as a string", |t| {
            Iin::parse(t, profile).map_err(|e| e.to_string())
        });
        let phone =
            r.text("/phone", "give the number as +7 and ten digits", |t| Phone::parse(t).map_err(|e| e.to_string()));
        let service = r.text("/service", "give the label of a service, such as id-card-renewal", label);
        let reason = r.labelled("/reason", Reason::parse, Reason::ALL, Reason::label);
        let region =
            r.text("/region", "give an ISO code such as KZ-75", |t| Region::parse(t).map_err(|e| e.to_string()));
        let point = "give the code of the chosen registration point, 1 to 64 characters";
        let registration_point = r.text("/registration_point", point, |t| line(t, 64));
        let document_number = r.text("/document_number", "give the nine digits of the card as a string", nine_digits);
        let document_expires = r.optional("/document_expires", "give a date as YYYY-MM-DD, or leave it out", |t| {
            t.parse::<Date>().map_err(|_| "not a date".to_owned())
        });
        let token = r.text("/consent/token", "ask for consent and pass the token on unchanged", |t| line(t, 4096));
        let public_key = r.text("/consent/public_key", "pass the key of the consent on unchanged", |t| line(t, 4096));
        let instant = "give an instant with offset, such as 2025-09-02T10:00:00+05:00";
        let expires_at = r.text("/consent/expires_at", instant, timestamp);
        let session = "identify the person first and pass the session on, 1 to 128 characters";
        let digital_id_session = r.text("/digital_id_session", session, |t| line(t, 128));
        let digest = "give the SHA-256 of the attached bytes, 64 digits of lower-case hex";
        let photo_sha256 = r.text("/photo_sha256", digest, sha256_hex);
        let signature_sha256 = r.text("/signature_sha256", digest, sha256_hex);
        let ground = "give the code of an exemption ground such as 622-6, or leave it out";
        let declared_exemption = r.optional("/declared_exemption", ground, label);
        let language = r.labelled("/language", Language::parse, Language::ALL, Language::label);
        let filled_at = r.text("/filled_at", instant, timestamp);

        let read = || {
            Some(Self {
                iin: iin?,
                phone: phone?,
                service: Service::owned(service?),
                reason: reason?,
                region: region?,
                registration_point: registration_point?,
                document_number: document_number?,
                document_expires: document_expires?,
                consent: Consent { token: token?, public_key: public_key?, expires_at: expires_at? },
                digital_id_session: digital_id_session?,
                photo_sha256: photo_sha256?,
                signature_sha256: signature_sha256?,
                declared_exemption: declared_exemption?,
                language: language?,
                filled_at: filled_at?,
            })
        };
        r.finish(read())
    }
}

fn line(text: &str, most: usize) -> Result<String, String> {
    let length = text.chars().count();
    if length == 0 || text.trim() != text || text.chars().any(char::is_control) {
        Err("empty, or with control characters or blanks at an end".to_owned())
    } else if length > most {
        Err(format!("longer than {most} characters"))
    } else {
        Ok(text.to_owned())
    }
}

fn label(text: &str) -> Result<String, String> {
    let plain = (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if plain { Ok(text.to_owned()) } else { Err("not a label of lower-case letters, digits and hyphens".to_owned()) }
}

fn nine_digits(text: &str) -> Result<String, String> {
    if text.len() == 9 && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("not nine digits".to_owned())
    }
}

fn sha256_hex(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        Ok(text.to_owned())
    } else {
        Err("not a SHA-256 digest in lower-case hex".to_owned())
    }
}

fn timestamp(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "not an instant with offset".to_owned())
}
