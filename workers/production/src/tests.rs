//! The stage on the bench, before a gateway that says what the test tells it to.

use crate::{Answer, CancelReason, Config, Job, Outcome, Production};
use kezek_domain::dossier::{Decision, DecisionOutcome, DutyOutcome, Exemption, Production as Made};
use kezek_domain::rules::NoticeKind;
use kezek_domain::rules::Rules;
use kezek_domain::{Fault, Role, Tiyn};
use kezek_gateway::incoming::{CentreResult, ProductionResult};
use kezek_gateway::service_ids::{CANCEL, PRODUCTION_ORDER};
use kezek_gateway::xml;
use kezek_stage::{Attachment, Hold, Turn};
use kezek_testkit::register::Register;
use kezek_testkit::{Bench, bench, paper};
use std::sync::Arc;

type Tested = Result<(), Box<dyn std::error::Error>>;

/// The services that were asked so far, oldest first.
fn services(gateway: &Register) -> Vec<String> {
    gateway.asked().into_iter().map(|asked| asked.service).collect()
}

fn decision(outcome: DecisionOutcome) -> Decision {
    Decision {
        outcome,
        reason: None,
        officer: "reviewer-75".to_owned(),
        decided_at: paper::filed_at(),
        signature_sha256: "00".repeat(32),
        signature_verified_by: "test".to_owned(),
        cms: "MAA=".to_owned(),
        signed_content: "e30=".to_owned(),
        verifier_answer: None,
    }
}

fn unpaid(gateway: &Register) -> Result<Bench<Production>, Box<dyn std::error::Error>> {
    let kit = bench::kit(paper::filed_at()).with(Arc::new(gateway.gateway()?));
    Ok(Bench::open(Config::default(), kit)?
        .filing(&paper::form())
        .filing(&paper::identity())
        .filing(&paper::duty())
        .filing(&decision(DecisionOutcome::Approved))
        .attaching(Attachment::Photo, b"photo".as_slice())
        .attaching(Attachment::Signature, b"signature".as_slice())
        .coupon(&paper::coupon()))
}

fn paid(gateway: &Register) -> Result<Bench<Production>, Box<dyn std::error::Error>> {
    Ok(unpaid(gateway)?.received(Tiyn(78_640), "p1"))
}

fn held(turn: Turn<Production>) -> Result<Hold<Answer>, String> {
    match turn {
        Turn::Hold(hold) => Ok(hold),
        other @ (Turn::Done(_) | Turn::Again(_)) => Err(format!("not held: {other:?}")),
    }
}

fn asked(turn: Turn<Production>) -> Result<String, String> {
    let question = held(turn)?.question.ok_or("no question")?;
    assert_eq!(question.role, Role::Production);
    Ok(question.key)
}

fn key(bench: &Bench<Production>, remake: u32) -> String {
    format!("print/{}/{remake}", bench.case.id)
}

fn produced(order_key: String) -> Answer {
    Answer::Produced { order_key, card_number_digest: "5a".repeat(32), at: None }
}

fn defect(order_key: String) -> Answer {
    Answer::Defect { order_key, code: "demo-laminate".to_owned(), at: None }
}

#[tokio::test]
async fn a3_18_the_card_is_ordered_once_and_held_for_its_term() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = paid(&gateway)?;
    let hold = held(bench.work(&Job { remake: 0 }).await?)?;
    // five working days from Tuesday, 2 September
    assert_eq!(hold.until, Some("2025-09-10T00:00:00+05:00".parse()?));
    assert_eq!(hold.notices, [NoticeKind::InProduction]);
    assert_eq!(services(&gateway), [PRODUCTION_ORDER]);
    let answer = produced(key(&bench, 0));
    let turn = bench.answer(&answer, &Job { remake: 0 }).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Produced { .. })), "{turn:?}");
    assert_eq!(services(&gateway), [PRODUCTION_ORDER]);
    let made = bench.filed::<Made>()?;
    assert_eq!(made.card_number, Some(format!("hmac-sha256:{}", "5a".repeat(32))));
    Ok(())
}

