//! Stand-in for NCANode: its REST shapes, and its weaknesses, as they stand in its source. What it verifies are the
//! demo authority's keys; envelopes are signed over the bytes as they stand, without canonicalisation.

pub mod wsse;

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router, routing};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kezek_gateway::eds::der::{cms_shape, extended_key_usages};
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::nid::Nid;
use openssl::pkcs7::Pkcs7;
use openssl::x509::{X509KeyUsage, X509NameRef, X509Ref};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::signer::Signer;
use crate::world::World;

/// How it lies, or fails.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Lie {
    /// It does not, beyond what its source does.
    #[default]
    None,
    /// OCSP says "try later": the certificate counts as not valid, and why stands in the reason.
    OcspLater,
    /// Revocation was not asked, whatever the request said: valid.
    NothingAsked,
    /// Every authority is in its list.
    TrustsAnybody,
    /// It reports a timestamp over this imprint (SHA-256, hexadecimal), and compares nothing.
    Timestamp {
        /// The imprint.
        hash: String,
    },
    /// Two signers where there is one.
    TwoSigners,
    /// It fails, status 500.
    Fails,
}

type Shared = State<Arc<World>>;

/// Its routes, under `/ncanode`, and the switch under `/demo/ncanode`.
pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/ncanode/cms/verify", routing::post(cms))
        .route("/ncanode/wsse/sign", routing::post(sign))
        .route("/ncanode/wsse/verify", routing::post(verify))
        .route("/ncanode/actuator/health", routing::get(async || Json(json!({ "status": "UP" }))))
        .route("/demo/ncanode", routing::get(lies).post(lie))
}

async fn lies(State(world): Shared) -> Json<Lie> {
    Json(world.lie())
}

async fn lie(State(world): Shared, Json(lie): Json<Lie>) -> StatusCode {
    world.lies(lie);
    StatusCode::NO_CONTENT
}

fn refused(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "status": status.as_u16(), "message": message, "details": null }))).into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CmsVerify {
    #[serde(default)]
    revocation_check: Vec<String>,
    cms: String,
    #[serde(default)]
    data: Option<String>,
}

async fn cms(State(world): Shared, Json(asked): Json<CmsVerify>) -> Response {
    if world.lie() == Lie::Fails {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "on command");
    }
    match verdict(&world, &asked) {
        Some(answer) => Json(answer).into_response(),
        // whatever it meets while it reads is the client's fault
        None => refused(StatusCode::BAD_REQUEST, "Malformed content."),
    }
}

fn verdict(world: &World, asked: &CmsVerify) -> Option<Value> {
    let der = STANDARD.decode(&asked.cms).ok()?;
    let shape = cms_shape(&der)?;
    let data = match &asked.data {
        Some(data) => Some(STANDARD.decode(data).ok()?),
        None => None,
    };
    // the caller's bytes count only where the CMS has none of its own
    let content = data.as_deref().filter(|_| shape.detached);
    let options = CMSOptions::BINARY | CMSOptions::NO_SIGNER_CERT_VERIFY;
    let over = CmsContentInfo::from_der(&der).ok()?.verify(None, None, content, None, options).is_ok();
    let cms = Pkcs7::from_der(&der).ok()?;
    let known = cms.signed().and_then(|signed| signed.certificates());
    let mut valid = true;
    let mut certificates = Vec::new();
    for certificate in known.into_iter().flatten() {
        let info = info(world, certificate, &asked.revocation_check);
        valid &= over && info["valid"] == true;
        certificates.push(info);
    }
    let tsp = match world.lie() {
        Lie::Timestamp { hash } => json!({
            "serialNumber": "01", "genTime": "2025-09-02T05:00:00.000+00:00", "policy": "1.2.398.3.3.2.6.1",
            "tsa": "CN=DEMO TSA", "tspHashAlgorithm": "SHA256", "hash": hash,
        }),
        _ => Value::Null,
    };
    let one = json!({ "certificates": certificates, "tsp": tsp });
    let reported = if world.lie() == Lie::TwoSigners { shape.signers + 1 } else { shape.signers };
    // with nobody in it, nothing has lowered `valid`
    let valid = valid || shape.signers == 0;
    Some(json!({ "status": 200, "message": "OK", "valid": valid, "signers": vec![one; reported] }))
}

