//! Where the database's time goes, where `pg_stat_statements` is loaded.

use anyhow::Result;
use kezek_testkit::database::Servers;
use serde_json::{Value, json};
use sqlx::PgPool;

const AVAILABLE: &str = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements')";
const TOP: &str = "
SELECT s.calls, s.rows, s.total_exec_time, regexp_replace(left(s.query, 110), '\\s+', ' ', 'g')
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
WHERE d.datname = $1 ORDER BY s.total_exec_time DESC LIMIT 14";

/// Prints the statements that took most of the time in the pool's database since the server started, and returns them.
pub async fn tell(servers: &Servers, pool: &PgPool) -> Result<Value> {
    let database: String = sqlx::query_scalar("SELECT current_database()").fetch_one(pool).await?;
    let mut connection = servers.maintenance().await?;
    if !sqlx::query_scalar::<_, bool>(AVAILABLE).fetch_one(&mut connection).await? {
        eprintln!("pg_stat_statements is not loaded here: `ops/stack up --statements` starts a stack with it");
        return Ok(Value::Null);
    }
    let rows: Vec<(i64, i64, f64, String)> = sqlx::query_as(TOP).bind(database).fetch_all(&mut connection).await?;
    let all: f64 = rows.iter().map(|r| r.2).sum();
    eprintln!("    calls      rows       ms  share  statement");
    for (calls, affected, ms, text) in &rows {
        eprintln!("{calls:>9} {affected:>9} {ms:>8.0} {:>5.0}%  {text}", ms / all * 100.0);
    }
    Ok(rows
        .into_iter()
        .map(|(calls, rows, ms, statement)| json!({ "calls": calls, "rows": rows, "milliseconds": ms.round(), "statement": statement }))
        .collect())
}
