//! What the database itself refuses: rows of other regions, writes of the console, changes of what was written for
//! good, and lifecycles that cannot be.

use crate::migrations::sampled;
use anyhow::Result;
use sqlx::{PgConnection, PgPool, Row as _};

/// SQLSTATE of a refusal.
async fn refused(pool: &PgPool, statement: &str) -> Result<String> {
    let mut tx = pool.begin().await?;
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&mut *tx).await;
    tx.rollback().await?;
    Ok(match done {
        Err(sqlx::Error::Database(e)) => e.code().unwrap_or_default().into_owned(),
        Err(error) => return Err(error.into()),
        Ok(done) => format!("accepted, {} rows", done.rows_affected()),
    })
}

async fn count(connection: &mut PgConnection, table: &str) -> Result<i64> {
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(connection).await?)
}

/// Tables that the console may read and that hold something of a case or a region.
async fn readable(owner: &PgPool) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT format('%I.%I', c.table_schema, c.table_name) FROM information_schema.columns c
         WHERE c.column_name IN ('case_id', 'region') AND c.table_schema NOT IN ('pg_catalog', 'information_schema')
           AND has_schema_privilege('kezek_console', c.table_schema, 'USAGE')
           AND has_table_privilege('kezek_console', format('%I.%I', c.table_schema, c.table_name), 'SELECT')
         ORDER BY 1",
    )
    .fetch_all(owner)
    .await?)
}

#[tokio::test]
async fn a10_the_console_sees_its_regions_and_without_them_nothing() -> Result<()> {
    let (database, owner) = sampled().await?;
    let console = database.console().await?;
    let tables = readable(&owner).await?;
    assert!(tables.contains(&"public.cases".to_owned()) && tables.len() > 8, "{tables:?}");
    for table in &tables {
        let secured: bool =
            sqlx::query_scalar("SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = $1::regclass")
                .bind(table)
                .fetch_one(&owner)
                .await?;
        assert!(secured, "{table}: row security is not forced");
    }
    let mut tx = console.begin().await?;
    for table in &tables {
        assert_eq!(count(&mut tx, table).await?, 0, "{table}: seen without a region");
    }
    // another setting's leftovers: an empty list is no region either
    sqlx::query("SELECT set_config('kezek.regions', '', true)").execute(&mut *tx).await?;
    assert_eq!(count(&mut tx, "cases").await?, 0);

    sqlx::query("SELECT set_config('kezek.regions', 'KZ-75', true)").execute(&mut *tx).await?;
    let regions: Vec<String> = sqlx::query_scalar("SELECT DISTINCT region FROM cases").fetch_all(&mut *tx).await?;
    assert_eq!(regions, ["KZ-75"]);
    for table in &tables {
        let seen = count(&mut tx, table).await?;
        let all = count(&mut *owner.acquire().await?, table).await?;
        assert!(seen > 0, "{table}: the region's own rows are not seen");
        assert!(seen < all, "{table}: rows of other regions are seen, or there is no sample of another region");
    }
    sqlx::query("SELECT set_config('kezek.regions', 'KZ-75,KZ-71', true)").execute(&mut *tx).await?;
    let both: i64 = sqlx::query_scalar("SELECT count(DISTINCT region) FROM cases").fetch_one(&mut *tx).await?;
    assert_eq!(both, 2);
    Ok(())
}

#[tokio::test]
async fn the_console_writes_nothing() -> Result<()> {
    let (database, owner) = sampled().await?;
    let rights = sqlx::query(
        "SELECT format('%I.%I', table_schema, table_name), privilege FROM information_schema.tables,
                unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
         WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
           AND has_table_privilege('kezek_console', format('%I.%I', table_schema, table_name), privilege)",
    )
    .fetch_all(&owner)
    .await?;
    let rights: Vec<(String, String)> = rights.iter().map(|r| (r.get(0), r.get(1))).collect();
    assert_eq!(rights, Vec::<(String, String)>::new(), "rights of the console to write");
    let console = database.console().await?;
    for statement in [
        "UPDATE cases SET language = 'ru'",
        "DELETE FROM holds",
        "INSERT INTO outbox (id, exchange, routing_key, headers, body) VALUES (gen_random_uuid(), 'e', 'k', '{}', '')",
        "SELECT * FROM payment.orders",
        "SELECT * FROM accounts",
        "SELECT * FROM outbox",
        "UPDATE business_clock SET offset_ms = 1",
    ] {
        assert_eq!(refused(&console, statement).await?, "42501", "{statement}");
    }
    Ok(())
}

