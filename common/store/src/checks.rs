//! What must be true at all times, and what must be nothing once all work is done: counted from the tables, never
//! from what a process believes. The same numbers serve the shell, the metrics and the demonstration.

use crate::{StoreError, audit, seals};
use kezek_domain::journal::{Break, JournalEntry, Linked, verify};
use kezek_domain::{CaseId, StageName, Ticket};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Cases whose journals are read at once.
const PAGE: i64 = 500;
/// Examples kept per invariant.
const EXAMPLES: usize = 5;

/// What the counting is to take for granted.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Seconds of real time after which a moving case without an outbox row counts as lost. Above the longest rung
    /// of the retry ladder, otherwise a message that waits there is counted.
    pub unseen_seconds: f64,
    /// Seconds of real time after which an intent without an answer, or an outbox row, counts.
    pub old_seconds: f64,
    /// Which journals are verified.
    pub journals: Journals,
}

/// Which journals are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journals {
    /// Every case's, and the whole audit trail, and the seals.
    All,
    /// Those of the cases that moved last, at most so many.
    Latest(i64),
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Must be zero at all times.
    pub violations: BTreeMap<&'static str, i64>,
    /// Must be zero once nothing is under way and every case is closed.
    pub unfinished: BTreeMap<&'static str, i64>,
    /// Worth knowing; may be anything.
    pub facts: BTreeMap<&'static str, i64>,
    /// Ids of some of what violates.
    pub examples: BTreeMap<&'static str, Vec<String>>,
}

impl Checked {
    /// Whether nothing is violated.
    #[must_use]
    pub fn sound(&self) -> bool {
        self.violations.values().all(|n| *n == 0)
    }
    /// Whether nothing is under way either.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.sound() && self.unfinished.values().all(|n| *n == 0)
    }
    fn cases(&mut self, what: &'static str, found: &[Uuid]) {
        self.violations.insert(what, i64::try_from(found.len()).unwrap_or(i64::MAX));
        if !found.is_empty() {
            let examples = found.iter().take(EXAMPLES).map(ToString::to_string).collect();
            self.examples.insert(what, examples);
        }
    }
}

/// Counts everything on one snapshot, so that work under way is never counted twice or half.
///
/// # Errors
/// Where the database fails.
pub async fn check(pool: &PgPool, asked: Asked) -> Result<Checked, StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *tx).await?;
    let mut out = Checked::default();
    lifecycle(&mut tx, asked, &mut out).await?;
    money(&mut tx, &mut out).await?;
    outside(&mut tx, asked, &mut out).await?;
    counts(&mut tx, &mut out).await?;
    let broken = match asked.journals {
        Journals::All => {
            out.violations.insert("audit_breaks", audit_breaks(&mut tx).await?);
            out.cases("case_unknown", &orphans(&mut tx).await?);
            let (missing, differ) = seals::judge(&mut tx).await?;
            out.violations.insert("seals_missing", missing);
            out.violations.insert("seals_differ", differ);
            every_journal(&mut tx, &mut out).await?
        }
        Journals::Latest(n) => latest_journals(&mut tx, n).await?,
    };
    out.cases("journal_breaks", &broken);
    tx.rollback().await?;
    Ok(out)
}

/// Rows of the busy tables whose case is not there: what references would refuse, did they not cost every settle
/// (see the migration `hot_rows`).
async fn orphans(tx: &mut PgConnection) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"SELECT DISTINCT n.case_id AS "id!" FROM (
             SELECT case_id FROM jobs UNION ALL SELECT case_id FROM dossier UNION ALL SELECT case_id FROM holds
             UNION ALL SELECT case_id FROM arrivals UNION ALL SELECT case_id FROM journal
             UNION ALL SELECT case_id FROM ledger UNION ALL SELECT case_id FROM side_messages) AS n
         WHERE n.case_id IS NOT NULL AND NOT EXISTS (SELECT FROM cases c WHERE c.id = n.case_id)"#
    )
    .fetch_all(&mut *tx)
    .await?)
}