#[test]
fn a3_18_the_number_of_a_card_arrives_as_what_the_installations_digest_makes_of_it() -> Tested {
    let result = CentreResult::Produced { card_number: "045678912".to_owned() };
    let message = ProductionResult { order_key: "print/1/0".to_owned(), result, at: None };
    let reversed = |number: &str| Ok(number.chars().rev().collect::<String>());
    let arrival = crate::arrival(&message, &reversed)?;
    assert_eq!(arrival.body["produced"]["card_number_digest"], "219876540");
    assert!(!arrival.body.to_string().contains("045678912"));

    // without a digest nothing arrives, rather than the number itself
    let fault = crate::arrival(&message, &|_| Err(Fault::permanent("no-key", ""))).err();
    assert_eq!(fault.map(|f| f.cause()), Some("no-key"));
    Ok(())
}

#[tokio::test]
async fn a0_2_a5_4_of_the_birthplace_the_country_alone_is_sent() -> Tested {
    let gateway = Register::open().await?;
    paid(&gateway)?.work(&Job { remake: 0 }).await?;
    let asked = gateway.asked();
    let order = xml::parse(asked.first().ok_or("nothing was ordered")?.data.as_bytes(), 1 << 20)?;
    let births: Vec<_> = order.children().iter().map(|n| n.name()).filter(|n| n.starts_with("birth")).collect();
    assert_eq!(births, ["birthDate", "birthCountry"]);
    assert_eq!(order.text("birthCountry"), Some("398"));
    Ok(())
}

#[tokio::test]
async fn a5_3_nothing_is_printed_unpaid() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = unpaid(&gateway)?.received(Tiyn(78_540), "p1");
    let job = Job { remake: 0 };
    assert_eq!(asked(bench.work(&job).await?)?, "production.unpaid");
    // checked again, still unpaid
    assert_eq!(asked(bench.answer(&Answer::CheckAgain, &job).await?)?, "production.unpaid");
    assert!(services(&gateway).is_empty());
    let mut rest = bench.received(Tiyn(100), "p2");
    assert!(held(rest.answer(&Answer::CheckAgain, &job).await?)?.question.is_none());
    assert_eq!(services(&gateway), [PRODUCTION_ORDER]);
    // the other choice
    let mut bench = unpaid(&gateway)?;
    bench.work(&job).await?;
    let turn = bench.answer(&Answer::Cancel { reason: CancelReason::Unpaid }, &job).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Cancelled { reason: CancelReason::Unpaid })));
    assert_eq!(services(&gateway), [PRODUCTION_ORDER, CANCEL]);
    Ok(())
}

#[tokio::test]
async fn a5_3_a_question_waits_until_it_is_late_by_its_rule_and_can_be_answered_then() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = unpaid(&gateway)?;
    let job = Job { remake: 0 };
    let until = held(bench.work(&job).await?)?.until.ok_or("a question without a deadline")?;
    // two working days, to the end of the second
    assert_eq!(
        until,
        Rules::built_in()
            .questions()
            .find("production.unpaid")
            .ok_or("no rule")?
            .until(Rules::built_in().calendar(), bench.now(),)
    );
    // an answer that is not meant for it leaves the deadline as it was
    let stale = produced("print/other/0".to_owned());
    assert_eq!(held(bench.answer(&stale, &job).await?)?.until, Some(until));
    bench.passes(until.duration_since(bench.now()) + jiff::SignedDuration::from_secs(1));
    let late = held(bench.lapse(&job).await?)?;
    assert_eq!((late.until, late.question.map(|q| q.key).as_deref()), (None, Some("production.unpaid")));
    let mut bench = bench.received(Tiyn(78_640), "p1");
    assert!(held(bench.answer(&Answer::CheckAgain, &job).await?)?.question.is_none());
    assert_eq!(services(&gateway), [PRODUCTION_ORDER]);
    Ok(())
}

