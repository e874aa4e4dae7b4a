//! The client: one call, one answer, within time-outs, limits and a bound on what is under way.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use kezek_domain::System;
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;

use crate::answer::{Answer, bad};
use crate::config::{CodeMeaning, ConfigProblem, GatewayConfig};
use crate::envelope::{self, Body, Head, PROCESSED};
use crate::fault::GatewayFault;
use crate::service_ids;
use crate::stamp::{message_id, sent_at};
use crate::wsse::{Envelopes, SealFault};
use crate::xml::{Node, Problem};

/// The receiver has taken the message; its result comes later, if at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted;

/// What happened to a request that was sent and whose answer broke off.
const LOST: &str = "connection lost";

/// The state gateway, both channels. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    config: GatewayConfig,
    http: reqwest::Client,
    lanes: Vec<(System, Semaphore)>,
    envelopes: Option<Envelopes>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("url", &self.inner.config.url).finish_non_exhaustive()
    }
}

impl Gateway {
    /// A client with this configuration. Nothing is sent yet.
    ///
    /// # Errors
    /// Where the configuration cannot be used.
    pub fn new(config: GatewayConfig) -> Result<Self, ConfigProblem> {
        Self::build(config, None)
    }

    /// A client whose requests are signed, and which accepts signed answers alone.
    ///
    /// # Errors
    /// As [`Gateway::new`].
    pub fn sealed(config: GatewayConfig, envelopes: Envelopes) -> Result<Self, ConfigProblem> {
        Self::build(config, Some(envelopes))
    }

