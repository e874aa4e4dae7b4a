//! The sandbox's people before the stage: who is exempt, who pays, and when nobody does.

use jiff::civil::{Date, date};
use kezek_domain::Service;
use kezek_domain::dossier::{DutyAssessment, Form, Language, Reason};
use kezek_exemption::{Config, Exemption, Job};
use kezek_gateway::{Gateway, GatewayConfig};
use kezek_sandbox::{Options, Plan};
use kezek_stage::{Outcome as _, Turn};
use kezek_testkit::{Bench, bench, paper};
use std::error::Error;
use std::sync::Arc;

/// The outcome's label and the duty in tiyn of everybody who is known to the registers.
async fn assessed(as_of: Date) -> Result<Vec<(Plan, &'static str, i64)>, Box<dyn Error>> {
    let callback_url = "http://127.0.0.1:9/".to_owned();
    let options = Options { port: 0, callback_url, seed: 12, population: Plan::ALL.len(), as_of };
    let sandbox = kezek_sandbox::start(&options).await?;
    let now = sandbox.world.clock.now();
    let mut assessed = Vec::new();
    for person in sandbox.world.people.people().iter().filter(|p| p.plan.outlook(paper::duty().amount).registered) {
        let gateway =
            GatewayConfig { url: sandbox.sync_url(), async_url: sandbox.async_url(), ..GatewayConfig::default() };
        let form = Form {
            iin: person.iin.clone(),
            phone: person.phone.clone(),
            service: Service::ID_CARD_RENEWAL,
            reason: Reason::Expiry,
            consent: sandbox.world.people.consent(&person.iin, now),
            language: Language::Kk,
            ..paper::form()
        };
        let kit = bench::kit(now).with(Arc::new(Gateway::new(gateway)?));
        let mut bench = Bench::<Exemption>::open(Config::default(), kit)?.filing(&form);
        let mut turn = bench.work(&Job::default()).await?;
        if let (Plan::StatusUnmapped, Turn::Hold(hold)) = (person.plan, &turn) {
            let question = hold.question.as_ref().ok_or("a wait without a question")?;
            let pay = question.choices.iter().find(|choice| choice.label == "pay").ok_or("cannot be paid")?;
            let answer = pay.answer.clone();
            turn = bench.answer(&answer, &Job::default()).await?;
        }
        let Turn::Done(outcome) = turn else { return Err(format!("{person:?} is not decided").into()) };
        assessed.push((person.plan, outcome.label(), bench.filed::<DutyAssessment>()?.amount.0));
    }
    sandbox.stop().await?;
    Ok(assessed)
}

#[tokio::test]
async fn a3_14_in_2025_those_with_a_status_are_exempt_and_all_others_pay() -> Result<(), Box<dyn Error>> {
    let people = assessed(date(2025, 9, 2)).await?;
    assert!(people.iter().any(|(plan, ..)| plan.is_exempt()) && people.len() > 10);
    for (plan, label, tiyn) in people {
        let planned = if plan.is_exempt() { ("exempt", 0) } else { ("payable", 78_640) };
        assert_eq!((label, tiyn), planned, "{}", plan.label());
    }
    Ok(())
}

#[tokio::test]
async fn a3_14_from_2026_nobody_pays_for_an_expired_card() -> Result<(), Box<dyn Error>> {
    let people = assessed(date(2026, 2, 2)).await?;
    assert!(people.iter().all(|(_, label, tiyn)| (*label, *tiyn) == ("free-by-ground", 0)), "{people:?}");
    assert!(!people.is_empty());
    Ok(())
}
