//! `issuance.handovers`: one row per case.

use crate::{Issuance, Outcome};
use jiff_sqlx::ToSqlx as _;
use kezek_stage::{Fault, Permit, Settled, Turn};

/// Writes the handovers of a batch in one statement.
///
/// # Errors
/// Permanent for data that the table refuses, transient for everything else that the database says.
pub(crate) async fn insert_handovers(won: &[Settled<'_, Issuance>], permit: &mut Permit<'_>) -> Result<(), Fault> {
    let (mut cases, mut regions, mut accounts, mut times) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for settled in won {
        let Turn::Done(Outcome::HandedOver { handover, .. }) = settled.turn else { continue };
        cases.push(settled.case.id.0);
        regions.push(settled.case.region.as_str().to_owned());
        accounts.push(handover.officer.clone());
        times.push(handover.at.to_sqlx());
    }
    if cases.is_empty() {
        return Ok(());
    }
    let written = sqlx::query!(
        "INSERT INTO issuance.handovers (case_id, region, account, handed_at)
         SELECT case_id, region, account, handed_at
         FROM (SELECT unnest($1::uuid[]) AS case_id, unnest($2::text[]) AS region, unnest($3::text[]) AS account,
                      unnest($4::timestamptz[]) AS handed_at) AS h",
        &cases,
        &regions,
        &accounts,
        &times as &[jiff_sqlx::Timestamp],
    )
    .execute(permit.connection())
    .await
    .map_err(|error| fault(&error))?;
    if usize::try_from(written.rows_affected()) != Ok(cases.len()) {
        return Err(Fault::permanent("rows-missing", "issuance.handovers took fewer rows than there are handovers"));
    }
    Ok(())
}

/// Data errors (SQLSTATE 22, 23) are permanent, so that the engine splits the batch and finds the culprit.
fn fault(error: &sqlx::Error) -> Fault {
    let code = error.as_database_error().and_then(|e| e.code());
    match code {
        Some(code) if code.starts_with("22") || code.starts_with("23") => {
            Fault::permanent("data-refused", format!("issuance.handovers: SQLSTATE {code}"))
        }
        Some(code) => Fault::transient("database", format!("issuance.handovers: SQLSTATE {code}")),
        None => Fault::transient("database", "issuance.handovers: no answer"),
    }
}
