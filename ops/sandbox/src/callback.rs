//! Messages of the asynchronous channel to Kezek's endpoint: sent until they are acknowledged.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use kezek_gateway::envelope::{self, Body, Head};
use kezek_gateway::xml::Node;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::clock::{new_id, real};
use crate::ledger::Callbacks;
use crate::ncanode::wsse;
use crate::signer::Signer;

/// Sends messages and counts what is still meant to happen.
pub struct Outbound {
    url: String,
    sender: String,
    password: String,
    http: reqwest::Client,
    places: Semaphore,
    pending: Arc<AtomicUsize>,
    counts: Mutex<Callbacks>,
    stop: CancellationToken,
    key: Signer,
    sealed: AtomicBool,
}

/// Something that is meant to happen; while it exists the sandbox is not at rest.
pub struct Intent(Arc<AtomicUsize>);

impl Drop for Intent {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Outbound {
    /// To this address, `http://sender:password@host:port/path`; sender and password may be left out. `key` is the
    /// gateway's own, for signed messages.
    ///
    /// # Errors
    /// Where the address is none.
    pub fn new(url: &str, key: Signer, stop: CancellationToken) -> anyhow::Result<Self> {
        let mut address =
            reqwest::Url::parse(url).with_context(|| "--callback-url is not an address; give http://host:port/path")?;
        // as whom the messages come, in their own heads and not in HTTP's
        let sender = Some(address.username()).filter(|user| !user.is_empty()).unwrap_or("demo-sandbox").to_owned();
        let password = address.password().unwrap_or_default().to_owned();
        let plain = address.set_username("").and_then(|()| address.set_password(None));
        anyhow::ensure!(plain.is_ok(), "--callback-url is no address of a server; give http://host:port/path");
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build()?;
        Ok(Self {
            url: address.to_string(),
            sender,
            password,
            http,
            places: Semaphore::new(64),
            pending: Arc::default(),
            counts: Mutex::default(),
            stop,
            key,
            sealed: AtomicBool::new(false),
        })
    }

    /// Declares that something is meant to happen.
    #[must_use]
    pub fn intent(&self) -> Intent {
        self.pending.fetch_add(1, Ordering::SeqCst);
        Intent(Arc::clone(&self.pending))
    }

    /// Messages are signed from now on.
    pub fn seal(&self) {
        self.sealed.store(true, Ordering::SeqCst);
    }

    /// The gateway's own key.
    #[must_use]
    pub const fn key(&self) -> &Signer {
        &self.key
    }

    /// How much is still meant to happen.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::SeqCst)
    }

    /// Messages, acknowledgements, sendings.
    #[must_use]
    pub fn counts(&self) -> Callbacks {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(&mut Callbacks)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits, unless the sandbox stops first: then `false`.
    pub async fn wait(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// Sends one message until it is acknowledged; `false` where the sandbox stops first. Every
    /// sending of the message has the same message id.
    pub async fn deliver(&self, service: &str, key: &str, data: &Node) -> bool {
        let message_id = new_id();
        let head = Head {
            message_id,
            correlation_id: Some(key),
            service_id: service,
            date: real(),
            sender_id: &self.sender,
            password: &self.password,
        };
        let text = envelope::async_request(&head, "NOTIFICATION", data);
        let text = match self.sealed.load(Ordering::SeqCst) {
            true => wsse::sign(&text, &self.key).unwrap_or(text),
            false => text,
        };
        self.count(|counts| counts.messages += 1);
        let mut pause = Duration::from_millis(50);
        loop {
            let sent = {
                let Ok(_place) = self.places.acquire().await else { return false };
                self.count(|counts| counts.sendings += 1);
                self.send(text.clone(), message_id).await
            };
            match sent {
                Ok(()) => {
                    self.count(|counts| counts.acknowledged += 1);
                    return true;
                }
                Err(reason) => tracing::debug!(service, reason = %reason, "not acknowledged"),
            }
            if !self.wait(pause).await {
                return false;
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    async fn send(&self, text: String, message_id: Uuid) -> anyhow::Result<()> {
        let response = self
            .http
            .post(&self.url)
            .header("Content-Type", "text/xml; charset=utf-8")
            .header("SOAPAction", "\"\"")
            .body(text)
            .send()
            .await;
        let response =
            response.map_err(|error| anyhow::anyhow!(if error.is_timeout() { "timed out" } else { "no answer" }))?;
        let status = response.status();
        anyhow::ensure!(status.is_success(), "status {}", status.as_u16());
        let body = response.bytes().await?;
        let Body::Message(message) = envelope::open(&body, 64 * 1024)? else { anyhow::bail!("a fault") };
        let acknowledged = message.text("response/messageId").is_some_and(|id| id == message_id.to_string());
        anyhow::ensure!(acknowledged, "acknowledges another message");
        Ok(())
    }
}
