//! Faults on command, as the gateway client sees them, and what the receivers count meanwhile.

use crate::town::Town;
use kezek_domain::{Fault, System};
use kezek_gateway::{GatewayFault, RegisterAnswer};
use kezek_sandbox::Plan;

/// No call of this desk takes long.
fn http() -> reqwest::Client {
    reqwest::Client::builder().timeout(std::time::Duration::from_secs(10)).no_proxy().build().unwrap()
}

async fn disturb(town: &Town, json: &str) {
    let url = format!("http://{}/demo/faults", town.sandbox.address);
    let response = http().post(url).body(json.to_owned()).send().await.unwrap();
    assert_eq!(response.status(), 204, "{json}");
}

#[tokio::test]
async fn an_answer_lost_after_the_effect_is_found_again_under_the_same_key() {
    let town = Town::new().await;
    let request = town.request(town.person(Plan::Issued));
    disturb(&town, r#"{"system":"rp-drn","fault":{"kind":"lose-answer","every":1},"count":5}"#).await;
    // asked twice at each call: the client repeats a lost answer once
    for _ in 0..2 {
        let fault = town.gateway.register("k", &request).await.unwrap_err();
        assert!(matches!(fault, GatewayFault::Transport { system: System::RpDrn, .. }), "{fault}");
        assert!(Fault::from(fault).is_transient());
    }
    assert!(matches!(town.gateway.register("k", &request).await.unwrap(), RegisterAnswer::Registered { .. }));
    let ledger = town.sandbox.world.ledger();
    assert_eq!((ledger.registrations.len(), ledger.registrations["k"].calls), (1, 6));
}

#[tokio::test]
async fn codes_outages_and_rubbish_are_told_apart() {
    let town = Town::new().await;
    let person = town.person(Plan::Issued);
    let ask = async || town.gateway.phone_bound(&person.iin, &person.phone).await;
    for (fault, transient, words) in [
        (r#"{"kind":"error","code":"FAULT-015"}"#, true, "bmg: gateway error FAULT-015"),
        (r#"{"kind":"error","code":"NEW-1"}"#, true, "bmg: unknown gateway error NEW-1"),
        (r#"{"kind":"error","code":"SBF-AD-1"}"#, false, "bmg: refused with code SBF-AD-1"),
        (r#"{"kind":"error","code":"SCSE001"}"#, false, "bmg: data not found"),
        (r#"{"kind":"outage"}"#, true, "bmg: connection lost"),
        (r#"{"kind":"rubbish"}"#, false, "bmg: bad answer at html: not closed"),
    ] {
        let count = if fault.contains("outage") { 2 } else { 1 };
        disturb(&town, &format!(r#"{{"system":"bmg","fault":{fault},"count":{count}}}"#)).await;
        let seen = ask().await.unwrap_err();
        assert_eq!((seen.is_transient(), seen.to_string().as_str()), (transient, words));
        ask().await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_system_times_out_and_a_dead_one_has_no_connection() {
    let town = Town::with(|config| config.read_timeout_ms = 100).await;
    let person = town.person(Plan::Issued);
    disturb(&town, r#"{"fault":{"kind":"latency","ms":400},"count":1}"#).await;
    let fault = town.gateway.phone_bound(&person.iin, &person.phone).await.unwrap_err();
    assert_eq!(fault.to_string(), "bmg: timed out");
    let (iin, phone) = (person.iin.clone(), person.phone.clone());
    let gateway = town.gateway.clone();
    town.sandbox.stop().await.unwrap();
    let fault = gateway.phone_bound(&iin, &phone).await.unwrap_err();
    assert_eq!(fault.to_string(), "bmg: no connection");
}

#[tokio::test]
async fn a_text_message_is_sent_at_each_call_and_a_cabinet_message_once() {
    let town = Town::new().await;
    let person = town.person(Plan::Issued);
    disturb(&town, r#"{"system":"sms","fault":{"kind":"lose-answer"},"count":1}"#).await;
    assert!(town.gateway.sms("n", &person.phone, "text").await.is_err());
    town.gateway.sms("n", &person.phone, "text").await.unwrap();
    for _ in 0..2 {
        town.gateway.cabinet("n", &person.iin, "title", "text").await.unwrap();
    }
    let ledger = town.sandbox.world.ledger();
    assert_eq!((ledger.sms["n"].calls, ledger.sms["n"].effects), (2, 2));
    assert_eq!((ledger.cabinet["n"].calls, ledger.cabinet["n"].effects), (2, 1));
    assert_eq!(ledger.sms["n"].person, Some(person.index));
}

#[tokio::test]
async fn no_more_calls_are_under_way_than_the_lane_has_places() {
    let town = Town::with(|config| config.in_flight_per_system = 2).await;
    let person = town.person(Plan::Issued).clone();
    disturb(&town, r#"{"fault":{"kind":"latency","ms":100},"count":6}"#).await;
    let begun = std::time::Instant::now();
    let calls = (0..6).map(|_| town.gateway.phone_bound(&person.iin, &person.phone));
    for answer in futures_util::future::join_all(calls).await {
        answer.unwrap();
    }
    assert!(begun.elapsed().as_millis() >= 300, "six calls through two places take three turns");
}

#[tokio::test]
async fn the_desk_answers_and_says_what_is_wrong() {
    let town = Town::new().await;
    town.registered(Plan::Issued).await;
    let at = |path: &str| format!("http://{}{path}", town.sandbox.address);
    let http = http();
    let ledger = http.get(at("/demo/ledger")).send().await.unwrap().text().await.unwrap();
    let person = town.person(Plan::Issued);
    assert!(
        ledger.contains("\"issued\"") && !ledger.contains(person.iin.expose()) && !ledger.contains(&person.surname)
    );
    serde_json::from_str::<kezek_sandbox::ledger::Ledger>(&ledger).unwrap();
    assert!(
        http.get(at("/demo/ca.pem")).send().await.unwrap().text().await.unwrap().starts_with("-----BEGIN CERTIFICATE")
    );
    assert_eq!(http.get(at("/demo/pending")).send().await.unwrap().text().await.unwrap(), r#"{"pending":0}"#);
    let wrong = http.post(at("/demo/clock")).body("{}").send().await.unwrap();
    assert_eq!(wrong.status(), 422);
    assert!(wrong.text().await.unwrap().contains("offsetSeconds"));
    assert_eq!(http.post(at("/demo/clock")).body(r#"{"offsetSeconds":-5}"#).send().await.unwrap().status(), 204);
    assert_eq!(town.sandbox.world.clock.offset(), -5);
    assert_eq!(http.post(at("/demo/faults")).body(r#"{"fault":{"kind":"fire"}}"#).send().await.unwrap().status(), 422);
    let unknown = http.post(at("/sync")).body("<a/>").send().await.unwrap();
    assert_eq!(unknown.status(), 500);
    assert!(unknown.text().await.unwrap().contains("message: not a SOAP envelope"));
}
