//! One case's whole story, as the operator's shell tells it: every move, its money, what was asked of others, what
//! the applicant was told, what it waits for, and where its message is. No personal data: ids, labels, numbers.

use crate::cases::{self, CaseRow};
use crate::jobs::{self, JobRow};
use crate::{SqlTime, StoreError, journal, ledger};
use jiff::Timestamp;
use kezek_domain::How;
use kezek_domain::journal::{Linked, verify};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

/// Everything that is recorded of a case.
#[derive(Debug, Serialize)]
pub struct Story {
    /// The case.
    pub case: Uuid,
    /// Our number.
    pub receipt: String,
    /// RP DRN's number.
    pub coupon: Option<String>,
    /// What is asked of the state.
    pub service: String,
    /// The version of its flow.
    pub flow_version: i32,
    /// The person's cancelled application before this one (A11c): its receipt.
    pub follows: Option<String>,
    /// The person's next application, where this one was cancelled: its receipt.
    pub followed_by: Option<String>,
    /// The chosen region.
    pub region: String,
    /// When it was filed, on the business clock.
    pub filed_at: Timestamp,
    /// When it was opened here, in real time.
    pub opened_at: Timestamp,
    /// `moving`, `held`, `parked` or `closed`.
    pub how: String,
    /// The stage it is at.
    pub stage: Option<String>,
    /// The visit of that stage.
    pub visit: i32,
    /// How it ended.
    pub closing: Option<String>,
    /// The end that the refund remembers.
    pub refunding: Option<String>,
    /// Its counter.
    pub ticket: i64,
    /// The file's version.
    pub revision: i64,
    /// Where its message is now.
    pub message: Whereabouts,
    /// What it waits for.
    pub hold: Option<Waiting>,
    /// Every move, first to last.
    pub moves: Vec<Move>,
    /// Whether the journal's chain holds: `ok`, or where it breaks.
    pub journal: String,
    /// Its money.
    pub money: Purse,
    /// Every posting.
    pub postings: Vec<Posting>,
    /// Requests to receivers that cannot dedupe.
    pub effects: Vec<Effect>,
    /// What came from outside.
    pub arrivals: Vec<Arrived>,
    /// What the applicant was told.
    pub notices: Vec<Notice>,
    /// Messages of it that left the main line.
    pub letters: Vec<LetterLine>,
}

/// Where a case's message is.
#[derive(Debug, Serialize, PartialEq, Eq)]
#[serde(tag = "where", rename_all = "kebab-case")]
pub enum Whereabouts {
    /// The case is closed: it has none.
    Nowhere,
    /// Published: in the queue, in the retry ladder, or in a worker's hands.
    UnderWay {
        /// The queue it was sent to.
        queue: String,
        /// 1 for the first attempt.
        attempt: i32,
        /// When it was issued, in real time.
        since: Timestamp,
    },
    /// Committed, and not yet confirmed by the broker.
    Outbox {
        /// When it was committed.
        since: Timestamp,
        /// Why it was set aside, where it was.
        set_aside: Option<String>,
    },
    /// The case waits; its message was taken.
    Held,
    /// Parked: it waits for an operator.
    Parked {
        /// The letters, for `kezek dead show`.
        letters: Vec<Uuid>,
    },
}

/// A wait.
#[derive(Debug, Serialize)]
pub struct Waiting {
    /// Since when, on the business clock.
    pub since: Timestamp,
    /// Until when, on the business clock.
    pub until: Option<Timestamp>,
    /// Who may answer.
    pub role: Option<String>,
    /// The question's key.
    pub question: Option<String>,
    /// Whether a lapse is on its way.
    pub lapsing: bool,
}

/// One entry of the journal.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "as in the journal")]
pub struct Move {
    pub number: i64,
    pub at: Timestamp,
    pub recorded_at: Timestamp,
    pub stage: String,
    pub visit: u32,
    pub move_label: String,
    pub outcome: Option<String>,
    pub actor: String,
    pub rule_version: String,
    pub detail: Value,
    pub calls: Vec<Call>,
}

/// One call to a system outside.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "as in the journal")]
pub struct Call {
    pub system: String,
    pub operation: String,
    pub result: String,
    pub millis: u64,
}

/// What the ledger comes to, in tiyn.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "the words of the ledger")]
pub struct Purse {
    pub received: i64,
    pub earned: i64,
    pub returned: i64,
    pub held: i64,
}

/// One posting.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "as in the ledger")]
pub struct Posting {
    pub at: Timestamp,
    pub kind: String,
    pub source: String,
    pub reference: String,
    pub amount_tiyn: i64,
}

