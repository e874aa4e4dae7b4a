//! The officer's desk over HTTP: the list, the case, its pictures, the decision.

use crate::signing::{Allowed, content, verify};
use crate::{Answer, Review, compare};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kezek_domain::dossier::{CancelReason, Document, Exemption, Filed, Form, Identity};
use kezek_domain::{CaseId, Coupon, How, Receipt, Region, Role, Section, Status, Ticket};
use kezek_stage::{
    Attachment, Body, Caller, CaseHead, CaseOf, CaseView, Decision, Desk, DoorError, Doors, Fault, Stage,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Who decides: the region's reviewers and their head (A3.17, A11).
const DECIDES: &[Role] = &[Role::Reviewer, Role::Head];

impl Doors for Review {
    fn routes(desk: Desk<Self>) -> Router {
        Router::new()
            .route("/v1/review/tasks", get(tasks))
            .route("/v1/review/cases/{case}", get(case))
            .route("/v1/review/cases/{case}/pictures/{which}", get(picture))
            .route("/v1/review/cases/{case}/decision", post(decide))
            .with_state(desk)
    }
}

#[derive(Deserialize)]
struct Page {
    limit: Option<u32>,
}

/// One line of the list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    case: CaseId,
    receipt: Receipt,
    coupon: Option<Coupon>,
    region: Region,
    filed_at: Timestamp,
    since: Timestamp,
    /// Nothing: the term is over, the case is late (A4.2).
    until: Option<Timestamp>,
    /// Nothing has been paid for it, because nothing is due.
    exempt: bool,
    ticket: Ticket,
}

async fn tasks(
    State(desk): State<Desk<Review>>,
    caller: Caller,
    Query(page): Query<Page>,
) -> Result<impl IntoResponse, DoorError> {
    caller.needs(DECIDES)?;
    let waiting = desk.reads.waiting(&caller, Review::NAME, page.limit.unwrap_or(50).clamp(1, 500)).await?;
    let tasks: Vec<_> = waiting
        .into_iter()
        .map(|w| Task {
            case: w.case.id,
            receipt: w.case.receipt,
            coupon: w.case.coupon,
            region: w.case.region,
            filed_at: w.case.filed_at,
            since: w.since,
            until: w.until,
            exempt: !w.case.purse.received.is_positive(),
            ticket: w.case.ticket,
        })
        .collect();
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(json!({ "tasks": tasks }))))
}

async fn case(
    State(desk): State<Desk<Review>>,
    caller: Caller,
    CaseOf(id): CaseOf,
) -> Result<impl IntoResponse, DoorError> {
    caller.needs(DECIDES)?;
    let view = desk.reads.case(&caller, id, Review::READS, "review").await?;
    held(&view.case)?;
    let applied = application(&desk, &caller, id).await?;
    let form: Form = section(&view)?.ok_or_else(|| missing(Section::Form))?;
    let identity: Option<Identity> = section(&view)?;
    let document: Option<Document> = section(&view)?;
    let exemption = section::<Exemption>(&view)?.and_then(|e| e.ground).map(|code| {
        let words = compare::ground(&desk.stage.rules, &code);
        json!({ "ground": code, "kk": words.as_ref().map(|w| &w.0), "ru": words.as_ref().map(|w| &w.1) })
    });
    let head = &view.case;
    let signing = Allowed::all()
        .map(|allowed| {
            let bytes = content(allowed, id, head.ticket, &caller.account, &applied)?;
            Ok(json!({
                "decision": allowed.label(), "reason": allowed.reason(), "content": STANDARD.encode(bytes),
            }))
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    let picture = |name: Attachment| format!("/v1/review/cases/{id}/pictures/{}", name.label());
    let body = json!({
        "case": id,
        "receipt": head.receipt,
        "coupon": head.coupon,
        "region": head.region,
        "filedAt": head.filed_at,
        "since": view.since,
        "until": until(head),
        "ticket": head.ticket,
        "application": {
            "iin": form.iin,
            "service": form.service,
            "reason": form.reason,
            "registrationPoint": form.registration_point,
            "declaredExemption": form.declared_exemption,
            "filledAt": form.filled_at,
        },
        "lines": compare::lines(&form, identity.as_ref(), document.as_ref()),
        "registration": view.sections.get(&Section::Registration),
        "findings": view.sections.get(&Section::Findings),
        "duty": view.sections.get(&Section::DutyAssessment),
        "exemption": exemption,
        "payment": view.sections.get(&Section::Payment),
        "pictures": { "photo": picture(Attachment::Photo), "signature": picture(Attachment::Signature) },
        "signing": signing,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)))
}

async fn picture(
    State(desk): State<Desk<Review>>,
    caller: Caller,
    CaseOf(id): CaseOf,
    Path((_, which)): Path<(String, String)>,
) -> Result<impl IntoResponse, DoorError> {
    caller.needs(DECIDES)?;
    let which = match which.as_str() {
        "photo" => Attachment::Photo,
        "signature" => Attachment::Signature,
        _ => return Err(DoorError::not_found("there are the pictures `photo` and `signature`")),
    };
    let picture = desk.reads.picture(&caller, id, which).await?;
    // whatever the sender called it, a browser is never given anything that it could run
    let kind = match picture.media_type.as_str() {
        "image/jpeg" => "image/jpeg",
        "image/png" => "image/png",
        _ => "application/octet-stream",
    };
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, picture.bytes))
}

