//! The stage on the bench, before a gateway that says what the test tells it to.

use crate::{Answer, Job, Outcome, Payment};
use jiff::SignedDuration;
use kezek_domain::dossier::{Payment as Paid, PaymentOrder};
use kezek_domain::rules::NoticeKind;
use kezek_domain::{Fault, Tiyn};
use kezek_gateway::service_ids::{CANCEL, CREATE_ORDER, ORDER_STATE, WITHDRAW_ORDER};
use kezek_gateway::xml::Node;
use kezek_stage::{Outcome as _, Turn};
use kezek_testkit::register::Register;
use kezek_testkit::{Bench, bench, paper};
use std::sync::Arc;

type Tested = Result<(), Box<dyn std::error::Error>>;

/// The services that were asked so far, oldest first.
fn services(gateway: &Register) -> Vec<String> {
    gateway.asked().into_iter().map(|asked| asked.service).collect()
}

fn bench(gateway: &Register) -> Result<Bench<Payment>, Box<dyn std::error::Error>> {
    let kit = bench::kit(paper::filed_at()).with(Arc::new(gateway.gateway()?));
    Ok(Bench::open(crate::Config::default(), kit)?.filing(&paper::duty()).coupon(&paper::coupon()))
}

fn payments(parts: &[(&str, i64)]) -> Node {
    parts.iter().fold(Node::new("payments"), |list, (number, amount)| {
        let part = Node::new("payment").field("number", *number).field("amountTiyn", amount.to_string());
        list.child(part.field("at", "2025-09-02T11:00:00+05:00"))
    })
}

fn order(state: &str, parts: &[(&str, i64)]) -> Node {
    Node::new("answer").field("state", state).child(payments(parts))
}

fn withdrawal(code: &str, parts: &[(&str, i64)]) -> Node {
    Node::new("answer").child(Node::new("messageResult").field("code", code)).child(payments(parts))
}

fn confirmed(number: &str, amount: i64) -> Answer {
    Answer::Confirmed {
        order_key: "charge".to_owned(),
        number: number.to_owned(),
        amount_tiyn: Tiyn(amount),
        at: paper::filed_at(),
    }
}

async fn ordered(gateway: &Register) -> Result<Bench<Payment>, Box<dyn std::error::Error>> {
    gateway.answers(CREATE_ORDER, Node::new("answer").field("orderNumber", "demo-order-1"));
    let mut bench = bench(gateway)?;
    let Turn::Hold(hold) = bench.work(&Job {}).await? else { return Err("not held".into()) };
    // the reminder's day first; the order itself is open until the day after
    assert_eq!(hold.until, Some("2025-09-05T00:00:00+05:00".parse()?));
    assert_eq!(bench.filed::<PaymentOrder>()?.until, "2025-09-06T00:00:00+05:00".parse()?);
    assert_eq!(hold.notices, [NoticeKind::PaymentDue]);
    Ok(bench)
}

fn lapsed(turn: &Turn<Payment>) -> bool {
    matches!(turn, Turn::Done(Outcome::Lapsed { .. }))
}

#[tokio::test]
async fn a3_15_the_order_is_placed_under_the_obligations_key_and_paid() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = ordered(&gateway).await?;
    let key = format!("charge/{}/duty", bench.case.id);
    assert_eq!(gateway.asked().first().and_then(|a| a.key.clone()), Some(key.clone()));
    assert_eq!(bench.filed::<PaymentOrder>()?.key, key);
    let turn = bench.answer(&confirmed("p1", 78_640), &Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Paid { .. })), "{turn:?}");
    let paid = bench.filed::<Paid>()?;
    assert_eq!((paid.amount, paid.numbers), (Tiyn(78_640), vec!["p1".to_owned()]));
    // nobody was asked for what the ledger knows
    assert_eq!(services(&gateway), [CREATE_ORDER]);
    Ok(())
}

#[tokio::test]
async fn a3_15_a_confirmation_that_outran_the_order_is_enough() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = bench(&gateway)?.received(Tiyn(78_640), "p1");
    let turn = bench.work(&Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Paid { .. })), "{turn:?}");
    assert!(services(&gateway).is_empty());
    Ok(())
}

