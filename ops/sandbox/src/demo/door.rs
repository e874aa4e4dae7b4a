//! Kezek's doors over HTTP, as a portal or an officer sees them: two processes, one as good as the other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// How long a request is repeated before it counts as a failure of the run: longer than any server may be away.
const PATIENCE: Duration = Duration::from_secs(180);

/// The doors of all processes.
pub struct Doors {
    http: reqwest::Client,
    addresses: Vec<String>,
    turn: AtomicUsize,
    stop: CancellationToken,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
    /// The status and the problem's stable code: nothing else of an answer may be told.
    #[must_use]
    pub fn told(&self) -> String {
        let code = self.json()["code"].as_str().unwrap_or("no code").to_owned();
        format!("{} {code}", self.status)
    }
}

impl Doors {
    /// The doors at these addresses (`http://host:port`).
    ///
    /// # Errors
    /// Where no HTTP client can be made.
    pub fn new(addresses: Vec<String>, stop: CancellationToken) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(40))
            .no_proxy()
            .build()?;
        Ok(Self { http, addresses, turn: AtomicUsize::new(0), stop })
    }

    /// The addresses.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Asks until there is an answer: a door that does not answer, or answers 503, is left for the other one. Only
    /// for requests that may be repeated.
    ///
    /// # Errors
    /// Where nobody answers for long, or the run is stopped.
    pub async fn ask(&self, method: Method, path: &str, token: &str, body: Option<Vec<u8>>) -> anyhow::Result<Answer> {
        let began = tokio::time::Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            let problem = match self.once(method.clone(), path, token, body.clone()).await {
                Ok(answer) if !matches!(answer.status, 429 | 502..=504) => return Ok(answer),
                Ok(answer) => answer.told(),
                Err(error) => format!("{error:#}"),
            };
            if began.elapsed() > PATIENCE {
                let place = path.split('/').take(4).collect::<Vec<_>>().join("/");
                anyhow::bail!("{method} {place} is not answered at any door; the last one said: {problem}");
            }
            tokio::select! {
                () = self.stop.cancelled() => anyhow::bail!("stopped"),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn once(&self, method: Method, path: &str, token: &str, body: Option<Vec<u8>>) -> anyhow::Result<Answer> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let address = self.addresses.get(turn % self.addresses.len().max(1)).context("there is no door")?;
        let mut request = self.http.request(method, format!("{address}{path}")).bearer_auth(token);
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body);
        }
        let response = request.send().await.map_err(reqwest::Error::without_url)?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(reqwest::Error::without_url)?.to_vec();
        Ok(Answer { status, body })
    }
}