/// The guards around where a case stands.
async fn lifecycle(tx: &mut PgConnection, asked: Asked, out: &mut Checked) -> Result<(), StoreError> {
    let lost = sqlx::query_scalar!(
        "SELECT c.id FROM cases c JOIN jobs j ON j.subject_id = c.id
         WHERE c.is_open AND c.how = 'moving' AND j.issued_at < now() - make_interval(secs => $1)
           AND NOT EXISTS (SELECT FROM outbox o WHERE o.subject_id = c.id)",
        asked.unseen_seconds
    )
    .fetch_all(&mut *tx)
    .await?;
    out.cases("moving_unseen", &lost);
    let jobless = sqlx::query_scalar!(
        r#"SELECT c.id AS "id!" FROM cases c LEFT JOIN jobs j ON j.subject_id = c.id
         WHERE j.subject_id IS NULL OR (c.how <> 'closed' AND (j.stage <> c.stage OR j.visit <> c.visit))"#
    )
    .fetch_all(&mut *tx)
    .await?;
    out.cases("case_without_its_job", &jobless);
    let unheld = sqlx::query_scalar!(
        r#"SELECT c.id AS "id!" FROM cases c LEFT JOIN holds h ON h.case_id = c.id
         WHERE c.is_open AND c.how = 'held' AND (h.case_id IS NULL OR h.stage <> c.stage OR h.visit <> c.visit
                                   OR h.until IS DISTINCT FROM c.held_until)"#
    )
    .fetch_all(&mut *tx)
    .await?;
    out.cases("held_without_hold", &unheld);
    let idle =
        sqlx::query_scalar!("SELECT h.case_id FROM holds h JOIN cases c ON c.id = h.case_id WHERE c.how <> 'held'")
            .fetch_all(&mut *tx)
            .await?;
    out.cases("hold_without_held_case", &idle);
    let unlettered = sqlx::query_scalar!(
        "SELECT c.id FROM cases c WHERE c.how = 'parked'
           AND c.moved_at < now() - make_interval(secs => $1)
           AND NOT EXISTS (SELECT FROM outbox o WHERE o.subject_id = c.id)
           AND NOT EXISTS (SELECT FROM dead_letters d WHERE d.subject_id = c.id AND d.state IN ('open', 'replaying'))",
        asked.old_seconds
    )
    .fetch_all(&mut *tx)
    .await?;
    out.cases("parked_without_letter", &unlettered);
    Ok(())
}

/// The book adds up, and every case's purse is what the book says of it.
async fn money(tx: &mut PgConnection, out: &mut Checked) -> Result<(), StoreError> {
    let sum = sqlx::query_scalar!(r#"SELECT coalesce(sum(amount_tiyn), 0)::bigint AS "sum!" FROM ledger"#)
        .fetch_one(&mut *tx)
        .await?;
    out.violations.insert("ledger_sum_tiyn", sum);
    let uneven = sqlx::query_scalar!(
        "SELECT posting_id FROM ledger GROUP BY posting_id HAVING sum(amount_tiyn) <> 0 OR count(*) <> 2"
    )
    .fetch_all(&mut *tx)
    .await?;
    out.cases("postings_uneven", &uneven);
    let differ = sqlx::query_scalar!(
        r#"WITH book AS (
             SELECT case_id, sum(amount_tiyn) FILTER (WHERE kind IN ('received', 'claimed')) AS received,
                    sum(amount_tiyn) FILTER (WHERE kind = 'earned') AS earned,
                    sum(amount_tiyn) FILTER (WHERE kind = 'returned') AS returned
             FROM ledger WHERE line = 1 AND case_id IS NOT NULL GROUP BY case_id)
         SELECT c.id AS "id!" FROM cases c LEFT JOIN book b ON b.case_id = c.id
         WHERE c.received_tiyn <> coalesce(b.received, 0) OR c.earned_tiyn <> coalesce(b.earned, 0)
            OR c.returned_tiyn <> coalesce(b.returned, 0)"#
    )
    .fetch_all(&mut *tx)
    .await?;
    out.cases("purse_differs", &differ);
    let closed = sqlx::query_scalar!(
        r#"SELECT c.id AS "id!" FROM cases c JOIN ledger l ON l.case_id = c.id AND l.account = 'case'
         WHERE c.how = 'closed' GROUP BY c.id HAVING sum(l.amount_tiyn) <> 0"#
    )
    .fetch_all(&mut *tx)
    .await?;
    out.cases("closed_holding_money", &closed);
    let suspense = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(amount_tiyn), 0)::bigint AS "sum!" FROM ledger WHERE account = 'suspense'"#
    )
    .fetch_one(&mut *tx)
    .await?;
    out.facts.insert("suspense_tiyn", suspense);
    Ok(())
}