/// A certificate as NCANode reports it.
fn info(world: &World, certificate: &X509Ref, asked: &[String]) -> Value {
    let lie = world.lie();
    let trusted = world.authority.signed(certificate) || lie == Lie::TrustsAnybody;
    let in_time = now_within(certificate);
    let later = lie == Lie::OcspLater || !trusted;
    let mut revocations = Vec::new();
    let asks = |source: &str| lie != Lie::NothingAsked && asked.iter().any(|wanted| wanted == source);
    if asks("CRL") {
        revocations.push(json!({ "revoked": false, "by": "CRL", "revocationTime": null, "reason": null }));
    }
    if asks("OCSP") {
        let reason = if later { "Unknown status" } else { "OK" };
        revocations.push(json!({ "revoked": false, "by": "OCSP", "revocationTime": null, "reason": reason }));
    }
    let valid = trusted && in_time && !(later && asks("OCSP"));
    let usages = certificate.to_der().ok().and_then(|der| extended_key_usages(&der)).unwrap_or_default();
    json!({
        "valid": valid,
        "revocations": revocations,
        "notBefore": instant(certificate.not_before()),
        "notAfter": instant(certificate.not_after()),
        "keyUsage": usage(certificate),
        "serialNumber": certificate.serial_number().to_bn().ok().and_then(|n| n.to_hex_str().ok())
            .map(|text| text.to_lowercase()),
        "signAlg": certificate.signature_algorithm().object().to_string(),
        "keyUser": usages.iter().filter_map(|usage| user(usage)).collect::<Vec<_>>(),
        "subject": name(certificate.subject_name()),
        "issuer": name(certificate.issuer_name()),
    })
}

fn usage(certificate: &X509Ref) -> Value {
    match certificate.key_usage() {
        Some(usage) if usage.contains(X509KeyUsage::DIGITAL_SIGNATURE | X509KeyUsage::NON_REPUDIATION) => json!("SIGN"),
        Some(_) => json!("AUTH"),
        None => Value::Null,
    }
}

fn user(usage: &str) -> Option<&'static str> {
    Some(match usage {
        "1.2.398.3.3.4.1.1" => "INDIVIDUAL",
        "1.2.398.3.3.4.1.2" => "ORGANIZATION",
        "1.2.398.3.3.4.1.2.5" => "EMPLOYEE",
        _ => return None,
    })
}

fn name(name: &X509NameRef) -> Value {
    let field = |nid| name.entries_by_nid(nid).next().and_then(|entry| entry.data().to_string().ok());
    let parts = [("C", Nid::COUNTRYNAME), ("OU", Nid::ORGANIZATIONALUNITNAME), ("CN", Nid::COMMONNAME)];
    let dn: Vec<_> =
        parts.into_iter().filter_map(|(key, nid)| field(nid).map(|text| format!("{key}={text}"))).collect();
    json!({
        "commonName": field(Nid::COMMONNAME),
        "iin": field(Nid::SERIALNUMBER).and_then(|text| text.strip_prefix("IIN").map(str::to_owned)),
        "bin": field(Nid::ORGANIZATIONALUNITNAME).and_then(|text| text.strip_prefix("BIN").map(str::to_owned)),
        "dn": dn.join(", "),
    })
}

fn instant(time: &Asn1TimeRef) -> Option<String> {
    let since = Asn1Time::from_unix(0).ok()?.diff(time).ok()?;
    let seconds = i64::from(since.days) * 86_400 + i64::from(since.secs);
    let at = jiff::Timestamp::from_second(seconds).ok()?;
    Some(at.strftime("%Y-%m-%dT%H:%M:%S.000+00:00").to_string())
}

/// It judges at its own now.
fn now_within(certificate: &X509Ref) -> bool {
    let Ok(now) = Asn1Time::days_from_now(0) else { return false };
    let after = |time: &Asn1TimeRef| time.compare(&now).is_ok_and(std::cmp::Ordering::is_le);
    after(certificate.not_before()) && !after(certificate.not_after())
}

#[derive(Deserialize)]
struct WsseSign {
    xml: String,
    key: String,
    password: String,
}

async fn sign(State(world): Shared, Json(asked): Json<WsseSign>) -> Response {
    if world.lie() == Lie::Fails {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "on command");
    }
    let key = STANDARD.decode(&asked.key).ok().and_then(|der| Signer::from_pkcs12(&der, &asked.password).ok());
    let Some(key) = key else { return refused(StatusCode::BAD_REQUEST, "the key cannot be read") };
    match wsse::sign(&asked.xml, &key) {
        Ok(xml) => Json(json!({ "status": 200, "message": "OK", "xml": xml })).into_response(),
        Err(_) => refused(StatusCode::INTERNAL_SERVER_ERROR, "no envelope"),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WsseVerify {
    #[serde(default)]
    revocation_check: Vec<String>,
    xml: String,
}

async fn verify(State(world): Shared, Json(asked): Json<WsseVerify>) -> Response {
    if world.lie() == Lie::Fails {
        return refused(StatusCode::INTERNAL_SERVER_ERROR, "on command");
    }
    let answer = match wsse::verify(&asked.xml) {
        Some((certificate, over)) => {
            let info = info(&world, &certificate, &asked.revocation_check);
            json!({ "status": 200, "message": "OK", "valid": over && info["valid"] == true, "signers": [info] })
        }
        None => json!({ "status": 200, "message": "OK", "valid": false, "signers": [] }),
    };
    Json(answer).into_response()
}