/// One request with an intent.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "as in the table of effects")]
pub struct Effect {
    pub key: String,
    pub system: String,
    pub operation: String,
    pub intended_at: Timestamp,
    pub answered_at: Option<Timestamp>,
}

/// One arrival.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "as in the table of arrivals")]
pub struct Arrived {
    pub id: Uuid,
    pub source: String,
    pub reference: String,
    pub stage: String,
    pub kind: String,
    pub state: String,
    pub arrived_at: Timestamp,
}

/// One notice.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "as in the table of side messages")]
pub struct Notice {
    pub kind: String,
    pub stage: String,
    pub visit: i32,
    pub state: String,
    pub outcome: Option<String>,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

/// One dead letter.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "as in the table of dead letters")]
pub struct LetterLine {
    pub id: Uuid,
    pub subject: String,
    pub stage: Option<String>,
    pub cause: String,
    pub state: String,
    pub first_seen: Timestamp,
    pub acted_by: Option<String>,
    pub acted_reason: Option<String>,
}

/// Tells a case's story by receipt, coupon or id; `None` where there is no such case.
///
/// # Errors
/// A row that the law does not know, or the database.
pub async fn tell(pool: &PgPool, number: &str) -> Result<Option<Story>, StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *tx).await?;
    let Some(id) = cases::find_id(&mut *tx, number).await? else { return Ok(None) };
    let Some(row) = cases::list(&mut *tx, &[id]).await?.remove(&id) else { return Ok(None) };
    let job = jobs::list(&mut *tx, &[id]).await?.remove(&id);
    let entries = journal::list(&mut *tx, id).await?;
    let chain = match verify(&entries, &row.head()?, row.journal_number) {
        Ok(()) => "ok".to_owned(),
        Err(broken) => broken.to_string(),
    };
    let postings = ledger::list(&mut *tx, &[id]).await?;
    let hold = sqlx::query!(
        r#"SELECT held_at, until AS "until: SqlTime", role, question, lapse_ticket IS NOT NULL AS "lapsing!"
         FROM holds WHERE case_id = $1"#,
        id
    )
    .fetch_optional(&mut *tx)
    .await?;
    let effects = sqlx::query!(
        r#"SELECT key, system, operation, intended_at, answered_at AS "answered_at: SqlTime" FROM effects
         WHERE case_id = $1 ORDER BY intended_at"#,
        id
    )
    .fetch_all(&mut *tx)
    .await?;
    let arrivals = sqlx::query!(
        "SELECT id, source, reference, stage, kind, state, arrived_at FROM arrivals WHERE case_id = $1
         ORDER BY received_at",
        id
    )
    .fetch_all(&mut *tx)
    .await?;
    let notices = sqlx::query!(
        r#"SELECT kind, stage, visit, state, outcome, created_at, ended_at AS "ended_at: SqlTime" FROM side_messages
         WHERE case_id = $1 ORDER BY created_at, id"#,
        id
    )
    .fetch_all(&mut *tx)
    .await?;
    let letters = sqlx::query!(
        "SELECT id, subject, stage, cause, state, first_seen, acted_by, acted_reason FROM dead_letters
         WHERE case_id = $1 ORDER BY first_seen",
        id
    )
    .fetch_all(&mut *tx)
    .await?;
    let outbox =
        sqlx::query!("SELECT created_at, fault FROM outbox WHERE subject_id = $1 ORDER BY created_at LIMIT 1", id)
            .fetch_optional(&mut *tx)
            .await?;
    let issued =
        sqlx::query_scalar!("SELECT issued_at FROM jobs WHERE subject_id = $1", id).fetch_optional(&mut *tx).await?;
    tx.rollback().await?;

    let waiting_letters: Vec<Uuid> =
        letters.iter().filter(|l| l.state == "open" && l.subject == "case").map(|l| l.id).collect();
    let message = whereabouts(
        &row,
        job.as_ref(),
        outbox.map(|o| (o.created_at.to_jiff(), o.fault)),
        issued.map(SqlTime::to_jiff),
        waiting_letters,
    )?;
    // found by the keyed hash: nothing more is kept of who the person is
    let follows = sqlx::query_scalar!(
        "SELECT b.receipt FROM cases c JOIN cases b ON b.iin_hash = c.iin_hash AND b.service = c.service
         WHERE c.id = $1 AND b.closing = 'cancelled' AND b.filed_at < c.filed_at ORDER BY b.filed_at DESC LIMIT 1",
        id
    )
    .fetch_optional(pool)
    .await?;
    let followed_by = sqlx::query_scalar!(
        "SELECT n.receipt FROM cases c JOIN cases n ON n.iin_hash = c.iin_hash AND n.service = c.service
         WHERE c.id = $1 AND c.closing = 'cancelled' AND n.filed_at > c.filed_at ORDER BY n.filed_at LIMIT 1",
        id
    )
    .fetch_optional(pool)
    .await?;
    Ok(Some(Story {
        case: id,
        money: Purse {
            received: row.received_tiyn,
            earned: row.earned_tiyn,
            returned: row.returned_tiyn,
            held: row.received_tiyn - row.earned_tiyn - row.returned_tiyn,
        },
        message,
        ticket: job.map_or(0, |j| j.ticket),
        receipt: row.receipt,
        coupon: row.coupon,
        service: row.service,
        flow_version: row.flow_version,
        follows,
        followed_by,
        region: row.region,
        filed_at: row.filed_at.to_jiff(),
        opened_at: row.opened_at.to_jiff(),
        how: row.how,
        stage: row.stage,
        visit: row.visit,
        closing: row.closing,
        refunding: row.refunding_closing,
        revision: row.revision,
        hold: hold.map(|h| Waiting {
            since: h.held_at.to_jiff(),
            until: h.until.map(SqlTime::to_jiff),
            role: h.role,
            question: h.question.and_then(|q| q.get("key").and_then(Value::as_str).map(str::to_owned)),
            lapsing: h.lapsing,
        }),
        moves: entries.into_iter().map(told).collect(),
        journal: chain,
        postings: postings
            .into_iter()
            .map(|p| Posting {
                at: p.at,
                kind: p.kind.label().to_owned(),
                source: p.source,
                reference: p.reference,
                amount_tiyn: p.amount.0,
            })
            .collect(),
        effects: effects
            .into_iter()
            .map(|e| Effect {
                key: e.key,
                system: e.system,
                operation: e.operation,
                intended_at: e.intended_at.to_jiff(),
                answered_at: e.answered_at.map(SqlTime::to_jiff),
            })
            .collect(),
        arrivals: arrivals
            .into_iter()
            .map(|a| Arrived {
                id: a.id,
                source: a.source,
                reference: a.reference,
                stage: a.stage,
                kind: a.kind,
                state: a.state,
                arrived_at: a.arrived_at.to_jiff(),
            })
            .collect(),
        notices: notices
            .into_iter()
            .map(|n| Notice {
                kind: n.kind,
                stage: n.stage,
                visit: n.visit,
                state: n.state,
                outcome: n.outcome,
                created_at: n.created_at.to_jiff(),
                ended_at: n.ended_at.map(SqlTime::to_jiff),
            })
            .collect(),
        letters: letters
            .into_iter()
            .map(|l| LetterLine {
                id: l.id,
                subject: l.subject,
                stage: l.stage,
                cause: l.cause,
                state: l.state,
                first_seen: l.first_seen.to_jiff(),
                acted_by: l.acted_by,
                acted_reason: l.acted_reason,
            })
            .collect(),
    }))
}

