//! `journal`: append-only, hash-chained per case; head and number live on the case row.

use crate::StoreError;
use kezek_domain::journal::{JournalEntry, Linked};
use kezek_domain::{CaseId, StageName, Ticket};
use uuid::Uuid;

/// A case's whole journal, in order.
///
/// # Errors
/// A row that does not decode, or the database.
pub async fn list(executor: impl sqlx::PgExecutor<'_>, case: Uuid) -> Result<Vec<Linked>, StoreError> {
    let odd = |what: &str| StoreError::Inconsistent { table: "journal", what: what.to_owned() };
    let rows = sqlx::query!(
        "SELECT case_id, number, ticket, at, recorded_at, stage, visit, move_label, outcome, actor, rule_version,
                detail, calls, head
         FROM journal WHERE case_id = $1 ORDER BY number",
        case
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Linked {
                entry: JournalEntry {
                    case: CaseId(r.case_id),
                    number: r.number,
                    ticket: Ticket(r.ticket),
                    at: r.at.to_jiff(),
                    recorded_at: r.recorded_at.to_jiff(),
                    stage: StageName::owned(r.stage),
                    visit: u32::try_from(r.visit).map_err(|_| odd("visit"))?,
                    move_label: r.move_label,
                    outcome: r.outcome,
                    actor: serde_json::from_value(r.actor).map_err(|_| odd("actor"))?,
                    rule_version: r.rule_version,
                    detail: r.detail,
                    calls: serde_json::from_value(r.calls).map_err(|_| odd("calls"))?,
                },
                digest: r.head.as_slice().try_into().map_err(|_| odd("head"))?,
            })
        })
        .collect()
}
