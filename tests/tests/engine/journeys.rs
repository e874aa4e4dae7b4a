//! Conversations: what a person would see of Kezek from the submission to the end.

use anyhow::{Context as _, Result};
use axum::http::StatusCode;
use kezek_domain::dossier::CancelReason;
use kezek_domain::rules::Rules;
use kezek_domain::{CaseId, Closing, Tiyn};
use kezek_gateway::service_ids::PAYMENT_CONFIRMED;
use kezek_gateway::xml::Node;
use kezek_sandbox::plan::duty_on;
use kezek_sandbox::{Plan, Running};
use kezek_testkit::town::{Founding, Town};
use serde_json::json;
use std::collections::BTreeMap;

/// Days after which an order that nobody paid has lapsed.
pub fn past_the_term() -> i64 {
    i64::from(Rules::built_in().terms().payment_days) + 1
}

pub fn duty(sandbox: &Running) -> Tiyn {
    duty_on(sandbox.world.people.as_of())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_a11d_an_application_goes_from_the_portal_to_the_hand_over_of_the_card() -> Result<()> {
    let town = Town::found(101).await?;
    let citizen = town.citizen(Plan::Issued)?;
    let sent = citizen.submits().await?;
    assert_eq!(sent.status, StatusCode::CREATED);

    let waiting = town.until_held_at(sent.case, "review").await?;
    assert!(waiting.coupon.is_some(), "A3.13: registered before anybody looks at it");
    town.officer(waiting.region)?.approves(sent.case).await?;

    let ready = town.until_held_at(sent.case, "issuance").await?;
    let coupon = ready.coupon.map(|c| c.as_str().to_owned()).unwrap_or_default();
    town.issuer(ready.region)?.hands_over(&coupon).await?;

    assert_eq!(town.until_closed(sent.case).await?, Closing::Issued);
    let purse = town.case(sent.case).await?.purse;
    assert_eq!((purse.received, purse.earned), (duty(&town.sandbox), duty(&town.sandbox)));
    town.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_15_a11c_an_order_that_lapsed_and_is_paid_after_all_is_paid_back() -> Result<()> {
    let town = Town::found(102).await?;
    let sent = town.citizen(Plan::PaidAfterLapse)?.submits().await?;
    town.until_held_at(sent.case, "payment").await?;
    town.clock_passes(past_the_term()).await?;

    // closed as unpaid, opened once more by the money, closed as unpaid again once the tax authority has paid
    town.until("the money to have come and gone", async || {
        Ok((town.case(sent.case).await?.purse.returned.is_positive()).then_some(()))
    })
    .await?;
    assert_eq!(town.until_closed(sent.case).await?, Closing::Unpaid);
    town.rest().await?;
    let purse = town.case(sent.case).await?.purse;
    assert_eq!((purse.received, purse.earned, purse.returned), (duty(&town.sandbox), Tiyn::ZERO, duty(&town.sandbox)));
    let refunds = town.sandbox.world.ledger().confirmations.values().filter(|c| c.refund.is_some()).count();
    assert_eq!(refunds, 1);
    town.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_15_a_confirmation_that_overtakes_the_answer_to_its_order_is_waited_with() -> Result<()> {
    let town = Town::found(103).await?;
    let sent = town.citizen(Plan::PaidEarly)?.submits().await?;
    let held = town.until_held_at(sent.case, "review").await?;
    assert_eq!(held.purse.received, duty(&town.sandbox));
    town.rest().await?;
    let taken: Vec<String> = sqlx::query_scalar("SELECT state FROM arrivals").fetch_all(&town.owner).await?;
    assert_eq!(taken.len(), 1);
    assert!(matches!(taken[0].as_str(), "taken" | "waiting"), "{taken:?}");
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a11a_a_page_that_is_out_of_date_decides_nothing() -> Result<()> {
    let town = Town::found(104).await?;
    let sent = town.citizen(Plan::Issued)?.submits().await?;
    let held = town.until_held_at(sent.case, "review").await?;
    let (first, second) = (town.officer(held.region)?, town.officer(held.region)?);
    let (page, same) = (first.opens(sent.case).await?, second.opens(sent.case).await?);
    assert_eq!(first.decides(&page, None).await?.0, StatusCode::OK);
    let (status, problem) = second.decides(&same, Some(CancelReason::PhotoQuality)).await?;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::CONFLICT, Some("stale")), "{problem}");
    town.until_held_at(sent.case, "issuance").await?;

    // an officer of another region sees no such case
    let elsewhere = kezek_domain::Region::all().into_iter().find(|r| *r != held.region).context("one region")?;
    let (status, _) = town.issuer(elsewhere)?.asks("GET", &format!("/v1/review/cases/{}", sent.case), None).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, _) = town.officer(elsewhere)?.asks("GET", &format!("/v1/review/cases/{}", sent.case), None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a0_1_a_request_that_comes_twice_opens_one_case_and_a_person_has_one_open_application() -> Result<()> {
    let town = Town::found(105).await?;
    let citizen = town.citizen(Plan::Issued)?;
    let body = citizen.application("the-same")?;
    let (first, again) = tokio::join!(citizen.sends(body.clone()), citizen.sends(body.clone()));
    let (first, again) = (first?, again?);
    assert_eq!(first.case, again.case);
    let mut told = [first.status, again.status];
    told.sort();
    assert_eq!(told, [StatusCode::OK, StatusCode::CREATED]);
    assert_eq!(citizen.sends(body.clone()).await?.status, StatusCode::OK);

    // another request of the same person while the first is open
    let mut other = body.clone();
    other["requestId"] = json!("another");
    let (status, problem) = town.portal("/v1/applications", other).await;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::CONFLICT, Some("duplicate-application")), "{problem}");

    // other content under the id of the first
    let mut reused = town.citizen(Plan::Exempt)?.application("the-same")?;
    reused["requestId"] = json!("the-same");
    let (status, problem) = town.portal("/v1/applications", reused).await;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::CONFLICT, Some("request-id-reused")), "{problem}");

    let cases: i64 = sqlx::query_scalar("SELECT count(*) FROM cases").fetch_one(&town.owner).await?;
    assert_eq!(cases, 1);
    town.until_held_at(first.case, "review").await?;
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_15_money_that_names_no_case_is_listed_and_lies_in_suspense() -> Result<()> {
    let town = Town::found(106).await?;
    let key = format!("charge/{}/duty", uuid::Uuid::from_u128(0xdead));
    let message = Node::new("payment")
        .field("orderKey", key.as_str())
        .field("number", "DEMO-P-unknown")
        .field("amountTiyn", "12300")
        .field("at", town.engine.clock().now().to_string());
    // twice: once per the provider's number
    for _ in 0..2 {
        assert!(town.sandbox.world.outbound.deliver(PAYMENT_CONFIRMED, &key, &message).await, "acknowledged");
    }
    let arrivals: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT state, named FROM arrivals").fetch_all(&town.owner).await?;
    assert_eq!(arrivals, [("unclaimed".to_owned(), Some(key))]);
    let checked = town.counted().await?;
    assert_eq!(checked.facts["suspense_tiyn"], 12_300);
    let wrong: BTreeMap<_, _> = checked.violations.iter().filter(|(_, n)| **n != 0).collect();
    assert_eq!(wrong.into_keys().copied().collect::<Vec<_>>(), ["arrivals_unclaimed"], "told to the operator");
    town.dissolve().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a2_a11_everybody_ends_as_planned() -> Result<()> {
    let town = Town::founded(Founding::default().seed(107)).await?;
    let sent = everybody_applies(&town).await?;
    // decided, made, handed over; then the clock passes for whoever has not paid
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
        assert!(ledger.sms.values().all(|n| n.effects == 1), "each notice once");
        let refunds: u32 = sent.iter().map(|(plan, _)| plan.outlook(duty(&town.sandbox)).refunds).sum();
        assert_eq!(ledger.statements().refunds.len(), refunds as usize);
    }
    town.finish().await
}

