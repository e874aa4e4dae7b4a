//! `review.decisions`: one row per case and visit.

use crate::{Outcome, Review};
use jiff_sqlx::ToSqlx as _;
use kezek_stage::{Fault, Permit, Settled, Turn};

/// Writes the decisions of a batch in one statement.
///
/// # Errors
/// Permanent for data that the table refuses, transient for everything else that the database says.
pub(crate) async fn insert_decisions(won: &[Settled<'_, Review>], permit: &mut Permit<'_>) -> Result<(), Fault> {
    let (mut cases, mut visits, mut regions, mut outcomes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut reasons, mut accounts, mut digests, mut times) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for settled in won {
        let Turn::Done(outcome) = settled.turn else { continue };
        let decision = match outcome {
            Outcome::Approved(decision) | Outcome::Cancelled(_, decision) => decision,
        };
        cases.push(settled.case.id.0);
        visits.push(i32::try_from(settled.visit).unwrap_or(i32::MAX));
        regions.push(settled.case.region.as_str().to_owned());
        outcomes.push(decision.outcome.label().to_owned());
        // an approval has no reason; the statement turns the empty word into NULL
        reasons.push(decision.reason.map_or("", |r| r.label()).to_owned());
        accounts.push(decision.officer.clone());
        digests.push(decision.signature_sha256.clone());
        times.push(decision.decided_at.to_sqlx());
    }
    if cases.is_empty() {
        return Ok(());
    }
    let written = sqlx::query!(
        "INSERT INTO review.decisions
             (case_id, visit, region, outcome, reason, account, signature_sha256, decided_at)
         SELECT case_id, visit, region, outcome, nullif(reason, ''), account, signature_sha256, decided_at
         FROM (SELECT unnest($1::uuid[]) AS case_id, unnest($2::int[]) AS visit, unnest($3::text[]) AS region,
                      unnest($4::text[]) AS outcome, unnest($5::text[]) AS reason, unnest($6::text[]) AS account,
                      unnest($7::text[]) AS signature_sha256, unnest($8::timestamptz[]) AS decided_at) AS d",
        &cases,
        &visits,
        &regions,
        &outcomes,
        &reasons,
        &accounts,
        &digests,
        &times as &[jiff_sqlx::Timestamp],
    )
    .execute(permit.connection())
    .await
    .map_err(|error| fault(&error))?;
    if usize::try_from(written.rows_affected()) != Ok(cases.len()) {
        return Err(Fault::permanent("rows-missing", "review.decisions took fewer rows than there are decisions"));
    }
    Ok(())
}

/// Data errors (SQLSTATE 22, 23) are permanent, so that the engine splits the batch and finds the culprit.
fn fault(error: &sqlx::Error) -> Fault {
    let code = error.as_database_error().and_then(|e| e.code());
    match code {
        Some(code) if code.starts_with("22") || code.starts_with("23") => {
            Fault::permanent("data-refused", format!("review.decisions: SQLSTATE {code}"))
        }
        Some(code) => Fault::transient("database", format!("review.decisions: SQLSTATE {code}")),
        None => Fault::transient("database", "review.decisions: no answer"),
    }
}
