//! The server: both channels of the gateway, and the desk under `/demo` from which it is watched and
//! disturbed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::civil::Date;
use kezek_gateway::envelope;
use kezek_gateway::xml::Problem;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::callback::Outbound;
use crate::clock::{Clock, real};
use crate::faults::{Command, Spoil};
use crate::ledger::Ledger;
use crate::ncanode::{self, wsse};
use crate::population::Population;
use crate::signer::Authority;
use crate::soap;
use crate::systems;
use crate::world::World;

/// What a sandbox is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Port on loopback; 0 for any that is free.
    pub port: u16,
    /// Where Kezek listens for messages of the asynchronous channel.
    pub callback_url: String,
    /// Seed of everything.
    pub seed: u64,
    /// How many people.
    pub population: usize,
    /// The business day.
    pub as_of: Date,
}

/// A sandbox under way.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its state, for tests in the same process.
    pub world: Arc<World>,
    stop: CancellationToken,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Running {
    /// Address of the synchronous channel.
    #[must_use]
    pub fn sync_url(&self) -> String {
        format!("http://{}/sync", self.address)
    }

    /// Address of the asynchronous channel.
    #[must_use]
    pub fn async_url(&self) -> String {
        format!("http://{}/async", self.address)
    }

    /// Stops: no more calls, no more messages.
    ///
    /// # Errors
    /// Where the server failed.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.world.tasks.close();
        self.world.tasks.wait().await;
        self.server.await?.context("the server failed")
    }
}

/// Starts a sandbox on loopback.
///
/// # Errors
/// Where the address is taken or an option cannot be used.
pub async fn start(options: &Options) -> anyhow::Result<Running> {
    let stop = CancellationToken::new();
    let world = Arc::new(World {
        people: Population::new(options.seed, options.population, options.as_of),
        authority: Authority::new(options.seed)?,
        clock: Clock::on(options.as_of),
        outbound: Outbound::new(&options.callback_url, Authority::new(options.seed)?.gateway()?, stop.clone())?,
        tasks: TaskTracker::new(),
        ledger: Mutex::default(),
        faults: Mutex::default(),
        lie: Mutex::default(),
    });
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await.with_context(|| {
        format!(
            "port {} on loopback cannot be opened; is another sandbox running? choose another with --port",
            options.port
        )
    })?;
    let address = listener.local_addr()?;
    let router = router(Arc::clone(&world));
    let until = stop.clone();
    let server = world.tasks.spawn(async move {
        axum::serve(listener, router).with_graceful_shutdown(async move { until.cancelled().await }).await
    });
    Ok(Running { address, world, stop, server })
}

fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/sync", post(sync))
        .route("/async", post(accept))
        .route_layer(from_fn_with_state(Arc::clone(&world), sealed))
        .route("/livez", get(async || "ok"))
        .route("/demo/ca.pem", get(authority))
        .route("/demo/ledger", get(ledger))
        .route("/demo/statements", get(statements))
        .route("/demo/pending", get(pending))
        .route("/demo/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/demo/clock", get(clock).post(set_clock))
        .merge(ncanode::routes())
        .layer(DefaultBodyLimit::max(soap::MAX_BYTES))
        .with_state(world)
}

type Shared = State<Arc<World>>;

/// Whoever signs its envelopes is answered with signed ones, and from then on gets signed messages.
async fn sealed(State(world): Shared, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, soap::MAX_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let signed = match wsse::verify(text) {
        Some((certificate, true)) if world.authority.signed(&certificate) => true,
        Some(_) => return soap_fault("SBF-AD-1", "the envelope's signature is wrong"),
        None => false,
    };
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    if !signed {
        return response;
    }
    world.outbound.seal();
    let (mut parts, body) = response.into_parts();
    // an answer that breaks off on command stays broken
    let Ok(bytes) = axum::body::to_bytes(body, soap::MAX_BYTES).await else { return dropped() };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let Ok(text) = wsse::sign(&text, world.outbound.key()) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(text))
}

fn xml(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/xml; charset=utf-8")], text).into_response()
}

fn soap_fault(code: &str, text: &str) -> Response {
    xml(StatusCode::INTERNAL_SERVER_ERROR, envelope::fault(code, text, real()))
}

fn unreadable(problem: &Problem) -> Response {
    soap_fault("VAL-R-004", &problem.to_string())
}

/// An answer whose connection breaks before it is read.
fn dropped() -> Response {
    let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("dropped on command")) });
    Response::new(Body::from_stream(broken))
}

