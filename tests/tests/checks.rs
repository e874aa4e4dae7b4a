//! What must be zero can be something else: each violation is planted into a database of its own and is counted, by
//! its name and by no other.

use anyhow::{Result, ensure};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use kezek_domain::journal::{GENESIS, JournalEntry, Linked, chain};
use kezek_domain::{Actor, CaseId, Receipt, StageName, Ticket};
use kezek_store::cases::NewCase;
use kezek_store::checks::{Asked, Checked, Journals, check};
use kezek_store::jobs::JobRow;
use kezek_store::seals::Seal;
use kezek_store::spine::{self, Spine};
use kezek_store::story::{Whereabouts, tell};
use kezek_store::{audit, cases, journal, mint, seals, trail};
use kezek_testkit::database::Database;
use serde_json::json;
use sqlx::{PgPool, Row as _};
use std::collections::BTreeSet;
use uuid::Uuid;

const CASE: Uuid = Uuid::from_u128(0x0001_7000_8000_0000_0000_0000_0000_0001);
const ASKED: Asked = Asked { unseen_seconds: 4500.0, old_seconds: 600.0, journals: Journals::All };

/// Anything that lies in no queue: a posting of one line, a posting of two, an arrival.
const ONE_LINE: &str =
    "INSERT INTO ledger (posting_id, line, case_id, account, amount_tiyn, kind, source, reference, at)
    VALUES (gen_random_uuid(), 1, NULL, 'suspense', 500, 'received-suspense', 'rp-drn', 'P-1', now())";
const RECEIVED: &str =
    "INSERT INTO ledger (posting_id, line, case_id, account, amount_tiyn, kind, source, reference, at)
    SELECT '00000000-0000-0000-0000-000000000009', line, (SELECT id FROM cases), account, amount, 'received', 'rp-drn',
           'P-1', now()
    FROM (VALUES (1::smallint, 'case', 500), (2::smallint, 'provider', -500)) AS l (line, account, amount)";
const ARRIVAL: &str = "INSERT INTO arrivals (id, source, reference, case_id, stage, kind, version, body, actor, state,
                                             arrived_at)
    VALUES ('00000000-0000-0000-0000-000000000005', 'rp-drn', 'P-1', (SELECT id FROM cases), 'payment',
            'payment.answer', 1, '{}', '{}', 'STATE', now())";
const CLOSED: &str = "UPDATE cases SET how = 'closed', stage = NULL, closing = 'refused'";
const NOTICE: &str = "INSERT INTO side_messages (id, case_id, stage, visit, kind)
    VALUES ('00000000-0000-0000-0000-000000000006', (SELECT id FROM cases), 'intake', 1, 'received')";

/// A job of another subject than the case, issued two hours ago.
fn old_job(subject: &str, id: u8) -> String {
    format!(
        "INSERT INTO jobs (subject_id, subject, case_id, ticket, stage, visit, kind, version, body, routing_key, issued_at)
         VALUES ('00000000-0000-0000-0000-00000000000{id}', '{subject}', (SELECT id FROM cases), 1, 'notice', 1,
                 'notice.job', 1, '{{}}', 'notice', now() - interval '2 hours')"
    )
}

async fn one_case(pool: &PgPool) -> Result<()> {
    let at = Timestamp::from_second(1_756_800_000)?;
    let receipt = Receipt::of(CaseId(CASE));
    let entry = JournalEntry {
        case: CaseId(CASE),
        number: 1,
        ticket: Ticket(1),
        at,
        recorded_at: Timestamp::from_microsecond(kezek_stage::Clock::system().real().as_microsecond())?,
        stage: StageName::new("intake"),
        visit: 1,
        move_label: "open".to_owned(),
        outcome: None,
        actor: Actor::Applicant,
        rule_version: "test".to_owned(),
        detail: json!({}),
        calls: Vec::new(),
    };
    let digest = chain(&GENESIS, &entry);
    let mut tx = pool.begin().await?;
    let mut permit = mint(&mut tx);
    let case = NewCase {
        id: CASE,
        service: "id-card-renewal",
        flow_version: 1,
        receipt: receipt.as_str(),
        request_source: "portal",
        request_id: "r-1",
        request_sha256: &[1; 32],
        iin_hash: &[2; 32],
        region: "KZ-75",
        language: "kk",
        filed_at: at,
        stage: "intake",
        visits: json!({ "intake": 1 }),
        journal_head: &digest,
        case_key: &[3; 60],
        key_id: "k1",
    };
    cases::insert(&mut permit, &case).await?;
    let job = JobRow {
        subject_id: CASE,
        subject: "case".to_owned(),
        case_id: Some(CASE),
        ticket: 1,
        attempt: 1,
        stage: "intake".to_owned(),
        visit: 1,
        kind: "intake.job".to_owned(),
        version: 1,
        body: json!({}),
        mode: "job".to_owned(),
        routing_key: "intake".to_owned(),
        traceparent: None,
        letter_id: None,
    };
    let entries = [Linked { entry, digest }];
    spine::write(&mut permit, Spine { issued: &[job], entries: &entries, ..Spine::default() }).await?;
    tx.commit().await?;
    Ok(())
}

