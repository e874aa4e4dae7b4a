//! The way to the broker: supervised connections, separate for publishing and consuming, and the publisher that
//! awaits every confirm. Nothing here gives up; nothing here trusts silence.

use crate::metrics::Metrics;
use crate::retry::Waits;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use kezek_store::outbox::OutboxRow;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

/// Between two lines of the log about refusals of one kind.
const TELLS_EVERY: Duration = Duration::from_secs(10);

/// One supervised connection: made when needed, made again when it is gone.
#[derive(Clone)]
pub struct Link(Arc<LinkInner>);

struct LinkInner {
    url: String,
    what: &'static str,
    metrics: Metrics,
    state: Mutex<LinkState>,
}

#[derive(Default)]
struct LinkState {
    connection: Option<Arc<Connection>>,
    waits: Waits,
    not_before: Option<Instant>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({})", self.0.what)
    }
}

impl Link {
    /// A link that will connect on first use; `what` is `publish` or `consume`.
    #[must_use]
    pub fn new(url: &str, what: &'static str, metrics: Metrics) -> Self {
        Self(Arc::new(LinkInner { url: with_heartbeat(url), what, metrics, state: Mutex::default() }))
    }

    /// The connection, made if need be; `None` while the server is away and the next try is not yet due.
    pub async fn connection(&self) -> Option<Arc<Connection>> {
        let mut state = self.0.state.lock().await;
        if let Some(connection) = &state.connection {
            if connection.status().connected() {
                return Some(Arc::clone(connection));
            }
            state.connection = None;
            self.mark(false);
        }
        if state.not_before.is_some_and(|t| t > Instant::now()) {
            return None;
        }
        let properties =
            ConnectionProperties::default().with_connection_name(format!("kezek {}", self.0.what).as_str().into());
        match timeout(Duration::from_secs(10), Connection::connect(&self.0.url, properties)).await {
            Ok(Ok(connection)) => {
                self.watch(&connection);
                let connection = Arc::new(connection);
                state.connection = Some(Arc::clone(&connection));
                state.waits.reset();
                state.not_before = None;
                self.mark(true);
                tracing::info!(use_ = self.0.what, "connected to the broker");
                Some(connection)
            }
            failed => {
                let wait = state.waits.next_wait();
                state.not_before = Some(Instant::now() + wait);
                let what = match failed {
                    Ok(Err(e)) => e.to_string(),
                    _ => "no answer within 10 s".to_owned(),
                };
                tracing::warn!(use_ = self.0.what, error = what, retry_in_ms = wait.as_millis(), "the broker is away");
                None
            }
        }
    }

    /// A channel on the connection.
    pub async fn channel(&self) -> Option<Channel> {
        let connection = self.connection().await?;
        match timeout(Duration::from_secs(10), connection.create_channel()).await {
            Ok(Ok(channel)) => Some(channel),
            _ => {
                self.drop_connection().await;
                None
            }
        }
    }

    /// Whether the broker blocks the connection: it takes no bytes, and says nothing more.
    pub async fn blocked(&self) -> bool {
        self.0.state.lock().await.connection.as_ref().is_some_and(|c| c.status().blocked())
    }

    /// Gives the connection up, so that the next use makes another.
    pub async fn drop_connection(&self) {
        let old = self.0.state.lock().await.connection.take();
        self.mark(false);
        if let Some(old) = old {
            // best effort: the connection is suspect, its closing must not hold anybody up
            let _ = timeout(Duration::from_secs(2), old.close(200, "bye".into())).await;
        }
    }

    fn mark(&self, up: bool) {
        self.0.metrics.connection_up.with_label_values(&[self.0.what]).set(i64::from(up));
        if !up {
            self.0.metrics.connection_blocked.with_label_values(&[self.0.what]).set(0);
        }
    }

    fn watch(&self, connection: &Connection) {
        let mut events = connection.events_listener();
        let gauge = self.0.metrics.connection_blocked.with_label_values(&[self.0.what]);
        let what = self.0.what;
        #[expect(clippy::disallowed_methods, reason = "ends with the connection whose events it follows")]
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    lapin::Event::ConnectionBlocked(reason) => {
                        gauge.set(1);
                        tracing::error!(
                            use_ = what,
                            reason,
                            "the broker blocks publishing: it is short of memory or disk"
                        );
                    }
                    lapin::Event::ConnectionUnblocked => {
                        gauge.set(0);
                        tracing::info!(use_ = what, "the broker takes messages again");
                    }
                    lapin::Event::Error(error) => tracing::warn!(use_ = what, %error, "connection error"),
                    _ => {}
                }
            }
        });
    }
}

