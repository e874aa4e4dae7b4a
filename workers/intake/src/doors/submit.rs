//! `POST /v1/applications`: takes an application. The engine opens one case for a sender's request id and commits
//! before the answer, so the portal may repeat the request until it hears one.

use super::fields::{Fields, line, whole};
use crate::Intake;
use crate::checks::digests::sha256_hex;
use crate::config::Config;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use kezek_domain::dossier::{FieldError, Form};
use kezek_domain::{Role, Service};
use kezek_stage::{Attachment, Caller, Desk, DoorError, Picture, Submission};
use serde_json::json;
use sha2::{Digest, Sha256};

const MEMBERS: [&str; 7] =
    ["requestId", "service", "signedContent", "signature", "photo", "photoMediaType", "signatureSample"];

/// Takes an application: 201 the first time, 200 when the same request comes again.
pub async fn submit(
    State(desk): State<Desk<Intake>>,
    caller: Caller,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, DoorError> {
    caller.needs(&[Role::Portal])?;
    let body = whole(body)?;
    let submission = read(&body, &desk.stage.config, caller.account)?;
    let opened = desk.answers.open_case(submission).await?;
    let status = if opened.before { StatusCode::OK } else { StatusCode::CREATED };
    let receipt = opened.receipt.as_str();
    let headers =
        [(header::LOCATION, format!("/v1/applications/{receipt}")), (header::CACHE_CONTROL, "no-store".to_owned())];
    let told = json!({ "receipt": receipt, "case": opened.case, "status": "received" });
    Ok((status, headers, Json(told)).into_response())
}

fn read(body: &[u8], config: &Config, source: String) -> Result<Submission, DoorError> {
    let mut fields = Fields::of(body, &MEMBERS)?;
    let request_id = fields.text("requestId", request_id);
    let service = fields.text("service", |t| line(t, 40)).map(Service::owned);
    let signed = fields.bytes("signedContent", config.max_signed_bytes);
    let eds = fields.bytes("signature", config.max_signed_bytes);
    let photo = fields.bytes("photo", config.max_photo_bytes);
    fields.optional("photoMediaType", |t| if t == "image/jpeg" { Ok(()) } else { Err("give image/jpeg".to_owned()) });
    let sample = fields.bytes("signatureSample", config.max_sample_bytes);

    let form = signed.as_deref().and_then(|bytes| match Form::read(bytes, config.iin_profile) {
        Ok(form) => Some(form),
        Err(errors) => {
            for FieldError { pointer, message_en, remedy } in errors {
                fields.wrong(format!("/signedContent{pointer}"), format!("{message_en}; {remedy}"));
            }
            None
        }
    });
    if let Some(form) = &form {
        if service.as_ref().is_some_and(|service| *service != form.service) {
            fields.wrong("/service", "not the service of the signed content; send the one that was signed");
        }
        let differs = |picture: Option<&Vec<u8>>, digest: &str| picture.is_some_and(|p| sha256_hex(p) != digest);
        let remedy = "its SHA-256 is not the one in the signed content; send the picture that was signed for";
        if differs(photo.as_ref(), &form.photo_sha256) {
            fields.wrong("/photo", remedy);
        }
        if differs(sample.as_ref(), &form.signature_sha256) {
            fields.wrong("/signatureSample", remedy);
        }
    }
    let read = || {
        let picture = |which, media_type: &str, bytes| Picture { which, media_type: media_type.to_owned(), bytes };
        Some(Submission {
            source,
            request_id: request_id?,
            request_sha256: Sha256::digest(body).into(),
            service: service?,
            form: form?,
            attachments: vec![
                picture(Attachment::Photo, "image/jpeg", photo?),
                picture(Attachment::Signature, "image/png", sample?),
                picture(Attachment::SignedContent, "application/json", signed?),
                picture(Attachment::Eds, "application/pkcs7-signature", eds?),
            ],
        })
    };
    let read = read();
    fields.finish(read)
}

fn request_id(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    if (1..=128).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("give 1 to 128 letters, digits, `-`, `_`, `.` or `:`, the same for every repetition".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use kezek_domain::IinProfile;
    use serde_json::Value;

    fn config() -> Config {
        Config { iin_profile: IinProfile::Demo, max_photo_bytes: 64, ..Config::default() }
    }

    fn request(change: impl FnOnce(&mut Form)) -> Value {
        let mut form = kezek_testkit::paper::form();
        form.photo_sha256 = sha256_hex(b"photo");
        form.signature_sha256 = sha256_hex(b"sample");
        change(&mut form);
        json!({
            "requestId": "r-1", "service": "id-card-renewal",
            "signedContent": STANDARD.encode(serde_json::to_vec(&form).unwrap()),
            "signature": STANDARD.encode(b"cms"), "photo": STANDARD.encode(b"photo"),
            "signatureSample": STANDARD.encode(b"sample"),
        })
    }

    fn pointers(body: &Value) -> Vec<String> {
        let refused = read(body.to_string().as_bytes(), &config(), "egov".to_owned()).err().unwrap();
        refused.errors.into_iter().map(|(pointer, _)| pointer).collect()
    }

    #[test]
    fn a3_12_the_signed_bytes_are_kept_as_they_came() {
        let body = request(|_| {}).to_string();
        let submission = read(body.as_bytes(), &config(), "egov".to_owned()).unwrap();
        assert_eq!(submission.source, "egov");
        assert_eq!(submission.request_sha256, <[u8; 32]>::from(Sha256::digest(body.as_bytes())));
        let signed = submission.attachments.iter().find(|p| p.which == Attachment::SignedContent).unwrap();
        assert_eq!(Form::read(&signed.bytes, IinProfile::Demo), Ok(submission.form));
    }

    #[test]
    fn a0_1_errors_of_the_request_and_of_the_form_are_told_together() {
        let mut body = request(|form| form.document_number = "12".to_owned());
        body["requestId"] = json!("with blanks");
        body["photo"] = json!("!");
        body["extra"] = json!(1);
        assert_eq!(pointers(&body), ["/extra", "/requestId", "/photo", "/signedContent/document_number"]);
    }

    #[test]
    fn a0_1_too_much_and_too_little_are_told() {
        let mut body = request(|_| {});
        body["photo"] = json!(STANDARD.encode([0_u8; 65]));
        body["signatureSample"] = json!("");
        body["photoMediaType"] = json!("image/gif");
        assert_eq!(pointers(&body), ["/photo", "/photoMediaType", "/signatureSample"]);
    }

    #[test]
    fn a3_9_a_picture_that_was_not_signed_for_is_told_at_the_door() {
        let mut body = request(|_| {});
        body["photo"] = json!(STANDARD.encode(b"other"));
        body["service"] = json!("another-service");
        assert_eq!(pointers(&body), ["/service", "/photo"]);
    }
}