async fn run(pool: &PgPool, statements: &[&str]) -> Result<()> {
    for statement in statements {
        sqlx::query(sqlx::AssertSqlSafe((*statement).to_owned())).execute(pool).await?;
    }
    Ok(())
}

/// One sound case, then the statements.
async fn planted(statements: &[&str]) -> Result<(Database, PgPool, Checked)> {
    let database = Database::new().await?;
    let pool = database.owner().await?;
    one_case(&pool).await?;
    run(&pool, statements).await?;
    let checked = check(&pool, ASKED).await?;
    Ok((database, pool, checked))
}

#[tokio::test]
async fn a_sound_installation_violates_nothing_and_its_open_case_is_unfinished() -> Result<()> {
    let (_database, pool, checked) = planted(&[]).await?;
    ensure!(checked.sound() && !checked.finished(), "{checked:?}");
    ensure!(checked.unfinished["cases_moving"] == 1 && checked.facts["journals_verified"] == 1);
    let story = tell(&pool, Receipt::of(CaseId(CASE)).as_str()).await?;
    let story = story.ok_or_else(|| anyhow::anyhow!("the case has a story"))?;
    ensure!(story.journal == "ok" && story.moves.len() == 1);
    ensure!(matches!(story.message, Whereabouts::UnderWay { ref queue, attempt: 1, .. } if queue == "intake"));
    Ok(())
}

