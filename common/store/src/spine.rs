//! What nearly every settle writes, in one statement: where the case stands, its guard row, the journal, the outbox.
//! A round trip costs a small transaction more than its rows do. The tables' own functions write through here, so
//! that each table is written in one way.

use crate::cases::CaseMove;
use crate::jobs::JobRow;
use crate::outbox::OutboxRow;
use crate::{Permit, SqlTime, StoreError, ToSqlx as _};
use kezek_domain::journal::{JournalEntry, Linked};
use kezek_domain::{Closing, How, StageName};
use serde_json::Value;
use uuid::Uuid;

/// The rows of one write, by table; all of them are written, or none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spine<'a> {
    /// Cases that move. Their guard rows must have been locked by the same permit.
    pub moves: &'a [CaseMove],
    /// Guard rows that were locked, with the tickets that they stand at now.
    pub raised: &'a [JobRow],
    /// Guard rows of new subjects.
    pub issued: &'a [JobRow],
    /// Journal entries with their digests.
    pub entries: &'a [Linked],
    /// Messages to publish.
    pub sent: &'a [OutboxRow],
}

impl Spine<'_> {
    fn is_empty(&self) -> bool {
        self.moves.is_empty()
            && self.raised.is_empty()
            && self.issued.is_empty()
            && self.entries.is_empty()
            && self.sent.is_empty()
    }
}

/// The columns of the guard row that both its insert and its update write.
struct Jobs<'a> {
    ids: Vec<Uuid>,
    tickets: Vec<i64>,
    attempts: Vec<i32>,
    stages: Vec<&'a str>,
    visits: Vec<i32>,
    kinds: Vec<&'a str>,
    versions: Vec<i32>,
    bodies: Vec<&'a Value>,
    modes: Vec<&'a str>,
    keys: Vec<&'a str>,
    traces: Vec<Option<&'a str>>,
}

impl<'a> Jobs<'a> {
    fn of(rows: &'a [JobRow]) -> Self {
        let texts = |of: fn(&JobRow) -> &String| rows.iter().map(|r| of(r).as_str()).collect();
        Self {
            ids: rows.iter().map(|r| r.subject_id).collect(),
            tickets: rows.iter().map(|r| r.ticket).collect(),
            attempts: rows.iter().map(|r| r.attempt).collect(),
            stages: texts(|r| &r.stage),
            visits: rows.iter().map(|r| r.visit).collect(),
            kinds: texts(|r| &r.kind),
            versions: rows.iter().map(|r| r.version).collect(),
            bodies: rows.iter().map(|r| &r.body).collect(),
            modes: texts(|r| &r.mode),
            keys: texts(|r| &r.routing_key),
            traces: rows.iter().map(|r| r.traceparent.as_deref()).collect(),
        }
    }
}

fn json(value: &impl serde::Serialize) -> Result<Value, StoreError> {
    serde_json::to_value(value)
        .map_err(|_| StoreError::Inconsistent { table: "journal", what: "an entry is not JSON".to_owned() })
}

