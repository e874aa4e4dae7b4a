//! A pool of virtual hosts whose topology was applied before: a young quorum queue is not crash-safe, and making some
//! fifty of them takes seconds. A test leases one; it is empty when the test gets it.
//!
//! The pool stays on the broker; later runs use it again where the topology has not changed.

use crate::database::Servers;
use anyhow::{Context as _, Result, bail, ensure};
use futures_util::future::try_join_all;
use kezek_runtime::management::Management;
use kezek_runtime::topology::Topology;
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::time::{Duration, Instant};

/// A quorum queue younger than this may lose its first messages in a crash.
const SETTLES: Duration = Duration::from_secs(6);
/// Longest wait for a free virtual host.
const PATIENCE: Duration = Duration::from_secs(300);
/// Advisory locks: one to make the pool, one for each place.
const MAKING: i64 = 0x6b7a_6b02;
const PLACE: i64 = 0x6b7a_6c00;
/// The operators' policy by which a test limits deliveries.
const LIMIT: &str = "trial-limit";

/// The management API beyond what the product needs of it.
#[derive(Clone)]
struct Api {
    client: Client,
    base: Url,
    user: String,
    password: String,
}

impl Api {
    fn new(servers: &Servers) -> Result<Self> {
        let mut base = Url::parse(&servers.api).context("KEZEK_RABBITMQ_API_URL is not an address")?;
        let (user, password) = (base.username().to_owned(), base.password().unwrap_or_default().to_owned());
        ensure!(base.set_username("").is_ok() && base.set_password(None).is_ok(), "KEZEK_RABBITMQ_API_URL is odd");
        let client = Client::builder()
            .timeout(Duration::from_secs(30))
            .connect_timeout(Duration::from_secs(5))
            .no_proxy()
            .build()?;
        Ok(Self { client, base, user, password })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Option<Value>> {
        let mut request = self
            .client
            .request(method.clone(), format!("{}api/{path}", self.base))
            .basic_auth(&self.user, Some(&self.password));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .context("KEZEK_RABBITMQ_API_URL: RabbitMQ does not answer; run `ops/test`")?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let text = response.text().await.map_err(reqwest::Error::without_url)?;
        ensure!(status.is_success(), "RabbitMQ refuses {method} {path}: {status} {text}");
        Ok(Some(serde_json::from_str(&text).unwrap_or(Value::Null)))
    }
}

/// A virtual host that belongs to one test until the value is dropped.
pub struct Vhost {
    name: String,
    amqp: String,
    queues: Vec<String>,
    api: Api,
    // holds the place's advisory lock
    _lock: PgConnection,
}

impl std::fmt::Debug for Vhost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vhost({})", self.name)
    }
}

impl Vhost {
    /// Waits for a free place; its queues have the topology and are empty.
    ///
    /// # Errors
    /// Where no place becomes free in time, or the servers do not answer.
    pub async fn lease(servers: &Servers, topology: &Topology) -> Result<Self> {
        let api = Api::new(servers)?;
        let mut lock = servers.maintenance().await?;
        let began = Instant::now();
        let place = loop {
            match free(&mut lock, servers.places).await? {
                Some(place) => break place,
                None if began.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(100)).await,
                None => bail!(
                    "all {} virtual hosts of the pool have been in use for {} s",
                    servers.places,
                    PATIENCE.as_secs()
                ),
            }
        };
        let name = name_of(place);
        provide(servers, &api, topology, &name).await?;
        let mut amqp = Url::parse(&servers.amqp).context("KEZEK_AMQP_URL is not an address")?;
        amqp.set_path(&format!("/{name}"));
        let queues = topology.queues.iter().map(|q| q.name.clone()).collect();
        let vhost = Self { name, amqp: amqp.to_string(), queues, api, _lock: lock };
        // a test that failed may have left its limit
        vhost.limit_no_deliveries().await?;
        vhost.purge().await?;
        Ok(vhost)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The worker's address of it.
    #[must_use]
    pub fn amqp(&self) -> &str {
        &self.amqp
    }

    /// One call of the management API; `{vhost}` in the path stands for this virtual host.
    ///
    /// # Errors
    /// What the broker refuses; that there is no such thing is `None`.
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Result<Option<Value>> {
        let method = Method::from_bytes(method.as_bytes()).context("no such method")?;
        self.api.ask(method, &path.replace("{vhost}", &self.name), body).await
    }

    /// Empties every queue.
    ///
    /// # Errors
    /// Where the broker refuses.
    pub async fn purge(&self) -> Result<()> {
        self.purge_some(&self.queues).await
    }

    /// Empties some queues of whatever waits in them.
    ///
    /// # Errors
    /// Where the broker refuses.
    pub async fn purge_some(&self, queues: &[String]) -> Result<()> {
        for some in queues.chunks(8) {
            try_join_all(some.iter().map(|queue| {
                let path = format!("queues/{}/{queue}/contents", self.name);
                async move { self.api.ask(Method::DELETE, &path, None).await }
            }))
            .await?;
        }
        Ok(())
    }