/// A half-open connection is noticed by heartbeat only; the server's default of a minute is far too slow.
fn with_heartbeat(url: &str) -> String {
    if url.contains("heartbeat=") {
        url.to_owned()
    } else if url.contains('?') {
        format!("{url}&heartbeat=10")
    } else {
        format!("{url}?heartbeat=10")
    }
}

/// Publishes outbox rows and awaits each confirm.
#[derive(Clone, Debug)]
pub struct Publisher {
    link: Link,
    channel: Arc<Mutex<Option<Channel>>>,
    confirm_within: Duration,
    metrics: Metrics,
    told: Arc<std::sync::Mutex<HashMap<&'static str, Instant>>>,
}

/// What became of one publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// The broker has it.
    Confirmed,
    /// Unknown or refused; the row stays for the sweeper.
    Not(&'static str),
    /// The row itself cannot be published.
    Bad(String),
}

impl Publisher {
    /// A publisher on a link of its own.
    #[must_use]
    pub fn new(link: Link, confirm_within: Duration, metrics: Metrics) -> Self {
        Self { link, channel: Arc::default(), confirm_within, metrics, told: Arc::default() }
    }

    async fn channel(&self) -> Option<Channel> {
        let mut slot = self.channel.lock().await;
        if let Some(channel) = slot.as_ref().filter(|c| c.status().connected()) {
            return Some(channel.clone());
        }
        let channel = self.link.channel().await?;
        if !matches!(
            timeout(Duration::from_secs(10), channel.confirm_select(ConfirmSelectOptions::default())).await,
            Ok(Ok(()))
        ) {
            self.link.drop_connection().await;
            return None;
        }
        *slot = Some(channel.clone());
        Some(channel)
    }

    async fn suspect(&self) {
        self.channel.lock().await.take();
        self.link.drop_connection().await;
    }

    /// Whether the broker can be reached now.
    pub async fn ready(&self) -> bool {
        self.channel().await.is_some()
    }

