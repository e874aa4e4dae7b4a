//! What is left of a case when everything is done: rows and outside effects, without what differs between two runs of
//! the same (identifiers, instants, tickets, the order in which independent things happened).

use super::without;
use crate::town::Town;
use anyhow::Result;
use kezek_domain::CaseId;
use serde_json::{Value, json};
use sqlx::Row as _;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The final rows of a case, by table, and the outside effects, by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record(BTreeMap<String, Vec<String>>);

/// One query per table; `$1` is the case. Each row as text.
const ROWS: &[(&str, &str)] = &[
    (
        "cases",
        "SELECT concat_ws(' ', how, stage, visit, closing, refunding_closing, refunding_reason, visits::text,
                coupon IS NOT NULL, received_tiyn, earned_tiyn, returned_tiyn) FROM cases WHERE id = $1",
    ),
    (
        "jobs",
        "SELECT concat_ws(' ', subject, stage, visit, kind, version, mode,
                -- an ended notice keeps what it took; a case's next job begins anew
                CASE WHEN subject <> 'side-message' THEN attempt END, letter_id IS NULL,
                CASE WHEN subject = 'arrival' THEN '' ELSE body::text END) FROM jobs WHERE case_id = $1",
    ),
    (
        "holds",
        "SELECT concat_ws(' ', stage, visit, role, (until AT TIME ZONE 'Asia/Almaty')::date, question->>'key',
                lapse_ticket IS NULL) FROM holds WHERE case_id = $1",
    ),
    (
        "journal",
        "SELECT concat_ws(' ', stage, visit, move_label, outcome, actor->>'actor', detail->>'to', detail->>'kind')
         FROM journal WHERE case_id = $1 AND move_label NOT IN ('park', 'replay', 'retry', 'again')",
    ),
    ("ledger", "SELECT concat_ws(' ', line, account, amount_tiyn, kind, source) FROM ledger WHERE case_id = $1"),
    ("dossier", "SELECT concat_ws(' ', section, stage, visit, version) FROM dossier WHERE case_id = $1"),
    ("attachments", "SELECT concat_ws(' ', which, media_type) FROM attachments WHERE case_id = $1"),
    (
        "side_messages",
        "SELECT concat_ws(' ', kind, stage, visit, state, outcome) FROM side_messages WHERE case_id = $1",
    ),
    (
        "arrivals",
        "SELECT concat_ws(' ', source, stage, kind, version, state, money_kind) FROM arrivals WHERE case_id = $1",
    ),
    (
        "outbox",
        "SELECT concat_ws(' ', o.exchange, o.routing_key) FROM outbox o JOIN jobs j USING (subject_id) WHERE j.case_id = $1",
    ),
    (
        "dead_letters",
        "SELECT concat_ws(' ', state, stage) FROM dead_letters WHERE case_id = $1 AND state NOT IN ('closed', 'discarded')",
    ),
];

impl Record {
    /// Reads it.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn of(town: &Town, case: CaseId) -> Result<Self> {
        let mut record = BTreeMap::new();
        for (table, statement) in ROWS {
            let mut rows: Vec<String> = sqlx::query_scalar(*statement).bind(case.0).fetch_all(&town.owner).await?;
            rows.sort();
            record.insert((*table).to_owned(), rows);
        }
        let names = names(town, case).await?;
        let effects: Vec<(String, bool)> =
            sqlx::query_as("SELECT key, answer IS NOT NULL FROM effects WHERE case_id = $1")
                .bind(case.0)
                .fetch_all(&town.owner)
                .await?;
        record.insert("effects".to_owned(), sorted(effects.iter().map(|(k, a)| without(&json!([k, a]), &names))));
        private(town, case, &mut record).await?;
        outside(town, &names, &mut record);
        // a case may be in any region
        let region = town.case(case).await?.region;
        for rows in record.values_mut() {
            for row in rows {
                *row = row.replace(region.as_str(), "KZ-??");
            }
        }
        Ok(Self(record))
    }

    /// The same without some tables.
    #[must_use]
    pub fn without(&self, tables: &[&str]) -> Self {
        Self(
            self.0.iter().filter(|(t, _)| !tables.contains(&t.as_str())).map(|(t, r)| (t.clone(), r.clone())).collect(),
        )
    }

    /// The same without what outside systems do by themselves, sooner or later: pay, make, pay back.
    #[must_use]
    pub fn asked(&self) -> Self {
        let keep: &[(&str, &[usize])] =
            &[("outside: orders", &[0, 2]), ("outside: confirmations", &[0, 1, 2]), ("outside: cards", &[0, 1])];
        let mut all = self.0.clone();
        for (table, columns) in keep {
            for row in all.get_mut(*table).into_iter().flatten() {
                let whole: Value = serde_json::from_str(row).unwrap_or(Value::Null);
                // an order that was withdrawn was withdrawn by us
                let withdrawn = *table == "outside: orders" && whole[1] == "withdrawn";
                *row = json!([columns.iter().map(|c| &whole[*c]).collect::<Vec<_>>(), withdrawn]).to_string();
            }
        }
        Self(all)
    }

    /// What another has otherwise, line by line.
    #[must_use]
    pub fn difference(&self, other: &Self) -> String {
        let mut lines = Vec::new();
        for (table, rows) in &self.0 {
            let others = other.0.get(table).map_or(&[][..], Vec::as_slice);
            if rows != others {
                lines.push(format!("{table}:\n  clean {rows:#?}\n  here  {others:#?}"));
            }
        }
        lines.join("\n")
    }
}

