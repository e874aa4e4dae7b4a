use super::*;
use crate::iin::IinProfile;
use crate::money::Tiyn;
use jiff::Timestamp;
use serde_json::{Value, json};

fn good() -> Value {
    json!({
        "iin": "850101100012",
        "phone": "+77000000001",
        "service": "id-card-renewal",
        "reason": "expiry",
        "region": "KZ-75",
        "registration_point": "demo-point-1",
        "document_number": "012345678",
        "document_expires": "2025-09-10",
        "consent": { "token": "demo-token", "public_key": "demo-key", "expires_at": "2025-09-02T11:00:00+05:00" },
        "digital_id_session": "demo-session",
        "photo_sha256": "a".repeat(64),
        "signature_sha256": "b".repeat(64),
        "declared_exemption": null,
        "language": "kk",
        "filled_at": "2025-09-02T10:00:00+05:00",
    })
}

fn errors(form: &Value) -> Vec<FieldError> {
    Form::read(form.to_string().as_bytes(), IinProfile::Demo).err().unwrap_or_default()
}

fn pointers(form: &Value) -> Vec<String> {
    errors(form).into_iter().map(|error| error.pointer).collect()
}

#[test]
fn a3_8_a_good_form_is_read_and_stored_as_it_was_read() -> Result<(), Box<dyn std::error::Error>> {
    let form = Form::read_value(&good(), IinProfile::Demo).map_err(|errors| format!("{errors:?}"))?;
    assert_eq!(form.document_number, "012345678");
    assert_eq!(form.declared_exemption, None);
    let stored = serde_json::to_value(&form)?;
    assert_eq!(serde_json::from_value::<Form>(stored.clone())?, form);
    // every line as the applicant filled it in; instants may be written with another offset
    for (name, line) in good().as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "consent" | "filled_at") {
            assert_eq!(stored.get(name), Some(line), "{name}");
        }
    }
    assert_eq!(format!("{form:?} {:?}", form.consent), "Form(…) Consent(…)");
    Ok(())
}

#[test]
fn a0_1_every_error_is_named_by_its_pointer_at_once() {
    assert_eq!(
        pointers(&json!({})),
        [
            "/iin",
            "/phone",
            "/service",
            "/reason",
            "/region",
            "/registration_point",
            "/document_number",
            "/consent/token",
            "/consent/public_key",
            "/consent/expires_at",
            "/digital_id_session",
            "/photo_sha256",
            "/signature_sha256",
            "/language",
            "/filled_at",
        ]
    );
}

#[test]
fn a0_1_each_field_has_its_own_control() {
    let wrongs = [
        ("/iin", json!("850101100013")),
        ("/iin", json!(850_101_100_012_u64)),
        ("/phone", json!("87000000001")),
        ("/service", json!("ID card")),
        ("/reason", json!("boredom")),
        ("/region", json!("KZ-99")),
        ("/registration_point", json!("")),
        ("/document_number", json!("12345678")),
        ("/document_number", json!(12_345_678)),
        ("/document_expires", json!("2025-02-30")),
        ("/consent/token", json!("two\nlines")),
        ("/consent/expires_at", json!("2025-09-02T11:00:00")),
        ("/digital_id_session", json!("x".repeat(129))),
        ("/photo_sha256", json!("A".repeat(64))),
        ("/signature_sha256", json!("b".repeat(63))),
        ("/declared_exemption", json!("кириллица")),
        ("/language", json!("en")),
        ("/filled_at", json!("yesterday")),
    ];
    for (pointer, wrong) in wrongs {
        let mut form = good();
        if let Some(field) = form.pointer_mut(pointer) {
            *field = wrong.clone();
        }
        assert_eq!(pointers(&form), [pointer], "{wrong}");
        for error in errors(&form) {
            let said = format!("{} {}", error.message_en, error.remedy);
            assert!(wrong.as_str().is_none_or(|value| value.is_empty() || !said.contains(value)), "{said}");
            assert!(!error.remedy.is_empty());
        }
    }
}

#[test]
fn a_demonstration_iin_is_no_citizens() {
    let read = Form::read(good().to_string().as_bytes(), IinProfile::Citizen);
    let pointers: Vec<String> = read.err().unwrap_or_default().into_iter().map(|e| e.pointer).collect();
    assert_eq!(pointers, ["/iin"]);
}

#[test]
fn what_is_no_object_is_an_error_of_the_whole() {
    for bytes in [&b"{"[..], b"[]", b"null", b"\xff\xfe", b""] {
        let errors = Form::read(bytes, IinProfile::Demo).err().unwrap_or_default();
        assert_eq!(errors.len(), 1);
        assert!(errors.iter().all(|error| error.pointer.is_empty()));
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let mut form = good();
    form["new_in_a_later_version"] = json!(1);
    assert_eq!(errors(&form), []);
}

#[test]
fn sections_are_told_apart_by_their_labels() {
    for section in Section::all() {
        assert_eq!(Section::parse(section.label()), Some(*section));
    }
    assert_eq!(DutyAssessment::SECTION.label(), "duty-assessment");
    assert_eq!(Section::parse("Form"), None);
}

#[test]
fn sections_are_stored_in_one_stable_shape() -> Result<(), serde_json::Error> {
    let assessed = DutyAssessment {
        outcome: DutyOutcome::Payable { amount: Tiyn(78_640) },
        amount: Tiyn(78_640),
        legal_basis: "article 615".to_owned(),
        rule_version: "2025-06-01+0".to_owned(),
        mrp: Tiyn(393_200),
    };
    let stored = serde_json::to_value(&assessed)?;
    assert_eq!(stored["outcome"], json!({ "payable": { "amount": 78_640 } }));
    assert_eq!(serde_json::from_value::<DutyAssessment>(stored)?, assessed);

    let decision = Decision {
        outcome: DecisionOutcome::Cancelled,
        reason: Some(CancelReason::PhotoQuality),
        officer: "a.officer".to_owned(),
        decided_at: Timestamp::UNIX_EPOCH,
        signature_sha256: "0".repeat(64),
        signature_verified_by: "demo 1".to_owned(),
        cms: "MAA=".to_owned(),
        signed_content: "e30=".to_owned(),
        verifier_answer: None,
    };
    let stored = serde_json::to_value(&decision)?;
    assert_eq!(stored["reason"], json!("photo-quality"));
    assert_eq!(stored["cms"], json!("MAA="));
    assert!(!format!("{decision:?}").contains("MAA="), "the certificate in it names the officer");
    assert_eq!(serde_json::from_value::<Decision>(stored)?, decision);
    Ok(())
}

#[test]
fn every_section_has_a_schema_with_its_fields() {
    let schema = schemars::schema_for!(Form).to_value();
    assert_eq!(schema["properties"]["iin"]["$ref"], json!("#/$defs/Iin"));
    assert_eq!(schema["$defs"]["Iin"]["pattern"], json!("^[0-9]{12}$"));
    assert_eq!(schemars::schema_for!(Identity).to_value()["properties"]["capable"]["type"], json!("boolean"));
}
