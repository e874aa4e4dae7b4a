//! The server around all routes: who is calling, how much and how long at most, and an answer in the house's form
//! whatever goes wrong.

use super::auth::{self, Gate};
use super::health::{self, Process};
use super::openapi;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use kezek_stage::DoorError;
use std::any::Any;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;

/// How much and how long at most.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Largest request, bytes.
    pub body: usize,
    /// Longest request.
    pub time: Duration,
}

/// All routes of a process behind the gate, and those that need none.
pub fn router(doors: Router, process: Process, gate: Gate, bounds: Bounds) -> Router {
    Router::new()
        .merge(doors)
        .route(openapi::PATH, get(async || Json(openapi::document())))
        .method_not_allowed_fallback(async || {
            DoorError::new(405, "method", "this address does not take that method; see /openapi.json")
        })
        .fallback(async || DoorError::not_found("no such address; see /openapi.json"))
        // the template of the matched route is known inside a route's own layer only
        .layer(from_fn_with_state(gate, auth::known))
        .layer(DefaultBodyLimit::max(bounds.body))
        .layer(RequestBodyLimitLayer::new(bounds.body))
        .layer(from_fn_with_state(bounds, within))
        .merge(health::routes(process))
        .layer(from_fn(safe_headers))
        .layer(CatchPanicLayer::custom(panicked))
}

/// A request that is too large by its own word is refused before it is read; one that takes too long is given up.
async fn within(State(bounds): State<Bounds>, request: Request, next: Next) -> Response {
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    if length.is_some_and(|length: usize| length > bounds.body) {
        return DoorError::new(413, "too-large", format!("a request has {} bytes at most", bounds.body))
            .into_response();
    }
    match tokio::time::timeout(bounds.time, next.run(request)).await {
        Ok(response) => response,
        // whatever had been committed by then is known by its request id or reference: repeating it does no harm
        Err(_) => DoorError::unavailable("no answer in time; send it again").into_response(),
    }
}

async fn safe_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    // the panic's text may hold a value: the hook has written its place to the log
    tracing::error!("a door panicked");
    DoorError::new(500, "panic", "stopped by a fault of ours; nothing more is known here, the log has its place")
        .into_response()
}

/// Serves until `stop`, then finishes the requests in hand.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}
