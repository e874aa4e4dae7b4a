//! Workers that are killed: what a stage leaves behind wherever it dies, another goes on with.

use anyhow::{Context as _, Result};
use axum::http::StatusCode;
use kezek_runtime::desk;
use kezek_runtime::points::{Instead, Point, replace};
use kezek_sandbox::Plan;
use kezek_testkit::town::mortal::{Act, Death, Errand};
use kezek_testkit::town::{Founding, Town, mortal};
use kezek_testkit::trial::{killed, line};
use uuid::Uuid;

/// Not a test: the trial starts this program once more with nothing but this in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the trial starts it, with an errand on the standard input"]
async fn a_process_that_is_to_die() -> Result<()> {
    mortal::live().await
}

macro_rules! stages {
    ($($stage:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $stage() -> Result<()> {
                let coverage = killed(line(stringify!($stage))?).await?;
                assert!(coverage.count() >= 8, "{coverage:?}");
                Ok(())
            }
        )*
        const KILLED: &[&str] = &[$(stringify!($stage)),*];
    };
}

stages!(intake exemption payment review production issuance refund recovery notice);

#[test]
fn every_stage_of_the_list_is_killed() {
    assert_eq!(KILLED, kezek::pipeline::names());
}

fn death(point: Point, whose: &str, subjects: Vec<Uuid>) -> Death {
    Death { point, stage: Some(whose.to_owned()), subjects, passing: 0 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a0_1_a_door_that_dies_while_it_takes_an_application_has_taken_it_once_or_not_at_all() -> Result<()> {
    let town = Town::founded(Founding::default().seed(311).people(31 * 4)).await?;
    for (point, told) in [
        (Point::BeforeCommit, StatusCode::CREATED),
        (Point::Committed, StatusCode::OK),
        (Point::Confirmed, StatusCode::OK),
    ] {
        let citizen = town.citizen(Plan::Issued)?;
        let application = citizen.application(&format!("killed-{point:?}"))?;
        let errand = Errand { act: Some(Act::Apply(application.clone())), ..Errand::default() };
        town.dies(errand, death(point, "door", Vec::new())).await.with_context(|| format!("{point:?}"))?;
        // the portal was told nothing, and sends it again
        let sent = citizen.sends(application).await?;
        assert_eq!(sent.status, told, "{point:?}");
        town.until_held_at(sent.case, "review").await?;
    }
    let cases: i64 = sqlx::query_scalar("SELECT count(*) FROM cases").fetch_one(&town.owner).await?;
    assert_eq!(cases, 3);
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_that_dies_while_it_replays_a_letter_has_replayed_it_once_or_not_at_all() -> Result<()> {
    let town = Town::founded(Founding::default().seed(312).people(31 * 4).closed("exemption")).await?;
    for point in [Point::BeforeCommit, Point::Committed] {
        let case = town.citizen(Plan::Issued)?.submits().await?.case;
        town.rest().await?;
        replace(case.0, Instead::Permanent);
        town.opens("exemption")?;
        let letter: Uuid = town
            .until("the letter", async || {
                Ok(sqlx::query_scalar("SELECT id FROM dead_letters WHERE case_id = $1 AND state = 'open'")
                    .bind(case.0)
                    .fetch_optional(&town.owner)
                    .await?)
            })
            .await?;
        let errand = Errand { act: Some(Act::Replay(letter)), ..Errand::default() };
        town.dies(errand, death(point, "desk", vec![case.0])).await.with_context(|| format!("{point:?}"))?;
        let again = desk::replay(&town.engine, letter, "operator", "the shell has died").await;
        if point == Point::BeforeCommit {
            assert!(again.is_ok(), "{again:?}");
        } else {
            assert!(matches!(again, Err(desk::DeskError::NotOpen { .. })), "{again:?}");
        }
        town.until_held_at(case, "review").await?;
        let replayed: i64 =
            sqlx::query_scalar("SELECT count(*) FROM journal WHERE case_id = $1 AND move_label = 'replay'")
                .bind(case.0)
                .fetch_one(&town.owner)
                .await?;
        assert_eq!(replayed, 1, "{point:?}");
        town.rest().await?;
        town.closes("exemption").await?;
    }
    town.leave_waiting().await
}
