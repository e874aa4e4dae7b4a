//! What an older database and a newer broker are to each other, and what a line to the database is that has died
//! without a word.

use anyhow::{Context as _, Result, ensure};
use kezek_runtime::desk::{self, CaseEnd};
use kezek_sandbox::Plan;
use kezek_sandbox::proxy::Proxy;
use kezek_store::warm::{Lease, Warm};
use kezek_store::{Plans, connect, connect_for, jobs};
use kezek_testkit::database::Database;
use kezek_testkit::town::{Founding, Town};
use sqlx::Row as _;
use std::time::Duration;
use uuid::Uuid;

/// A database restored from a backup issues the same tickets again. A message that the broker kept from the future
/// that was lost with it must not be taken for work, whichever ticket it carries; it is kept, and nothing is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_a_lost_future_is_kept_and_not_worked_on() -> Result<()> {
    let town = Town::founded(Founding::default().seed(211).people(150).closed("exemption")).await?;
    let case = town.citizen(Plan::Issued)?.submits().await?.case;
    // it has left intake and waits before exemption, at the ticket of its second job
    let own = town
        .until("the case at exemption", async || {
            let mut found = jobs::list(&town.owner, &[case.0]).await?;
            Ok(found.remove(&case.0).filter(|job| job.stage == "exemption"))
        })
        .await?;
    let future = |ticket: i64, visit: i32| jobs::JobRow {
        ticket,
        visit,
        stage: "issuance".to_owned(),
        kind: "issuance.job".to_owned(),
        routing_key: "issuance".to_owned(),
        ..own.clone()
    };
    // the very ticket that is outstanding, for a place where the case has never been; and one that lies ahead
    let messages = [future(own.ticket, 1), future(own.ticket + 4, 1)].map(|job| town.engine.message(&job, None, false));
    town.engine.send(&messages).await;
    let letters: Vec<(Uuid, String)> = town
        .until("two letters", async || {
            let found = sqlx::query_as("SELECT id, cause FROM dead_letters WHERE state = 'open' ORDER BY ticket")
                .fetch_all(&town.owner)
                .await?;
            Ok(Some(found).filter(|found: &Vec<_>| found.len() == 2))
        })
        .await?;
    ensure!(letters.iter().all(|(_, cause)| cause == "ahead-of-database"), "{letters:?}");
    let standing = jobs::list(&town.owner, &[case.0]).await?.remove(&case.0).context("its job")?;
    ensure!((standing.ticket, standing.stage.as_str()) == (own.ticket, "exemption"), "{standing:?}");
    // the case goes its way as if nothing had come; the letters are the operator's
    town.opens("exemption")?;
    town.until_held_at(case, "review").await?;
    for (letter, _) in letters {
        desk::discard(&town.engine, letter, "operator", "of a lost future", CaseEnd::Leave).await?;
    }
    town.leave_waiting().await
}

/// A half-open connection tells nobody that it is dead: the pool must find out and go on with another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_connection_that_died_without_a_word_is_given_up() -> Result<()> {
    let database = Database::new().await?;
    let url = database.engine_url()?;
    let server = url.rsplit('@').next().and_then(|rest| rest.split('/').next()).context("an address")?;
    let proxy = Proxy::start(server.parse()?).await?;
    let pool = connect(&url.replace(server, &proxy.address().to_string()), 1, "half-open").await?;
    let asked = async || sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(&pool).await;
    asked().await?;
    // in the middle of a question: whoever asked gives up, and the pool's only place is free again soon
    proxy.half_open();
    let silent = tokio::time::timeout(Duration::from_millis(300), asked()).await;
    ensure!(silent.is_err(), "something answered through a dead connection");
    ensure!(asked().await? == 1, "the pool did not go on");
    // between two questions: it is found out before it is asked anything
    proxy.half_open();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    ensure!(asked().await? == 1, "the pool did not go on");
    ensure!(proxy.connections() >= 1, "the proxy carried nothing: this shows nothing");
    Ok(())
}

/// Work that was given up may leave a transaction open that the driver does not know of. The next one's statement
/// must not run in it: it would seem to be committed, and be lost.
#[tokio::test]
async fn a_warm_connection_is_the_last_one_that_was_finished_with() -> Result<()> {
    let database = Database::new().await?;
    let pool = connect_for(Plans::Once, &database.engine_url()?, 4, "warm").await?;
    let warm = Warm::new(pool.clone(), 2);
    // in the simple protocol, whose statements have no timestamp of their own
    let backend = async |lease: &mut Lease| -> Result<(i32, bool)> {
        let row =
            sqlx::raw_sql("SELECT pg_backend_pid(), now() <> statement_timestamp()").fetch_one(&mut **lease).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    };
    let mut lease = warm.take().await?;
    let (first, _) = backend(&mut lease).await?;
    lease.finished();
    let mut lease = warm.take().await?;
    ensure!(backend(&mut lease).await? == (first, false), "another connection than the last one");
    // begun behind the driver's back, as a BEGIN is whose answer nobody waited for
    sqlx::raw_sql("BEGIN").execute(&mut *lease).await?;
    ensure!(backend(&mut lease).await?.1, "no transaction is open: this shows nothing");
    drop(lease);
    for _ in 0..3 {
        let mut lease = warm.take().await?;
        let (pid, open) = backend(&mut lease).await?;
        ensure!(!open, "a statement would run in somebody else's transaction");
        ensure!(pid != first, "a connection that was given up is used again");
        lease.finished();
    }
    Ok(())
}