    /// The broker gives up on a message of these queues after so many deliveries that came back.
    ///
    /// # Errors
    /// Where the broker refuses, or does not apply it in time.
    pub async fn limit_deliveries(&self, queues: &[String], most: u32) -> Result<()> {
        let names: Vec<String> = queues.iter().map(|q| q.replace('.', "\\.")).collect();
        let policy = json!({
            "pattern": format!("^({})$", names.join("|")), "apply-to": "queues", "priority": 9,
            "definition": { "delivery-limit": most },
        });
        self.api.ask(Method::PUT, &self.operators_policy(), Some(policy)).await?;
        let began = Instant::now();
        for queue in queues {
            let path = format!("queues/{}/{queue}", self.name);
            loop {
                let told = self.api.ask(Method::GET, &path, None).await?.unwrap_or(Value::Null);
                if told["operator_policy"] == LIMIT {
                    break;
                }
                ensure!(began.elapsed() < SETTLES * 2, "the broker does not limit {queue}: {}", told["policy"]);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Ends [`Vhost::limit_deliveries`].
    ///
    /// # Errors
    /// Where the broker refuses.
    pub async fn limit_no_deliveries(&self) -> Result<()> {
        self.api.ask(Method::DELETE, &self.operators_policy(), None).await.map(|_| ())
    }

    fn operators_policy(&self) -> String {
        format!("operator-policies/{}/{LIMIT}", self.name)
    }

    /// How many consumers a queue has.
    ///
    /// # Errors
    /// Where the broker refuses.
    pub async fn consumers(&self, queue: &str) -> Result<usize> {
        let path = format!("consumers/{}", self.name);
        let all = self.api.ask(Method::GET, &path, None).await?.unwrap_or(Value::Null);
        Ok(all.as_array().into_iter().flatten().filter(|c| c["queue"]["name"] == queue).count())
    }

    /// What waits in the queues, by looking into each: the queue's name, and the headers of its first message.
    ///
    /// # Errors
    /// Where the broker refuses.
    pub async fn left(&self) -> Result<Vec<(String, Value)>> {
        let mut left = Vec::new();
        for some in self.queues.chunks(8) {
            let looked = try_join_all(some.iter().map(|queue| async move {
                let path = format!("queues/{}/{queue}/get", self.name);
                let look = json!({ "count": 1, "ackmode": "ack_requeue_true", "encoding": "auto", "truncate": 100 });
                let found = self.api.ask(Method::POST, &path, Some(look)).await?;
                anyhow::Ok((queue.clone(), found.unwrap_or(Value::Null)))
            }))
            .await?;
            left.extend(looked.into_iter().filter_map(|(queue, found)| {
                let message = found.as_array()?.first()?;
                Some((queue, message["properties"]["headers"].clone()))
            }));
        }
        Ok(left)
    }
}

fn name_of(place: usize) -> String {
    format!("kezek-town-{place}")
}

async fn free(lock: &mut PgConnection, places: usize) -> Result<Option<usize>> {
    for place in 0..places {
        let key = PLACE + i64::try_from(place)?;
        if sqlx::query_scalar::<_, bool>("SELECT pg_try_advisory_lock($1)").bind(key).fetch_one(&mut *lock).await? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// Makes the place where it lacks something, and all others that nobody has made yet, so that the wait for young
/// queues is met once.
async fn provide(servers: &Servers, api: &Api, topology: &Topology, name: &str) -> Result<()> {
    let management = |name: &str| Management::new(&servers.api, name).map_err(anyhow::Error::from);
    let known = |answer: &Option<Value>| answer.is_some();
    let path = format!("vhosts/{name}");
    if known(&api.ask(Method::GET, &path, None).await?) && management(name)?.differences(topology).await?.is_empty() {
        return Ok(());
    }
    let mut making = servers.maintenance().await?;
    sqlx::query("SELECT pg_advisory_lock($1)").bind(MAKING).execute(&mut making).await?;
    if known(&api.ask(Method::GET, &path, None).await?) {
        if management(name)?.differences(topology).await?.is_empty() {
            return Ok(());
        }
        // a queue's arguments cannot be changed: an older topology goes as a whole
        api.ask(Method::DELETE, &path, None).await?;
    }
    let worker = Url::parse(&servers.amqp).context("KEZEK_AMQP_URL is not an address")?.username().to_owned();
    for place in 0..servers.places {
        let other = name_of(place);
        let there = other != name && known(&api.ask(Method::GET, &format!("vhosts/{other}"), None).await?);
        if !there {
            let management = management(&other)?;
            management.create_vhost(&worker).await?;
            management.apply(topology).await?;
        }
    }
    tokio::time::sleep(SETTLES).await;
    Ok(())
}
