//! What an operator gives up leaves nothing behind outside; and what a process does by itself once a day.

use crate::faults::disturb;
use crate::journeys::past_the_term;
use anyhow::{Result, ensure};
use kezek::commands::ending;
use kezek_domain::{CaseId, Closing, System};
use kezek_gateway::{Gateway, GatewayConfig};
use kezek_runtime::desk::{self, CaseEnd};
use kezek_sandbox::Plan;
use kezek_sandbox::faults::Kind;
use kezek_sandbox::ledger::{OrderState, RegistrationState};
use kezek_store::audit::{Entry, GENESIS, chain};
use kezek_testkit::town::Town;
use serde_json::json;

fn gateway(town: &Town) -> Result<Gateway> {
    let (url, async_url) = (town.sandbox.sync_url(), town.sandbox.async_url());
    Ok(Gateway::new(GatewayConfig { url, async_url, ..GatewayConfig::default() })?)
}

/// As `kezek dead discard --close-case` does it.
async fn given_up(town: &Town, case: CaseId) -> Result<Vec<String>> {
    let (letter, _) = town.letter(case).await?;
    ensure!(desk::ends(&town.engine, letter).await? == case.0);
    let told = ending::outside(&town.engine, &gateway(town)?, &*town.answers, case.0).await?;
    // an operator whose shell was cut off does it again
    ending::outside(&town.engine, &gateway(town)?, &*town.answers, case.0).await?;
    desk::discard(&town.engine, letter, "operator", "given up", CaseEnd::Close).await?;
    Ok(told)
}

fn outside(town: &Town, case: CaseId) -> (Option<OrderState>, Option<RegistrationState>) {
    let ledger = town.sandbox.world.ledger();
    let order = ledger.orders.get(&format!("charge/{case}/duty")).map(|o| o.state);
    (order, ledger.registrations.get(&format!("register/{case}")).map(|r| r.state))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_15_a11c_a_case_that_an_operator_gives_up_leaves_neither_order_nor_registration_behind() -> Result<()> {
    for (seed, plan, returned) in [(311, Plan::Unpaid, false), (312, Plan::PaidPartOnly, true)] {
        let town = Town::found(seed).await?;
        let case = town.citizen(plan)?.submits().await?.case;
        town.until_held_at(case, "payment").await?;
        town.rest().await?;
        // the service refuses the withdrawal, in a way that nobody understands: the order stays open
        disturb(&town, Some(System::RpDrn), Kind::Error { code: "VAL-R-004".to_owned() }, Some(1))?;
        town.clock_passes(past_the_term()).await?;
        town.letter(case).await?;
        ensure!(outside(&town, case) == (Some(OrderState::Open), Some(RegistrationState::Open)));
        given_up(&town, case).await?;
        ensure!(town.until_closed(case).await? == Closing::Cancelled);
        ensure!(outside(&town, case) == (Some(OrderState::Withdrawn), Some(RegistrationState::Cancelled)));
        let purse = town.case(case).await?.purse;
        ensure!(purse.received == purse.returned && purse.returned.is_positive() == returned, "{purse:?}");
        town.rest().await?;
        ensure!(town.sandbox.world.ledger().conflicts.is_empty());
        town.finish().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_13_a_registration_whose_answer_was_never_read_is_cancelled_with_its_case() -> Result<()> {
    let town = Town::found(313).await?;
    disturb(&town, Some(System::RpDrn), Kind::Rubbish, Some(1))?;
    let case = town.citizen(Plan::Issued)?.submits().await?.case;
    town.letter(case).await?;
    ensure!(town.case(case).await?.coupon.is_none() && outside(&town, case).1 == Some(RegistrationState::Open));
    let told = given_up(&town, case).await?;
    ensure!(told.iter().any(|line| line.contains("RP DRN is cancelled")), "{told:?}");
    ensure!(town.until_closed(case).await? == Closing::Cancelled);
    ensure!(outside(&town, case) == (None, Some(RegistrationState::Cancelled)));
    // a letter that was acted upon ends nothing any more
    let letters: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT id FROM dead_letters").fetch_all(&town.owner).await?;
    ensure!(desk::ends(&town.engine, letters[0]).await.is_err());
    town.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a0_1_a_day_that_is_over_is_sealed_by_whoever_keeps_house() -> Result<()> {
    let town = Town::found(314).await?;
    town.keeps_no_house().await?;
    let entry = Entry { account: "a", role: "operator", act: "b", case_id: None, detail: json!({}) };
    sqlx::query(
        "INSERT INTO audit (number, at, account, role, act, detail, head)
         VALUES (1, now() - interval '3 days', 'a', 'operator', 'b', '{}', $1)",
    )
    .bind(chain(&GENESIS, 1, &entry).as_slice())
    .execute(&town.owner)
    .await?;
    town.keeps_house();
    let sealed = town
        .until("the days to be sealed", async || {
            let n: i64 = sqlx::query_scalar("SELECT count(*) FROM seals").fetch_one(&town.owner).await?;
            Ok((n > 0).then_some(n))
        })
        .await?;
    ensure!(sealed >= 4, "two seals for each day that is over: {sealed}");
    town.finish().await
}
