//! The stage on the bench, before a gateway that says what the test tells it to.

use crate::{Answer, Config, Job, Outcome, Refund};
use jiff::SignedDuration;
use kezek_domain::dossier::Refund as Filed;
use kezek_domain::rules::NoticeKind;
use kezek_domain::{Because, Closing, How, StageName, Status, Tiyn};
use kezek_gateway::service_ids::{CANCEL, NON_PERFORMANCE};
use kezek_gateway::xml;
use kezek_stage::{Stage as _, Turn};
use kezek_testkit::register::{Asked, Register};
use kezek_testkit::{Bench, bench, paper};
use std::sync::Arc;

type Tested = Result<(), Box<dyn std::error::Error>>;

/// The services that were asked so far, oldest first.
fn services(gateway: &Register) -> Vec<String> {
    gateway.asked().into_iter().map(|asked| asked.service).collect()
}

fn bench(gateway: &Register, closing: Closing) -> Result<Bench<Refund>, Box<dyn std::error::Error>> {
    let kit = bench::kit(paper::filed_at()).with(Arc::new(gateway.gateway()?));
    Ok(Bench::open(Config::default(), kit)?.coupon(&paper::coupon()).with(|case| {
        case.status = Status::Open {
            at: StageName::new(Refund::NAME),
            visit: 1,
            how: How::Moving,
            refunding: Some(Because { closing, reason: "photo-quality".to_owned() }),
        };
    }))
}

fn paid(bench: &Bench<Refund>, payment: &str, number: &str, amount: i64) -> Answer {
    Answer::Paid {
        confirmation_key: format!("refund/{}/{payment}", bench.case.id),
        number: number.to_owned(),
        amount_tiyn: Tiyn(amount),
        paid_at: paper::filed_at(),
    }
}

/// Key and amount of each confirmation so far.
fn confirmations(gateway: &Register) -> Vec<(String, String)> {
    let amount = |a: &Asked| {
        let data = xml::parse(a.data.as_bytes(), 1 << 20).ok();
        data.and_then(|d| d.text("amountTiyn").map(str::to_owned)).unwrap_or_default()
    };
    gateway.asked_of(NON_PERFORMANCE).iter().map(|a| (a.key.clone().unwrap_or_default(), amount(a))).collect()
}

#[tokio::test]
async fn a11c_each_payment_is_confirmed_and_the_tax_authority_pays() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = bench(&gateway, Closing::Cancelled)?.received(Tiyn(40_000), "p1").received(Tiyn(38_640), "p2");
    let Turn::Hold(hold) = bench.work(&Job {}).await? else { return Err("not held".into()) };
    assert_eq!(hold.until, Some("2025-10-03T00:00:00+05:00".parse()?), "the first reminder");
    assert_eq!(hold.notices, [NoticeKind::RefundConfirmed]);
    assert_eq!(bench.filed::<Filed>()?.claim_until, jiff::civil::date(2028, 9, 2));
    let key = |payment: &str| format!("refund/{}/{payment}", bench.case.id);
    let confirmed = vec![(key("p2"), "38640".to_owned()), (key("p1"), "40000".to_owned())];
    assert_eq!(confirmations(&gateway), confirmed);
    assert_eq!(bench.filed::<Filed>()?.amount, Tiyn(78_640));
    assert!(bench.filed::<Filed>()?.paid_at.is_none(), "not refunded on our own evidence");
    assert!(services(&gateway).contains(&CANCEL.to_owned()));

    let first = paid(&bench, "p1", "t1", 40_000);
    let Turn::Hold(hold) = bench.answer(&first, &Job {}).await? else { return Err("not held".into()) };
    assert_eq!(hold.until, Some("2025-10-03T00:00:00+05:00".parse()?));
    let second = paid(&bench, "p2", "t2", 38_640);
    assert!(matches!(bench.answer(&second, &Job {}).await?, Turn::Done(Outcome::Refunded { .. })));
    let filed = bench.filed::<Filed>()?;
    assert_eq!((filed.amount, filed.paid_at), (Tiyn(78_640), Some(paper::filed_at())));
    // whatever was repeated said the same
    assert!(confirmations(&gateway).iter().all(|c| confirmed.contains(c)));
    Ok(())
}

#[tokio::test]
async fn a11c_an_issued_card_stays_registered_when_too_much_was_paid() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = bench(&gateway, Closing::Issued)?.received(Tiyn(78_640), "p1");
    bench.work(&Job {}).await?;
    assert_eq!(services(&gateway), [NON_PERFORMANCE]);
    Ok(())
}

#[tokio::test]
async fn a11c_nothing_held_is_nothing_confirmed() -> Tested {
    let gateway = Register::open().await?;
    let turn = bench(&gateway, Closing::Cancelled)?.work(&Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::NothingHeld)));
    assert_eq!(services(&gateway), [CANCEL]);
    Ok(())
}

#[tokio::test]
async fn a11c_a_report_that_came_before_the_case_waited_for_it_is_a_refund_all_the_same() -> Tested {
    let gateway = Register::open().await?;
    let bench = bench(&gateway, Closing::Cancelled)?.received(Tiyn(78_640), "p1");
    // the worker that confirmed was lost before its turn became true
    let mut bench = bench.returned(Tiyn(78_640), "t1");
    let turn = bench.work(&Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Refunded { .. })), "{turn:?}");
    let filed = bench.filed::<Filed>()?;
    assert_eq!((filed.amount, filed.confirmation_key), (Tiyn(78_640), format!("refund/{}/p1", bench.case.id)));
    assert!(filed.paid_at.is_some());
    // what was told once is not told again
    let turn = bench.work(&Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::NothingHeld)), "{turn:?}");
    assert!(confirmations(&gateway).is_empty(), "nothing is left to confirm");
    Ok(())
}

