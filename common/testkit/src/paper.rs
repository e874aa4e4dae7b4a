//! The papers of a sample case: one person who cannot exist (born in the 1800s), everything as the law wants it.
//! Tests change what they are about and leave the rest.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use kezek_domain::dossier::{
    Consent, Document, DutyAssessment, DutyOutcome, Findings, Form, Identity, Language, Payment, Reason, Registration,
};
use kezek_domain::{Coupon, Iin, IinProfile, Phone, Region, Service, Sex, Tiyn};

/// Tuesday, 2 September 2025, 10:00 in Almaty: the day the sample case is filed.
pub const FILED: &str = "2025-09-02T05:00:00Z";

/// The instant of filing.
#[must_use]
pub fn filed_at() -> Timestamp {
    FILED.parse().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The city of Almaty.
#[must_use]
pub fn region() -> Region {
    known(Region::parse("KZ-75"))
}

/// The sample person's IIN.
#[must_use]
pub fn iin() -> Iin {
    iin_of("90051511234")
}

/// An IIN from eleven leading digits; the century digit (the seventh) is 1 or 2.
///
/// # Panics
/// Where they do not make one: the test is wrong, not the code.
#[must_use]
pub fn iin_of(first_eleven: &str) -> Iin {
    let check = known(Iin::check_digit(first_eleven).ok_or("no such IIN is issued"));
    known(Iin::parse(&format!("{first_eleven}{check}"), IinProfile::Demo))
}

/// The coupon.
#[must_use]
pub fn coupon() -> Coupon {
    known(Coupon::parse("DEMO-2025-000001"))
}

/// The application (A3.8).
#[must_use]
pub fn form() -> Form {
    Form {
        iin: iin(),
        phone: known(Phone::parse("+77010000001")),
        service: Service::ID_CARD_RENEWAL,
        reason: Reason::Expiry,
        region: region(),
        registration_point: "KZ-75-01".to_owned(),
        document_number: "012345678".to_owned(),
        document_expires: Some(expires()),
        consent: Consent {
            token: "demo-token".to_owned(),
            public_key: "demo-key".to_owned(),
            expires_at: known("2025-09-03T05:00:00Z".parse::<Timestamp>()),
        },
        digital_id_session: "demo-session-1".to_owned(),
        photo_sha256: "00".repeat(32),
        signature_sha256: "11".repeat(32),
        declared_exemption: None,
        language: Language::Kk,
        filled_at: known("2025-09-02T04:50:00Z".parse::<Timestamp>()),
    }
}

/// What the registers say of the person (A3.2).
#[must_use]
pub fn identity() -> Identity {
    Identity {
        surname: "ДЕМОВА".to_owned(),
        given_name: "ДЕМОГҮЛ".to_owned(),
        patronymic: Some("ДЕМОҚЫЗЫ".to_owned()),
        birth_date: date(1890, 5, 15),
        sex: Sex::Male,
        citizenship: "398".to_owned(),
        birth_country: "398".to_owned(),
        registered_region: Some(region()),
        registered_permanently: true,
        capable: true,
        changed: Vec::new(),
    }
}

/// The present card (A3.7), which expires in twenty days.
#[must_use]
pub fn document() -> Document {
    Document {
        number: "012345678".to_owned(),
        begins: date(2015, 9, 23),
        ends: Some(expires()),
        status: "00".to_owned(),
    }
}

/// Intake's findings, nothing to remark.
#[must_use]
pub fn findings() -> Findings {
    Findings { checks: Vec::new(), rule_version: "test".to_owned() }
}

/// The registration (A3.13).
#[must_use]
pub fn registration() -> Registration {
    Registration { coupon: coupon(), registered_at: filed_at(), documentation_code: "demo-expiry".to_owned() }
}

/// A duty of 786.40 ₸ is due (A3.15).
#[must_use]
pub fn duty() -> DutyAssessment {
    let amount = Tiyn(78_640);
    DutyAssessment {
        outcome: DutyOutcome::Payable { amount },
        amount,
        legal_basis: "test".to_owned(),
        rule_version: "test".to_owned(),
        mrp: Tiyn(393_200),
    }
}

/// The duty is paid.
#[must_use]
pub fn payment() -> Payment {
    Payment { amount: Tiyn(78_640), numbers: vec!["demo-payment-1".to_owned()], confirmed_at: filed_at() }
}

const fn expires() -> Date {
    date(2025, 9, 22)
}

/// Sample data is written by hand: what does not parse is a mistake in this file.
fn known<T, E: std::fmt::Display>(parsed: Result<T, E>) -> T {
    #[expect(clippy::panic, reason = "sample data for tests, proved readable by this room's own test")]
    parsed.unwrap_or_else(|e| panic!("sample paper: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a8_the_sample_form_passes_the_doors_own_reading() {
        let value = serde_json::to_value(form()).expect("a form is JSON");
        assert_eq!(Form::read_value(&value, IinProfile::Demo), Ok(form()));
        assert!(iin().is_demo());
        assert_eq!(iin().birth_date(), identity().birth_date);
    }
}
