//! The broker's management API, as the judge needs it: what lies in queues, and a tap that keeps a copy of every
//! message that is published while the demonstration runs.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Url};
use serde_json::{Value, json};

/// The tap's queue.
const TAP: &str = "kezek-demo.tap";
/// Messages that are read from the tap at once.
const PAGE: u32 = 500;
/// How long the server's counts may lag behind (it gathers them every five seconds).
const LAG: Duration = Duration::from_millis(5500);
/// How long a message may still be on its way out.
pub const PATIENCE: Duration = Duration::from_secs(25);
/// The same where a stale copy of a message may still wait on one of the ladder's long rungs.
pub const PATIENCE_IN_CHAOS: Duration = Duration::from_secs(660);

/// The management API of one virtual host.
pub struct Broker {
    http: reqwest::Client,
    base: Url,
    user: String,
    password: String,
    vhost: String,
}

impl Broker {
    /// From `KEZEK_RABBITMQ_API_URL` and the virtual host of `KEZEK_AMQP_URL`.
    ///
    /// # Errors
    /// Where one of them is not set or no address.
    pub fn open() -> anyhow::Result<Self> {
        let address = |name: &str| -> anyhow::Result<Url> {
            let text = std::env::var(name)
                .with_context(|| format!("{name} is not set: run ops/demo, or eval \"$(ops/stack env)\" first"))?;
            Url::parse(&text).with_context(|| format!("{name} is no address"))
        };
        let mut base = address("KEZEK_RABBITMQ_API_URL")?;
        let (user, password) = (base.username().to_owned(), base.password().unwrap_or_default().to_owned());
        let plain = base.set_username("").and_then(|()| base.set_password(None));
        anyhow::ensure!(plain.is_ok(), "KEZEK_RABBITMQ_API_URL is no address of a server");
        let vhost = address("KEZEK_AMQP_URL")?.path().trim_start_matches('/').to_owned();
        // both spell it as in a URL; none means the virtual host `/`
        let vhost = if vhost.is_empty() { "%2F".to_owned() } else { vhost };
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build()?;
        Ok(Self { http, base, user, password, vhost })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let place = format!("{method} {path}");
        let url = format!("{}api/{path}", self.base);
        let mut request = self.http.request(method, url).basic_auth(&self.user, Some(&self.password));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(reqwest::Error::without_url).with_context(|| place.clone())?;
        let status = answer.status();
        anyhow::ensure!(status.is_success(), "{place}: the broker answers {}", status.as_u16());
        let text = answer.text().await.map_err(reqwest::Error::without_url)?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Opens the tap: a queue bound beside every queue that there is.
    ///
    /// # Errors
    /// What the broker refuses.
    pub async fn open_tap(&self) -> anyhow::Result<()> {
        let vhost = &self.vhost;
        let queue = json!({ "durable": true, "arguments": { "x-queue-type": "classic" } });
        self.ask(Method::PUT, &format!("queues/{vhost}/{TAP}"), Some(&queue)).await?;
        let bindings = self.ask(Method::GET, &format!("bindings/{vhost}"), None).await?;
        for binding in bindings.as_array().into_iter().flatten() {
            let source = binding["source"].as_str().unwrap_or_default();
            if !source.starts_with("kezek.") || binding["destination"] == TAP {
                continue;
            }
            let body = json!({ "routing_key": binding["routing_key"], "arguments": binding["arguments"] });
            self.ask(Method::POST, &format!("bindings/{vhost}/e/{source}/q/{TAP}"), Some(&body)).await?;
        }
        Ok(())
    }

    /// Empties every queue but the tap; gives how many messages are gone, as far as the broker counts them.
    ///
    /// # Errors
    /// What the broker refuses.
    pub async fn purge(&self) -> anyhow::Result<u64> {
        let queues = self.ask(Method::GET, &format!("queues/{}", self.vhost), None).await?;
        let mut gone = 0;
        for queue in queues.as_array().context("the broker lists no queues")? {
            let name = queue["name"].as_str().context("a queue without a name")?;
            if name == TAP {
                continue;
            }
            gone += queue["messages"].as_u64().unwrap_or_default();
            self.ask(Method::DELETE, &format!("queues/{}/{name}/contents", self.vhost), None).await?;
        }
        Ok(gone)
    }

    /// Closes the tap; gives every message that went through it: headers and body as text.
    ///
    /// # Errors
    /// What the broker refuses.
    pub async fn close_tap(&self) -> anyhow::Result<Vec<String>> {
        let (vhost, mut messages) = (&self.vhost, Vec::new());
        let page = json!({ "count": PAGE, "ackmode": "ack_requeue_false", "encoding": "base64" });
        loop {
            let got = self.ask(Method::POST, &format!("queues/{vhost}/{TAP}/get"), Some(&page)).await?;
            let got = got.as_array().cloned().unwrap_or_default();
            if got.is_empty() {
                break;
            }
            for message in got {
                let payload = message["payload"].as_str().unwrap_or_default();
                let body = STANDARD.decode(payload).context("the broker gives a body that is not base64")?;
                let (key, properties) = (&message["routing_key"], &message["properties"]);
                messages.push(format!("{key} {properties}\n{}", String::from_utf8_lossy(&body)));
            }
        }
        self.ask(Method::DELETE, &format!("queues/{vhost}/{TAP}"), None).await?;
        Ok(messages)
    }

    /// What lies in the queues once the server's counts have caught up; looks again for a while where anything does.
    ///
    /// # Errors
    /// Where the broker does not answer.
    pub async fn left(&self, patience: Duration) -> anyhow::Result<BTreeMap<String, u64>> {
        let began = tokio::time::Instant::now();
        tokio::time::sleep(LAG).await;
        loop {
            let queues = self.ask(Method::GET, &format!("queues/{}", self.vhost), None).await?;
            let queues = queues.as_array().context("the broker lists no queues")?;
            anyhow::ensure!(!queues.is_empty(), "the broker has no queues: was the topology applied?");
            let count = |queue: &Value| -> anyhow::Result<_> {
                let name = queue["name"].as_str().unwrap_or_default().to_owned();
                let messages = queue["messages"].as_u64();
                Ok((name.clone(), messages.with_context(|| format!("the broker gives no count of queue {name}"))?))
            };
            let counted = queues.iter().map(count).collect::<anyhow::Result<BTreeMap<_, _>>>();
            match counted {
                Ok(counts) if counts.values().all(|n| *n == 0) => return Ok(counts),
                counted if began.elapsed() > patience => return counted,
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    }
}