#[tokio::test]
async fn a5_3_an_exemption_needs_its_evidence() -> Tested {
    let gateway = Register::open().await?;
    let mut duty = paper::duty();
    duty.outcome = DutyOutcome::ExemptByStatus { ground: "622-6".to_owned() };
    let job = Job { remake: 0 };
    let mut bench = unpaid(&gateway)?.filing(&duty);
    assert_eq!(asked(bench.work(&job).await?)?, "production.unpaid");
    let evidence = |ground: &str| Exemption {
        ground: Some(ground.to_owned()),
        evidence_sha256: "00".repeat(32),
        statuses_count: 1,
    };
    let mut other = bench.filing(&evidence("622-1"));
    assert_eq!(asked(other.work(&job).await?)?, "production.unpaid");
    let mut bench = other.filing(&evidence("622-6"));
    assert!(held(bench.work(&job).await?)?.question.is_none());
    Ok(())
}

#[tokio::test]
async fn a5_3_a_free_ground_is_free_by_the_rules_or_not_at_all() -> Tested {
    let gateway = Register::open().await?;
    let mut duty = paper::duty();
    duty.outcome = DutyOutcome::FreeByGround { ground: "replacement-on-expiry".to_owned() };
    let job = Job { remake: 0 };
    // renewal on expiry is free from 2026 on
    let mut bench = unpaid(&gateway)?.filing(&duty);
    assert_eq!(asked(bench.work(&job).await?)?, "production.unpaid");
    let mut bench = bench.filed_at("2026-01-10T05:00:00Z".parse()?);
    assert!(held(bench.work(&job).await?)?.question.is_none());
    Ok(())
}

#[tokio::test]
async fn a11a_nothing_is_printed_without_approval() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = paid(&gateway)?.filing(&decision(DecisionOutcome::Cancelled));
    assert!(bench.work(&Job { remake: 0 }).await.is_err_and(|f| f.cause() == "not-approved"));
    assert!(services(&gateway).is_empty());
    Ok(())
}

#[tokio::test]
async fn a5_4_a_defect_is_made_again_under_the_next_key_until_a_person_is_asked() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = paid(&gateway)?;
    for remake in 0..3 {
        let job = Job { remake };
        assert_eq!(held(bench.work(&job).await?)?.notices.is_empty(), remake > 0);
        let answer = defect(key(&bench, remake));
        let turn = bench.answer(&answer, &job).await?;
        assert!(matches!(turn, Turn::Done(Outcome::Defective { next, .. }) if next == remake + 1), "{turn:?}");
    }
    let job = Job { remake: 3 };
    bench.work(&job).await?;
    let answer = defect(key(&bench, 3));
    assert_eq!(asked(bench.answer(&answer, &job).await?)?, "production.remakes-used-up");
    let keys: Vec<_> = gateway.asked().into_iter().filter_map(|a| a.key).collect();
    assert_eq!(keys, (0..4).map(|n| key(&bench, n)).collect::<Vec<_>>());
    let turn = bench.answer(&Answer::Remake, &job).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Defective { next: 4, .. })));
    Ok(())
}

#[tokio::test]
async fn a5_4_a_stale_answer_leaves_hold_and_question_as_they_were() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = paid(&gateway)?;
    let job = Job { remake: 1 };
    bench.work(&job).await?;
    let stale = produced(key(&bench, 0));
    assert!(held(bench.answer(&stale, &job).await?)?.question.is_none());
    let rejected =
        Answer::IncomingControlFailed { order_key: key(&bench, 1), code: "demo-resolution".to_owned(), at: None };
    assert_eq!(asked(bench.answer(&rejected, &job).await?)?, "production.incoming-control");
    assert_eq!(asked(bench.answer(&stale, &job).await?)?, "production.incoming-control");
    Ok(())
}

#[tokio::test]
async fn an_overdue_card_is_still_waited_for() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = paid(&gateway)?;
    let job = Job { remake: 0 };
    bench.work(&job).await?;
    let hold = held(bench.lapse(&job).await?)?;
    assert!(hold.until.is_none() && hold.question.is_none());
    let late = produced(key(&bench, 0));
    assert!(matches!(bench.answer(&late, &job).await?, Turn::Done(Outcome::Produced { .. })));
    Ok(())
}
