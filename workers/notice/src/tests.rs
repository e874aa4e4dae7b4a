//! A3.16 and "once per channel" on the bench.

use crate::words::words;
use crate::{Channel, Config, Job, Notice, Outcome};
use kezek_domain::Tiyn;
use kezek_domain::dossier::{
    CancelReason, CheckOutcome, CheckResult, Decision, DecisionOutcome, Findings, Form, Language, Payment,
    PaymentOrder, Refund,
};
use kezek_domain::rules::{NoticeKind, Refusal, Rules};
use kezek_gateway::service_ids;
use kezek_stage::{EffectKey, SideFacts, Turn};
use kezek_testkit::register::Register;
use kezek_testkit::{Bench, bench, paper};
use std::error::Error;
use std::sync::Arc;

type Tested = Result<(), Box<dyn Error>>;

const ID: uuid::Uuid = uuid::Uuid::from_u128(7);

async fn opened() -> Result<(Register, Bench<Notice>), Box<dyn Error>> {
    let register = Register::open().await?;
    let kit = bench::kit(paper::filed_at()).with(Arc::new(register.gateway()?));
    let side = SideFacts { id: ID, kind: NoticeKind::Registered, stage: "intake".to_owned(), visit: 1 };
    let bench = Bench::open(Config::default(), kit)?
        .filing(&paper::form())
        .filing(&paper::registration())
        .filing(&paper::duty())
        .filing(&paper::payment())
        .coupon(&paper::coupon())
        .side(side);
    Ok((register, bench))
}

/// The occasion's key, whatever id its row has.
fn key(channel: &str, bench: &Bench<Notice>) -> EffectKey {
    EffectKey::of_notice(channel, bench.case.id, "registered", "intake", 1)
}

const REGISTERED: Job = Job { notice: NoticeKind::Registered };

#[tokio::test]
async fn the_cabinet_gets_both_languages_and_the_telephone_the_chosen_one() -> Tested {
    let (register, mut bench) = opened().await?;
    let Turn::Done(Outcome::Sent(report)) = bench.work(&REGISTERED).await? else { panic!("sent") };
    assert_eq!((report.cabinet, report.sms), (Channel::Sent, Channel::Sent));
    let cabinet = register.asked_of(service_ids::CABINET);
    let sms = register.asked_of(service_ids::SMS);
    assert_eq!(cabinet[0].key.as_deref(), Some(key("cabinet", &bench).as_str()));
    assert!(cabinet[0].data.contains("тіркелді") && cabinet[0].data.contains("зарегистрирована"));
    assert!(sms[0].data.contains("тіркелді") && !sms[0].data.contains("зарегистрирована"));
    assert!(sms[0].data.contains(paper::coupon().as_str()));

    let mut russian = bench.filing(&Form { language: Language::Ru, ..paper::form() });
    russian.effects = Arc::default();
    russian.work(&REGISTERED).await?;
    assert!(register.asked_of(service_ids::SMS)[1].data.contains("зарегистрирована"));
    Ok(())
}