/// One citizen of every plan of 2025 applies.
pub async fn everybody_applies(town: &Town) -> Result<Vec<(Plan, CaseId)>> {
    let mut sent = Vec::new();
    for plan in Plan::cycle(town.sandbox.world.people.as_of()).into_iter().take(31) {
        let citizen = town.citizen(plan)?;
        let body = citizen.application(&format!("request-{}", citizen.person.index))?;
        let first = citizen.sends(body.clone()).await?;
        if plan == Plan::SubmittedTwice {
            assert_eq!(citizen.sends(body).await?.case, first.case);
        }
        sent.push((plan, first.case));
    }
    Ok(sent)
}

/// Officers and issuers decide until nobody waits for them any more.
pub async fn everybody_decides(town: &Town, sent: &[(Plan, CaseId)]) -> Result<()> {
    for _ in 0..3 {
        town.rest().await?;
        decide(town, sent).await?;
    }
    town.rest().await
}

/// Officers and issuers decide whatever waits for them, as the plans say.
async fn decide(town: &Town, sent: &[(Plan, CaseId)]) -> Result<()> {
    for (plan, case) in sent {
        let head = town.case(*case).await?;
        let standing = town.standing(*case).await?;
        match (standing.how, standing.stage.as_deref()) {
            ("held", Some("review")) => {
                let officer = town.officer(head.region)?;
                match cancels(*plan) {
                    Some(reason) => officer.cancels(*case, reason).await?,
                    None => officer.approves(*case).await?,
                }
            }
            ("held", Some("issuance")) => {
                let coupon = head.coupon.context("no coupon")?;
                town.issuer(head.region)?.hands_over(coupon.as_str()).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Why an officer would cancel the application of such a person.
fn cancels(plan: Plan) -> Option<CancelReason> {
    match plan {
        Plan::CancelledForPhoto | Plan::ExemptCancelled | Plan::PaidAfterCancellation => {
            Some(CancelReason::PhotoQuality)
        }
        Plan::CancelledForSignature => Some(CancelReason::SignatureQuality),
        Plan::CancelledForVerification => Some(CancelReason::AdditionalVerification),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a0_1_cases_opened_side_by_side_are_each_written_into_one_unbroken_trail() -> Result<()> {
    let town = Town::found(131).await?;
    let sent = town.citizen(Plan::Issued)?.submits().await?;
    let waiting = town.until_held_at(sent.case, "review").await?;
    let officer = town.officer(waiting.region)?;
    let pages = futures_util::future::join_all((0..40).map(|_| officer.opens(sent.case))).await;
    assert!(pages.iter().all(Result::is_ok));
    let written: i64 =
        sqlx::query_scalar("SELECT count(*) FROM audit WHERE act = 'case-read'").fetch_one(&town.owner).await?;
    assert_eq!(written, 40);
    assert_eq!(town.counted().await?.violations.get("audit_breaks"), Some(&0));
    town.leave_waiting().await
}
