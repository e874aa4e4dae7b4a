//! A4.3, A11d on the bench and at the door.

use crate::{Answer, Config, Issuance, Job, OldCard, Outcome};
use axum::http::StatusCode;
use jiff::SignedDuration;
use kezek_domain::dossier::{Handover, Production, ProductionResult};
use kezek_domain::rules::{NoticeKind, Rules};
use kezek_domain::{Coupon, How, Role, Status, Ticket, Tiyn};
use kezek_gateway::service_ids;
use kezek_stage::{Attachment, Caller, Outcome as _, Stage as _, Turn};
use kezek_testkit::desk::{Counter, HeldCase, ask, officer};
use kezek_testkit::register::Register;
use kezek_testkit::{Bench, bench, paper};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

type Tested = Result<(), Box<dyn Error>>;

async fn opened() -> Result<(Register, Bench<Issuance>), Box<dyn Error>> {
    let register = Register::open().await?;
    let kit = bench::kit(paper::filed_at()).with(Arc::new(register.gateway()?));
    let bench = Bench::open(Config::default(), kit)?
        .filing(&paper::form())
        .filing(&paper::identity())
        .filing(&paper::registration())
        .filing(&paper::duty())
        .coupon(&paper::coupon());
    Ok((register, bench))
}

fn handed(coupon: Coupon) -> Answer {
    Answer::HandedOver {
        coupon,
        account: "issuer-KZ-75".to_owned(),
        at: paper::filed_at(),
        old_card: OldCard::Returned,
    }
}

#[tokio::test]
async fn a3_19_the_card_waits_and_a_lapse_throws_nothing_away() -> Tested {
    let (_register, mut bench) = opened().await?;
    let Turn::Hold(hold) = bench.work(&Job {}).await? else { panic!("the card waits for its owner") };
    assert_eq!((hold.until, hold.notices), (Some("2025-10-03T00:00:00+05:00".parse()?), vec![NoticeKind::Ready]));
    Ok(())
}

#[tokio::test]
async fn a11d_whoever_does_not_fetch_the_card_is_reminded_and_no_clock_throws_it_away() -> Tested {
    let (register, mut bench) = opened().await?;
    bench.put(&made());
    bench.work(&Job {}).await?;
    let expected = [
        (31, Some("2026-01-31T00:00:00+05:00"), Some(NoticeKind::ReadyReminder)),
        (120, Some("2026-03-02T00:00:00+05:00"), Some(NoticeKind::ReadyLastCall)),
        (40, None, Some(NoticeKind::ReadyLastCall)),
    ];
    for (days, until, notice) in expected {
        bench.passes(SignedDuration::from_hours(24 * days));
        let Turn::Hold(hold) = bench.lapse(&Job {}).await? else { panic!("and goes on waiting") };
        let until = until.map(str::parse).transpose()?;
        assert_eq!((hold.until, hold.notices), (until, notice.into_iter().collect()), "after {days} more days");
    }
    assert!(register.asked().is_empty(), "nobody outside is told");
    Ok(())
}

fn made() -> Production {
    Production {
        order_key: "print/1".to_owned(),
        attempt: 1,
        result: ProductionResult::Produced,
        card_number: Some("hmac-sha256:00".to_owned()),
        at: paper::filed_at(),
    }
}

/// A door before one card, under these rules.
async fn counter(rules: Rules) -> Result<(Counter, axum::Router, String), Box<dyn Error>> {
    let register = Register::open().await?;
    let kit = bench::kit(paper::filed_at()).with(Arc::new(register.gateway()?)).with(Arc::new(rules));
    let bench = Bench::<Issuance>::open(Config::default(), kit)?.coupon(&paper::coupon());
    let counter = Counter::default();
    let mut head = bench.case.clone();
    head.ticket = Ticket(9);
    head.status = Status::Open { at: Issuance::NAME.into(), visit: 1, how: How::Held { until: None }, refunding: None };
    counter
        .put(HeldCase::new(head, paper::filed_at()).filing(&paper::form()).filing(&paper::identity()).filing(&made()));
    let doors = counter.routes(&bench);
    Ok((counter, doors, format!("/v1/issuance/cases/{}/handover", bench.case.id)))
}