/// Counts the call and says how it is to be spoilt; `None` for a service that nobody offers.
fn spoil(world: &World, service: &str) -> Option<Spoil> {
    let system = systems::system_of(service)?;
    *world.ledger().calls.entry(service.to_owned()).or_default() += 1;
    Some(world.faults().spoil(system))
}

async fn before(spoil: &Spoil) -> Option<Response> {
    if !spoil.wait.is_zero() {
        tokio::time::sleep(spoil.wait).await;
    }
    if spoil.drop_before {
        return Some(dropped());
    }
    spoil.error.as_deref().map(|code| soap_fault(code, "on command"))
}

fn after(spoil: &Spoil, answer: Response) -> Response {
    if spoil.drop_after {
        dropped()
    } else if spoil.rubbish {
        xml(StatusCode::OK, "<html>this is no answer".to_owned())
    } else {
        answer
    }
}

async fn sync(State(world): Shared, body: Bytes) -> Response {
    let request = match soap::read_sync(&body) {
        Ok(request) => request,
        Err(problem) => return unreadable(&problem),
    };
    let Some(spoil) = spoil(&world, &request.service_id) else {
        return soap_fault("SCSE002", "no such service");
    };
    if let Some(response) = before(&spoil).await {
        return response;
    }
    match systems::answer(&world, &request.service_id, &request.data).await {
        Ok(data) => after(&spoil, xml(StatusCode::OK, soap::sync_answer(&request, &data))),
        Err(problem) => unreadable(&problem),
    }
}

async fn accept(State(world): Shared, body: Bytes) -> Response {
    let request = match soap::read_async(&body) {
        Ok(request) => request,
        Err(problem) => return unreadable(&problem),
    };
    let Some(spoil) = spoil(&world, &request.service_id) else {
        return soap_fault("SCSE002", "no such service");
    };
    if let Some(response) = before(&spoil).await {
        return response;
    }
    match systems::accept(&world, &request.service_id, &request.data) {
        Ok(()) => after(&spoil, xml(StatusCode::OK, envelope::async_acknowledgement(&request.message_id, real()))),
        Err(problem) => unreadable(&problem),
    }
}

async fn authority(State(world): Shared) -> Response {
    match world.authority.pem() {
        Ok(pem) => ([(header::CONTENT_TYPE, "application/x-pem-file")], pem).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn ledger(State(world): Shared) -> Json<Ledger> {
    let mut ledger = world.ledger().clone();
    ledger.callbacks = world.outbound.counts();
    Json(ledger)
}

async fn statements(State(world): Shared) -> Response {
    let statements = world.ledger().statements();
    Json(statements).into_response()
}

/// What the sandbox still means to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Payments, results, refunds and confirmations that are under way; 0 at rest.
    pub pending: usize,
}

async fn pending(State(world): Shared) -> Json<Pending> {
    Json(Pending { pending: world.outbound.pending() })
}

async fn list_faults(State(world): Shared) -> Response {
    let list: Vec<_> = world
        .faults()
        .list()
        .into_iter()
        .map(|(command, spoilt)| serde_json::json!({ "command": command, "spoilt": spoilt }))
        .collect();
    Json(list).into_response()
}

async fn add_fault(State(world): Shared, body: Bytes) -> Response {
    let added = serde_json::from_slice::<Command>(&body)
        .map_err(|error| error.to_string())
        .and_then(|command| world.faults().add(command));
    match added {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(what) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            format!(
                "{what}\nexample: {{\"system\":\"sik\",\"fault\":{{\"kind\":\"latency\",\"ms\":200}},\"count\":5}}\n"
            ),
        )
            .into_response(),
    }
}

async fn clear_faults(State(world): Shared) -> StatusCode {
    world.faults().clear();
    StatusCode::NO_CONTENT
}

/// How far business time is from real time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Offset {
    /// Seconds that are added to real time.
    pub offset_seconds: i64,
}

async fn clock(State(world): Shared) -> Response {
    Json(serde_json::json!({ "offsetSeconds": world.clock.offset(), "now": world.clock.now() })).into_response()
}

async fn set_clock(State(world): Shared, body: Bytes) -> Response {
    match serde_json::from_slice::<Offset>(&body) {
        Ok(offset) => {
            world.clock.set_offset(offset.offset_seconds);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, format!("{error}\nexample: {{\"offsetSeconds\":86400}}\n"))
            .into_response(),
    }
}
