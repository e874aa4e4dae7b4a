//! What an older database and a newer broker are to each other, and what a line to the database is that has died
//! without a word.

use anyhow::{Context as _, Result, ensure};
use kezek_runtime::desk::{self, CaseEnd};
use kezek_sandbox::Plan;
use kezek_sandbox::proxy::Proxy;
use kezek_store::{connect, jobs};
use kezek_testkit::database::Database;
use kezek_testkit::town::{Founding, Town};
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