#[tokio::test]
async fn each_violation_is_counted_by_its_name_and_by_no_other() -> Result<()> {
    let unlocked = "ALTER TABLE journal DISABLE TRIGGER USER";
    let audited = "INSERT INTO audit (number, at, account, role, act, head)
                   VALUES (1, now() - interval '3 days', 'a', 'operator', 'b', sha256('forged'))";
    let arrival = |state: &str| ARRIVAL.replace("STATE", state);
    let plants: Vec<(&[&str], Vec<String>)> = vec![
        (&["moving_unseen"], vec!["UPDATE jobs SET issued_at = now() - interval '2 hours'".to_owned()]),
        (&["case_without_its_job"], vec!["UPDATE jobs SET stage = 'review'".to_owned()]),
        (&["held_without_hold"], vec!["UPDATE cases SET how = 'held'".to_owned()]),
        (
            &["hold_without_held_case"],
            vec![
                "INSERT INTO holds (case_id, stage, visit, ticket, region, held_at)
                  SELECT id, stage, visit, 1, region, now() FROM cases"
                    .to_owned(),
            ],
        ),
        (
            &["parked_without_letter"],
            vec!["UPDATE cases SET how = 'parked', moved_at = now() - interval '1 day'".to_owned()],
        ),
        (&["ledger_sum_tiyn", "postings_uneven"], vec![ONE_LINE.to_owned()]),
        (&["purse_differs"], vec![RECEIVED.to_owned()]),
        (&["closed_holding_money", "purse_differs"], vec![RECEIVED.to_owned(), CLOSED.to_owned()]),
        (&["arrivals_waiting_on_closed_cases"], vec![arrival("waiting"), CLOSED.to_owned()]),
        (&["arrivals_unclaimed"], vec![arrival("unclaimed")]),
        (&["arrivals_unseen"], vec![arrival("moving"), old_job("arrival", 5)]),
        (&["notices_unseen"], vec![NOTICE.to_owned(), old_job("side-message", 6)]),
        (
            &["effects_unanswered"],
            vec![
                "INSERT INTO effects (key, case_id, stage, system, operation, intended_at)
                  SELECT 'print/' || id, id, 'production', 'production-centre', 'order', now() - interval '1 hour'
                  FROM cases"
                    .to_owned(),
            ],
        ),
        (
            &["outbox_stuck"],
            vec![
                "INSERT INTO outbox (id, exchange, routing_key, headers, body, created_at)
                  VALUES (gen_random_uuid(), 'kezek.work', 'intake', '{}', '', now() - interval '1 hour')"
                    .to_owned(),
            ],
        ),
        (
            &["outbox_set_aside"],
            vec![
                "INSERT INTO outbox (id, exchange, routing_key, headers, body, set_aside_at)
                  VALUES (gen_random_uuid(), 'kezek.work', 'intake', '{}', '', now())"
                    .to_owned(),
            ],
        ),
        (&["journal_breaks"], vec![unlocked.to_owned(), "UPDATE journal SET outcome = 'forged'".to_owned()]),
        (&["journal_breaks"], vec![unlocked.to_owned(), "DELETE FROM journal".to_owned()]),
        (
            &["case_unknown"],
            vec![
                "INSERT INTO dossier (case_id, section, stage, visit, ticket, version, body, written_at)
                  VALUES ('00000000-0000-7000-8000-0000000000ff', 'form', 'door', 1, 0, 1, '', now())"
                    .to_owned(),
            ],
        ),
        (&["audit_breaks", "seals_missing"], vec![audited.to_owned()]),
        (
            &["seals_differ"],
            vec![
                "INSERT INTO seals (day, what, entries, digest) VALUES (current_date, 'journal', 7, sha256('x'))"
                    .to_owned(),
            ],
        ),
    ];
    let mut proved = BTreeSet::new();
    let mut all = BTreeSet::new();
    for (names, statements) in plants {
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        let (_database, _pool, checked) = planted(&statements).await?;
        let found: Vec<_> = checked.violations.iter().filter(|(_, n)| **n != 0).map(|(name, _)| *name).collect();
        ensure!(found == names, "planted {names:?}, found {found:?}");
        proved.extend(names.iter().copied());
        all.extend(checked.violations.into_keys());
    }
    ensure!(proved == all, "no plant for {:?}", all.difference(&proved));
    Ok(())
}

#[tokio::test]
async fn a_notice_that_ended_in_doubt_is_a_fact_and_no_violation() -> Result<()> {
    let (_database, _pool, checked) = planted(&[
        NOTICE,
        "UPDATE side_messages SET state = 'ended', outcome = 'sent-in-doubt', ended_at = now()",
        "INSERT INTO effects (key, case_id, stage, system, operation, intended_at)
         SELECT format('sms/%s/%s.%s.%s', case_id, kind, stage, visit), case_id, 'notice', 'sms', 'send',
                now() - interval '1 hour' FROM side_messages",
    ])
    .await?;
    ensure!(checked.sound() && checked.facts["notices_in_doubt"] == 1, "{checked:?}");
    Ok(())
}

#[tokio::test]
async fn a_seal_outlives_whoever_rewrites_the_tail_with_its_head() -> Result<()> {
    let yesterday = "UPDATE journal SET recorded_at = recorded_at - interval '2 days'";
    let (_database, pool, _) = planted(&["ALTER TABLE journal DISABLE TRIGGER USER", yesterday]).await?;
    let mut tx = pool.begin().await?;
    let made = seals::make(&mut mint(&mut tx)).await?;
    ensure!(made.len() >= 2 && made.iter().any(|s| s.what == "journal" && s.entries == 1), "{made:?}");
    ensure!(seals::make(&mut mint(&mut tx)).await?.is_empty(), "a day is sealed once");
    ensure!(seals::differing(&mut tx, &made).await?.is_empty());
    tx.commit().await?;
    run(&pool, &["UPDATE journal SET head = sha256('other')", "UPDATE cases SET journal_head = sha256('other')"])
        .await?;
    let mut connection = pool.acquire().await?;
    ensure!(!seals::differing(&mut connection, &[]).await?.is_empty(), "the tables no longer bear it out");
    run(&pool, &["ALTER TABLE seals DISABLE TRIGGER USER", "DELETE FROM seals"]).await?;
    ensure!(seals::differing(&mut connection, &made).await?.len() == made.len(), "what was kept elsewhere still tells");
    Ok(())
}