#[tokio::test]
async fn a11c_a_claim_starts_the_tax_authoritys_five_working_days_and_is_never_forfeited() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = bench(&gateway, Closing::Cancelled)?.received(Tiyn(78_640), "p1");
    bench.work(&Job {}).await?;
    bench.passes(SignedDuration::from_hours(24));
    let claimed = Answer::Claimed {
        confirmation_key: format!("refund/{}/p1", bench.case.id),
        claimed_at: "2025-09-03T11:00:00+05:00".parse()?,
    };
    let Turn::Hold(hold) = bench.answer(&claimed, &Job {}).await? else { return Err("not held".into()) };
    // Wednesday 3 September and five working days: to the end of Wednesday 10
    assert_eq!(hold.until, Some("2025-09-11T00:00:00+05:00".parse()?));
    assert!(bench.filed::<Filed>()?.paid_at.is_none(), "claimed is not paid");
    // nobody has paid: overdue, again and again, even past the claim's limit
    for days in [8, 366 * 4] {
        bench.passes(SignedDuration::from_hours(24 * days));
        let Turn::Hold(hold) = bench.lapse(&Job {}).await? else { return Err("forfeited".into()) };
        assert!(hold.until > Some(bench.now()) && hold.notices.is_empty());
        assert_eq!(bench.filed::<Filed>()?.pay_until, hold.until);
    }
    assert_eq!(bench.case.purse.held(), Tiyn(78_640));
    let turn = bench.answer(&paid(&bench, "p1", "t1", 78_640), &Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Refunded { .. })), "{turn:?}");
    assert!(bench.filed::<Filed>()?.claimed_at.is_some());
    Ok(())
}

#[tokio::test]
async fn a11c_whoever_does_not_claim_is_reminded_before_the_limit() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = bench(&gateway, Closing::Cancelled)?.received(Tiyn(78_640), "p1");
    bench.work(&Job {}).await?;
    for (days, until, notice) in [
        (31, "2028-06-04T00:00:00+05:00", NoticeKind::RefundReminder),
        (975, "2028-09-03T00:00:00+05:00", NoticeKind::RefundLastCall),
    ] {
        bench.passes(SignedDuration::from_hours(24 * days));
        let Turn::Hold(hold) = bench.lapse(&Job {}).await? else { return Err("not held".into()) };
        assert_eq!((hold.until, hold.notices), (Some(until.parse()?), vec![notice]));
    }
    bench.passes(SignedDuration::from_hours(24 * 91));
    assert!(matches!(bench.lapse(&Job {}).await?, Turn::Done(Outcome::ClaimLapsed { .. })));
    Ok(())
}

#[tokio::test]
async fn a11c_no_replay_and_no_second_report_gives_money_back_twice() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = bench(&gateway, Closing::Cancelled)?.received(Tiyn(78_640), "p1");
    bench.work(&Job {}).await?;
    let report = paid(&bench, "p1", "t1", 78_640);
    assert!(matches!(bench.answer(&report, &Job {}).await?, Turn::Done(Outcome::Refunded { .. })));
    // an operator replays the stage, edits and replays it again; the tax authority repeats itself
    for _ in 0..2 {
        assert!(matches!(bench.work(&Job {}).await?, Turn::Done(Outcome::NothingHeld)));
        assert!(matches!(bench.lapse(&Job {}).await?, Turn::Done(Outcome::NothingHeld)));
        bench.answer(&report, &Job {}).await?;
    }
    assert_eq!((bench.case.purse.returned, bench.case.purse.held()), (Tiyn(78_640), Tiyn::ZERO));
    let keys: std::collections::BTreeSet<_> = confirmations(&gateway).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), 1, "one confirmation for one payment, however often it was sent");
    Ok(())
}

#[tokio::test]
async fn a11c_a_claim_that_nobody_made_is_forfeited_to_the_last_tiyn() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = bench(&gateway, Closing::Unpaid)?.received(Tiyn(40_000), "p1").received(Tiyn(1), "p2");
    bench.work(&Job {}).await?;
    bench.passes(SignedDuration::from_hours(24 * 366 * 3));
    let turn = bench.lapse(&Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::ClaimLapsed { .. })), "{turn:?}");
    assert_eq!((bench.case.purse.held(), bench.case.purse.earned), (Tiyn::ZERO, Tiyn(40_001)));
    Ok(())
}

#[tokio::test]
async fn a11c_money_that_came_during_the_claim_has_a_claim_of_its_own() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = bench(&gateway, Closing::Unpaid)?.received(Tiyn(40_000), "p1");
    bench.work(&Job {}).await?;
    bench.passes(SignedDuration::from_hours(24));
    let mut bench = bench.received(Tiyn(500), "p2");
    bench.passes(SignedDuration::from_hours(24 * 366 * 3));
    let Turn::Hold(hold) = bench.lapse(&Job {}).await? else { return Err("forfeited unconfirmed".into()) };
    assert!(hold.until > Some(bench.now()));
    assert!(bench.filed::<Filed>()?.claim_until > jiff::civil::date(2031, 9, 1), "a claim of its own");
    assert!(confirmations(&gateway).iter().any(|(key, amount)| key.ends_with("/p2") && amount == "500"));
    Ok(())
}