    /// Publishes rows together, awaits each confirm, and tells what became of each, in order.
    pub async fn publish(&self, rows: &[OutboxRow]) -> Vec<Published> {
        if rows.is_empty() {
            return Vec::new();
        }
        let began = Instant::now();
        // what is written to a blocked connection stays in this process's memory: the outbox is the better place
        if self.link.blocked().await {
            self.metrics.unconfirmed.with_label_values(&["blocked"]).inc_by(rows.len() as u64);
            return vec![Published::Not("blocked"); rows.len()];
        }
        let Some(channel) = self.channel().await else {
            self.metrics.unconfirmed.with_label_values(&["away"]).inc_by(rows.len() as u64);
            return vec![Published::Not("away"); rows.len()];
        };
        let mut waiting = Vec::with_capacity(rows.len());
        let mut stuck: Option<&'static str> = None;
        for row in rows {
            // a connection that took no bytes for one row takes none for the next: do not wait once per row
            let sent = match &stuck {
                None => self.send(&channel, row).await,
                Some(cause) => Err(Published::Not(cause)),
            };
            if let Err(Published::Not(cause)) = &sent {
                stuck = Some(cause);
            }
            waiting.push(sent);
        }
        // collected together: lapin hands a returned message to whichever confirm comes first, so a return is
        // matched by its own message id afterwards
        let answers = join_all(waiting.into_iter().map(|sent| async move {
            match sent {
                Err(published) => (published, None),
                Ok(confirm) => match timeout(self.confirm_within, confirm).await {
                    Err(_) => (Published::Not("timeout"), None),
                    Ok(Err(_)) => (Published::Not("away"), None),
                    Ok(Ok(Confirmation::Ack(None))) => (Published::Confirmed, None),
                    Ok(Ok(Confirmation::Ack(Some(back)))) => (Published::Confirmed, Some(back)),
                    Ok(Ok(Confirmation::Nack(back))) => (Published::Not("nack"), back),
                    // a channel without confirms must never count as success
                    Ok(Ok(Confirmation::NotRequested)) => (Published::Not("away"), None),
                },
            }
        }))
        .await;
        let returned: HashSet<String> = answers
            .iter()
            .filter_map(|(_, back)| back.as_ref())
            .filter_map(|back| back.delivery.properties.message_id().as_ref().map(ToString::to_string))
            .collect();
        let any_return = answers.iter().any(|(_, back)| back.is_some());
        // the alarm was raised between asking and publishing: the connection is sound, and the confirms may still come
        let blocked = self.link.blocked().await;
        let mut out = Vec::with_capacity(rows.len());
        for (row, (published, _)) in rows.iter().zip(answers) {
            let published = if returned.contains(&row.id.to_string()) || (any_return && returned.is_empty()) {
                Published::Not("returned")
            } else if blocked && published == Published::Not("timeout") {
                Published::Not("blocked")
            } else {
                published
            };
            if let Published::Not(cause) = &published {
                self.metrics.unconfirmed.with_label_values(&[cause]).inc();
            }
            out.push(published);
        }
        // one queue that does not confirm, beside others that do, is that queue's trouble and not the connection's
        let some = out.contains(&Published::Confirmed);
        if out.iter().any(|p| *p == Published::Not("away") || (!some && *p == Published::Not("timeout"))) {
            tracing::warn!(rows = rows.len(), "confirms are missing; the rows stay in the outbox");
            self.suspect().await;
        }
        for (cause, what) in [
            ("nack", "the broker refuses messages: a queue is full; they stay in the outbox"),
            ("returned", "the broker returns messages: no queue takes them; they stay in the outbox"),
        ] {
            let refused = rows.iter().zip(&out).filter(|(_, p)| **p == Published::Not(cause));
            let to: BTreeSet<&str> = refused.map(|(row, _)| row.routing_key.as_str()).collect();
            if !to.is_empty() && self.tells(cause) {
                tracing::warn!(cause, to = to.into_iter().collect::<Vec<_>>().join(","), "{what}");
            }
        }
        self.metrics.publish_seconds.observe(began.elapsed().as_secs_f64());
        out
    }

    /// Whether a refusal is to be told now: a full queue refuses many times a second.
    fn tells(&self, cause: &'static str) -> bool {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.get(cause).is_none_or(|last| now.duration_since(*last) >= TELLS_EVERY);
        if due {
            told.insert(cause, now);
        }
        due
    }

    async fn send(&self, channel: &Channel, row: &OutboxRow) -> Result<lapin::PublisherConfirm, Published> {
        let properties = properties(row).map_err(Published::Bad)?;
        let sending = channel.basic_publish(
            row.exchange.as_str().into(),
            row.routing_key.as_str().into(),
            BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() },
            &row.body,
            properties,
        );
        match timeout(self.confirm_within, sending).await {
            Ok(Ok(confirm)) => Ok(confirm),
            Ok(Err(_)) => Err(Published::Not("away")),
            // a blocked connection takes no bytes and says nothing
            Err(_) => Err(Published::Not("timeout")),
        }
    }

    /// The rows that the broker has, by id.
    pub async fn confirmed(&self, rows: &[OutboxRow]) -> Vec<Uuid> {
        let answers = self.publish(rows).await;
        rows.iter().zip(answers).filter(|(_, a)| *a == Published::Confirmed).map(|(r, _)| r.id).collect()
    }
}

fn properties(row: &OutboxRow) -> Result<BasicProperties, String> {
    let headers = row.headers.as_object().ok_or("the headers are not an object")?;
    if row.exchange.len() > 255 || row.routing_key.len() > 255 {
        return Err("exchange or routing key is longer than 255 bytes".to_owned());
    }
    let mut table = FieldTable::default();
    let mut kind = "";
    for (name, value) in headers {
        let text = value.as_str().ok_or_else(|| format!("header `{name}` is not text"))?;
        if name == "type" {
            kind = text;
        }
        table.insert(name.as_str().into(), AMQPValue::LongString(text.into()));
    }
    Ok(BasicProperties::default()
        .with_message_id(row.id.to_string().as_str().into())
        .with_type(kind.into())
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_headers(table))
}