/// The officer's decision, with the ticket that his page showed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    ticket: Ticket,
    decision: Wish,
    #[serde(default)]
    reason: Option<CancelReason>,
    signature: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Wish {
    Approve,
    Cancel,
}

async fn decide(
    State(desk): State<Desk<Review>>,
    caller: Caller,
    CaseOf(id): CaseOf,
    Body(sent): Body<Decided>,
) -> Result<Json<Value>, DoorError> {
    caller.needs(DECIDES)?;
    let officer = caller.iin.clone().ok_or_else(|| {
        DoorError::forbidden("decisions are signed (A11a) and this account names no person; an operator adds the IIN")
    })?;
    let wrong = |what: &str| DoorError::invalid(vec![("/reason".to_owned(), what.to_owned())]);
    let allowed = match (sent.decision, sent.reason) {
        (Wish::Approve, None) => Allowed::Approve,
        (Wish::Cancel, Some(reason)) => Allowed::Cancel(reason),
        (Wish::Approve, Some(_)) => return Err(wrong("an approval has no reason: leave it out")),
        (Wish::Cancel, None) => {
            let known: Vec<_> = CancelReason::ALL.iter().map(|r| r.label()).collect();
            return Err(wrong(&format!("a cancellation needs one of {}", known.join(", "))));
        }
    };
    let applied = application(&desk, &caller, id).await?;
    let bytes = content(allowed, id, sent.ticket, &caller.account, &applied)?;
    let signed = verify(&*desk.stage.verifier, &bytes, &sent.signature, &officer, &caller.account, desk.clock.now())?;
    let answer = match allowed {
        Allowed::Approve => Answer::Approve { signed },
        Allowed::Cancel(reason) => Answer::Cancel { reason, signed },
    };
    let body = serde_json::to_value(&answer).map_err(|_| Fault::permanent("answer-unwritable", "review.answer"))?;
    let settled = desk
        .answers
        .decide(Decision {
            case: id,
            stage: Review::NAME,
            ticket: sent.ticket,
            body,
            choice: None,
            reason: None,
            caller,
        })
        .await?;
    Ok(Json(json!({ "case": id, "ticket": settled.ticket, "outcome": settled.outcome })))
}

/// Digest of what the applicant signed: the decision is bound to it. Opening the case shows it to be this person's
/// to see, and is written down.
async fn application(desk: &Desk<Review>, caller: &Caller, case: CaseId) -> Result<String, DoorError> {
    let signed = desk.reads.picture(caller, case, Attachment::SignedContent).await?;
    Ok(hex::encode(Sha256::digest(&signed.bytes)))
}

fn held(case: &CaseHead) -> Result<(), DoorError> {
    match &case.status {
        Status::Open { at, how: How::Held { .. }, .. } if at == Review::NAME => Ok(()),
        Status::Open { .. } | Status::Closed(_) => Err(DoorError::conflict(
            "not-waiting",
            "this case does not wait for review; take the next one from the list",
        )),
    }
}

const fn until(case: &CaseHead) -> Option<Timestamp> {
    match &case.status {
        Status::Open { how: How::Held { until }, .. } => *until,
        Status::Open { .. } | Status::Closed(_) => None,
    }
}

fn section<T: Filed>(view: &CaseView) -> Result<Option<T>, DoorError> {
    let Some(body) = view.sections.get(&T::SECTION) else { return Ok(None) };
    serde_json::from_value(body.clone()).map(Some).map_err(|_| missing(T::SECTION))
}

fn missing(section: Section) -> DoorError {
    DoorError::from(Fault::permanent("section-unreadable", section.label()))
}