    fn build(config: GatewayConfig, envelopes: Option<Envelopes>) -> Result<Self, ConfigProblem> {
        config.check()?;
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms))
            .read_timeout(Duration::from_millis(config.read_timeout_ms))
            .timeout(Duration::from_millis(config.total_timeout_ms))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|_| ConfigProblem::new("url", "no HTTP client can be made; is OpenSSL installed?"))?;
        let lanes = System::ALL.iter().map(|system| (*system, Semaphore::new(config.in_flight_per_system))).collect();
        Ok(Self { inner: Arc::new(Inner { config, http, lanes, envelopes }) })
    }

    /// Asks a service of the synchronous channel.
    pub(crate) async fn ask(
        &self,
        system: System,
        service: &str,
        key: Option<&str>,
        data: &Node,
    ) -> Result<Answer, GatewayFault> {
        let config = &self.inner.config;
        let text = envelope::sync_request(&self.head(service, key), data);
        let message = if repeatable(service) {
            self.call_again(system, &config.url, text).await?
        } else {
            self.call(system, &config.url, text).await?
        };
        let answer =
            envelope::read_sync_answer(&message, config.max_answer_bytes).map_err(|problem| bad(system, problem))?;
        if answer.status != PROCESSED {
            return Err(self.fault(system, answer.status));
        }
        let data = answer.data.ok_or_else(|| bad(system, Problem::at("response/responseData/data", "missing")))?;
        Answer::read(system, data)
    }

    /// Hands a message to the asynchronous channel.
    pub(crate) async fn hand_over(
        &self,
        system: System,
        service: &str,
        key: &str,
        data: &Node,
    ) -> Result<Accepted, GatewayFault> {
        let text = envelope::async_request(&self.head(service, Some(key)), "REQUEST", data);
        let message = self.call_again(system, &self.inner.config.async_url, text).await?;
        if message.name() != "sendMessageResponse" {
            return Err(bad(system, Problem::at("Envelope/Body", "not a sendMessageResponse")));
        }
        message.need_text("response/messageId").map_err(|problem| bad(system, problem))?;
        Ok(Accepted)
    }

    fn head<'a>(&'a self, service: &'a str, key: Option<&'a str>) -> Head<'a> {
        let config = &self.inner.config;
        Head {
            message_id: message_id(),
            correlation_id: key,
            service_id: service,
            date: sent_at(),
            sender_id: &config.sender_id,
            password: config.password.expose_secret(),
        }
    }

    /// One call, and once more at once where its answer was lost: the same message under the same id. An attempt of
    /// many calls would otherwise seldom come through a line that loses a few of them.
    async fn call_again(&self, system: System, url: &str, text: String) -> Result<Node, GatewayFault> {
        match self.call(system, url, text.clone()).await {
            Err(GatewayFault::Transport { what: LOST, .. }) => self.call(system, url, text).await,
            answer => answer,
        }
    }

    async fn call(&self, system: System, url: &str, text: String) -> Result<Node, GatewayFault> {
        let transport = |what: &'static str| GatewayFault::Transport { system, what };
        let lane = self.inner.lanes.iter().find(|(lane, _)| *lane == system).map(|(_, lane)| lane);
        // held until the answer is read; the lanes are never closed
        let _place = match lane {
            Some(lane) => Some(lane.acquire().await.map_err(|_| transport("client closed"))?),
            None => None,
        };
        let text = match &self.inner.envelopes {
            Some(envelopes) => envelopes.sign(&text).await.map_err(|fault| unsealed(system, fault))?,
            None => text,
        };
        let mut response = self
            .inner
            .http
            .post(url)
            .header("Content-Type", "text/xml; charset=utf-8")
            .header("SOAPAction", "\"\"")
            .body(text)
            .send()
            .await
            .map_err(|error| transport(cause(&error)))?;
        let http = response.status();
        let limit = self.inner.config.max_answer_bytes;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| transport(cause(&error)))? {
            if body.len() + chunk.len() > limit {
                return Err(bad(system, Problem::at("message", format!("larger than {limit} bytes"))));
            }
            body.extend_from_slice(&chunk);
        }
        // whatever is no answer of the gateway's (something before it, a proxy) is judged by its status, as before
        if let Some(envelopes) = self.inner.envelopes.as_ref().filter(|_| http.is_success()) {
            envelopes.verify(&body, sent_at()).await.map_err(|fault| unsealed(system, fault))?;
        }
        match envelope::open(&body, limit) {
            Ok(Body::Message(message)) if http.is_success() => Ok(message),
            Ok(Body::Fault(code)) => Err(self.fault(system, code)),
            Ok(Body::Message(_)) | Err(_) if !http.is_success() => Err(match http.as_u16() {
                // something before the gateway asks for patience
                408 | 429 => GatewayFault::GatewayError { system, code: format!("HTTP-{}", http.as_u16()) },
                400..=499 => GatewayFault::RemoteError { system, code: format!("HTTP-{}", http.as_u16()) },
                other => self.fault(system, format!("HTTP-{other}")),
            }),
            Ok(Body::Message(message)) => Ok(message),
            Err(problem) => Err(bad(system, problem)),
        }
    }

    fn fault(&self, system: System, code: String) -> GatewayFault {
        match self.inner.config.meaning(&code) {
            Some(CodeMeaning::ConsentMissing) => GatewayFault::ConsentMissing { system },
            Some(CodeMeaning::DataNotFound) => GatewayFault::DataNotFound { system },
            Some(CodeMeaning::Remote) => GatewayFault::RemoteError { system, code },
            Some(CodeMeaning::Gateway) => GatewayFault::GatewayError { system, code },
            None => GatewayFault::UnknownError { system, code },
        }
    }
}

/// What happened, in words that hold no address and no data.
fn cause(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "no connection"
    } else {
        LOST
    }
}

/// An envelope that could not be signed, or an answer that is not the gateway's: nothing of it is used. The way to the
/// gateway failed, so it is tried again; the code says what to look at.
fn unsealed(system: System, fault: SealFault) -> GatewayFault {
    match fault {
        SealFault::Later => GatewayFault::Transport { system, what: "signature service unavailable" },
        SealFault::NotSigned => GatewayFault::GatewayError { system, code: "envelope-not-signed".to_owned() },
        SealFault::NotVerified(_) => GatewayFault::GatewayError { system, code: "envelope-not-verified".to_owned() },
    }
}

/// Whether a request may be sent again at once: questions change nothing and receivers of keys dedupe; a text
/// message would be sent twice, a person asked for consent twice.
fn repeatable(service: &str) -> bool {
    service != service_ids::SMS && service != service_ids::CONSENT
}
