//! A11a–A11c across the whole town: outdated pages, cancellations that are taken back, applications that follow, and what
//! the daily comparison with the receivers brings back.

use crate::journeys::duty;
use anyhow::{Context as _, Result, ensure};
use axum::http::StatusCode;
use kezek::commands::reconcile::by_itself;
use kezek_domain::dossier::CancelReason;
use kezek_domain::{CaseId, Closing};
use kezek_gateway::service_ids::PAYMENT_CONFIRMED;
use kezek_gateway::xml::Node;
use kezek_gateway::{Gateway, GatewayConfig};
use kezek_sandbox::Plan;
use kezek_sandbox::ledger::Payment;
use kezek_store::{reports, story};
use kezek_testkit::town::{Founding, Official, Town};
use serde_json::{Value, json};
use std::time::Duration;

async fn revision(town: &Town, case: CaseId) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT revision FROM cases WHERE id = $1").bind(case.0).fetch_one(&town.owner).await?)
}

async fn takes_back(official: &Official<'_>, case: CaseId, page: &Value) -> (StatusCode, Value) {
    let body = json!({ "ticket": page["ticket"] });
    official.asks("POST", &format!("/v1/review/cases/{case}/take-back"), Some(body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a11a_money_that_comes_while_a_page_is_open_raises_the_revision_and_outdates_the_page() -> Result<()> {
    let town = Town::found(321).await?;
    let case = town.citizen(Plan::Issued)?.submits().await?.case;
    let head = town.until_held_at(case, "review").await?;
    let officer = town.officer(head.region)?;
    let page = officer.opens(case).await?;
    let before = revision(&town, case).await?;
    ensure!(page["revision"] == before);
    // the same duty paid once more: the ticket stays, what the page showed does not
    let key = format!("charge/{case}/duty");
    let message = Node::new("payment")
        .field("orderKey", key.as_str())
        .field("number", "DEMO-P-second")
        .field("amountTiyn", duty(&town.sandbox).0.to_string())
        .field("at", town.engine.clock().now().to_string());
    let payment = Payment {
        number: "DEMO-P-second".to_owned(),
        amount: duty(&town.sandbox),
        at: town.engine.clock().now(),
        confirmations: 1,
    };
    town.sandbox.world.ledger().orders.get_mut(&key).context("the order")?.payments.push(payment);
    ensure!(town.sandbox.world.outbound.deliver(PAYMENT_CONFIRMED, &key, &message).await);
    ensure!(revision(&town, case).await? == before + 1 && town.case(case).await?.ticket == head.ticket);
    let (status, problem) = officer.decides(&page, None).await?;
    ensure!((status, problem["code"].as_str()) == (StatusCode::CONFLICT, Some("stale")), "{status} {problem}");
    ensure!(town.standing(case).await?.stage.as_deref() == Some("review"), "nothing was decided");
    let (status, told) = officer.decides(&officer.opens(case).await?, None).await?;
    ensure!(status == StatusCode::OK, "{told}");
    let ready = town.until_held_at(case, "issuance").await?;
    town.issuer(ready.region)?.hands_over(ready.coupon.context("no coupon")?.as_str()).await?;
    // too much was paid: the rest goes back by itself
    ensure!(town.until_closed(case).await? == Closing::Issued);
    let purse = town.case(case).await?.purse;
    ensure!((purse.earned, purse.returned) == (duty(&town.sandbox), duty(&town.sandbox)), "{purse:?}");
    town.rest().await?;
    town.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a11b_a_cancellation_is_taken_back_at_the_door_and_otherwise_takes_effect_by_itself() -> Result<()> {
    let town = Town::founded(Founding::default().seed(322).taking_back()).await?;
    let (first, second) = (town.citizen(Plan::Issued)?, town.citizen(Plan::CancelledForPhoto)?);
    let (case, other) = (first.submits().await?.case, second.submits().await?.case);
    let head = town.until_held_at(case, "review").await?;
    let author = town.officer(head.region)?;
    author.cancels(case, CancelReason::AdditionalVerification).await?;
    let page = author.opens(case).await?;
    ensure!(page["pending"]["state"] == "cooling" && page["pending"]["mine"] == true, "{}", page["pending"]);
    ensure!(page["signing"] == json!([]), "a case that is being cancelled offers nothing to sign");
    let mut colleague = town.officer(head.region)?;
    colleague.caller.account = "another-reviewer".to_owned();
    let (status, problem) = takes_back(&colleague, case, &page).await;
    ensure!((status, problem["code"].as_str()) == (StatusCode::CONFLICT, Some("nothing-to-take-back")), "{problem}");
    ensure!(takes_back(&author, case, &page).await.0 == StatusCode::OK);
    ensure!(colleague.opens(case).await?["pending"].is_null());
    colleague.approves(case).await?;
    town.until_held_at(case, "issuance").await?;

    let head = town.until_held_at(other, "review").await?;
    town.officer(head.region)?.cancels(other, CancelReason::PhotoQuality).await?;
    town.rest().await?;
    ensure!(town.standing(other).await?.how == "held", "it takes effect after its minutes");
    town.clock_passes(1).await?;
    ensure!(town.until_closed(other).await? == Closing::Cancelled);
    let purse = town.case(other).await?.purse;
    ensure!(purse.returned == duty(&town.sandbox));
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a11c_a_new_application_is_linked_to_the_cancelled_one_and_pays_anew() -> Result<()> {
    let town = Town::found(323).await?;
    let citizen = town.citizen(Plan::CancelledForPhoto)?;
    let first = citizen.submits().await?;
    let head = town.until_held_at(first.case, "review").await?;
    town.officer(head.region)?.cancels(first.case, CancelReason::PhotoQuality).await?;
    town.clock_passes(1).await?;
    town.until_closed(first.case).await?;
    let second = citizen.sends(citizen.application("anew")?).await?;
    ensure!(second.case != first.case);
    town.until_held_at(second.case, "review").await?;
    ensure!(town.case(second.case).await?.purse.received == duty(&town.sandbox), "paid anew");
    {
        let ledger = town.sandbox.world.ledger();
        let orders = [first.case, second.case].map(|case| ledger.orders.contains_key(&format!("charge/{case}/duty")));
        ensure!(orders == [true, true] && ledger.conflicts.is_empty());
    }
    let (old, new) =
        (story::tell(&town.owner, &first.receipt).await?, story::tell(&town.owner, &second.receipt).await?);
    let (old, new) = (old.context("the first")?, new.context("the second")?);
    ensure!(new.follows.as_deref() == Some(first.receipt.as_str()) && new.followed_by.is_none());
    ensure!(old.followed_by.as_deref() == Some(second.receipt.as_str()) && old.follows.is_none());
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_15_the_daily_comparison_brings_a_lost_confirmation_once_and_leaves_the_rest_to_a_person() -> Result<()> {
    let town = Town::found(324).await?;
    let case = town.citizen(Plan::ConfirmationLost)?.submits().await?.case;
    town.until_held_at(case, "payment").await?;
    town.rest().await?;
    let (url, async_url) = (town.sandbox.sync_url(), town.sandbox.async_url());
    let gateway = Gateway::new(GatewayConfig { url, async_url, ..GatewayConfig::default() })?;
    let day = Duration::from_secs(86_400);
    let found = by_itself(&town.engine, &gateway, day).await?.context("nobody has compared today")?;
    let brought: Vec<_> = found.iter().filter(|d| d.done == "brought").map(|d| d.kind).collect();
    ensure!(brought == ["payment-not-booked"], "{found:?}");
    town.until_held_at(case, "review").await?;
    ensure!(town.case(case).await?.purse.received == duty(&town.sandbox));
    // once a day, whoever comes to it; and the next day there is nothing left to bring
    ensure!(by_itself(&town.engine, &gateway, day).await?.is_none());
    let again = by_itself(&town.engine, &gateway, Duration::ZERO).await?.context("asked for")?;
    ensure!(again.iter().all(|d| d.done != "brought"), "{again:?}");
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a11d_cards_that_nobody_fetches_are_listed_and_their_owners_reminded() -> Result<()> {
    let town = Town::found(325).await?;
    let sent = town.citizen(Plan::Exempt)?.submits().await?;
    let head = town.until_held_at(sent.case, "review").await?;
    town.officer(head.region)?.approves(sent.case).await?;
    town.until_held_at(sent.case, "issuance").await?;
    ensure!(reports::uncollected(&town.owner, 30).await?.is_empty());
    town.clock_passes(31).await?;
    town.rest().await?;
    let listed = reports::uncollected(&town.owner, 30).await?;
    ensure!(listed.len() == 1 && listed[0].receipt == sent.receipt && listed[0].days >= 30, "{listed:?}");
    town.until("the reminder to be sent", async || {
        let sent: i64 = sqlx::query_scalar("SELECT count(*) FROM side_messages WHERE kind = 'ready-reminder'")
            .fetch_one(&town.owner)
            .await?;
        Ok((sent == 1).then_some(()))
    })
    .await?;
    ensure!(reports::refunding(&town.owner).await?.is_empty());
    town.leave_waiting().await
}
