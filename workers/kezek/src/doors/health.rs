//! What a process tells of itself: metrics, whether it lives, whether it can do its work now and, if not, why.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use kezek_runtime::{Engine, ready};
use kezek_stage::DoorError;
use serde_json::json;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What a process has to tell of.
#[derive(Clone, Debug)]
pub struct Process {
    /// The engine.
    pub engine: Engine,
    /// The stages that run here.
    pub running: Arc<[&'static str]>,
    /// Cancelled once the process has begun to stop.
    pub stop: CancellationToken,
}

/// The routes; they need no token.
pub fn routes(process: Process) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(alive))
        .route("/readyz", get(ready_now))
        .with_state(process)
}

async fn metrics(State(process): State<Process>) -> Response {
    match process.engine.metrics().page() {
        Ok(page) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            DoorError::new(500, "metrics", "the metrics cannot be written; the log says which").into_response()
        }
    }
}

/// A process that answers at all lives.
async fn alive() -> Json<serde_json::Value> {
    Json(json!({ "status": "alive" }))
}

async fn ready_now(State(process): State<Process>) -> Response {
    let readiness = ready(&process.engine, &process.running).await;
    let stopping = process.stop.is_cancelled();
    let ok = readiness.ready && !stopping;
    let mut reasons = Vec::new();
    let mut unless = |good: bool, why: &str| {
        if !good {
            reasons.push(why.to_owned());
        }
    };
    unless(!stopping, "the process is stopping");
    unless(readiness.database, "the database does not answer");
    unless(readiness.broker, "the broker does not answer");
    unless(readiness.not_blocked, "the broker blocks publishing: it is short of memory or disk");
    let stuck =
        format!("messages for {} do not leave: the oldest in the outbox is too old", readiness.outbox_stuck.join(", "));
    unless(readiness.outbox, &stuck);
    for stage in &readiness.not_consuming {
        reasons.push(format!("stage {stage} does not consume"));
    }
    // shown, and no reason to send people elsewhere
    let mut warnings: Vec<String> = readiness
        .held_back
        .iter()
        .map(|stage| format!("stage {stage} waits for an outside system that is down"))
        .collect();
    warnings.extend(
        readiness
            .paused
            .iter()
            .map(|stage| format!("stage {stage} is paused: `kezek stage list` says by whom and why")),
    );
    if readiness.unroutable > 0 {
        let n = readiness.unroutable;
        warnings.push(format!("{n} message(s) found no queue and wait as letters: run `kezek doctor`"));
    }
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ok, "reasons": reasons, "warnings": warnings, "checks": readiness })))
        .into_response()
}