fn sorted(rows: impl Iterator<Item = String>) -> Vec<String> {
    let mut rows: Vec<String> = rows.collect();
    rows.sort();
    rows
}

/// The identifiers of a case, and the words that stand for them.
async fn names(town: &Town, case: CaseId) -> Result<Vec<(String, &'static str)>> {
    let mut names = vec![(case.to_string(), "CASE")];
    if let Some(coupon) = town.case(case).await?.coupon {
        names.push((coupon.as_str().to_owned(), "COUPON"));
    }
    let sides: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM side_messages WHERE case_id = $1")
        .bind(case.0)
        .fetch_all(&town.owner)
        .await?;
    names.extend(sides.into_iter().map(|id| (id.to_string(), "NOTICE")));
    Ok(names)
}

/// How many rows each stage's private tables have of the case.
async fn private(town: &Town, case: CaseId, record: &mut BTreeMap<String, Vec<String>>) -> Result<()> {
    let tables = sqlx::query(
        "SELECT table_schema, table_name FROM information_schema.columns
         WHERE column_name = 'case_id' AND table_schema NOT IN ('public', 'pg_catalog', 'information_schema')",
    )
    .fetch_all(&town.owner)
    .await?;
    for table in tables {
        let name = format!("{}.{}", table.try_get::<String, _>(0)?, table.try_get::<String, _>(1)?);
        let count: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {name} WHERE case_id = $1")))
                .bind(case.0)
                .fetch_one(&town.owner)
                .await?;
        record.insert(name, vec![count.to_string()]);
    }
    Ok(())
}

/// What the outside systems did for the case, by key: effects, not calls.
fn outside(town: &Town, names: &[(String, &'static str)], record: &mut BTreeMap<String, Vec<String>>) {
    let ledger = town.sandbox.world.ledger();
    let ours = |key: &str| names.iter().any(|(id, _)| key.contains(id.as_str()));
    let mut put = |what: &str, rows: Vec<Value>| {
        record.insert(format!("outside: {what}"), sorted(rows.iter().map(|r| without(r, names))));
    };
    let of = |key: &String| ours(key);
    put(
        "registrations",
        ledger.registrations.iter().filter(|(k, _)| of(k)).map(|(k, r)| json!([k, r.state, r.coupon])).collect(),
    );
    put(
        "orders",
        ledger
            .orders
            .iter()
            .filter(|(k, _)| of(k))
            .map(|(k, o)| json!([k, o.state, o.amount, o.payments.iter().map(|p| p.amount).collect::<Vec<_>>()]))
            .collect(),
    );
    put(
        "cards",
        ledger
            .cards
            .iter()
            .filter(|(k, _)| of(k))
            .map(|(k, c)| json!([k, c.coupon, matches!(c.result, kezek_sandbox::ledger::CardResult::Produced { .. })]))
            .collect(),
    );
    put(
        "confirmations",
        ledger
            .confirmations
            .iter()
            .filter(|(k, _)| of(k))
            .map(|(k, c)| {
                // the key names the payment, whose number is made from the case
                let key: Vec<&str> = k.split('/').take(2).collect();
                json!([key, c.amount, c.payments.len(), c.refund.as_ref().map(|r| r.amount)])
            })
            .collect(),
    );
    put("sms", ledger.sms.iter().filter(|(k, _)| of(k)).map(|(k, n)| json!([k, n.calls, n.effects])).collect());
    put("cabinet", ledger.cabinet.iter().filter(|(k, _)| of(k)).map(|(k, n)| json!([k, n.effects])).collect());
}