fn told(linked: Linked) -> Move {
    let entry = linked.entry;
    Move {
        number: entry.number,
        at: entry.at,
        recorded_at: entry.recorded_at,
        stage: entry.stage.to_string(),
        visit: entry.visit,
        move_label: entry.move_label,
        outcome: entry.outcome,
        actor: entry.actor.describe(),
        rule_version: entry.rule_version,
        detail: entry.detail,
        calls: entry
            .calls
            .into_iter()
            .map(|c| Call {
                system: c.system.label().to_owned(),
                operation: c.operation,
                result: c.result,
                millis: c.millis,
            })
            .collect(),
    }
}

fn whereabouts(
    row: &CaseRow,
    job: Option<&JobRow>,
    outbox: Option<(Timestamp, Option<String>)>,
    issued: Option<Timestamp>,
    letters: Vec<Uuid>,
) -> Result<Whereabouts, StoreError> {
    if let Some((since, set_aside)) = outbox {
        return Ok(Whereabouts::Outbox { since, set_aside });
    }
    let status = row.status()?;
    Ok(match status.how() {
        None => Whereabouts::Nowhere,
        Some(How::Moving) => Whereabouts::UnderWay {
            queue: job.map(|j| j.routing_key.clone()).unwrap_or_default(),
            attempt: job.map_or(0, |j| j.attempt),
            since: issued.unwrap_or_else(|| row.moved_at.to_jiff()),
        },
        Some(How::Held { .. }) => Whereabouts::Held,
        Some(How::Parked) => Whereabouts::Parked { letters },
    })
}