/// Writes all of it in one statement.
///
/// # Errors
/// Where a row is missing or there already, a counter would not rise, a constraint of the lifecycle is violated, or
/// the database fails.
pub async fn write(permit: &mut Permit<'_>, spine: Spine<'_>) -> Result<(), StoreError> {
    if spine.is_empty() {
        return Ok(());
    }
    let Spine { moves, raised, issued, entries, sent } = spine;
    let case_stages: Vec<Option<&str>> = moves.iter().map(|m| m.status.at().map(StageName::as_str)).collect();
    let until: Vec<Option<SqlTime>> = moves
        .iter()
        .map(|m| match m.status.how() {
            Some(How::Held { until }) => until.map(|t| t.to_sqlx()),
            _ => None,
        })
        .collect();
    let closings: Vec<Option<&str>> = moves.iter().map(|m| m.status.closing().map(Closing::label)).collect();
    let refunding: Vec<Option<&str>> = moves.iter().map(|m| m.status.refunding().map(|b| b.closing.label())).collect();
    let reasons: Vec<Option<&str>> = moves.iter().map(|m| m.status.refunding().map(|b| b.reason.as_str())).collect();
    let actors = entries.iter().map(|r| json(&r.entry.actor)).collect::<Result<Vec<_>, _>>()?;
    let calls = entries.iter().map(|r| json(&r.entry.calls)).collect::<Result<Vec<_>, _>>()?;
    let entry = |f: fn(&JournalEntry) -> &str| entries.iter().map(|r| f(&r.entry)).collect::<Vec<_>>();
    let (old, new) = (Jobs::of(raised), Jobs::of(issued));
    let done = sqlx::query!(
        r#"WITH moved AS (
            UPDATE cases SET how = n.how, stage = n.stage, visit = coalesce(n.visit, cases.visit),
                   held_until = n.held_until, closing = n.closing, refunding_closing = n.refunding_closing,
                   refunding_reason = n.refunding_reason, visits = n.visits, journal_number = n.journal_number,
                   journal_head = n.journal_head, coupon = coalesce(cases.coupon, n.coupon),
                   received_tiyn = n.received, earned_tiyn = n.earned, returned_tiyn = n.returned, moved_at = now(),
                   -- money that comes while somebody may have the case before him changes what he reads
                   revision = cases.revision
                       + (cases.how = 'held' AND (cases.received_tiyn <> n.received OR cases.returned_tiyn <> n.returned))::int
            FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::text[]) AS how, unnest($3::text[]) AS stage,
                         unnest($4::integer[]) AS visit, unnest($5::timestamptz[]) AS held_until,
                         unnest($6::text[]) AS closing, unnest($7::text[]) AS refunding_closing,
                         unnest($8::text[]) AS refunding_reason, unnest($9::jsonb[]) AS visits,
                         unnest($10::bigint[]) AS journal_number, unnest($11::bytea[]) AS journal_head,
                         unnest($12::text[]) AS coupon, unnest($13::bigint[]) AS received,
                         unnest($14::bigint[]) AS earned, unnest($15::bigint[]) AS returned) AS n
            WHERE cases.id = n.id AND cases.journal_number < n.journal_number
            RETURNING 1),
        raised AS (
            UPDATE jobs SET ticket = n.ticket, attempt = n.attempt, stage = n.stage, visit = n.visit, kind = n.kind,
                   version = n.version, body = n.body, mode = n.mode, routing_key = n.routing_key,
                   traceparent = n.traceparent, letter_id = n.letter_id, issued_at = now()
            FROM (SELECT unnest($16::uuid[]) AS subject_id, unnest($17::bigint[]) AS ticket,
                         unnest($18::integer[]) AS attempt, unnest($19::text[]) AS stage, unnest($20::integer[]) AS visit,
                         unnest($21::text[]) AS kind, unnest($22::integer[]) AS version,
                         unnest($23::jsonb[]) AS body, unnest($24::text[]) AS mode,
                         unnest($25::text[]) AS routing_key, unnest($26::text[]) AS traceparent,
                         unnest($27::uuid[]) AS letter_id) AS n
            WHERE jobs.subject_id = n.subject_id
              -- a counter only ever rises
              AND jobs.ticket < n.ticket
            RETURNING 1),
        issued AS (
            INSERT INTO jobs (subject_id, subject, case_id, ticket, attempt, stage, visit, kind, version, body, mode,
                              routing_key, traceparent)
            SELECT unnest($28::uuid[]), unnest($29::text[]), unnest($30::uuid[]), unnest($31::bigint[]),
                   unnest($32::integer[]), unnest($33::text[]), unnest($34::integer[]), unnest($35::text[]),
                   unnest($36::integer[]), unnest($37::jsonb[]), unnest($38::text[]), unnest($39::text[]),
                   unnest($40::text[])
            RETURNING 1),
        noted AS (
            INSERT INTO journal (case_id, number, ticket, at, recorded_at, stage, visit, move_label, outcome, actor,
                                 rule_version, detail, calls, head)
            SELECT unnest($41::uuid[]), unnest($42::bigint[]), unnest($43::bigint[]), unnest($44::timestamptz[]),
                   unnest($45::timestamptz[]), unnest($46::text[]), unnest($47::integer[]), unnest($48::text[]),
                   unnest($49::text[]), unnest($50::jsonb[]), unnest($51::text[]), unnest($52::jsonb[]),
                   unnest($53::jsonb[]), unnest($54::bytea[])
            RETURNING 1),
        sent AS (
            INSERT INTO outbox (id, subject_id, exchange, routing_key, headers, body)
            SELECT unnest($55::uuid[]), unnest($56::uuid[]), unnest($57::text[]), unnest($58::text[]), unnest($59::jsonb[]),
                   unnest($60::bytea[])
            RETURNING 1)
        SELECT (SELECT count(*) FROM moved) AS "moved!", (SELECT count(*) FROM raised) AS "raised!",
               (SELECT count(*) FROM issued) AS "issued!", (SELECT count(*) FROM noted) AS "noted!",
               (SELECT count(*) FROM sent) AS "sent!""#,
        &moves.iter().map(|m| m.id).collect::<Vec<_>>(),
        &moves.iter().map(|m| m.status.label()).collect::<Vec<_>>() as &[&str],
        &case_stages as &[Option<&str>],
        &moves.iter().map(|m| m.status.visit().and_then(|v| i32::try_from(v).ok())).collect::<Vec<_>>()
            as &[Option<i32>],
        &until as &[Option<SqlTime>],
        &closings as &[Option<&str>],
        &refunding as &[Option<&str>],
        &reasons as &[Option<&str>],
        &moves.iter().map(|m| &m.visits).collect::<Vec<_>>() as &[&Value],
        &moves.iter().map(|m| m.journal.0).collect::<Vec<_>>(),
        &moves.iter().map(|m| m.journal.1.as_slice()).collect::<Vec<_>>() as &[&[u8]],
        &moves.iter().map(|m| m.coupon.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
        &moves.iter().map(|m| m.purse.received.0).collect::<Vec<_>>(),
        &moves.iter().map(|m| m.purse.earned.0).collect::<Vec<_>>(),
        &moves.iter().map(|m| m.purse.returned.0).collect::<Vec<_>>(),
        &old.ids,
        &old.tickets,
        &old.attempts,
        &old.stages as &[&str],
        &old.visits,
        &old.kinds as &[&str],
        &old.versions,
        &old.bodies as &[&Value],
        &old.modes as &[&str],
        &old.keys as &[&str],
        &old.traces as &[Option<&str>],
        &raised.iter().map(|r| r.letter_id).collect::<Vec<_>>() as &[Option<Uuid>],
        &new.ids,
        &issued.iter().map(|r| r.subject.as_str()).collect::<Vec<_>>() as &[&str],
        &issued.iter().map(|r| r.case_id).collect::<Vec<_>>() as &[Option<Uuid>],
        &new.tickets,
        &new.attempts,
        &new.stages as &[&str],
        &new.visits,
        &new.kinds as &[&str],
        &new.versions,
        &new.bodies as &[&Value],
        &new.modes as &[&str],
        &new.keys as &[&str],
        &new.traces as &[Option<&str>],
        &entries.iter().map(|r| r.entry.case.0).collect::<Vec<_>>(),
        &entries.iter().map(|r| r.entry.number).collect::<Vec<_>>(),
        &entries.iter().map(|r| r.entry.ticket.0).collect::<Vec<_>>(),
        &entries.iter().map(|r| r.entry.at.to_sqlx()).collect::<Vec<_>>() as &[SqlTime],
        &entries.iter().map(|r| r.entry.recorded_at.to_sqlx()).collect::<Vec<_>>() as &[SqlTime],
        &entry(|e| e.stage.as_str()) as &[&str],
        &entries.iter().map(|r| i32::try_from(r.entry.visit).unwrap_or(i32::MAX)).collect::<Vec<_>>(),
        &entry(|e| &e.move_label) as &[&str],
        &entries.iter().map(|r| r.entry.outcome.as_deref()).collect::<Vec<_>>() as &[Option<&str>],
        &actors,
        &entry(|e| &e.rule_version) as &[&str],
        &entries.iter().map(|r| &r.entry.detail).collect::<Vec<_>>() as &[&Value],
        &calls,
        &entries.iter().map(|r| r.digest.as_slice()).collect::<Vec<_>>() as &[&[u8]],
        &sent.iter().map(|r| r.id).collect::<Vec<_>>(),
        &sent.iter().map(|r| r.subject_id).collect::<Vec<_>>() as &[Option<Uuid>],
        &sent.iter().map(|r| r.exchange.as_str()).collect::<Vec<_>>() as &[&str],
        &sent.iter().map(|r| r.routing_key.as_str()).collect::<Vec<_>>() as &[&str],
        &sent.iter().map(|r| &r.headers).collect::<Vec<_>>() as &[&Value],
        &sent.iter().map(|r| r.body.as_slice()).collect::<Vec<_>>() as &[&[u8]],
    )
    .fetch_one(permit.connection())
    .await?;
    for (table, wanted, touched) in [
        ("cases", moves.len(), done.moved),
        ("jobs", raised.len(), done.raised),
        ("jobs", issued.len(), done.issued),
        ("journal", entries.len(), done.noted),
        ("outbox", sent.len(), done.sent),
    ] {
        let touched = u64::try_from(touched).unwrap_or(0);
        if touched != wanted as u64 {
            return Err(StoreError::rows(table, wanted, touched));
        }
    }
    Ok(())
}