#[tokio::test]
async fn a3_15_a_difference_below_one_tenge_is_not_rejected_and_one_tenge_is() -> Tested {
    for (amount, enough) in [(78_541, true), (78_540, false)] {
        let gateway = Register::open().await?;
        gateway.answers(ORDER_STATE, order("open", &[("p1", amount)]));
        let mut bench = ordered(&gateway).await?;
        match bench.answer(&confirmed("p1", amount), &Job {}).await? {
            Turn::Done(Outcome::Paid { .. }) => assert!(enough),
            Turn::Hold(hold) => {
                assert!(!enough);
                assert_eq!(hold.until, Some("2025-09-05T00:00:00+05:00".parse()?));
                assert_eq!(hold.notices, [NoticeKind::PartlyPaid]);
            }
            other @ (Turn::Done(_) | Turn::Again(_)) => return Err(format!("{other:?}").into()),
        }
    }
    Ok(())
}

#[tokio::test]
async fn a3_15_the_rest_is_found_by_asking_when_its_confirmation_was_lost() -> Tested {
    let gateway = Register::open().await?;
    gateway.answers(ORDER_STATE, order("paid", &[("p1", 40_000), ("p2", 38_640)]));
    let mut bench = ordered(&gateway).await?;
    let Turn::Done(outcome) = bench.answer(&confirmed("p1", 40_000), &Job {}).await? else {
        return Err("not done".into());
    };
    let bookings = outcome.bookings();
    let names: Vec<_> = bookings.iter().map(|b| (b.source.as_str(), b.reference.as_str(), b.amount.0)).collect();
    assert_eq!(names, [("rp-drn", "p2", 38_640)]);
    assert_eq!(bench.case.purse.held(), Tiyn(78_640));
    Ok(())
}

#[tokio::test]
async fn a3_15_an_unpaid_order_is_withdrawn_its_parts_posted_and_its_registration_cancelled() -> Tested {
    let gateway = Register::open().await?;
    gateway.answers(WITHDRAW_ORDER, withdrawal("00000", &[("p1", 40_000)]));
    let mut bench = ordered(&gateway).await?;
    bench.passes(SignedDuration::from_hours(24 * 4));
    let turn = bench.lapse(&Job {}).await?;
    assert!(lapsed(&turn), "{turn:?}");
    assert_eq!(bench.case.purse.held(), Tiyn(40_000));
    assert_eq!(services(&gateway), [CREATE_ORDER, WITHDRAW_ORDER, CANCEL]);
    Ok(())
}

#[tokio::test]
async fn a3_15_whoever_has_not_paid_is_reminded_once_before_the_order_lapses() -> Tested {
    let gateway = Register::open().await?;
    gateway.answers(WITHDRAW_ORDER, withdrawal("00000", &[]));
    let mut bench = ordered(&gateway).await?;
    bench.passes(SignedDuration::from_hours(24 * 3));
    let Turn::Hold(hold) = bench.lapse(&Job {}).await? else { return Err("not reminded".into()) };
    assert_eq!(hold.notices, [NoticeKind::PaymentReminder]);
    assert_eq!(hold.until, Some("2025-09-06T00:00:00+05:00".parse()?));
    assert_eq!(services(&gateway), [CREATE_ORDER], "nothing is withdrawn yet");
    bench.passes(SignedDuration::from_hours(24));
    let turn = bench.lapse(&Job {}).await?;
    assert!(lapsed(&turn), "{turn:?}");
    Ok(())
}

#[tokio::test]
async fn a3_15_an_order_already_paid_is_not_lapsed() -> Tested {
    let gateway = Register::open().await?;
    gateway.answers(WITHDRAW_ORDER, withdrawal("demo-already-paid", &[("p1", 78_640)]));
    let mut bench = ordered(&gateway).await?;
    bench.passes(SignedDuration::from_hours(24 * 4));
    let turn = bench.lapse(&Job {}).await?;
    assert!(matches!(&turn, Turn::Done(Outcome::Paid { found, .. }) if found.len() == 1), "{turn:?}");
    assert!(!services(&gateway).contains(&CANCEL.to_owned()));
    Ok(())
}

#[tokio::test]
async fn a3_15_money_for_an_order_that_a_lost_lapse_withdrew_goes_back() -> Tested {
    let gateway = Register::open().await?;
    gateway.answers(WITHDRAW_ORDER, withdrawal("00000", &[("p1", 78_640)]));
    let mut bench = ordered(&gateway).await?;
    bench.passes(SignedDuration::from_hours(24 * 4));
    let turn = bench.answer(&confirmed("p1", 78_640), &Job {}).await?;
    assert!(lapsed(&turn), "{turn:?}");
    assert_eq!(bench.case.purse.held(), Tiyn(78_640));
    Ok(())
}

