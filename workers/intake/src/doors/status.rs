//! `GET /v1/applications/{number}`: where an application stands, by receipt or coupon, for whoever holds the number.
//! Holds no personal data.

use crate::Intake;
use crate::words;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use kezek_domain::{Closing, Coupon, Receipt};
use kezek_stage::{CaseHead, Desk, DoorError};
use serde_json::{Value, json};

/// Where the application stands.
pub async fn status(State(desk): State<Desk<Intake>>, Path(number): Path<String>) -> Result<Response, DoorError> {
    // what can be no number of ours is not looked for
    if Receipt::parse(&number).is_err() && Coupon::parse(&number).is_err() {
        return Err(DoorError::not_found("no such application: give the receipt or the coupon as it was told to you"));
    }
    let case = desk.reads.public_status(&number).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(told(&case))).into_response())
}

fn told(case: &CaseHead) -> Value {
    let words = words::of(&case.status);
    json!({
        "receipt": case.receipt,
        "coupon": case.coupon,
        "service": case.service,
        "stage": { "kk": words.kk, "ru": words.ru },
        "since": case.filed_at,
        "closed": case.status.is_closed(),
        "closing": case.status.closing().map(Closing::label),
    })
}
