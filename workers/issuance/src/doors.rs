//! The issuing desk over HTTP: the cards that wait, the case of a coupon, the person's picture, the handover.

use crate::{Answer, Issuance, OldCard};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use kezek_domain::dossier::{Filed, Form, Identity, Production};
use kezek_domain::rules::OldCardRule;
use kezek_domain::{Coupon, How, Role, Section, Status, Ticket};
use kezek_stage::{
    Attachment, Body, Caller, CaseHead, CaseOf, CaseView, Decision, Desk, DoorError, Doors, Fault, Stage,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Who hands cards over: an officer of the region's migration service (A3.19, A4.3).
const ISSUES: &[Role] = &[Role::Issuer];

impl Doors for Issuance {
    fn routes(desk: Desk<Self>) -> Router {
        Router::new()
            .route("/v1/issuance/tasks", get(tasks))
            .route("/v1/issuance/by-coupon/{coupon}", get(by_coupon))
            .route("/v1/issuance/cases/{case}/pictures/photo", get(photo))
            .route("/v1/issuance/cases/{case}/handover", post(handover))
            .with_state(desk)
    }
}

#[derive(Deserialize)]
struct Page {
    limit: Option<u32>,
}

/// A3.19: the cards that lie in the officer's region and wait to be fetched, longest first. No person is named: who
/// comes shows the coupon.
async fn tasks(
    State(desk): State<Desk<Issuance>>,
    caller: Caller,
    Query(page): Query<Page>,
) -> Result<impl IntoResponse, DoorError> {
    caller.needs(ISSUES)?;
    let waiting = desk.reads.waiting(&caller, Issuance::NAME, page.limit.unwrap_or(50).clamp(1, 500)).await?;
    let tasks: Vec<_> = waiting
        .into_iter()
        .map(|w| {
            json!({
                "case": w.case.id,
                "receipt": w.case.receipt,
                "coupon": w.case.coupon,
                "region": w.case.region,
                "since": w.since,
                "until": w.until,
                "ticket": w.case.ticket,
            })
        })
        .collect();
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(json!({ "tasks": tasks }))))
}

/// A11d: the card is found by the coupon alone.
async fn by_coupon(
    State(desk): State<Desk<Issuance>>,
    caller: Caller,
    Path(coupon): Path<String>,
) -> Result<impl IntoResponse, DoorError> {
    caller.needs(ISSUES)?;
    let unknown =
        || DoorError::not_found("no card waits in your region under this coupon; check the number on the slip");
    let coupon = Coupon::parse(&coupon).map_err(|_| unknown())?;
    let id = desk.reads.by_coupon(&caller, &coupon).await?.ok_or_else(unknown)?;
    let view = desk.reads.case(&caller, id, Issuance::READS, "issuance").await?;
    held(&view.case)?;
    let form: Form = section(&view)?;
    own_point(&caller, &form)?;
    let identity: Identity = section(&view)?;
    let production: Production = section(&view)?;
    let body = json!({
        "case": id,
        "coupon": coupon,
        "ticket": view.case.ticket,
        "region": view.case.region,
        "since": view.since,
        "registrationPoint": form.registration_point,
        "person": {
            "iin": form.iin,
            "surname": identity.surname,
            "givenName": identity.given_name,
            "patronymic": identity.patronymic,
            "birthDate": identity.birth_date,
            "sex": identity.sex,
            "photo": format!("/v1/issuance/cases/{id}/pictures/photo"),
        },
        "oldCard": { "number": form.document_number },
        "madeAt": production.at,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)))
}

async fn photo(
    State(desk): State<Desk<Issuance>>,
    caller: Caller,
    CaseOf(id): CaseOf,
) -> Result<impl IntoResponse, DoorError> {
    caller.needs(ISSUES)?;
    let picture = desk.reads.picture(&caller, id, Attachment::Photo).await?;
    let kind = if picture.media_type == "image/jpeg" { "image/jpeg" } else { "application/octet-stream" };
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, picture.bytes))
}

/// The officer's word that the card changed hands, with the ticket that his page showed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Handed {
    ticket: Ticket,
    coupon: String,
    identity_checked: bool,
    in_person: bool,
    old_card: OldCard,
}

async fn handover(
    State(desk): State<Desk<Issuance>>,
    caller: Caller,
    CaseOf(id): CaseOf,
    Body(sent): Body<Handed>,
) -> Result<Json<Value>, DoorError> {
    caller.needs(ISSUES)?;
    let view = desk.reads.case(&caller, id, &[Section::Form], "handover").await?;
    own_point(&caller, &section::<Form>(&view)?)?;
    let rules = desk.stage.rules.desk();
    let mut errors = Vec::new();
    let mut wrong = |pointer: &str, what: &str| errors.push((pointer.to_owned(), what.to_owned()));
    let shown = Coupon::parse(&sent.coupon).ok().filter(|c| view.case.coupon.as_ref() == Some(c));
    if shown.is_none() {
        wrong("/coupon", "not this case's coupon (A11d): check the number on the slip");
    }
    if !sent.identity_checked {
        wrong("/identityChecked", "check the person's identity first");
    }
    if !sent.in_person && !rules.representative(&view.case.service) {
        wrong("/inPerson", "the card is handed to the applicant alone; a power of attorney is not accepted (A4.3)");
    }
    let given_back = matches!(sent.old_card, OldCard::Returned | OldCard::WithdrawnBefore);
    if rules.old_card() == OldCardRule::Returned && !given_back {
        wrong("/oldCard", "the old card is to be given back; without it, apply at the service centre");
    }
    let (Some(coupon), true) = (shown, errors.is_empty()) else { return Err(DoorError::invalid(errors)) };
    let answer =
        Answer::HandedOver { coupon, account: caller.account.clone(), at: desk.clock.now(), old_card: sent.old_card };
    let body = serde_json::to_value(&answer).map_err(|_| Fault::permanent("answer-unwritable", "issuance.answer"))?;
    let settled = desk
        .answers
        .decide(Decision {
            case: id,
            stage: Issuance::NAME,
            ticket: sent.ticket,
            body,
            choice: None,
            reason: None,
            caller,
        })
        .await?;
    Ok(Json(json!({ "case": id, "ticket": settled.ticket, "outcome": settled.outcome })))
}

/// A3.19: a card is handed over at the point that the applicant chose, by an officer of it.
fn own_point(caller: &Caller, form: &Form) -> Result<(), DoorError> {
    if caller.points.is_empty() {
        return Err(DoorError::forbidden(
            "cards are handed over at their own registration point (A3.19) and this account names none; an operator adds \
             it",
        ));
    }
    if caller.points.contains(&form.registration_point) {
        return Ok(());
    }
    let mut error = DoorError::forbidden("this card lies at another registration point (A3.19): send the person there");
    error.more = Some(("registrationPoint", form.registration_point.clone()));
    Err(error)
}

fn held(case: &CaseHead) -> Result<(), DoorError> {
    match &case.status {
        Status::Open { at, how: How::Held { .. }, .. } if at == Issuance::NAME => Ok(()),
        Status::Open { .. } | Status::Closed(_) => {
            Err(DoorError::conflict("not-waiting", "no card of this coupon waits to be handed over now"))
        }
    }
}

fn section<T: Filed>(view: &CaseView) -> Result<T, DoorError> {
    let missing = |section: Section| DoorError::from(Fault::permanent("section-unreadable", section.label()));
    let body = view.sections.get(&T::SECTION).ok_or_else(|| missing(T::SECTION))?;
    serde_json::from_value(body.clone()).map_err(|_| missing(T::SECTION))
}