#[tokio::test]
async fn what_was_written_for_good_is_not_changed_by_anybody() -> Result<()> {
    let (database, owner) = sampled().await?;
    let engine = database.engine().await?;
    for table in ["journal", "ledger", "audit", "seals"] {
        let column = match table {
            "journal" => "move_label = 'other'",
            "ledger" => "reference = 'other'",
            "audit" => "act = 'other'",
            _ => "entries = 0",
        };
        for statement in [format!("UPDATE {table} SET {column}"), format!("DELETE FROM {table}")] {
            // the trigger stops even the owner; the engine has no right to begin with
            assert_eq!(refused(&owner, &statement).await?, "23001", "{statement}");
            assert_eq!(refused(&engine, &statement).await?, "42501", "{statement}");
        }
        assert_eq!(refused(&engine, &format!("TRUNCATE {table}")).await?, "42501");
    }
    // the engine does not delete cases or money either, and cannot touch the tables' shape
    for statement in ["DELETE FROM cases", "DELETE FROM dossier", "DELETE FROM arrivals", "DROP TABLE cases"] {
        assert_eq!(refused(&engine, statement).await?, "42501", "{statement}");
    }
    Ok(())
}

#[tokio::test]
async fn a_lifecycle_that_cannot_be_is_refused_by_the_database() -> Result<()> {
    const MOVING: &str = "00000000-0000-7000-8000-000000000001";
    const CLOSED: &str = "00000000-0000-7000-8000-000000000003";
    let (_database, owner) = sampled().await?;
    let impossible = [
        ("closed without a closing", MOVING, "how = 'closed', stage = NULL"),
        ("closed at a stage", MOVING, "how = 'closed', closing = 'issued'"),
        ("open with a closing", MOVING, "closing = 'issued'"),
        ("open nowhere", MOVING, "stage = NULL"),
        ("an unknown state", MOVING, "how = 'lost'"),
        ("an unknown closing", CLOSED, "closing = 'forgotten'"),
        ("a deadline without a wait", MOVING, "held_until = now()"),
        ("a refund without its reason", MOVING, "refunding_closing = 'cancelled'"),
        ("a closed case that is refunding", CLOSED, "refunding_closing = 'cancelled', refunding_reason = 'x'"),
        ("more given back than came", MOVING, "returned_tiyn = received_tiyn + 1"),
        ("money below zero", MOVING, "received_tiyn = -1"),
        ("a closed case that holds money", CLOSED, "received_tiyn = received_tiyn + 100"),
        ("a visit below zero", MOVING, "visit = -1"),
        ("a head that is no digest", MOVING, "journal_head = ''"),
    ];
    for (what, case, change) in impossible {
        let statement = format!("UPDATE cases SET {change} WHERE id = '{case}'");
        assert_eq!(refused(&owner, &statement).await?, "23514", "{what}");
    }
    for (what, statement) in [
        ("a ticket of nothing", "UPDATE jobs SET ticket = 0".to_owned()),
        ("a case's job of another case", format!("UPDATE jobs SET subject = 'arrival' WHERE subject_id = '{MOVING}'")),
        (
            "an answered request without an answer",
            "UPDATE effects SET answered_at = now() WHERE answer IS NULL".to_owned(),
        ),
        ("an open breaker that never opened", "UPDATE breakers SET opened_at = NULL WHERE state = 'open'".to_owned()),
        (
            "a clock that is moved in production",
            "UPDATE business_clock SET profile = 'production', offset_ms = 1".to_owned(),
        ),
        ("a replay without a ticket", "UPDATE dead_letters SET state = 'replaying', replay_ticket = NULL".to_owned()),
        (
            "a posting of nothing",
            "INSERT INTO ledger VALUES (gen_random_uuid(), 1, NULL, 'case', 0, 'received', 's', 'r', now())".to_owned(),
        ),
        ("a pause without a reason", "UPDATE stage_pauses SET reason = ''".to_owned()),
    ] {
        assert_eq!(refused(&owner, &statement).await?, "23514", "{what}");
    }
    // one open application per person and service; a closed one, and one that is refunding late money, is no second
    let second = |how: &str, more: &str| {
        format!(
            "INSERT INTO cases (id, service, flow_version, receipt, request_source, request_id, request_sha256, iin_hash,
                region, language, filed_at, how, stage, visit, journal_head, key_id {more})
             SELECT gen_random_uuid(), service, 1, 'other', 'portal', 'other', request_sha256, iin_hash, region, language,
                filed_at, {how}, 1, journal_head, key_id {} FROM cases WHERE id = '{MOVING}'",
            if more.contains("closing, refunding") { ", 'cancelled', 'late-money'" } else if more.is_empty() { "" } else { ", 'issued'" }
        )
    };
    assert_eq!(refused(&owner, &second("'moving', 'intake'", "")).await?, "23505");
    assert_eq!(refused(&owner, &second("'closed', NULL", ", closing")).await?, "accepted, 1 rows");
    let refunding = second("'moving', 'refund'", ", refunding_closing, refunding_reason");
    assert_eq!(refused(&owner, &refunding).await?, "accepted, 1 rows");
    Ok(())
}
