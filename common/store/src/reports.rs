//! What waits for people outside, for the operator's lists. No personal data: receipts, coupons, regions, days.

use crate::{SqlTime, StoreError};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::PgPool;

/// A card that nobody has fetched.
#[derive(Clone, Debug, Serialize)]
pub struct Uncollected {
    /// Our number.
    pub receipt: String,
    /// RP DRN's number.
    pub coupon: Option<String>,
    /// The chosen region.
    pub region: String,
    /// Since when it lies ready, business time.
    pub since: Timestamp,
    /// Whole days since then.
    pub days: i64,
}

/// Cards that have lain ready for at least so many days of business time, longest first.
///
/// # Errors
/// Where the database fails.
pub async fn uncollected(pool: &PgPool, days: u32) -> Result<Vec<Uncollected>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT receipt, coupon, region, since AS "since!: SqlTime",
                floor(extract(epoch FROM business_now() - since) / 86400)::bigint AS "days!"
         FROM (SELECT c.receipt, c.coupon, c.region,
                      (SELECT min(j.at) FROM journal j WHERE j.case_id = c.id AND j.stage = 'issuance') AS since
               FROM holds h JOIN cases c ON c.id = h.case_id WHERE h.stage = 'issuance') AS ready
         WHERE since <= business_now() - make_interval(days => $1) ORDER BY since, receipt"#,
        i32::try_from(days).unwrap_or(i32::MAX)
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Uncollected {
            receipt: r.receipt,
            coupon: r.coupon,
            region: r.region,
            since: r.since.to_jiff(),
            days: r.days,
        })
        .collect())
}

/// A refund under way.
#[derive(Clone, Debug, Serialize)]
pub struct Refunding {
    /// Our number.
    pub receipt: String,
    /// RP DRN's number.
    pub coupon: Option<String>,
    /// The chosen region.
    pub region: String,
    /// What is held and goes back, tiyn.
    pub held_tiyn: i64,
    /// When non-performance was confirmed first, business time.
    pub since: Timestamp,
    /// When the applicant claimed, as it was reported here; nothing where he has not.
    pub claimed_at: Option<Timestamp>,
    /// How often the tax authority's term has passed without payment since then.
    pub terms_passed: i64,
}

/// Refunds under way, longest first.
///
/// # Errors
/// Where the database fails.
pub async fn refunding(pool: &PgPool) -> Result<Vec<Refunding>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT c.receipt, c.coupon, c.region, c.received_tiyn - c.earned_tiyn - c.returned_tiyn AS "held!",
                first.at AS "since!: SqlTime", claim.at AS "claimed?: SqlTime",
                (SELECT count(*) FROM journal j WHERE j.case_id = c.id AND j.stage = 'refund' AND j.move_label = 'hold'
                    AND j.actor ->> 'actor' IS DISTINCT FROM 'provider' AND j.at > claim.at) AS "passed!"
         FROM holds h
         JOIN cases c ON c.id = h.case_id
         CROSS JOIN LATERAL (SELECT min(j.at) AS at FROM journal j WHERE j.case_id = c.id AND j.stage = 'refund') AS first
         CROSS JOIN LATERAL (SELECT min(a.arrived_at) AS at FROM arrivals a
                             WHERE a.case_id = c.id AND a.stage = 'refund' AND a.money_kind IS NULL) AS claim
         WHERE h.stage = 'refund' ORDER BY first.at, c.receipt"#
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|r| Refunding {
            receipt: r.receipt,
            coupon: r.coupon,
            region: r.region,
            held_tiyn: r.held,
            since: r.since.to_jiff(),
            claimed_at: r.claimed.map(SqlTime::to_jiff),
            terms_passed: r.passed,
        })
        .collect())
}
