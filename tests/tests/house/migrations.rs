//! Migrations: small, expanding, and each with a sample file that is applied with everything before it in place.

use crate::rooms::root;
use anyhow::{Context as _, Result};
use kezek_store::MIGRATIONS;
use kezek_testkit::database::Database;
use sqlx::PgPool;
use std::collections::BTreeSet;

/// The samples of one migration, by the migration's own file name.
fn sample(version: i64, description: &str) -> Result<String> {
    let name = format!("{version}_{}.sql", description.replace(' ', "_"));
    let path = root().join("schemas/db/samples").join(&name);
    std::fs::read_to_string(path)
        .with_context(|| format!("schemas/db/samples/{name} is missing: sample rows of that migration"))
}

/// Every migration in order, each followed by its samples: a later one meets the rows of all before it.
pub async fn sampled() -> Result<(Database, PgPool)> {
    let database = Database::empty().await?;
    let owner = database.owner().await?;
    for migration in MIGRATIONS.iter() {
        let what = || format!("{} {}", migration.version, migration.description);
        sqlx::raw_sql(migration.sql.clone()).execute(&owner).await.with_context(what)?;
        let rows = sample(migration.version, &migration.description)?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(rows))
            .execute(&owner)
            .await
            .with_context(|| format!("samples of {}", what()))?;
    }
    Ok((database, owner))
}

#[tokio::test]
async fn every_migration_applies_with_rows_in_place_and_every_table_has_a_sample() -> Result<()> {
    let (_database, owner) = sampled().await?;
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_schema, table_name FROM information_schema.tables
         WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2",
    )
    .fetch_all(&owner)
    .await?;
    assert!(tables.len() > 15, "{tables:?}");
    let mut empty = Vec::new();
    for (schema, table) in tables {
        let name = format!("{schema}.{table}");
        let rows: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {name}"))).fetch_one(&owner).await?;
        if rows == 0 {
            empty.push(name);
        }
    }
    assert_eq!(empty, Vec::<String>::new(), "tables without a sample row");
    Ok(())
}

#[test]
fn samples_belong_to_a_migration_and_hold_nobodys_number() -> Result<()> {
    let known: BTreeSet<String> =
        MIGRATIONS.iter().map(|m| format!("{}_{}.sql", m.version, m.description.replace(' ', "_"))).collect();
    for entry in std::fs::read_dir(root().join("schemas/db/samples"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(known.contains(&name), "schemas/db/samples/{name} belongs to no migration");
        let text = std::fs::read_to_string(entry.path())?;
        // words of digits: a UUID's last part has hexadecimal neighbours with hyphens
        let numbers = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let iin = numbers.into_iter().find(|w| w.len() == 12 && w.bytes().all(|b| b.is_ascii_digit()));
        assert_eq!(iin, None, "schemas/db/samples/{name} has twelve digits in a row");
    }
    Ok(())
}

/// Columns that a running older worker could not fill: added, mandatory, without a default. By statement.
fn unfillable(sql: &str) -> Vec<String> {
    let plain: String = sql.lines().map(|l| l.split("--").next().unwrap_or(l)).collect::<Vec<_>>().join(" ");
    let mut wrong = Vec::new();
    for statement in plain.split(';') {
        let words = statement.to_uppercase();
        let words: Vec<&str> = words.split_whitespace().collect();
        if words.first() != Some(&"ALTER") || words.get(1) != Some(&"TABLE") {
            continue;
        }
        let text = words.join(" ");
        // each action by itself: one action's default does not fill another's column
        let mut depth = 0_i32;
        let actions = text.split(|c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            c == ',' && depth == 0
        });
        for action in actions {
            let filled = action.contains("DEFAULT") || action.contains("GENERATED ALWAYS AS");
            let adds = action.contains("ADD COLUMN") && action.contains("NOT NULL") && !filled;
            let sets = action.contains("SET NOT NULL");
            if adds || sets {
                wrong.push(action.trim().to_owned());
            }
        }
    }
    wrong
}

/// What takes something away from an older worker that still runs. By statement; a migration that contracts, after
/// every worker has left the old shape, says so in a comment `-- contract: why`.
fn contracting(sql: &str) -> Vec<String> {
    if sql.lines().any(|l| l.trim_start().starts_with("-- contract: ")) {
        return Vec::new();
    }
    let plain: String = sql.lines().map(|l| l.split("--").next().unwrap_or(l)).collect::<Vec<_>>().join(" ");
    plain
        .to_uppercase()
        .split(';')
        .map(|statement| statement.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|s| {
            s.starts_with("DROP TABLE")
                || s.starts_with("ALTER TABLE")
                    && [" DROP COLUMN ", " RENAME ", " TYPE ", " ADD CONSTRAINT ", " ADD CHECK "]
                        .iter()
                        .any(|w| s.contains(w))
        })
        .collect()
}

#[test]
fn no_migration_takes_away_what_an_older_worker_still_uses() {
    for migration in MIGRATIONS.iter() {
        assert_eq!(contracting(migration.sql.as_str()), Vec::<String>::new(), "{}", migration.description);
    }
    for planted in [
        "ALTER TABLE a DROP COLUMN b;",
        "drop table a;",
        "ALTER TABLE a RENAME COLUMN b TO c;",
        "ALTER TABLE a ALTER COLUMN b TYPE bigint;",
        "ALTER TABLE a ADD CONSTRAINT c CHECK (b > 0);",
    ] {
        assert_eq!(contracting(planted).len(), 1, "{planted}");
        assert_eq!(contracting(&format!("-- contract: nobody reads it since 2.0\n{planted}")).len(), 0);
    }
    assert_eq!(contracting("ALTER TABLE a ADD COLUMN b text; -- DROP TABLE a;").len(), 0);
}

#[test]
fn no_migration_adds_what_an_older_worker_could_not_fill() {
    for migration in MIGRATIONS.iter() {
        assert_eq!(unfillable(migration.sql.as_str()), Vec::<String>::new(), "{}", migration.description);
    }
    let planted = "ALTER TABLE a ADD COLUMN b text NOT NULL; -- ALTER TABLE x ADD COLUMN y int NOT NULL
                   alter table a add column c int not null default 0, add column d numeric(3, 1) not null;
                   CREATE TABLE e (f text NOT NULL); ALTER TABLE a ALTER COLUMN g SET NOT NULL;
                   ALTER TABLE a ADD COLUMN h text;
                   ALTER TABLE a ADD COLUMN i boolean NOT NULL GENERATED ALWAYS AS (h IS NULL) STORED;";
    assert_eq!(
        unfillable(planted),
        [
            "ALTER TABLE A ADD COLUMN B TEXT NOT NULL",
            "ADD COLUMN D NUMERIC(3, 1) NOT NULL",
            "ALTER TABLE A ALTER COLUMN G SET NOT NULL"
        ]
    );
}
