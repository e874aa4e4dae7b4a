//! RabbitMQ's management API: applies the topology at deployment and verifies it for `doctor`.

use crate::topology::Topology;
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::{Value, json};
use std::time::Duration;

/// The management API of one virtual host.
#[derive(Clone)]
pub struct Management {
    client: Client,
    base: Url,
    user: String,
    password: String,
    vhost: String,
}

impl std::fmt::Debug for Management {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Management(vhost {})", self.vhost)
    }
}

/// What the management API would not do.
#[derive(Debug, thiserror::Error)]
pub enum ManagementError {
    /// The URL is not usable.
    #[error("KEZEK_RABBITMQ_API_URL: {0}; give http://user:password@host:15672")]
    Url(&'static str),
    /// The server does not answer.
    #[error(
        "RabbitMQ's management API does not answer at {place}: {what}; is the management plugin enabled and the address right?"
    )]
    Away {
        /// What was asked.
        place: String,
        /// The failure.
        what: String,
    },
    /// The server refused.
    #[error("RabbitMQ refused {place}: {status} {reason}")]
    Refused {
        /// What was asked.
        place: String,
        /// HTTP status.
        status: u16,
        /// The server's reason.
        reason: String,
    },
}

fn segment(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-_.".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

/// The virtual host that an AMQP URL names; `/` where it names none.
#[must_use]
pub fn vhost_of(amqp: &str) -> String {
    let path = Url::parse(amqp).ok().map(|u| u.path().trim_start_matches('/').to_owned()).unwrap_or_default();
    if path.is_empty() {
        return "/".to_owned();
    }
    let mut out = Vec::new();
    let mut bytes = path.bytes();
    while let Some(b) = bytes.next() {
        if b == b'%' {
            let hex: Vec<u8> = bytes.by_ref().take(2).collect();
            let code = std::str::from_utf8(&hex).ok().and_then(|h| u8::from_str_radix(h, 16).ok());
            out.push(code.unwrap_or(b'?'));
        } else {
            out.push(b);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

impl Management {
    /// The API at a URL with user and password, for one virtual host.
    ///
    /// # Errors
    /// A URL without host, user or password.
    pub fn new(url: &str, vhost: &str) -> Result<Self, ManagementError> {
        let mut base = Url::parse(url).map_err(|_| ManagementError::Url("is not a URL"))?;
        let (user, password) = (base.username().to_owned(), base.password().unwrap_or_default().to_owned());
        if user.is_empty() || base.host_str().is_none() {
            return Err(ManagementError::Url("names no user or host"));
        }
        base.set_username("").and_then(|()| base.set_password(None)).map_err(|()| ManagementError::Url("is odd"))?;
        let client = Client::builder()
            .timeout(Duration::from_secs(20))
            .connect_timeout(Duration::from_secs(5))
            .build()
            .map_err(|_| ManagementError::Url("cannot be used"))?;
        Ok(Self { client, base, user, password, vhost: vhost.to_owned() })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Option<Value>, ManagementError> {
        let place = format!("{method} {path}");
        let away =
            |e: reqwest::Error| ManagementError::Away { place: place.clone(), what: e.without_url().to_string() };
        let url = format!("{}api/{path}", self.base);
        let mut request = self.client.request(method.clone(), url).basic_auth(&self.user, Some(&self.password));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(away)?;
        let status = answer.status();
        let text = answer.text().await.map_err(away)?;
        if status == StatusCode::NOT_FOUND && method == Method::GET {
            return Ok(None);
        }
        if !status.is_success() {
            let reason = serde_json::from_str::<Value>(&text)
                .ok()
                .and_then(|v| v.get("reason").and_then(Value::as_str).map(str::to_owned))
                .unwrap_or_default();
            return Err(ManagementError::Refused { place, status: status.as_u16(), reason });
        }
        Ok(Some(serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    fn under(&self, what: &str, name: &str) -> String {
        format!("{what}/{}/{}", segment(&self.vhost), segment(name))
    }

    /// Creates the virtual host and lets a user work in it without the right to configure.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn create_vhost(&self, worker: &str) -> Result<(), ManagementError> {
        let vhost = segment(&self.vhost);
        self.ask(Method::PUT, &format!("vhosts/{vhost}"), Some(&json!({}))).await?;
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        self.ask(Method::PUT, &format!("permissions/{vhost}/{}", segment(&self.user)), Some(&all)).await?;
        let rights = json!({ "configure": "^$", "write": "^kezek\\.", "read": ".*" });
        self.ask(Method::PUT, &format!("permissions/{vhost}/{}", segment(worker)), Some(&rights)).await?;
        Ok(())
    }

    /// Applies the whole topology; applying it twice changes nothing.
    ///
    /// # Errors
    /// A queue or exchange that exists with other arguments, or what else the server refuses.
    pub async fn apply(&self, topology: &Topology) -> Result<(), ManagementError> {
        for e in &topology.exchanges {
            let arguments = e.alternate.map_or_else(|| json!({}), |a| json!({ "alternate-exchange": a }));
            let body = json!({ "type": e.kind, "durable": true, "arguments": arguments });
            self.ask(Method::PUT, &self.under("exchanges", e.name), Some(&body)).await?;
        }
        for p in &topology.policies {
            let body = json!({ "pattern": p.pattern, "definition": p.definition, "apply-to": "queues", "priority": 1 });
            self.ask(Method::PUT, &self.under("policies", p.name), Some(&body)).await?;
        }
        for q in &topology.queues {
            let body = json!({ "durable": true, "arguments": q.arguments });
            self.ask(Method::PUT, &self.under("queues", &q.name), Some(&body)).await?;
        }
        for b in &topology.bindings {
            let path = format!("bindings/{}/e/{}/q/{}", segment(&self.vhost), segment(b.exchange), segment(&b.queue));
            self.ask(Method::POST, &path, Some(&json!({ "routing_key": b.key, "arguments": b.arguments }))).await?;
        }
        Ok(())
    }

    /// What is missing or different, in words; empty where the broker has the whole topology.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn differences(&self, topology: &Topology) -> Result<Vec<String>, ManagementError> {
        let mut out = Vec::new();
        for e in &topology.exchanges {
            match self.ask(Method::GET, &self.under("exchanges", e.name), None).await? {
                None => out.push(format!("exchange {} is missing", e.name)),
                Some(have) => {
                    if have["type"] != e.kind {
                        out.push(format!("exchange {} has type {}, not {}", e.name, have["type"], e.kind));
                    }
                    if have["arguments"]["alternate-exchange"].as_str() != e.alternate {
                        out.push(format!("exchange {} has not the alternate {:?}", e.name, e.alternate));
                    }
                }
            }
        }
        let have = self.queues().await?;
        for q in &topology.queues {
            match have.iter().find(|h| h["name"] == q.name.as_str()) {
                None => out.push(format!("queue {} is missing", q.name)),
                Some(h) => {
                    for (key, value) in q.arguments.as_object().into_iter().flatten() {
                        if &h["arguments"][key] != value {
                            out.push(format!("queue {}: {key} is {}, not {value}", q.name, h["arguments"][key]));
                        }
                    }
                }
            }
        }
        let bindings = self.ask(Method::GET, &format!("bindings/{}", segment(&self.vhost)), None).await?;
        let bindings = bindings.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
        for b in &topology.bindings {
            let there = bindings.iter().any(|h| {
                h["source"] == b.exchange
                    && h["destination"] == b.queue.as_str()
                    && h["routing_key"] == b.key.as_str()
                    && h["arguments"] == b.arguments
            });
            if !there {
                out.push(format!("binding {} -> {} by `{}` is missing", b.exchange, b.queue, b.key));
            }
        }
        Ok(out)
    }

    /// The server's version.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn version(&self) -> Result<String, ManagementError> {
        let overview = self.ask(Method::GET, "overview", None).await?.unwrap_or(Value::Null);
        Ok(overview["rabbitmq_version"].as_str().unwrap_or("unknown").to_owned())
    }

    /// The virtual host's queues as the API tells of them (counts lag by seconds).
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn queues(&self) -> Result<Vec<Value>, ManagementError> {
        let all = self.ask(Method::GET, &format!("queues/{}", segment(&self.vhost)), None).await?;
        Ok(all.and_then(|v| v.as_array().cloned()).unwrap_or_default())
    }

    /// Empties a queue.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn purge(&self, queue: &str) -> Result<(), ManagementError> {
        let path = format!("{}/contents", self.under("queues", queue));
        self.ask(Method::DELETE, &path, None).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::vhost_of;

    #[test]
    fn the_virtual_host_is_read_from_the_url() {
        assert_eq!(vhost_of("amqp://a:b@h:1/%2f?heartbeat=10"), "/");
        assert_eq!(vhost_of("amqp://a:b@h:1/kezek-test-1"), "kezek-test-1");
        assert_eq!(vhost_of("amqp://a:b@h:1"), "/");
    }
}
