//! Gathers what the judge looks at: the tables, the broker, the sandbox's own ledger, logs and metrics.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use kezek_domain::journal::{JournalEntry, Linked};
use kezek_domain::{CaseId, Closing, Purse, StageName, Ticket, Tiyn};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;
use sqlx::types::Uuid as SqlUuid;
use uuid::Uuid;

use super::judge::{BookLine, CaseLine, NoticeLine};
use super::privacy::Search;
use super::shell::Kezek;

/// Counts of `kezek check` that the judge makes himself, or that are told under their own names.
const COUNTED: [&str; 2] = ["journal_breaks", "ledger_sum_tiyn"];

/// All cases with their journals.
///
/// # Errors
/// Where the database does not answer, or a row cannot be read.
pub async fn cases(pool: &PgPool) -> anyhow::Result<Vec<CaseLine>> {
    let mut journals = journals(pool).await?;
    let rows: Vec<(SqlUuid, String)> = sqlx::query_as(
        "SELECT c.id, json_build_object(
             'receipt', receipt, 'coupon', coupon, 'how', how, 'stage', stage, 'closing', closing,
             'received', received_tiyn, 'earned', earned_tiyn, 'returned', returned_tiyn,
             'head', encode(journal_head, 'hex'), 'number', journal_number,
             'refusal', (SELECT j.detail -> 'facts' ->> 'refusal' FROM journal j WHERE j.case_id = c.id
                         AND j.detail -> 'facts' ->> 'refusal' IS NOT NULL ORDER BY j.number DESC LIMIT 1))::text
         FROM cases c ORDER BY c.id",
    )
    .fetch_all(pool)
    .await
    .context("reading the cases")?;
    rows.into_iter()
        .map(|(id, text)| {
            let row: Value = serde_json::from_str(&text)?;
            let word = |name: &str| row[name].as_str().map(str::to_owned);
            let tiyn = |name: &str| Tiyn(row[name].as_i64().unwrap_or_default());
            Ok(CaseLine {
                id,
                receipt: word("receipt").context("a case without a receipt")?,
                coupon: word("coupon"),
                how: word("how").unwrap_or_default(),
                stage: word("stage"),
                closing: word("closing").as_deref().and_then(Closing::parse),
                refusal: word("refusal"),
                purse: Purse { received: tiyn("received"), earned: tiyn("earned"), returned: tiyn("returned") },
                journal: journals.remove(&id).unwrap_or_default(),
                head: digest(&word("head").unwrap_or_default())?,
                number: row["number"].as_i64().unwrap_or_default(),
            })
        })
        .collect()
}

fn digest(text: &str) -> anyhow::Result<[u8; 32]> {
    let bytes = hex::decode(text)?;
    bytes.try_into().map_err(|_| anyhow::anyhow!("a digest that is not 32 bytes"))
}

