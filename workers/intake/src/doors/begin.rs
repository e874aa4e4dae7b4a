//! `POST /v1/applications/begin`: A3.1–A3.7 and A12, answered at once, before the person fills anything in. Nothing
//! is kept: what can change is asked again when the application has been submitted.

use super::fields::{Fields, line, nine_digits, whole};
use crate::Intake;
use crate::outage::Halt;
use crate::screening::{Applicant, Screened};
use crate::sheet::{Sheet, Verdict};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use kezek_domain::dossier::Reason;
use kezek_domain::rules::Refusal;
use kezek_domain::{Iin, IinProfile, Phone, Role, Service};
use kezek_stage::{Caller, Desk, DoorError};
use serde_json::{Value, json};

struct Enquiry {
    iin: Iin,
    phone: Phone,
    service: Service,
    session: String,
    card: Option<String>,
}

/// Whether the person may apply.
pub async fn begin(
    State(desk): State<Desk<Intake>>,
    caller: Caller,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, DoorError> {
    caller.needs(&[Role::Portal])?;
    let enquiry = read(&whole(body)?, desk.stage.config.iin_profile)?;
    let attempt = (desk.enquiry)();
    let applicant = Applicant {
        iin: &enquiry.iin,
        phone: &enquiry.phone,
        service: &enquiry.service,
        // the door of a service for expiring cards: any other reason is told with the form (A7)
        reason: Reason::Expiry,
        session: &enquiry.session,
        card: enquiry.card.as_deref(),
        filed_at: attempt.now(),
    };
    let mut sheet = Sheet::default();
    let screened = match desk.stage.screening(&attempt).screen(&applicant, None, &mut sheet).await {
        Ok(screened) => screened,
        Err(Halt::Fault(fault)) => return Err(fault.into()),
        Err(Halt::Outage(system)) => {
            sheet.note("A12", Verdict::Failed(Refusal::Outage, system.label()));
            Screened::default()
        }
    };
    let told = answer(&desk.stage, &enquiry.service, &sheet, &screened);
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(told)).into_response())
}

fn read(body: &[u8], profile: IinProfile) -> Result<Enquiry, DoorError> {
    let mut fields = Fields::of(body, &["iin", "phone", "service", "digitalIdSession", "documentNumber"])?;
    let iin = fields.text("iin", |t| Iin::parse(t, profile).map_err(|e| e.to_string()));
    let phone = fields.text("phone", |t| Phone::parse(t).map_err(|e| e.to_string()));
    let service = fields.text("service", |t| line(t, 40));
    let session = fields.text("digitalIdSession", |t| line(t, 128));
    let card = fields.optional("documentNumber", nine_digits);
    let read = || {
        Some(Enquiry { iin: iin?, phone: phone?, service: Service::owned(service?), session: session?, card: card? })
    };
    let read = read();
    fields.finish(read)
}

fn answer(stage: &Intake, service: &Service, sheet: &Sheet, screened: &Screened) -> Value {
    let version = stage.rules.version();
    if let Some(refusal) = sheet.refusal() {
        let text = stage.rules.texts().refusal(refusal);
        return json!({
            "verdict": if refusal.csc() { "redirected" } else { "refused" },
            "service": service,
            "refusal": {
                "code": refusal.code(), "law": refusal.law(), "text": { "kk": text.kk, "ru": text.ru },
            },
            "ruleVersion": version,
        });
    }
    let card = screened.record.as_deref().and_then(|r| r.newest_id_card());
    json!({
        "verdict": "may-apply",
        "service": service,
        "consent": screened.consent.as_ref().map(|c| json!({
            "token": c.token, "publicKey": c.public_key, "expiresAt": c.expires_at,
        })),
        "document": card.map(|c| json!({ "number": masked(&c.number), "expires": c.end })),
        // a human will look at this once the application is there
        "attention": sheet.doubt().map(crate::Doubt::label),
        "ruleVersion": version,
    })
}

/// The last three characters: enough to recognise one's own card, not enough to name somebody else's.
fn masked(number: &str) -> String {
    let shown = number.chars().count().saturating_sub(3);
    number.chars().enumerate().map(|(at, c)| if at < shown { '*' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_named_by_its_pointer() {
        let body = json!({ "iin": "850101390013", "phone": 7, "service": "id-card-renewal", "documentNumber": "12" });
        let refused = read(body.to_string().as_bytes(), IinProfile::Citizen).err().unwrap();
        let pointers: Vec<_> = refused.errors.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/iin", "/phone", "/digitalIdSession", "/documentNumber"]);
        assert!(!format!("{refused:?}").contains("850101390013"));
    }

    #[test]
    fn a_demonstration_iin_is_admitted_by_the_demo_profile_alone() {
        let iin = kezek_testkit::paper::iin();
        let body = json!({
            "iin": iin.expose(), "phone": "+77010000001", "service": "id-card-renewal", "digitalIdSession": "s",
        });
        let read_as = |profile| read(body.to_string().as_bytes(), profile);
        assert!(read_as(IinProfile::Demo).is_ok());
        assert_eq!(read_as(IinProfile::Citizen).err().unwrap().errors[0].0, "/iin");
    }

    #[test]
    fn a_card_is_shown_by_its_last_three_digits() {
        assert_eq!(masked("012345678"), "******678");
        assert_eq!(masked("12"), "12");
    }
}