#[tokio::test]
async fn a_text_message_in_doubt_is_not_sent_again() -> Tested {
    let (register, mut bench) = opened().await?;
    register.loses_answers(service_ids::SMS);
    assert!(bench.work(&REGISTERED).await.err().is_some_and(|f| f.is_transient()));
    register.well(service_ids::SMS);
    let Turn::Done(Outcome::SentInDoubt(report)) = bench.work(&REGISTERED).await? else { panic!("in doubt") };
    assert_eq!((report.cabinet, report.sms), (Channel::Sent, Channel::InDoubt));
    assert_eq!(register.asked_of(service_ids::SMS).len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_repeated_attempt_sends_no_second_text_message() -> Tested {
    let (register, mut bench) = opened().await?;
    bench.work(&REGISTERED).await?;
    let Turn::Done(Outcome::Sent(_)) = bench.work(&REGISTERED).await? else { panic!("sent") };
    assert_eq!(register.asked_of(service_ids::SMS).len(), 1);
    assert!(bench.effects.all().contains_key(key("sms", &bench).as_str()));
    Ok(())
}

#[tokio::test]
async fn a_refused_channel_does_not_stop_the_other() -> Tested {
    let (register, mut bench) = opened().await?;
    register.says(service_ids::CABINET, "demo-no-cabinet");
    let Turn::Done(Outcome::Sent(report)) = bench.work(&REGISTERED).await? else { panic!("sent") };
    assert_eq!((report.cabinet, report.sms), (Channel::Refused, Channel::Sent));

    let (register, mut bench) = opened().await?;
    register.says(service_ids::CABINET, "demo-no-cabinet");
    register.says(service_ids::SMS, "demo-no-such-number");
    assert!(matches!(bench.work(&REGISTERED).await?, Turn::Done(Outcome::Undeliverable(_))));
    Ok(())
}

#[tokio::test]
async fn a3_16_what_comes_before_production_promises_no_card() -> Tested {
    let (_register, bench) = opened().await?;
    let file = bench.file();
    for notice in
        [NoticeKind::Received, NoticeKind::Registered, NoticeKind::Paid, NoticeKind::Exempt, NoticeKind::InReview]
    {
        for language in Language::ALL {
            let text = words(Rules::built_in(), notice, *language, &file)?.to_lowercase();
            for promise in ["дайын", "жасал", "беріледі", "готов", "изготов", "получит", "выдан"]
            {
                assert!(!text.contains(promise), "{notice} says `{promise}`: {text}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn every_notice_is_complete_in_both_languages() -> Tested {
    let (_register, bench) = opened().await?;
    let refund = Refund {
        confirmation_key: "refund/1".to_owned(),
        amount: Tiyn(78_640),
        confirmed_at: paper::filed_at(),
        paid_at: None,
        claim_until: jiff::civil::date(2028, 9, 2),
        claimed_at: None,
        pay_until: None,
    };
    let order = PaymentOrder {
        key: "charge/1".to_owned(),
        number: "demo-order-1".to_owned(),
        amount: Tiyn(78_640),
        until: Rules::built_in().terms().payment_until(paper::filed_at()),
    };
    let bench = bench.filing(&refund).filing(&order).received(Tiyn(40_000), "demo-payment-1");
    let file = bench.file();
    for notice in NoticeKind::ALL {
        for language in Language::ALL {
            let text = words(Rules::built_in(), *notice, *language, &file)?;
            assert!(!text.is_empty() && !text.contains(['{', '}']) && !text.contains(": ."), "{notice}: {text}");
        }
    }
    let partly = words(Rules::built_in(), NoticeKind::PartlyPaid, Language::Ru, &file)?;
    assert!(partly.contains("386.40"), "what is still to be paid: {partly}");
    let due = words(Rules::built_in(), NoticeKind::PaymentDue, Language::Kk, &file)?;
    assert!(due.contains("05.09.2025"), "the last day to pay: {due}");
    let reminder = words(Rules::built_in(), NoticeKind::PaymentReminder, Language::Ru, &file)?;
    assert!(reminder.contains("05.09.2025") && reminder.contains("386.40"), "{reminder}");
    Ok(())
}

#[tokio::test]
async fn a4_2_the_date_that_is_told_is_the_term_and_the_days_that_paying_took() -> Tested {
    let (_register, bench) = opened().await?;
    let order = PaymentOrder {
        key: "charge/1".to_owned(),
        number: "demo-order-1".to_owned(),
        amount: Tiyn(78_640),
        until: Rules::built_in().terms().payment_until(paper::filed_at()),
    };
    let told = |bench: &Bench<Notice>| words(Rules::built_in(), NoticeKind::InReview, Language::Ru, &bench.file());
    assert!(told(&bench)?.contains("до 23.09.2025."), "{}", told(&bench)?);
    let paid_after_two_days =
        Payment { confirmed_at: paper::filed_at() + jiff::SignedDuration::from_hours(48), ..paper::payment() };
    let bench = bench.filing(&order).filing(&paid_after_two_days);
    assert!(told(&bench)?.contains("до 25.09.2025."), "{}", told(&bench)?);
    Ok(())
}

#[tokio::test]
async fn a7_a_refusal_is_told_in_the_orders_words() -> Tested {
    let (_register, bench) = opened().await?;
    let failed = |check: &str, detail: &str| Findings {
        checks: vec![
            CheckResult { check: "A3.1".to_owned(), outcome: CheckOutcome::Passed, detail_code: "granted".to_owned() },
            CheckResult { check: check.to_owned(), outcome: CheckOutcome::Failed, detail_code: detail.to_owned() },
        ],
        rule_version: "test".to_owned(),
    };
    let bench = bench.filing(&failed("A7", "too-early"));
    let told = words(Rules::built_in(), NoticeKind::Refused, Language::Kk, &bench.file())?;
    assert!(told.contains("ресімдеу қолжетімді емес, ХҚКО-ға хабарласыңыз"), "{told}");
    let bench = bench.filing(&failed("A3.2", "not-in-base"));
    let told = words(Rules::built_in(), NoticeKind::Refused, Language::Ru, &bench.file())?;
    assert!(told.contains(&Rules::built_in().texts().refusal(Refusal::PhoneNotBound).ru), "{told}");
    Ok(())
}

#[tokio::test]
async fn a11b_a_cancellation_names_its_reason() -> Tested {
    let (_register, bench) = opened().await?;
    let decision = Decision {
        outcome: DecisionOutcome::Cancelled,
        reason: Some(CancelReason::PhotoQuality),
        officer: "reviewer".to_owned(),
        decided_at: paper::filed_at(),
        signature_sha256: "00".repeat(32),
        signature_verified_by: "test".to_owned(),
        cms: "MAA=".to_owned(),
        signed_content: "e30=".to_owned(),
        verifier_answer: None,
    };
    let told = words(Rules::built_in(), NoticeKind::Cancelled, Language::Ru, &bench.filing(&decision).file())?;
    assert!(told.contains("фотография не соответствует требованиям"), "{told}");
    Ok(())
}
