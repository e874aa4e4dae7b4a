//! What the law wants of the whole installation and no stage shows by itself: a disputed refusal, one picture under two
//! numbers, terms, outages.

use anyhow::{Context as _, Result};
use axum::http::StatusCode;
use kezek::commands::terms;
use kezek_domain::rules::Rules;
use kezek_domain::{Closing, Role};
use kezek_sandbox::Plan;
use kezek_store::mint;
use kezek_store::outages::{self, Witness};
use kezek_testkit::town::Town;
use serde_json::{Value, json};

fn receipt(told: &Value) -> Result<String> {
    Ok(told["receipt"].as_str().context("a receipt")?.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s22_a_refusal_that_the_head_sets_aside_lets_the_application_go_on_as_a_new_case() -> Result<()> {
    let town = Town::found(131).await?;
    let sent = town.citizen(Plan::PhotoUnfit)?.submits().await?;
    assert_eq!(town.until_closed(sent.case).await?, Closing::Refused);
    let refused = town.case(sent.case).await?;
    let path = format!("/v1/applications/{}/review", refused.receipt.as_str());
    let (status, told) = town.portal(&path, Value::Null).await;
    assert_eq!(status, StatusCode::CREATED, "{told}");
    let (status, again) = town.portal(&path, Value::Null).await;
    assert_eq!((status, receipt(&again)?), (StatusCode::OK, receipt(&told)?));

    let case = kezek_domain::CaseId(told["case"].as_str().context("a case")?.parse()?);
    let held = town.until_held_at(case, "intake").await?;
    assert_eq!(held.filed_at, refused.filed_at, "judged at the instant of the first filing");
    let head = town.somebody(Role::Head, Some(held.region));
    let (_, listed) = head.asks("GET", "/v1/questions?stage=intake", None).await;
    let question = &listed["questions"][0];
    assert_eq!(
        (question["finding"].as_str(), question["question"].as_str()),
        (Some("photo-unfit"), Some("intake.refusal-disputed"))
    );
    assert!(question["text"]["kk"].as_str().is_some_and(|text| !text.is_empty()));
    let chosen = json!({
        "stage": "intake", "ticket": question["ticket"], "choice": "let-pass", "reason": "the background is fine",
    });
    let (status, told) = head.asks("POST", &format!("/v1/questions/{case}"), Some(chosen)).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    town.until_held_at(case, "review").await?;
    // the refused case stays what it was
    assert_eq!(town.case(sent.case).await?.status.closing(), Some(Closing::Refused));
    let opened: Value = sqlx::query_scalar("SELECT detail FROM journal WHERE case_id = $1 AND number = 1")
        .bind(case.0)
        .fetch_one(&town.owner)
        .await?;
    assert_eq!(opened["reviews"], json!(sent.case));
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s22_a_refusal_that_is_upheld_is_told_again_and_the_review_is_closed() -> Result<()> {
    let town = Town::found(132).await?;
    let sent = town.citizen(Plan::NotIdentified)?.submits().await?;
    town.until_closed(sent.case).await?;
    let refused = town.case(sent.case).await?;
    let (_, told) = town.portal(&format!("/v1/applications/{}/review", refused.receipt.as_str()), Value::Null).await;
    let case = kezek_domain::CaseId(told["case"].as_str().context("a case")?.parse()?);
    let held = town.until_held_at(case, "intake").await?;
    let head = town.somebody(Role::Head, Some(held.region));
    let (_, listed) = head.asks("GET", "/v1/questions?stage=intake", None).await;
    let ticket = &listed["questions"][0]["ticket"];
    let chosen = json!({ "stage": "intake", "ticket": ticket, "choice": "upheld", "reason": "seen in person" });
    let (status, _) = head.asks("POST", &format!("/v1/questions/{case}"), Some(chosen)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(town.until_closed(case).await?, Closing::Refused);
    town.rest().await?;
    let told: i64 = sqlx::query_scalar("SELECT count(*) FROM side_messages WHERE case_id = $1 AND kind = 'refused'")
        .bind(case.0)
        .fetch_one(&town.owner)
        .await?;
    assert_eq!(told, 1);
    town.finish().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_10_the_same_picture_under_two_numbers_raises_an_alert_and_under_one_none() -> Result<()> {
    let town = Town::found(133).await?;
    let citizen = town.citizen(Plan::Issued)?;
    let sent = citizen.submits().await?;
    let alerts = async || -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM audit WHERE act = 'picture-shared'").fetch_one(&town.owner).await?)
    };
    assert_eq!(alerts().await?, 0);
    // somebody else's application brings the very same photograph
    sqlx::query("UPDATE cases SET iin_hash = decode(repeat('0f', 32), 'hex') WHERE id = $1")
        .bind(sent.case.0)
        .execute(&town.owner)
        .await?;
    let (status, told) = town.portal("/v1/applications", citizen.application("another")?).await;
    assert_eq!(status, StatusCode::CREATED, "{told}");
    assert_eq!(alerts().await?, 1);
    let which: Value =
        sqlx::query_scalar("SELECT detail FROM audit WHERE act = 'picture-shared'").fetch_one(&town.owner).await?;
    assert_eq!(which["which"], json!(["photo", "signature"]));
    let page = town.engine.metrics().page()?;
    assert!(page.contains("kezek_pictures_shared_total{which=\"photo\"} 1"), "{page}");
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a4_2_a_case_is_warned_of_once_and_found_overdue_once() -> Result<()> {
    let town = Town::found(134).await?;
    let sent = town.citizen(Plan::Exempt)?.submits().await?;
    town.until_held_at(sent.case, "review").await?;
    let events = async || -> Result<Vec<String>> {
        Ok(sqlx::query_scalar("SELECT event FROM term_events ORDER BY recorded_at").fetch_all(&town.owner).await?)
    };
    let round = async || terms::round(&town.engine, Rules::built_in()).await;
    round().await?;
    assert!(events().await?.is_empty());
    // filed on Tuesday 2 September 2025: twelve working days are over on the 18th, fifteen on the 23rd
    town.clock_passes(16).await?;
    round().await?;
    round().await?;
    assert_eq!(events().await?, ["warning"]);
    town.clock_passes(6).await?;
    round().await?;
    round().await?;
    assert_eq!(events().await?, ["warning", "overdue"]);
    let whose: Value =
        sqlx::query_scalar("SELECT whose FROM term_events WHERE event = 'overdue'").fetch_one(&town.owner).await?;
    assert!(whose["provider"].as_i64().is_some_and(|days| days >= 15), "{whose}");
    let audited: i64 =
        sqlx::query_scalar("SELECT count(*) FROM audit WHERE act LIKE 'term-%'").fetch_one(&town.owner).await?;
    assert_eq!(audited, 2);
    let page = town.engine.metrics().page()?;
    assert!(page.contains("kezek_terms{standing=\"overdue\"} 1"), "{page}");
    town.leave_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a12_a_reported_outage_is_kept_with_begin_and_end_and_opened_once() -> Result<()> {
    let town = Town::found(135).await?;
    let (real, business) = (town.engine.clock().real(), town.engine.clock().now());
    let witness = Witness { source: "report", reason: "the portal did not open", by: "shell:test" };
    let mut tx = town.engine.pool().begin().await?;
    let mut permit = mint(&mut tx);
    assert!(outages::begin(&mut permit, "portal", (real, business), witness).await?);
    assert!(!outages::begin(&mut permit, "portal", (real, business), witness).await?);
    // what is measured is not ended by anybody's word
    assert!(!outages::end(&mut permit, "bmg", (real, business), "shell:test").await?);
    tx.commit().await?;
    let open = outages::list(town.engine.pool(), real).await?;
    assert_eq!((open.len(), open[0].ended_at, open[0].source.as_str()), (1, None, "report"));
    let mut tx = town.engine.pool().begin().await?;
    assert!(outages::end(&mut mint(&mut tx), "portal", (town.engine.clock().real(), business), "shell:test").await?);
    tx.commit().await?;
    let closed = outages::list(town.engine.pool(), real).await?;
    assert!(closed[0].ended_at.is_some());
    town.finish().await
}
