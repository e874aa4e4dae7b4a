//! The officer's desk over HTTP: the list, the case, its pictures, the decision.

use crate::signing::{Allowed, Expected, Shown, content, verify};
use crate::{Answer, CANCELLING, CODE, NOTHING_TO_TAKE_BACK, Review, SAME_OFFICER, STALE_FILE, compare};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kezek_domain::dossier::{
    CancelReason, Document, Exemption, Filed, Form, Identity, Proposal, ProposalState, Registration,
};
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
            .route("/v1/review/cases/{case}/take-back", post(take_back))
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
    let registration: Registration = section(&view)?.ok_or_else(|| missing(Section::Registration))?;
    let pending = section::<Proposal>(&view)?.filter(|p| p.state.stands());
    let cooling = pending.as_ref().filter(|p| p.state == ProposalState::Cooling);
    // millisecond: what is sent back reads as what was signed
    let at = Timestamp::from_millisecond(desk.clock.now().as_millisecond()).unwrap_or(head.filed_at);
    let shown = Shown {
        case: id,
        ticket: head.ticket,
        revision: head.revision,
        at,
        application_sha256: &applied,
        documentation_code: &registration.documentation_code,
    };
    let rules = desk.stage.rules.desk();
    let fits = rules.code_fits(&head.service, &registration.documentation_code);
    let texts = desk.stage.rules.texts();
    let signing = Allowed::all()
        // A4.1: a code that does not fit is not approved; a case that is being cancelled offers nothing to sign
        .filter(|allowed| cooling.is_none() && (fits || *allowed != Allowed::Approve))
        .map(|allowed| {
            let bytes = content(allowed, &caller.account, &shown)?;
            let words = allowed.reason().map(|reason| texts.cancel(reason));
            Ok(json!({
                "decision": allowed.label(), "reason": allowed.reason(), "content": STANDARD.encode(bytes),
                "kk": words.map(|w| &w.kk), "ru": words.map(|w| &w.ru),
            }))
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    let standing = pending.as_ref().map(|p| {
        json!({
            "state": p.state, "officer": p.decision.officer, "decision": p.decision.outcome,
            "reason": p.decision.reason, "decidedAt": p.decision.decided_at, "effectiveAt": p.effective_at,
            "mine": p.decision.officer == caller.account,
        })
    });
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
        "revision": head.revision,
        "at": at,
        "documentationCode": registration.documentation_code,
        "codeFits": fits,
        "pending": standing,
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
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Decided {
    ticket: Ticket,
    revision: i64,
    at: Timestamp,
    documentation_code: String,
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
    let now = desk.clock.now();
    let age = now.duration_since(sent.at);
    // a page from before, or from a clock that is ahead: what it showed may be long over
    if age.is_negative() || age > desk.stage.rules.desk().page() {
        return Err(DoorError::conflict("page-too-old", "load the case anew, and sign what it shows then"));
    }
    let applied = application(&desk, &caller, id).await?;
    let shown = Shown {
        case: id,
        ticket: sent.ticket,
        revision: sent.revision,
        at: sent.at,
        application_sha256: &applied,
        documentation_code: &sent.documentation_code,
    };
    let bytes = content(allowed, &caller.account, &shown)?;
    let signer = Expected { officer: &officer, account: &caller.account, at: now };
    let signed = verify(&desk.stage.verifier, &bytes, &sent.signature, signer, &shown).await?;
    let answer = match allowed {
        Allowed::Approve => Answer::Approve { signed },
        Allowed::Cancel(reason) => Answer::Cancel { reason, signed },
    };
    settle(&desk, caller, id, sent.ticket, &answer).await
}

/// A cancellation that has not taken effect yet is taken back by its author, with the ticket that his page showed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TakenBack {
    ticket: Ticket,
}

async fn take_back(
    State(desk): State<Desk<Review>>,
    caller: Caller,
    CaseOf(id): CaseOf,
    Body(sent): Body<TakenBack>,
) -> Result<Json<Value>, DoorError> {
    caller.needs(DECIDES)?;
    let answer = Answer::TakeBack { account: caller.account.clone(), at: desk.clock.now() };
    settle(&desk, caller, id, sent.ticket, &answer).await
}

/// Settles what an officer decided, with the ticket that his page showed.
async fn settle(
    desk: &Desk<Review>,
    caller: Caller,
    case: CaseId,
    ticket: Ticket,
    answer: &Answer,
) -> Result<Json<Value>, DoorError> {
    let body = serde_json::to_value(answer).map_err(|_| Fault::permanent("answer-unwritable", "review.answer"))?;
    let decision = Decision { case, stage: Review::NAME, ticket, body, choice: None, reason: None, caller };
    let settled = desk.answers.decide(decision).await.map_err(refused)?;
    Ok(Json(json!({ "case": case, "ticket": settled.ticket, "outcome": settled.outcome })))
}

/// The stage's own refusals as an officer should read them.
fn refused(error: DoorError) -> DoorError {
    let told = match error.more.as_ref().map(|(_, cause)| cause.as_str()) {
        Some(STALE_FILE) => "the case's file has changed since this page was read; load it again",
        Some(CODE) => "the documentation code does not fit this service (A4.1): cancel for additional verification",
        Some(CANCELLING) => "this case is being cancelled; its officer may take that back until it takes effect",
        Some(SAME_OFFICER) => "another officer must decide this case too; the first decision was yours",
        Some(NOTHING_TO_TAKE_BACK) => "no cancellation of yours waits to take effect: load the case again",
        Some(_) | None => return error,
    };
    let code = match error.more.as_ref().map(|(_, cause)| cause.as_str()) {
        Some(CODE) => return DoorError::invalid(vec![("/decision".to_owned(), told.to_owned())]),
        Some(CANCELLING) => CANCELLING,
        Some(SAME_OFFICER) => SAME_OFFICER,
        Some(NOTHING_TO_TAKE_BACK) => NOTHING_TO_TAKE_BACK,
        Some(_) | None => "stale",
    };
    DoorError::conflict(code, told)
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
