//! The stage's private table `payment.orders`: which orders are open, paid or withdrawn, for reconciliation with
//! the provider. Written in the transaction that moves the cases; nothing decides by it.

use crate::{Outcome, Payment};
use jiff_sqlx::{Timestamp, ToSqlx as _};
use kezek_domain::Fault;
use kezek_domain::dossier::{PaymentOrder, Section};
use kezek_stage::{Permit, Settled, StoreError, Turn};
use uuid::Uuid;

#[derive(Default)]
struct Opened {
    cases: Vec<Uuid>,
    visits: Vec<i32>,
    keys: Vec<String>,
    numbers: Vec<String>,
    amounts: Vec<i64>,
    untils: Vec<Timestamp>,
    ats: Vec<Timestamp>,
}

#[derive(Default)]
struct Ended {
    cases: Vec<Uuid>,
    visits: Vec<i32>,
    states: Vec<String>,
    ats: Vec<Timestamp>,
}

/// Remembers the orders of a batch.
///
/// # Errors
/// What the database says; permanent where a filed order is not one.
pub async fn record(won: &[Settled<'_, Payment>], permit: &mut Permit<'_>) -> Result<(), Fault> {
    let mut opened = Opened::default();
    let mut ended = Ended::default();
    for settled in won {
        let visit = i32::try_from(settled.visit).map_err(|_| Fault::permanent("visit-overflow", "payment.orders"))?;
        let state = match settled.turn {
            Turn::Done(Outcome::Paid { .. }) => "paid",
            Turn::Done(Outcome::Lapsed { .. }) => "withdrawn",
            Turn::Hold(hold) => {
                for draft in hold.files.iter().filter(|d| d.section == Section::PaymentOrder) {
                    let order: PaymentOrder = serde_json::from_value(draft.body.clone())
                        .map_err(|_| Fault::permanent("section-unreadable", draft.section.label()))?;
                    opened.cases.push(settled.case.id.0);
                    opened.visits.push(visit);
                    opened.keys.push(order.key);
                    opened.numbers.push(order.number);
                    opened.amounts.push(order.amount.0);
                    opened.untils.push(order.until.to_sqlx());
                    opened.ats.push(settled.at.to_sqlx());
                }
                continue;
            }
            Turn::Again(_) => continue,
        };
        ended.cases.push(settled.case.id.0);
        ended.visits.push(visit);
        ended.states.push(state.to_owned());
        ended.ats.push(settled.at.to_sqlx());
    }
    insert_opened(&opened, permit).await?;
    move_ended(&ended, permit).await
}

async fn insert_opened(rows: &Opened, permit: &mut Permit<'_>) -> Result<(), Fault> {
    if rows.cases.is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        r#"
        INSERT INTO payment.orders (case_id, visit, key, number, amount_tiyn, until, state, changed_at)
        SELECT case_id, visit, key, number, amount_tiyn, until, 'open', changed_at
        FROM (SELECT unnest($1::uuid[]) AS case_id, unnest($2::integer[]) AS visit, unnest($3::text[]) AS key,
                     unnest($4::text[]) AS number, unnest($5::bigint[]) AS amount_tiyn,
                     unnest($6::timestamptz[]) AS until, unnest($7::timestamptz[]) AS changed_at) AS new
        -- a visit is held once with an order; an operator's replay may place it again
        ON CONFLICT (case_id, visit) DO UPDATE
        SET number = excluded.number, until = excluded.until, state = 'open', changed_at = excluded.changed_at
        "#,
        &rows.cases,
        &rows.visits,
        &rows.keys,
        &rows.numbers,
        &rows.amounts,
        &rows.untils as &[Timestamp],
        &rows.ats as &[Timestamp],
    )
    .execute(permit.connection())
    .await
    .map_err(StoreError::from)?;
    if done.rows_affected() == rows.cases.len() as u64 {
        Ok(())
    } else {
        Err(StoreError::rows("payment.orders", rows.cases.len(), done.rows_affected()).into())
    }
}

async fn move_ended(rows: &Ended, permit: &mut Permit<'_>) -> Result<(), Fault> {
    if rows.cases.is_empty() {
        return Ok(());
    }
    // fewer rows than cases is no fault: money that came before the order leaves a visit without one
    sqlx::query!(
        r#"
        UPDATE payment.orders AS o
        SET state = ended.state, changed_at = ended.changed_at
        FROM (SELECT unnest($1::uuid[]) AS case_id, unnest($2::integer[]) AS visit, unnest($3::text[]) AS state,
                     unnest($4::timestamptz[]) AS changed_at) AS ended
        WHERE o.case_id = ended.case_id AND o.visit = ended.visit
        "#,
        &rows.cases,
        &rows.visits,
        &rows.states,
        &rows.ats as &[Timestamp],
    )
    .execute(permit.connection())
    .await
    .map_err(StoreError::from)?;
    Ok(())
}
