//! A look at the whole installation: one query, one snapshot, nothing changed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

/// Reads the database as its owner, who sees everything.
#[derive(Clone)]
pub struct View {
    /// The pool, for whoever gathers evidence.
    pub pool: PgPool,
}

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Look {
    /// Open cases by `stage/how`.
    pub open: BTreeMap<String, i64>,
    /// Closed cases by how they ended.
    pub closed: BTreeMap<String, i64>,
    /// Cases whose message is under way.
    pub moving: i64,
    /// Cases that wait for an operator.
    pub parked: i64,
    /// Answers whose message is under way.
    pub arrivals: i64,
    /// Notices whose message is under way.
    pub notices: i64,
    /// Messages that nobody has confirmed.
    pub outbox: i64,
    /// Waits whose deadline is over.
    pub due: i64,
    /// Waits for a person: at review, at issuance, for an answer to a question. A wait at review that is over within
    /// the hour is a cancellation that may still be taken back: nobody has to act, it takes effect by itself.
    pub tasks: i64,
    /// Waits that have a deadline ahead.
    pub deadlines: i64,
    /// The sum of all counters: changes with every turn that becomes true.
    pub turns: i64,
    /// Everything that ever arrived.
    pub arrived: i64,
}

const LOOK: &str = "
    SELECT json_build_object(
        'open', (SELECT coalesce(json_object_agg(k, n), '{}') FROM
                 (SELECT stage || '/' || how AS k, count(*) AS n FROM cases WHERE how <> 'closed' GROUP BY 1) AS o),
        'closed', (SELECT coalesce(json_object_agg(k, n), '{}') FROM
                   (SELECT closing AS k, count(*) AS n FROM cases WHERE how = 'closed' GROUP BY 1) AS c),
        'moving', (SELECT count(*) FROM cases WHERE how = 'moving'),
        'parked', (SELECT count(*) FROM cases WHERE how = 'parked'),
        'arrivals', (SELECT count(*) FROM arrivals WHERE state = 'moving'),
        'notices', (SELECT count(*) FROM side_messages WHERE state = 'moving'),
        'outbox', (SELECT count(*) FROM outbox),
        'due', (SELECT count(*) FROM holds WHERE until <= business_now()),
        'tasks', (SELECT count(*) FROM holds WHERE (role IS NOT NULL OR stage IN ('review', 'issuance'))
                  AND NOT (stage = 'review' AND until < business_now() + interval '1 hour')),
        'deadlines', (SELECT count(*) FROM holds WHERE until > business_now()),
        'turns', (SELECT coalesce(sum(ticket), 0)::bigint FROM jobs),
        'arrived', (SELECT count(*) FROM arrivals))::text";

impl Look {
    /// Open cases.
    #[must_use]
    pub fn open_cases(&self) -> i64 {
        self.open.values().sum()
    }
    /// Closed cases.
    #[must_use]
    pub fn closed_cases(&self) -> i64 {
        self.closed.values().sum()
    }
    /// Whether nothing is under way inside: what is open waits for somebody outside, for a person or for a date.
    #[must_use]
    pub const fn still(&self) -> bool {
        self.moving == 0 && self.arrivals == 0 && self.notices == 0 && self.outbox == 0 && self.due == 0
    }
}

impl View {
    /// Connects with the owner's address from `KEZEK_OWNER_URL`.
    ///
    /// # Errors
    /// Where there is none, or nobody answers.
    pub async fn open() -> anyhow::Result<Self> {
        let url = std::env::var("KEZEK_OWNER_URL")
            .context("KEZEK_OWNER_URL is not set: run ops/demo, or eval \"$(ops/stack env)\" first")?;
        let options: PgConnectOptions = url.parse().context("KEZEK_OWNER_URL is no address of PostgreSQL")?;
        let options = options.application_name("kezek demo").options([("default_transaction_read_only", "on")]);
        // a database that is away is told soon: whoever looks may have to wait for it
        let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(Duration::from_secs(5));
        let pool = pool.connect_with(options).await;
        Ok(Self { pool: pool.context("KEZEK_OWNER_URL: the database does not answer")? })
    }

    /// Looks.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn look(&self) -> anyhow::Result<Look> {
        let text: String = sqlx::query_scalar(LOOK).fetch_one(&self.pool).await.context("looking at the database")?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Receipts of some open cases.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn some_open(&self, most: i64) -> anyhow::Result<Vec<String>> {
        let query = "SELECT receipt FROM cases WHERE how <> 'closed' ORDER BY how = 'held', moved_at LIMIT $1";
        Ok(sqlx::query_scalar(query).bind(most).fetch_all(&self.pool).await?)
    }
}
