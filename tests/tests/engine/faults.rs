//! Conversations in bad weather: answers that are lost, a system that is out, a broker that lost everything, an
//! operator who repairs.

use crate::journeys::{duty, everybody_applies, everybody_decides, past_the_term};
use anyhow::{Context as _, Result, ensure};
use kezek_domain::{CaseId, Closing, System};
use kezek_runtime::desk::{self, CaseEnd, Resend};
use kezek_sandbox::Plan;
use kezek_sandbox::faults::{Command, Kind};
use kezek_testkit::town::{Founding, Town};

pub fn disturb(town: &Town, system: Option<System>, fault: Kind, count: Option<u32>) -> Result<()> {
    let command = Command { system, fault, count, seconds: None };
    town.sandbox.world.faults().add(command).map_err(anyhow::Error::msg)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_lost_after_the_effect_change_nothing_of_how_everybody_ends() -> Result<()> {
    let town = Town::founded(Founding::default().seed(201)).await?;
    disturb(&town, None, Kind::LoseAnswer { every: 4 }, None)?;
    let sent = everybody_applies(&town).await?;
    everybody_decides(&town, &sent).await?;
    town.clock_passes(past_the_term()).await?;
    everybody_decides(&town, &sent).await?;
    for (plan, case) in &sent {
        let outlook = plan.outlook(duty(&town.sandbox));
        assert_eq!(town.until_closed(*case).await?, outlook.end.closing(), "{plan:?}");
        assert_eq!(town.case(*case).await?.purse, outlook.purse, "{plan:?}");
    }
    {
        let ledger = town.sandbox.world.ledger();
        assert!(ledger.conflicts.is_empty(), "{:?}", ledger.conflicts);
        assert!(ledger.sms.values().all(|n| n.calls <= 1), "a text message was sent twice");
        assert!(ledger.orders.values().any(|o| o.calls > 1), "no answer was lost: this shows nothing");
    }
    town.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_is_out_is_waited_for_and_nothing_is_parked() -> Result<()> {
    let town = Town::founded(Founding::default().seed(202).people(150)).await?;
    disturb(&town, Some(System::Sik), Kind::Outage, None)?;
    let mut cases = Vec::new();
    for _ in 0..12 {
        cases.push(town.citizen(Plan::Issued)?.submits().await?.case);
    }
    // enough failures in a row open the breaker for everybody
    town.until("the breaker to open", async || {
        let open: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM breakers WHERE system = 'sik' AND state = 'open')")
                .fetch_one(&town.owner)
                .await?;
        Ok(open.then_some(()))
    })
    .await?;
    town.sandbox.world.faults().clear();
    for case in &cases {
        town.until_held_at(*case, "review").await?;
    }
    let letters: i64 = sqlx::query_scalar("SELECT count(*) FROM dead_letters").fetch_one(&town.owner).await?;
    assert_eq!(letters, 0);
    // the breaker's next round writes down what the probe has shown
    town.until("the outage to be over", async || {
        let ended = "SELECT count(*) FROM outages WHERE system = 'sik' AND ended_at IS NOT NULL";
        let outages: i64 = sqlx::query_scalar(ended).fetch_one(&town.owner).await?;
        Ok((outages == 1).then_some(()))
    })
    .await?;
    let outages: i64 = sqlx::query_scalar("SELECT count(*) FROM outages").fetch_one(&town.owner).await?;
    assert_eq!(outages, 1);
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_lost_everything_is_filled_again_from_the_database() -> Result<()> {
    let founding = Founding::default().seed(203).people(150).closed("exemption").closed("notice");
    let town = Town::founded(founding).await?;
    let mut cases = Vec::new();
    for _ in 0..5 {
        cases.push(town.citizen(Plan::Issued)?.submits().await?.case);
    }
    town.rest().await?;
    town.vhost.purge().await?;
    town.opens("exemption")?;
    town.opens("notice")?;
    // an application and its two notices each; twice, because a resend does no harm
    for _ in 0..2 {
        let sent = desk::resend(&town.engine, &Resend::default()).await?;
        ensure!(sent <= 15, "{sent} jobs were sent again");
    }
    for case in &cases {
        town.until_held_at(*case, "review").await?;
    }
    town.rest().await?;
    assert!(town.sandbox.world.ledger().sms.values().all(|n| n.calls == 1));
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stage_cannot_read_is_parked_and_goes_on_when_an_operator_replays_it() -> Result<()> {
    let town = Town::founded(Founding::default().seed(204)).await?;
    disturb(&town, Some(System::ZagsIs), Kind::Rubbish, Some(1))?;
    let case = town.citizen(Plan::Issued)?.submits().await?.case;
    let (id, _) = town.letter(case).await?;
    assert_eq!(town.standing(case).await?.how, "parked");
    // an operator must say why, and once
    assert!(matches!(desk::replay(&town.engine, id, "operator", " ").await, Err(desk::DeskError::NoReason)));
    desk::replay(&town.engine, id, "operator", "ZAGS IS answers again").await?;
    assert!(matches!(desk::replay(&town.engine, id, "operator", "again").await, Err(desk::DeskError::NotOpen { .. })));
    town.until_held_at(case, "review").await?;
    let state: String =
        sqlx::query_scalar("SELECT state FROM dead_letters WHERE id = $1").bind(id).fetch_one(&town.owner).await?;
    assert_eq!(state, "closed");
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a11c_a_parked_case_that_holds_money_is_paid_back_when_an_operator_gives_it_up() -> Result<()> {
    let town = Town::founded(Founding::default().seed(205)).await?;
    let sent = town.citizen(Plan::Issued)?.submits().await?;
    let head = town.until_held_at(sent.case, "review").await?;
    town.closes("production").await?;
    disturb(&town, Some(System::ProductionCentre), Kind::Rubbish, Some(1))?;
    town.officer(head.region)?.approves(sent.case).await?;
    town.opens("production")?;
    let (id, _) = town.letter(sent.case).await?;
    desk::discard(&town.engine, id, "operator", "the centre has no such form", CaseEnd::Close).await?;
    assert_eq!(town.until_closed(sent.case).await?, Closing::Cancelled);
    let purse = town.case(sent.case).await?.purse;
    assert_eq!((purse.received, purse.returned), (duty(&town.sandbox), duty(&town.sandbox)));
    town.rest().await?;
    // the centre had taken the order before its answer was spoilt: its result finds nobody waiting
    town.dissolve().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_that_is_paused_takes_nothing_until_it_is_resumed() -> Result<()> {
    let town = Town::founded(Founding::default().seed(206)).await?;
    town.until("the stage to take", async || Ok((town.consumers("exemption").await? == 1).then_some(()))).await?;
    kezek_store::pauses::pause(town.engine.pool(), "exemption", "operator", "SIK asked us to wait").await?;
    town.until("the consumer to leave", async || Ok((town.consumers("exemption").await? == 0).then_some(()))).await?;
    let case = town.citizen(Plan::Issued)?.submits().await?.case;
    town.until("the case to come before exemption", async || {
        Ok((town.standing(case).await?.stage.as_deref() == Some("exemption")).then_some(()))
    })
    .await?;
    // the message follows the commit: the row is there a moment before it
    town.until("its message to wait in the queue", async || {
        Ok(town.vhost.left().await?.iter().any(|(q, _)| q == "exemption").then_some(()))
    })
    .await?;
    assert!(kezek_store::pauses::resume(town.engine.pool(), "exemption").await?);
    town.until_held_at(case, "review").await?;
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_of_a_flow_that_only_a_newer_worker_knows_waits_for_it_and_holds_up_nobody() -> Result<()> {
    let town = Town::founded(Founding::default().seed(207).people(150).closed("exemption")).await?;
    let newer = town.citizen(Plan::Issued)?.submits().await?.case;
    let other = town.citizen(Plan::Issued)?.submits().await?.case;
    town.rest().await?;
    sqlx::query("UPDATE cases SET flow_version = 2 WHERE id = $1").bind(newer.0).execute(&town.owner).await?;
    town.opens("exemption")?;
    town.until_held_at(other, "review").await?;
    let put_off =
        "SELECT count(*) FROM journal WHERE case_id = $1 AND move_label = 'retry' AND detail->>'cause' = 'newer-flow'";
    town.until("the newer case to be put off", async || {
        let n: i64 = sqlx::query_scalar(put_off).bind(newer.0).fetch_one(&town.owner).await?;
        Ok((n > 0).then_some(()))
    })
    .await?;
    let attempt: i32 = sqlx::query_scalar("SELECT attempt FROM jobs WHERE subject_id = $1")
        .bind(newer.0)
        .fetch_one(&town.owner)
        .await
        .context("the job")?;
    assert_eq!(attempt, 1, "waiting for a newer worker spends no attempt");
    sqlx::query("UPDATE cases SET flow_version = 1 WHERE id = $1").bind(newer.0).execute(&town.owner).await?;
    town.until_held_at(newer, "review").await?;
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_15_an_answer_that_meets_a_lapse_goes_first() -> Result<()> {
    let town = Town::founded(Founding::default().seed(208).people(150)).await?;
    // the confirmation was lost: the lapse itself finds the money, and it is booked once
    let lost = town.citizen(Plan::ConfirmationLost)?.submits().await?.case;
    town.until_held_at(lost, "payment").await?;
    town.rest().await?;
    town.clock_passes(past_the_term()).await?;
    assert_eq!(town.until_held_at(lost, "review").await?.purse.received, duty(&town.sandbox));

    for lapse_first in [false, true] {
        let late = town.citizen(Plan::PaidLate)?.submits().await?.case;
        town.until_held_at(late, "payment").await?;
        town.closes("payment").await?;
        if lapse_first {
            lapses(&town, late).await?;
        }
        town.until("the confirmation to come", async || {
            let come: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM arrivals WHERE case_id = $1)")
                .bind(late.0)
                .fetch_one(&town.owner)
                .await?;
            Ok(come.then_some(()))
        })
        .await?;
        if !lapse_first {
            town.clock_passes(past_the_term()).await?;
        }
        // both are there now, whichever way round
        town.opens("payment")?;
        assert_eq!(town.until_held_at(late, "review").await?.purse.received, duty(&town.sandbox));
    }
    town.leave_waiting().await
}

/// The term passes and the lapse is on its way.
async fn lapses(town: &Town, case: CaseId) -> Result<()> {
    town.clock_passes(past_the_term()).await?;
    town.until("the lapse to be issued", async || {
        let issued: Option<i64> = sqlx::query_scalar("SELECT lapse_ticket FROM holds WHERE case_id = $1")
            .bind(case.0)
            .fetch_one(&town.owner)
            .await?;
        Ok(issued.map(|_| ()))
    })
    .await
}