/// A second entry of the one case, so that there is something between.
async fn goes_on(pool: &PgPool) -> Result<()> {
    let mut tx = pool.begin().await?;
    let mut permit = mint(&mut tx);
    for number in 2..=4 {
        let before = journal::list(&mut *permit.connection(), CASE).await?;
        let last = before.last().ok_or_else(|| anyhow::anyhow!("no entry"))?;
        let entry = JournalEntry { number, move_label: "hold".to_owned(), ..last.entry.clone() };
        let digest = chain(&last.digest, &entry);
        let entries = [Linked { entry, digest }];
        spine::write(&mut permit, Spine { entries: &entries, ..Spine::default() }).await?;
        sqlx::query("UPDATE cases SET journal_number = $1, journal_head = $2")
            .bind(number)
            .bind(digest.as_slice())
            .execute(permit.connection())
            .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// What `kezek journal verify` finds: kind and place.
async fn found(pool: &PgPool, known: &[Seal]) -> Result<Vec<(&'static str, &'static str, String)>> {
    let verified = trail::verify(pool, known).await?;
    Ok(verified.findings.into_iter().map(|f| (f.of, f.what, f.place)).collect())
}

#[tokio::test]
async fn a0_1_journal_verify_finds_what_was_changed_removed_moved_or_cut_and_where() -> Result<()> {
    let unlocked = "ALTER TABLE journal DISABLE TRIGGER USER";
    let swap = "UPDATE journal SET number = CASE number WHEN 2 THEN 93 ELSE 92 END WHERE number IN (2, 3)";
    let back = "UPDATE journal SET number = number - 90 WHERE number > 90";
    // the tail with the head that knew it: whoever can do that leaves the case whole in itself
    let cut = "DELETE FROM journal WHERE number = 4";
    let hidden = "UPDATE cases SET journal_number = 3, journal_head = (SELECT head FROM journal WHERE number = 3)";
    for (what, statements, expected) in [
        ("nothing", vec![], None),
        ("a changed row", vec!["UPDATE journal SET outcome = 'forged' WHERE number = 2"], Some(("changed", "2"))),
        (
            "a changed time",
            vec!["UPDATE journal SET at = at + interval '1 s' WHERE number = 3"],
            Some(("changed", "3")),
        ),
        ("a removed row", vec!["DELETE FROM journal WHERE number = 2"], Some(("removed-or-moved", "2"))),
        ("two rows that changed places", vec![swap, back], Some(("changed", "2"))),
        ("a cut tail", vec![cut], Some(("cut", "3"))),
        ("another head", vec!["UPDATE cases SET journal_head = sha256('x')"], Some(("head", "4"))),
        (
            "a row that cannot be read",
            vec!["UPDATE journal SET actor = '7' WHERE number = 1"],
            Some(("unreadable", "")),
        ),
        ("a cut tail with its head", vec![cut, hidden], None),
    ] {
        let database = Database::new().await?;
        let pool = database.owner().await?;
        one_case(&pool).await?;
        goes_on(&pool).await?;
        run(&pool, &[unlocked]).await?;
        run(&pool, &statements).await?;
        let wanted: Vec<_> =
            expected.into_iter().map(|(kind, place): (&str, &str)| ("journal", kind, place.to_owned())).collect();
        ensure!(found(&pool, &[]).await? == wanted, "{what}: {:?}", found(&pool, &[]).await?);
    }
    Ok(())
}

#[tokio::test]
async fn a0_1_journal_verify_finds_a_hidden_cut_and_a_case_that_was_taken_out_by_the_seals() -> Result<()> {
    let unlocked = ["ALTER TABLE journal DISABLE TRIGGER USER", "ALTER TABLE seals DISABLE TRIGGER USER"];
    // the chain covers when an entry was recorded, so the day is turned back before it is written
    for (what, statements) in [
        (
            "a tail that was cut with its head",
            vec![
                "DELETE FROM journal WHERE number = 4",
                "UPDATE cases SET journal_number = 3, journal_head = (SELECT head FROM journal WHERE number = 3)",
            ],
        ),
        ("a case that was taken out whole", vec!["DELETE FROM jobs", "DELETE FROM journal", "DELETE FROM cases"]),
    ] {
        let database = Database::new().await?;
        let pool = database.owner().await?;
        one_case(&pool).await?;
        goes_on(&pool).await?;
        run(&pool, &unlocked).await?;
        run(&pool, &["UPDATE journal SET recorded_at = recorded_at - interval '2 days'"]).await?;
        rechained(&pool).await?;
        let mut tx = pool.begin().await?;
        let kept = seals::make(&mut mint(&mut tx)).await?;
        tx.commit().await?;
        ensure!(kept.iter().any(|s| s.what == "journal" && s.entries == 4), "{kept:?}");
        ensure!(found(&pool, &kept).await?.is_empty(), "sound before: {:?}", found(&pool, &kept).await?);
        run(&pool, &statements).await?;
        let wrong = found(&pool, &[]).await?;
        ensure!(!wrong.is_empty() && wrong.iter().all(|(of, ..)| *of == "seal"), "{what}: {wrong:?}");
        // and where the seals here were made anew, those that were kept elsewhere still tell
        run(&pool, &["DELETE FROM seals"]).await?;
        let mut tx = pool.begin().await?;
        seals::make(&mut mint(&mut tx)).await?;
        tx.commit().await?;
        ensure!(found(&pool, &[]).await?.is_empty());
        ensure!(!found(&pool, &kept).await?.is_empty(), "{what}");
    }
    Ok(())
}

/// Writes the journal's digests anew, as whoever made them would have.
async fn rechained(pool: &PgPool) -> Result<()> {
    let mut head = GENESIS;
    for link in journal::list(pool, CASE).await? {
        head = chain(&head, &link.entry);
        sqlx::query("UPDATE journal SET head = $1 WHERE number = $2")
            .bind(head.as_slice())
            .bind(link.entry.number)
            .execute(pool)
            .await?;
    }
    sqlx::query("UPDATE cases SET journal_head = $1").bind(head.as_slice()).execute(pool).await?;
    Ok(())
}

#[tokio::test]
async fn a0_1_the_audit_trail_covers_who_what_why_and_when() -> Result<()> {
    for (what, statement, expected) in [
        ("nothing", "SELECT 1", vec![]),
        ("who", "UPDATE audit SET account = 'another' WHERE number = 2", vec!["2"]),
        ("what", "UPDATE audit SET act = 'another' WHERE number = 1", vec!["1"]),
        ("when", "UPDATE audit SET at = at - interval '1 hour' WHERE number = 3", vec!["3"]),
        ("a removed entry", "DELETE FROM audit WHERE number = 2", vec!["3"]),
    ] {
        let database = Database::new().await?;
        let pool = database.owner().await?;
        for act in ["case-read", "picture-read", "case-read"] {
            let mut tx = pool.begin().await?;
            let entry = audit::Entry {
                account: "reviewer",
                role: "reviewer",
                act,
                case_id: Some(CASE),
                detail: json!({ "why": "review" }),
            };
            audit::append(&mut mint(&mut tx), &entry).await?;
            tx.commit().await?;
        }
        run(&pool, &["ALTER TABLE audit DISABLE TRIGGER USER", statement]).await?;
        let wanted: Vec<_> = expected.into_iter().map(|n| ("audit", "changed", n.to_owned())).collect();
        ensure!(found(&pool, &[]).await? == wanted, "{what}: {:?}", found(&pool, &[]).await?);
    }
    Ok(())
}

#[tokio::test]
async fn a_begin_that_is_given_up_leaves_no_transaction_in_which_later_work_would_be_lost() -> Result<()> {
    let database = Database::new().await?;
    let pool = kezek_store::connect(&database.owner_url()?, 1, "kezek-test").await?;
    let mut given_up = 0;
    for _ in 0..20 {
        let mut begin = Box::pin(pool.begin());
        // one poll sends BEGIN; its answer is not read any more
        if (&mut begin).now_or_never().is_none() {
            given_up += 1;
        }
        drop(begin);
        let mut connection = pool.acquire().await?;
        let row = sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(&mut *connection).await?;
        ensure!(row.try_get::<bool, _>(0)?, "a transaction is open that nobody knows of");
    }
    ensure!(given_up > 0, "no BEGIN was given up on its way: nothing was proved");
    Ok(())
}