fn handover(in_person: bool, old_card: &str) -> Option<Value> {
    Some(json!({
        "ticket": 9, "coupon": paper::coupon(), "identityChecked": true, "inPerson": in_person, "oldCard": old_card,
    }))
}

fn desk_rules(from: &str, to: &str) -> Result<Rules, Box<dyn Error>> {
    let text = include_str!("../../../common/domain/rules/desk.toml");
    assert!(text.contains(from), "{from}");
    Ok(Rules::parse(&BTreeMap::from([("desk.toml".to_owned(), text.replacen(from, to, 1))]))?)
}

#[tokio::test]
async fn a3_19_a_card_is_handed_over_at_the_chosen_point_by_an_officer_of_it() -> Tested {
    let (counter, doors, path) = counter(Rules::built_in().clone()).await?;
    let own = officer(Role::Issuer, paper::region(), None);
    assert!(own.points.contains(&paper::form().registration_point));
    let without = |points: Vec<String>| Caller { points, ..own.clone() };
    for stranger in [without(Vec::new()), without(vec!["KZ-75-99".to_owned()])] {
        let (status, problem) = ask(&doors, &stranger, "POST", &path, handover(true, "returned")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{problem}");
        let page = format!("/v1/issuance/by-coupon/{}", paper::coupon());
        assert_eq!(ask(&doors, &stranger, "GET", &page, None).await.0, StatusCode::FORBIDDEN);
    }
    assert!(counter.decisions().is_empty());
    assert_eq!(ask(&doors, &own, "POST", &path, handover(true, "returned")).await.0, StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn a4_3_a_power_of_attorney_is_for_the_rule_of_the_service_and_for_cards_there_is_none() -> Tested {
    let own = officer(Role::Issuer, paper::region(), None);
    for (rules, expected) in [
        (Rules::built_in().clone(), StatusCode::UNPROCESSABLE_ENTITY),
        (desk_rules("id-card-renewal = false", "id-card-renewal = true")?, StatusCode::OK),
    ] {
        let (_counter, doors, path) = counter(rules).await?;
        assert_eq!(ask(&doors, &own, "POST", &path, handover(false, "returned")).await.0, expected);
    }
    Ok(())
}

#[tokio::test]
async fn a11d_whether_the_old_card_must_be_given_back_is_a_rule() -> Tested {
    let own = officer(Role::Issuer, paper::region(), None);
    let strict = || desk_rules("old_card = \"recorded\"", "old_card = \"returned\"");
    for (rules, old_card, expected) in [
        (Rules::built_in().clone(), "lost", StatusCode::OK),
        (strict()?, "lost", StatusCode::UNPROCESSABLE_ENTITY),
        (strict()?, "returned", StatusCode::OK),
        (strict()?, "withdrawn-before", StatusCode::OK),
    ] {
        let (_counter, doors, path) = counter(rules).await?;
        assert_eq!(ask(&doors, &own, "POST", &path, handover(true, old_card)).await.0, expected, "{old_card}");
    }
    Ok(())
}

#[tokio::test]
async fn a11d_the_card_goes_by_the_coupon_and_the_duty_is_earned_once() -> Tested {
    let (register, bench) = opened().await?;
    // 800.00 came for a duty of 786.40: the rest stays held, so closing opens its refund
    let mut bench = bench.received(Tiyn(80_000), "demo-payment-1");
    for _ in 0..2 {
        let turn = bench.answer(&handed(paper::coupon()), &Job {}).await?;
        let Turn::Done(outcome @ Outcome::HandedOver { .. }) = turn else { panic!("handed over") };
        let booked: Vec<_> = outcome.bookings().iter().map(|b| (b.amount, b.reference.clone())).collect();
        assert_eq!(booked, [(Tiyn(78_640), format!("duty/{}", bench.case.id))]);
        // as the engine reads it again where the first attempt did not settle
        bench.case.purse.earned = Tiyn::ZERO;
    }
    assert_eq!(bench.filed::<Handover>()?.old_card, "returned");
    let keys: Vec<_> = register.asked_of(service_ids::CLOSE).into_iter().map(|a| a.key).collect();
    assert_eq!(keys, vec![Some(format!("close-registration/{}", bench.case.id)); 2]);
    Ok(())
}

#[tokio::test]
async fn a11d_another_coupon_closes_nothing() -> Tested {
    let (register, mut bench) = opened().await?;
    let fault = bench.answer(&handed(Coupon::parse("DEMO-OTHER")?), &Job {}).await.err();
    assert_eq!(fault.map(|f| f.cause()), Some("coupon-differs"));
    assert!(register.asked().is_empty());
    Ok(())
}

#[tokio::test]
async fn a3_14_whoever_paid_nothing_earns_nothing() -> Tested {
    let (_register, mut bench) = opened().await?;
    let Turn::Done(outcome) = bench.answer(&handed(paper::coupon()), &Job {}).await? else { panic!("handed over") };
    assert!(outcome.bookings().is_empty());
    Ok(())
}

#[tokio::test]
async fn a4_3_only_in_person_and_identity_checked() -> Tested {
    let (_register, bench) = opened().await?;
    let counter = Counter::default();
    let mut head = bench.case.clone();
    head.ticket = Ticket(9);
    head.status = Status::Open { at: Issuance::NAME.into(), visit: 1, how: How::Held { until: None }, refunding: None };
    let card = Production {
        order_key: "print/1".to_owned(),
        attempt: 1,
        result: ProductionResult::Produced,
        card_number: Some("012345679".to_owned()),
        at: paper::filed_at(),
    };
    counter.put(
        HeldCase::new(head, paper::filed_at())
            .filing(&paper::form())
            .filing(&paper::identity())
            .filing(&card)
            .attaching(Attachment::Photo, [0xff, 0xd8]),
    );
    let (doors, case) = (counter.routes(&bench), bench.case.id);
    let issuer = officer(Role::Issuer, paper::region(), None);

    let (status, list) = ask(&doors, &issuer, "GET", "/v1/issuance/tasks", None).await;
    assert_eq!((status, &list["tasks"][0]["coupon"]), (StatusCode::OK, &json!(paper::coupon())));
    assert!(!list.to_string().contains(&paper::identity().surname));

    let (status, found) = ask(&doors, &issuer, "GET", "/v1/issuance/by-coupon/DEMO-2025-000001", None).await;
    assert_eq!((status, found["ticket"].as_i64()), (StatusCode::OK, Some(9)));
    assert_eq!(found["person"]["surname"], paper::identity().surname);
    assert_eq!(ask(&doors, &issuer, "GET", "/v1/issuance/by-coupon/DEMO-OTHER", None).await.0, StatusCode::NOT_FOUND);

    let path = format!("/v1/issuance/cases/{case}/handover");
    let sent = |coupon: &str, checked: bool, person: bool| -> Option<Value> {
        Some(json!({
            "ticket": 9, "coupon": coupon, "identityChecked": checked, "inPerson": person, "oldCard": "returned",
        }))
    };
    let (status, problem) = ask(&doors, &issuer, "POST", &path, sent("DEMO-OTHER", false, false)).await;
    let pointers: Vec<_> = problem["errors"].as_array().ok_or("errors")?.iter().map(|e| e["pointer"].clone()).collect();
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(pointers, ["/coupon", "/identityChecked", "/inPerson"]);
    assert!(counter.decisions().is_empty());

    let reviewer = officer(Role::Reviewer, paper::region(), None);
    let good = sent(paper::coupon().as_str(), true, true);
    assert_eq!(ask(&doors, &reviewer, "POST", &path, good.clone()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(&doors, &reviewer, "GET", "/v1/issuance/tasks", None).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(&doors, &issuer, "POST", &path, good).await.0, StatusCode::OK);
    let taken: Answer = serde_json::from_value(counter.decisions()[0].body.clone())?;
    assert!(matches!(taken, Answer::HandedOver { coupon, .. } if coupon == paper::coupon()));
    Ok(())
}
