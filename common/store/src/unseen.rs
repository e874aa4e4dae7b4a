//! What the watchdog looks for: subjects that move and have no message any more. A long queue alone makes nobody
//! unseen: only who was due before the queue's head counts, and the time on the retry ladder is taken off first.

use crate::jobs::JobRow;
use crate::{Permit, SqlTime, StoreError, ToSqlx as _};
use jiff::Timestamp;
use uuid::Uuid;

/// What the watchdog asks for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The stage.
    pub stage: &'a str,
    /// Its queue, where it has one per region.
    pub routing_key: Option<&'a str>,
    /// Whether the stage tells the applicant: its subjects are notices.
    pub notices: bool,
    /// Unseen for at least so many seconds.
    pub seconds: f64,
    /// Whoever was due at the queue before this has been passed by its head.
    pub due_before: Timestamp,
    /// The rungs of the retry ladder and their waits in seconds.
    pub ladder: (&'a [String], &'a [f64]),
    /// At most so many.
    pub limit: i64,
}

/// Subjects that move at a stage, whose message is neither in the outbox nor, by its issue and its time on the ladder,
/// behind the queue's head: the oldest first, with the ticket that they move under. The journal tells which rung a
/// case waits on; for answers and notices, which have none, the longest is taken.
///
/// # Errors
/// Where the database fails.
pub async fn list(executor: impl sqlx::PgExecutor<'_>, asked: Asked<'_>) -> Result<Vec<(Uuid, i64)>, StoreError> {
    let longest = asked.ladder.1.iter().copied().fold(0.0, f64::max);
    Ok(sqlx::query!(
        r#"WITH moving AS (
             SELECT c.id, (SELECT coalesce(e.detail ->> 'rung', e.detail ->> 'again') FROM journal e
                           WHERE e.case_id = c.id ORDER BY e.number DESC LIMIT 1) AS rung, 0::float8 AS longest
             FROM cases c WHERE c.is_open AND c.how = 'moving' AND c.stage = $1 AND NOT $8
               AND c.moved_at < now() - make_interval(secs => $3)
             UNION ALL
             SELECT a.id, NULL, $7 FROM arrivals a WHERE a.state = 'moving' AND a.stage = $1 AND NOT $8
             UNION ALL
             SELECT s.id, NULL, $7 FROM side_messages s WHERE s.state = 'moving' AND $8)
         SELECT j.subject_id, j.ticket
         FROM moving m JOIN jobs j ON j.subject_id = m.id
              LEFT JOIN (SELECT unnest($5::text[]) AS name, unnest($6::float8[]) AS wait) AS r ON r.name = m.rung
         WHERE j.issued_at < now() - make_interval(secs => $3)
           AND j.issued_at + make_interval(secs => coalesce(r.wait, m.longest)) < least($4, now() - make_interval(secs => $3))
           AND ($2::text IS NULL OR j.routing_key = $2)
           AND NOT EXISTS (SELECT FROM outbox o WHERE o.subject_id = j.subject_id)
         ORDER BY j.issued_at LIMIT $9"#,
        asked.stage,
        asked.routing_key,
        asked.seconds,
        asked.due_before.to_sqlx() as SqlTime,
        asked.ladder.0,
        asked.ladder.1,
        longest,
        asked.notices,
        asked.limit
    )
    .fetch_all(executor)
    .await?
    .into_iter()
    .map(|r| (r.subject_id, r.ticket))
    .collect())
}

/// Notes that the messages of these subjects are issued again now, where each still moves under its ticket and nobody
/// else has it in hand; their rows. Locked, so that none moves on between reading and sending.
///
/// # Errors
/// Where the database fails.
pub async fn reissue(permit: &mut Permit<'_>, found: &[(Uuid, i64)], seconds: f64) -> Result<Vec<JobRow>, StoreError> {
    Ok(sqlx::query_as!(
        JobRow,
        r#"WITH mine AS (
             SELECT j.subject_id FROM jobs j JOIN (SELECT unnest($1::uuid[]) AS id, unnest($2::bigint[]) AS ticket) AS f
                    ON f.id = j.subject_id AND f.ticket = j.ticket
             -- another process's watchdog has been here: its message is on its way
             WHERE j.issued_at < now() - make_interval(secs => $3)
               AND NOT EXISTS (SELECT FROM outbox o WHERE o.subject_id = j.subject_id)
             ORDER BY j.subject_id FOR UPDATE OF j SKIP LOCKED)
         UPDATE jobs SET issued_at = now() FROM mine WHERE jobs.subject_id = mine.subject_id
         RETURNING jobs.subject_id AS "subject_id!", subject AS "subject!", case_id, ticket AS "ticket!",
                   attempt AS "attempt!", stage AS "stage!", visit AS "visit!", kind AS "kind!", version AS "version!",
                   body AS "body!", mode AS "mode!", routing_key AS "routing_key!", traceparent, letter_id"#,
        &found.iter().map(|f| f.0).collect::<Vec<_>>(),
        &found.iter().map(|f| f.1).collect::<Vec<_>>(),
        seconds
    )
    .fetch_all(permit.connection())
    .await?)
}
