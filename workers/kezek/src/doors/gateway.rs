//! `POST /gateway/async`: where the state gateway's asynchronous channel brings its messages.
//!
//! Reads the message, knows its sender, keeps it as an arrival for the stage that waits, and only then acknowledges.
//! Whatever was not kept is answered by a SOAP fault that names the place and repeats no value; the sender sends again.

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use kezek_gateway::incoming::{self, Incoming, Message};
use kezek_gateway::wsse::{Envelopes, SealFault};
use kezek_gateway::xml::Problem;
use kezek_stage::{Answers, Arrival, Clock, ConfigError, DoorError, Fault};
use kezek_store::crypt::Keyring;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::sync::Arc;

/// The path of the endpoint, to be given to the gateway.
pub const PATH: &str = "/gateway/async";

/// As whom the gateway comes to us.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The `senderId` of the gateway's messages.
    pub sender_id: String,
    /// The `password` of the gateway's messages. Never empty: whoever can reach this door could report payments.
    pub password: SecretString,
}

impl Config {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The first key that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.sender_id.trim().is_empty() {
            return Err(ConfigError::at("callback.sender_id", "is empty: give the senderId of the gateway's messages"));
        }
        if self.password.expose_secret().is_empty() {
            return Err(ConfigError::at("callback.password", "is empty: agree on a password with the gateway"));
        }
        Ok(())
    }
}

struct Door {
    answers: Arc<dyn Answers>,
    keyring: Keyring,
    config: Config,
    envelopes: Option<Envelopes>,
    clock: Clock,
}

/// A message that was not kept.
struct Refusal {
    status: StatusCode,
    problem: Problem,
}

/// The endpoint. It knows its sender by the message itself and needs no bearer token.
/// The keyring digests what may not be kept as it comes (a card's number).
/// With `envelopes`, only messages that the gateway has signed are taken, and acknowledgements are signed.
pub fn routes(
    answers: Arc<dyn Answers>,
    keyring: Keyring,
    config: Config,
    envelopes: Option<Envelopes>,
    clock: Clock,
) -> Router {
    Router::new()
        .route(PATH, post(receive))
        .layer(DefaultBodyLimit::max(incoming::MAX_BYTES))
        .with_state(Arc::new(Door { answers, keyring, config, envelopes, clock }))
}

async fn receive(State(door): State<Arc<Door>>, body: Result<Bytes, BytesRejection>) -> Response {
    let kept = match body {
        Ok(bytes) => door.keep(&bytes).await,
        Err(cut) => Err(Refusal::at(cut.status(), "message", "did not arrive whole, or is larger than 1 MiB")),
    };
    match kept {
        Ok(acknowledgement) => soap(StatusCode::OK, acknowledgement),
        Err(refusal) => {
            tracing::warn!(status = refusal.status.as_u16(), problem = %refusal.problem, "gateway.message.refused");
            soap(refusal.status, incoming::refusal(&refusal.problem))
        }
    }
}

impl Door {
    /// Keeps a message and gives its acknowledgement.
    async fn keep(&self, bytes: &[u8]) -> Result<String, Refusal> {
        if let Some(envelopes) = &self.envelopes {
            envelopes.verify(bytes, self.clock.real()).await?;
        }
        let message = Incoming::parse(bytes)?;
        if !message.came_from(&self.config.sender_id, &self.config.password) {
            return Err(Refusal::at(StatusCode::UNAUTHORIZED, "messageInfo/sender", "not a sender that is known here"));
        }
        let brought = self.answers.bring(arrival(&self.keyring, &message.message()?)?).await?;
        tracing::debug!(service = %message.service_id, ?brought, "gateway.message.kept");
        match &self.envelopes {
            Some(envelopes) => Ok(envelopes.sign(&message.acknowledgement()).await?),
            None => Ok(message.acknowledgement()),
        }
    }
}

/// The arrival that a message becomes: which stage it answers, and with what.
///
/// # Errors
/// Permanent, where the answer cannot be written as JSON or the keyring has no key.
pub fn arrival(keyring: &Keyring, message: &Message) -> Result<Arrival, Fault> {
    // a card's number is kept as its keyed digest, in hex
    let digest = |number: &str| Ok(hex::encode(keyring.digest("card-number", number.as_bytes())?));
    match message {
        Message::PaymentConfirmed(confirmed) => kezek_payment::arrival(confirmed),
        Message::ProductionResult(result) => kezek_production::arrival(result, &digest),
        Message::TaxClaimFiled(claim) => kezek_refund::claim(claim),
        Message::TaxRefundPaid(paid) => kezek_refund::arrival(paid),
    }
}

impl Refusal {
    fn at(status: StatusCode, place: &str, what: &str) -> Self {
        Self { status, problem: Problem::at(place, what) }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        // SOAP 1.1 over HTTP: a fault is answered with 500
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, problem }
    }
}

impl From<SealFault> for Refusal {
    fn from(fault: SealFault) -> Self {
        match fault {
            SealFault::Later => Self::at(StatusCode::SERVICE_UNAVAILABLE, "Envelope/Header/Security", "send it again"),
            SealFault::NotSigned => Self::at(
                StatusCode::SERVICE_UNAVAILABLE,
                "message",
                "kept, and could not be acknowledged; send it again",
            ),
            SealFault::NotVerified(what) => Self::at(StatusCode::UNAUTHORIZED, "Envelope/Header/Security", what),
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::from(Problem::at("messageData/data", fault.detail().to_owned()))
    }
}

impl From<DoorError> for Refusal {
    fn from(error: DoorError) -> Self {
        let status = StatusCode::from_u16(error.status).ok().filter(StatusCode::is_server_error);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, problem: Problem::at("message", format!("not kept ({}), send it again", error.code)) }
    }
}

fn soap(status: StatusCode, body: String) -> Response {
    let kind = (header::CONTENT_TYPE, "text/xml; charset=utf-8");
    let store = (header::CACHE_CONTROL, "no-store");
    let headers: [(HeaderName, &str); 2] = [kind, store];
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return (status, headers, [(header::RETRY_AFTER, "5")], body).into_response();
    }
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests;
