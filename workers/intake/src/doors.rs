//! The doors of intake: `begin` tells the portal at once whether the person may apply, `submit` takes the
//! application, `review` asks that a human look at a refusal, and anybody may ask where one stands.

mod begin;
mod fields;
mod review;
mod status;
mod submit;

use crate::Intake;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use kezek_stage::{Desk, Doors};

impl Doors for Intake {
    fn routes(desk: Desk<Self>) -> Router {
        let limit = desk.stage.config.max_request_bytes;
        Router::new()
            .route("/v1/applications/begin", post(begin::begin))
            .route("/v1/applications", post(submit::submit))
            .route("/v1/applications/{number}", get(status::status))
            .route("/v1/applications/{number}/review", post(review::review))
            .layer(DefaultBodyLimit::max(limit))
            .with_state(desk)
    }
}