/// What came from outside, and what was asked of it.
async fn outside(tx: &mut PgConnection, asked: Asked, out: &mut Checked) -> Result<(), StoreError> {
    let late = sqlx::query_scalar!(
        "SELECT a.id FROM arrivals a JOIN cases c ON c.id = a.case_id WHERE a.state = 'waiting' AND c.how = 'closed'"
    )
    .fetch_all(&mut *tx)
    .await?;
    out.cases("arrivals_waiting_on_closed_cases", &late);
    let unclaimed =
        sqlx::query_scalar!("SELECT id FROM arrivals WHERE state = 'unclaimed'").fetch_all(&mut *tx).await?;
    out.cases("arrivals_unclaimed", &unclaimed);
    let lost = sqlx::query_scalar!(
        "SELECT a.id FROM arrivals a JOIN jobs j ON j.subject_id = a.id
         WHERE a.state = 'moving' AND j.issued_at < now() - make_interval(secs => $1)
           AND NOT EXISTS (SELECT FROM outbox o WHERE o.subject_id = a.id)",
        asked.unseen_seconds
    )
    .fetch_all(&mut *tx)
    .await?;
    out.cases("arrivals_unseen", &lost);
    let silent = sqlx::query_scalar!(
        "SELECT s.id FROM side_messages s JOIN jobs j ON j.subject_id = s.id
         WHERE s.state = 'moving' AND j.issued_at < now() - make_interval(secs => $1)
           AND NOT EXISTS (SELECT FROM outbox o WHERE o.subject_id = s.id)",
        asked.unseen_seconds
    )
    .fetch_all(&mut *tx)
    .await?;
    out.cases("notices_unseen", &silent);
    // a notice that ended in doubt is not sent again, nor is one that a lost future sent and this one never makes;
    // anything else must come to know how its request ended
    let effects = sqlx::query!(
        r#"SELECT e.key, e.key LIKE 'sms/%' AND NOT EXISTS (
                    SELECT FROM side_messages s WHERE s.case_id = e.case_id AND s.state <> 'ended'
                       AND split_part(e.key, '/', 3) = concat_ws('.', s.kind, s.stage, s.visit)) AS "over!"
         FROM effects e WHERE e.answered_at IS NULL AND e.intended_at < now() - make_interval(secs => $1)"#,
        asked.old_seconds
    )
    .fetch_all(&mut *tx)
    .await?;
    let over = effects.iter().filter(|e| e.over).count();
    out.facts.insert("notices_in_doubt", i64::try_from(over).unwrap_or(i64::MAX));
    out.violations.insert("effects_unanswered", i64::try_from(effects.len() - over).unwrap_or(i64::MAX));
    let keys: Vec<_> = effects.into_iter().filter(|e| !e.over).take(EXAMPLES).map(|e| e.key).collect();
    if !keys.is_empty() {
        out.examples.insert("effects_unanswered", keys);
    }
    let outbox = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE set_aside_at IS NOT NULL) AS "aside!", count(*) AS "rows!",
                count(*) FILTER (WHERE set_aside_at IS NULL AND created_at < now() - make_interval(secs => $1)) AS "old!"
         FROM outbox"#,
        asked.old_seconds
    )
    .fetch_one(&mut *tx)
    .await?;
    out.violations.insert("outbox_stuck", outbox.old);
    out.violations.insert("outbox_set_aside", outbox.aside);
    out.unfinished.insert("outbox_rows", outbox.rows);
    Ok(())
}