async fn journals(pool: &PgPool) -> anyhow::Result<HashMap<Uuid, Vec<Linked>>> {
    let rows: Vec<(SqlUuid, i64, i64, String)> = sqlx::query_as(
        "SELECT case_id, (extract(epoch FROM at) * 1000000)::bigint, (extract(epoch FROM recorded_at) * 1000000)::bigint,
                json_build_object('number', number, 'ticket', ticket, 'stage', stage, 'visit', visit,
                    'move', move_label, 'outcome', outcome, 'actor', actor, 'rules', rule_version, 'detail', detail,
                    'calls', calls, 'head', encode(head, 'hex'))::text
         FROM journal ORDER BY case_id, number",
    )
    .fetch_all(pool)
    .await
    .context("reading the journals")?;
    let mut journals: HashMap<Uuid, Vec<Linked>> = HashMap::new();
    for (case, at, recorded_at, text) in rows {
        let row: Value = serde_json::from_str(&text)?;
        let word = |name: &str| row[name].as_str().map(str::to_owned);
        let entry = JournalEntry {
            case: CaseId(case),
            number: row["number"].as_i64().unwrap_or_default(),
            ticket: Ticket(row["ticket"].as_i64().unwrap_or_default()),
            at: Timestamp::from_microsecond(at)?,
            recorded_at: Timestamp::from_microsecond(recorded_at)?,
            stage: StageName::owned(word("stage").unwrap_or_default()),
            visit: row["visit"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or_default(),
            move_label: word("move").unwrap_or_default(),
            outcome: word("outcome"),
            actor: serde_json::from_value(row["actor"].clone()).context("an actor in a journal")?,
            rule_version: word("rules").unwrap_or_default(),
            detail: row["detail"].clone(),
            calls: serde_json::from_value(row["calls"].clone()).context("calls in a journal")?,
        };
        let digest = digest(&word("head").unwrap_or_default())?;
        journals.entry(case).or_default().push(Linked { entry, digest });
    }
    Ok(journals)
}

/// The whole ledger.
///
/// # Errors
/// Where the database does not answer.
pub async fn book(pool: &PgPool) -> anyhow::Result<Vec<BookLine>> {
    let rows: Vec<(Option<SqlUuid>, String, String, i16, i64)> =
        sqlx::query_as("SELECT case_id, kind, reference, line, amount_tiyn FROM ledger ORDER BY posting_id, line")
            .fetch_all(pool)
            .await
            .context("reading the ledger")?;
    Ok(rows
        .into_iter()
        .map(|(case, kind, reference, line, amount)| BookLine { case, kind, reference, line, amount })
        .collect())
}

/// All notices.
///
/// # Errors
/// Where the database does not answer.
pub async fn notices(pool: &PgPool) -> anyhow::Result<Vec<NoticeLine>> {
    let rows: Vec<(SqlUuid, String, String, i32)> =
        sqlx::query_as("SELECT case_id, kind, stage, visit FROM side_messages ORDER BY id")
            .fetch_all(pool)
            .await
            .context("reading the notices")?;
    Ok(rows.into_iter().map(|(case, kind, stage, visit)| NoticeLine { case, kind, stage, visit }).collect())
}

/// What `kezek check` counts: its violations that are not zero, what is parked, and rows of the outbox.
#[derive(Debug, Default)]
pub struct Checked {
    /// Not zero, and must be.
    pub violations: BTreeMap<String, i64>,
    /// Cases, arrivals, notices and letters that wait for an operator.
    pub parked: u64,
    /// Rows of the outbox.
    pub outbox: u64,
}

/// Asks `kezek check`.
///
/// # Errors
/// Where it fails, or prints something else than it should.
pub async fn check(kezek: &Kezek) -> anyhow::Result<Checked> {
    let told = kezek.run(&["check", "--at-rest", "--json"], None).await?;
    anyhow::ensure!(matches!(told.code, 0 | 3), "kezek check ended with {}", told.code);
    let told = told.json()?;
    let violations = told["violations"].as_object().context("kezek check tells no violations")?;
    let unfinished = |name: &str| -> anyhow::Result<u64> {
        told["unfinished"][name].as_u64().with_context(|| format!("kezek check does not count {name}"))
    };
    let mut parked = 0;
    for name in ["cases_parked", "arrivals_parked", "notices_parked", "letters_open", "letters_replaying"] {
        parked += unfinished(name)?;
    }
    let violations = violations.iter().filter(|(name, _)| !COUNTED.contains(&name.as_str()));
    let violations = violations.map(|(name, n)| (name.clone(), n.as_i64().unwrap_or(i64::MAX)));
    Ok(Checked {
        violations: violations.filter(|(_, n)| *n != 0).collect(),
        parked,
        outbox: unfinished("outbox_rows")?,
    })
}

/// The tables of the public part and of the stages, with a query each: for every row its text, and its bytes.
///
/// Derived from the database, so that a table or a column that comes later is searched too.
const TABLES: &str = "
    SELECT CASE t.table_schema WHEN 'public' THEN t.table_name ELSE t.table_schema || '.' || t.table_name END,
           format('SELECT concat_ws('' '', NULL%s), ARRAY[%s]::bytea[] FROM %I.%I',
                  string_agg(format(', %I::text', c.column_name), '') FILTER (WHERE c.data_type <> 'bytea'),
                  string_agg(quote_ident(c.column_name), ', ') FILTER (WHERE c.data_type = 'bytea'),
                  t.table_schema, t.table_name)
    FROM information_schema.tables AS t
    LEFT JOIN information_schema.columns AS c
           ON c.table_schema = t.table_schema AND c.table_name = t.table_name
          AND (c.data_type IN ('text', 'character varying', 'character', 'json', 'jsonb', 'ARRAY')
               OR c.data_type = 'bytea' AND NOT c.table_name || '.' || c.column_name = ANY ($1))
    WHERE t.table_schema IN ('public', 'payment', 'review', 'issuance') AND t.table_type = 'BASE TABLE'
    GROUP BY t.table_schema, t.table_name
    ORDER BY 1";

/// The bytes that are not searched: what is sealed, and digests. All other bytes are.
const SEALED: [&str; 13] = [
    "dossier.body",
    "attachments.body",
    "cases.case_key",
    "accounts.iin",
    "attachments.sha256",
    "cases.request_sha256",
    "cases.iin_hash",
    "cases.journal_head",
    "journal.head",
    "audit.head",
    "seals.digest",
    "accounts.token_sha256",
    "_sqlx_migrations.checksum",
];

/// Searches all that may not hold personal data.
///
/// # Errors
/// Where something cannot be read: what was not searched was not found clean.
pub async fn search(
    search: &mut Search,
    pool: &PgPool,
    messages: &[String],
    logs: &[PathBuf],
    pages: &[String],
) -> anyhow::Result<()> {
    for message in messages {
        search.look("messages", message);
    }
    for page in pages {
        search.look("metrics", page);
    }
    for log in logs {
        let name = log.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = std::fs::read(log).with_context(|| format!("{} cannot be read", log.display()))?;
        search.look(&name, &String::from_utf8_lossy(&text));
    }
    let tables: Vec<(String, String)> =
        sqlx::query_as(TABLES).bind(&SEALED[..]).fetch_all(pool).await.context("listing the tables")?;
    for must in ["cases", "outbox", "journal", "payment.orders"] {
        anyhow::ensure!(tables.iter().any(|(table, _)| table == must), "the table {must} would not be searched");
    }
    for (table, query) in tables {
        search.expect(&table);
        // names come from the catalogue, quoted by the database itself
        let mut rows = sqlx::query_as::<_, (String, Vec<Option<Vec<u8>>>)>(AssertSqlSafe(query)).fetch(pool);
        while let Some((mut text, bytes)) = rows.try_next().await.with_context(|| format!("searching {table}"))? {
            for bytes in bytes.into_iter().flatten() {
                text.push(' ');
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
            search.look(&table, &text);
        }
    }
    Ok(())
}