#[tokio::test]
async fn a3_15_a_withdrawal_that_was_acknowledged_is_not_taken_back_by_a_later_payment() -> Tested {
    let gateway = Register::open().await?;
    gateway.answers(WITHDRAW_ORDER, withdrawal("00000", &[]));
    let mut bench = ordered(&gateway).await?;
    bench.passes(SignedDuration::from_hours(24 * 4));
    // the lapse withdraws, cancels the registration, and loses its turn
    assert!(lapsed(&bench.lapse(&Job {}).await?));
    assert_eq!(gateway.asked_of(CANCEL).len(), 1);
    // the service has changed its mind: paid, and never withdrawn
    gateway.answers(WITHDRAW_ORDER, withdrawal("demo-already-paid", &[("p1", 78_640)]));
    gateway.answers(ORDER_STATE, order("paid", &[("p1", 78_640)]));
    for turn in [bench.answer(&confirmed("p1", 78_640), &Job {}).await?, bench.work(&Job {}).await?] {
        assert!(lapsed(&turn), "a case goes on whose registration is cancelled: {turn:?}");
    }
    assert_eq!(bench.case.purse.held(), Tiyn(78_640), "posted once, and the law gives it back");
    assert_eq!(gateway.asked_of(WITHDRAW_ORDER).len(), 1, "its first answer counts for ever");
    // told to the register under one key, however often
    let keys: std::collections::BTreeSet<_> = gateway.asked_of(CANCEL).into_iter().map(|a| a.key).collect();
    assert_eq!(keys.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a3_15_a_withdrawal_whose_answer_was_lost_is_asked_for_before_it_is_repeated() -> Tested {
    let gateway = Register::open().await?;
    let mut bench = ordered(&gateway).await?;
    bench.passes(SignedDuration::from_hours(24 * 4));
    gateway.loses_answers(WITHDRAW_ORDER);
    assert!(bench.lapse(&Job {}).await.is_err_and(|f| f.is_transient()));
    gateway.answers(ORDER_STATE, order("withdrawn", &[("p1", 78_640)]));
    assert!(lapsed(&bench.answer(&confirmed("p1", 78_640), &Job {}).await?));
    assert_eq!(gateway.asked_of(WITHDRAW_ORDER).len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_part_that_comes_after_the_term_does_not_hold_for_ever() -> Tested {
    let gateway = Register::open().await?;
    gateway.answers(ORDER_STATE, order("open", &[("p1", 100)]));
    gateway.answers(WITHDRAW_ORDER, withdrawal("00000", &[("p1", 100)]));
    let mut bench = ordered(&gateway).await?;
    bench.passes(SignedDuration::from_hours(24 * 4));
    assert!(lapsed(&bench.answer(&confirmed("p1", 100), &Job {}).await?));
    Ok(())
}

#[tokio::test]
async fn an_order_withdrawn_before_this_visit_is_lapsed_and_a_refused_one_stops() -> Tested {
    let gateway = Register::open().await?;
    gateway.says(CREATE_ORDER, "demo-withdrawn");
    gateway.answers(ORDER_STATE, order("withdrawn", &[]));
    gateway.says(CANCEL, "demo-not-found");
    assert!(lapsed(&bench(&gateway)?.work(&Job {}).await?));

    let gateway = Register::open().await?;
    gateway.says(CREATE_ORDER, "demo-order-refused");
    let fault = bench(&gateway)?.work(&Job {}).await.err();
    assert!(matches!(&fault, Some(Fault::Permanent { cause: "order-refused", .. })), "{fault:?}");
    Ok(())
}

#[tokio::test]
async fn a_free_case_is_never_charged() -> Tested {
    let gateway = Register::open().await?;
    let mut free = paper::duty();
    free.outcome = kezek_domain::dossier::DutyOutcome::FreeByGround { ground: "replacement-on-expiry".to_owned() };
    let fault = bench(&gateway)?.filing(&free).work(&Job {}).await.err();
    assert!(fault.is_some_and(|f| f.cause() == "nothing-to-pay"));
    assert!(services(&gateway).is_empty());
    Ok(())
}
