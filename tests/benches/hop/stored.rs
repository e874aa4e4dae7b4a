//! Few and many stored cases: the tables are filled with copies of what the engine itself has written, so that every
//! column is as full as a real one, and stays so when a table changes.

use crate::kezek::Works;
use crate::machine::Measured;
use anyhow::Result;
use kezek_runtime::Limits;
use kezek_testkit::database::Servers;
use sqlx::{AssertSqlSafe, Executor as _, PgPool};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Of so many stored cases, one waits for its officer; the others are closed.
const HELD: u64 = 20;

/// What the two runs measured.
pub struct Flatness {
    /// Stored cases and the run upon them.
    pub runs: Vec<(u64, Measured)>,
    /// Seconds that filling took.
    pub filling: f64,
    /// Bytes of the database when full.
    pub bytes: i64,
}

/// Ids keep their order in time, a minute apart per copy, and stay unique.
const COPY: &str = r"
CREATE FUNCTION copy_id(id uuid, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint - n * 60000) & 281474976710655), 12, '0')
            || substr(replace(id::text, '-', ''), 13, 12) || lpad(to_hex(n), 8, '0'))::uuid $$;";

/// Carries `few` cases first, one of twenty only as far as its last hold; then measures a run of `applications` upon
/// them, multiplies them up to `many`, and measures it again.
pub async fn run(servers: &Servers, limits: Limits, few: u64, many: u64, applications: u64) -> Result<Flatness> {
    let works = Works::new(servers, limits).await?;
    works.open(1_000_000_000..1_000_000_000 + few, "KZ-10").await?;
    let mut running = works.start();
    // deterministic enough: the tail of an id is random
    let leave = |case: Uuid| case.as_u128().is_multiple_of(u128::from(HELD));
    let carried = works.answer(&mut running, few, Duration::from_secs(300), leave).await?;
    anyhow::ensure!(carried == few, "{carried} of {few} sample cases got through");
    running.stop().await;
    let first = works.carry(&format!("Kezek, {few} cases stored"), 0, applications).await?;
    let began = Instant::now();
    let copies = (many / few).saturating_sub(1);
    fill(&works.owner, i64::try_from(copies)?).await?;
    let filling = began.elapsed().as_secs_f64();
    let (bytes, stored): (i64, i64) = sqlx::query_as(
        "SELECT pg_database_size(current_database()), (SELECT count(*) FROM cases WHERE region = 'KZ-10')",
    )
    .fetch_one(&works.owner)
    .await?;
    let stored = u64::try_from(stored)?;
    eprintln!("filled: {stored} cases, {} MiB, in {filling:.0} s", bytes / 1_048_576);
    let second = works.carry(&format!("Kezek, {stored} cases stored"), applications, applications).await?;
    works.close().await?;
    Ok(Flatness { runs: vec![(few, first), (stored, second)], filling, bytes })
}

/// Multiplies the cases of the region `KZ-10`, with everything that belongs to them.
async fn fill(owner: &PgPool, copies: i64) -> Result<()> {
    owner.execute(COPY).await?;
    // letters are no part of a case's file, and the audit trail is one chain, which cannot be copied
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND column_name = 'case_id' AND table_name NOT IN ('dead_letters', 'audit')
         ORDER BY 1",
    )
    .fetch_all(owner)
    .await?;
    // a foreign key would be looked up once per copied row; new rows are checked again afterwards
    let keys: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
         WHERE contype = 'f' AND confrelid = 'cases'::regclass",
    )
    .fetch_all(owner)
    .await?;
    for (table, name, _) in &keys {
        owner.execute(AssertSqlSafe(format!("ALTER TABLE {table} DROP CONSTRAINT {name}"))).await?;
    }
    for table in std::iter::once("cases").chain(tables.iter().map(String::as_str)) {
        let statement = copying(owner, table).await?;
        for from in (1..=copies).step_by(50) {
            sqlx::query(AssertSqlSafe(statement.clone()))
                .bind(from)
                .bind((from + 49).min(copies))
                .execute(owner)
                .await?;
        }
    }
    for (table, name, definition) in keys {
        owner
            .execute(AssertSqlSafe(format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition} NOT VALID")))
            .await?;
    }
    owner.execute("VACUUM (ANALYZE)").await?;
    Ok(())
}

/// The statement that copies a table's rows of the stored cases, `$1` to `$2` times.
async fn copying(owner: &PgPool, table: &str) -> Result<String> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT quote_ident(column_name), data_type::text FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position",
    )
    .bind(table)
    .fetch_all(owner)
    .await?;
    let values: Vec<String> = columns
        .iter()
        .map(|(column, kind)| match column.as_str() {
            _ if kind == "uuid" => format!("copy_id(t.{column}, n)"),
            "iin_hash" => "sha256(t.iin_hash || n::text::bytea)".to_owned(),
            // unique texts
            "receipt" | "coupon" | "request_id" | "reference" | "key" => format!("t.{column} || '~' || n"),
            _ => format!("t.{column}"),
        })
        .collect();
    let names: Vec<&str> = columns.iter().map(|(c, _)| c.as_str()).collect();
    let of = if table == "cases" { "t.id" } else { "t.case_id" };
    Ok(format!(
        "INSERT INTO {table} ({}) SELECT {} FROM {table} t, generate_series($1::bigint, $2::bigint) n
         WHERE {of} IN (SELECT id FROM cases WHERE region = 'KZ-10' AND request_id NOT LIKE '%~%')",
        names.join(", "),
        values.join(", ")
    ))
}