/// How much is under way, and what else an operator should know.
async fn counts(tx: &mut PgConnection, out: &mut Checked) -> Result<(), StoreError> {
    let cases = sqlx::query!(
        r#"SELECT count(*) AS "all!", count(*) FILTER (WHERE is_open) AS "open!",
                count(*) FILTER (WHERE how = 'moving') AS "moving!", count(*) FILTER (WHERE how = 'held') AS "held!",
                count(*) FILTER (WHERE how = 'parked') AS "parked!",
                count(*) FILTER (WHERE refunding_closing IS NOT NULL) AS "refunding!" FROM cases"#
    )
    .fetch_one(&mut *tx)
    .await?;
    let arrivals = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE state = 'moving') AS "moving!",
                count(*) FILTER (WHERE state = 'waiting') AS "waiting!",
                count(*) FILTER (WHERE state = 'unwanted') AS "unwanted!",
                count(*) FILTER (WHERE state = 'parked') AS "parked!" FROM arrivals"#
    )
    .fetch_one(&mut *tx)
    .await?;
    let others = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM side_messages WHERE state = 'moving') AS "notices!",
                (SELECT count(*) FROM side_messages WHERE state = 'parked') AS "parked_notices!",
                (SELECT count(*) FROM holds) AS "holds!",
                (SELECT count(*) FROM holds WHERE until <= business_now()) AS "holds_due!",
                (SELECT count(*) FROM dead_letters WHERE state = 'open') AS "letters!",
                (SELECT count(*) FROM dead_letters WHERE state = 'replaying') AS "replaying!",
                (SELECT count(*) FROM breakers WHERE state = 'open') AS "breakers!",
                (SELECT count(*) FROM stage_pauses) AS "pauses!",
                (SELECT count(*) FROM journal) AS "journal!""#
    )
    .fetch_one(&mut *tx)
    .await?;
    out.unfinished.extend([
        ("cases_open", cases.open),
        ("cases_moving", cases.moving),
        ("cases_held", cases.held),
        ("cases_parked", cases.parked),
        ("arrivals_moving", arrivals.moving),
        ("arrivals_waiting", arrivals.waiting),
        ("arrivals_parked", arrivals.parked),
        ("notices_moving", others.notices),
        ("notices_parked", others.parked_notices),
        ("holds", others.holds),
        ("holds_due", others.holds_due),
        ("letters_open", others.letters),
        ("letters_replaying", others.replaying),
    ]);
    out.facts.extend([
        ("cases", cases.all),
        ("cases_refunding", cases.refunding),
        ("arrivals_unwanted", arrivals.unwanted),
        ("breakers_open", others.breakers),
        ("stages_paused", others.pauses),
        ("journal_entries", others.journal),
    ]);
    Ok(())
}

/// A journal that is not what it was: which case's, and where it stops being true (`None` where an entry cannot be
/// read any more).
pub(crate) type Broken = (Uuid, Option<Break>);

/// A case's journal with what its row says of it.
struct Claimed {
    id: Uuid,
    number: i64,
    head: Vec<u8>,
}

async fn every_journal(tx: &mut PgConnection, out: &mut Checked) -> Result<Vec<Uuid>, StoreError> {
    let (broken, seen) = journals(tx).await?;
    out.facts.insert("journals_verified", seen);
    Ok(broken.into_iter().map(|(case, _)| case).collect())
}

/// Verifies every case's journal; with how many cases there are.
pub(crate) async fn journals(tx: &mut PgConnection) -> Result<(Vec<Broken>, i64), StoreError> {
    let (mut broken, mut after, mut seen) = (Vec::new(), Uuid::nil(), 0_i64);
    loop {
        let page = sqlx::query_as!(
            Claimed,
            "SELECT id, journal_number AS number, journal_head AS head FROM cases WHERE id > $1 ORDER BY id LIMIT $2",
            after,
            PAGE
        )
        .fetch_all(&mut *tx)
        .await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        seen += i64::try_from(page.len()).unwrap_or(0);
        broken.extend(breaks(tx, &page).await?);
    }
    Ok((broken, seen))
}

async fn latest_journals(tx: &mut PgConnection, most: i64) -> Result<Vec<Uuid>, StoreError> {
    let page = sqlx::query_as!(
        Claimed,
        "SELECT id, journal_number AS number, journal_head AS head FROM cases ORDER BY moved_at DESC LIMIT $1",
        most
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(breaks(tx, &page).await?.into_iter().map(|(case, _)| case).collect())
}

/// The cases of a page whose journal does not verify.
async fn breaks(tx: &mut PgConnection, page: &[Claimed]) -> Result<Vec<Broken>, StoreError> {
    let ids: Vec<_> = page.iter().map(|c| c.id).collect();
    let rows = sqlx::query!(
        "SELECT case_id, number, ticket, at, recorded_at, stage, visit, move_label, outcome, actor, rule_version,
                detail, calls, head
         FROM journal WHERE case_id = ANY ($1) ORDER BY case_id, number",
        &ids
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut journals: BTreeMap<Uuid, Option<Vec<Linked>>> = BTreeMap::new();
    for r in rows {
        let linked = || -> Option<Linked> {
            Some(Linked {
                entry: JournalEntry {
                    case: CaseId(r.case_id),
                    number: r.number,
                    ticket: Ticket(r.ticket),
                    at: r.at.to_jiff(),
                    recorded_at: r.recorded_at.to_jiff(),
                    stage: StageName::owned(r.stage),
                    visit: u32::try_from(r.visit).ok()?,
                    move_label: r.move_label,
                    outcome: r.outcome,
                    actor: serde_json::from_value(r.actor).ok()?,
                    rule_version: r.rule_version,
                    detail: r.detail,
                    calls: serde_json::from_value(r.calls).ok()?,
                },
                digest: r.head.as_slice().try_into().ok()?,
            })
        };
        // an entry that cannot be read any more is a break, not an error of the check
        match (journals.entry(r.case_id).or_insert_with(|| Some(Vec::new())), linked()) {
            (Some(entries), Some(entry)) => entries.push(entry),
            (journal, None) => *journal = None,
            (None, Some(_)) => {}
        }
    }
    let sound = |claimed: &Claimed| -> Result<(), Option<Break>> {
        let head: [u8; 32] = claimed.head.as_slice().try_into().map_err(|_| None)?;
        let entries = match journals.get(&claimed.id) {
            Some(None) => return Err(None),
            Some(Some(entries)) => entries.as_slice(),
            None => &[],
        };
        verify(entries, &head, claimed.number).map_err(Some)
    };
    Ok(page.iter().filter_map(|c| sound(c).err().map(|place| (c.id, place))).collect())
}

/// Entries of the audit trail that do not follow from the one before.
async fn audit_breaks(tx: &mut PgConnection) -> Result<i64, StoreError> {
    Ok(i64::try_from(audit_trail(tx).await?.len()).unwrap_or(i64::MAX))
}

/// The numbers of those entries.
pub(crate) async fn audit_trail(tx: &mut PgConnection) -> Result<Vec<i64>, StoreError> {
    let (mut previous, mut last, mut broken) = (audit::GENESIS.to_vec(), 0_i64, Vec::new());
    loop {
        let page = sqlx::query!(
            "SELECT number, at, account, role, act, case_id, detail, head FROM audit WHERE number > $1 ORDER BY number
             LIMIT $2",
            last,
            PAGE
        )
        .fetch_all(&mut *tx)
        .await?;
        if page.is_empty() {
            return Ok(broken);
        }
        for row in page {
            let entry = audit::Entry {
                account: &row.account,
                role: &row.role,
                act: &row.act,
                case_id: row.case_id,
                detail: row.detail,
            };
            let misdated = audit::misdated(&entry.detail, row.at);
            let follows = row.number == last + 1 && audit::chain(&previous, row.number, &entry)[..] == row.head[..];
            if misdated || !follows {
                broken.push(row.number);
            }
            previous = row.head;
            last = row.number;
        }
    }
}

/// How many cases a connection sees; for the console's role without a region it must be none.
///
/// # Errors
/// Where the database fails.
pub async fn visible_cases(executor: impl sqlx::PgExecutor<'_>) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM cases"#).fetch_one(executor).await?)
}
