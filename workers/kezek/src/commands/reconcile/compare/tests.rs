//! Each kind of difference, and that agreement is none.

use super::*;
use kezek_domain::Tiyn;
use kezek_gateway::incoming::{PaymentConfirmed, ProductionResult, TaxRefundPaid};

const CASE: Uuid = Uuid::from_u128(5);

fn stated(verb: &str, part: &str, what: Did) -> Stated {
    let key = if part.is_empty() { format!("{verb}/{CASE}") } else { format!("{verb}/{CASE}/{part}") };
    Stated { key, what, told: Vec::new() }
}

fn facts(how: &str, answered: &[(&str, i64)]) -> Facts {
    let answered = answered.iter().map(|(operation, visits)| ((*operation).to_owned(), *visits)).collect();
    let case = KnownCase { receipt: "R".to_owned(), how: how.to_owned(), answered, ..KnownCase::default() };
    Facts { cases: HashMap::from([(CASE, case)]), ..Facts::default() }
}

fn kinds(stated: &Stated, facts: &Facts) -> Vec<&'static str> {
    compare(stated, facts).iter().map(|compared| compared.kind).collect()
}

fn payment(number: &str) -> Message {
    let at = jiff::Timestamp::UNIX_EPOCH;
    Message::PaymentConfirmed(PaymentConfirmed {
        order_key: "k".to_owned(),
        number: number.to_owned(),
        amount: Tiyn(5),
        at,
    })
}

fn refund(number: &str) -> Message {
    let paid_at = jiff::Timestamp::UNIX_EPOCH;
    let confirmation_key = "k".to_owned();
    Message::TaxRefundPaid(TaxRefundPaid { confirmation_key, amount: Tiyn(5), paid_at, number: number.to_owned() })
}

fn card(n: &str) -> Stated {
    let mut card = stated("print", n, Did::TookCardOrder);
    let result = CentreResult::Defect { code: "c".to_owned() };
    card.told = vec![Message::ProductionResult(ProductionResult { order_key: card.key.clone(), result, at: None })];
    card
}

#[test]
fn what_both_know_is_no_difference() {
    for (stated, operation) in [
        (stated("register", "", Did::Registered), "register"),
        (stated("register", "", Did::RefusedToRegister), "register"),
        (stated("register", "", Did::Cancelled), "cancel"),
        (stated("register", "", Did::Cancelled), "cancel-registration"),
        (stated("register", "", Did::Closed), "close"),
        (stated("charge", "duty", Did::Ordered), "create-order"),
        (stated("charge", "duty", Did::Withdrawn), "withdraw-order"),
        (stated("refund", "p-1", Did::TookConfirmation), "confirm-non-performance"),
        (stated("print", "0", Did::TookCardOrder), "order-card"),
    ] {
        assert_eq!(kinds(&stated, &facts("held", &[(operation, 1)])), [""; 0], "{stated:?}");
        assert_eq!(kinds(&stated, &facts("held", &[])).len(), 1, "{stated:?}");
        let unknown = Facts::default();
        assert_eq!(kinds(&stated, &unknown), ["case-unknown"], "{stated:?}");
    }
}

#[test]
fn a_second_card_is_known_by_the_second_visit_alone() {
    let second = stated("print", "1", Did::TookCardOrder);
    assert_eq!(kinds(&second, &facts("held", &[("order-card", 1)])), ["done-outside"]);
    assert!(kinds(&second, &facts("held", &[("order-card", 2)])).is_empty());
}

#[test]
fn an_answer_is_brought_where_its_case_waits_for_it_or_will_first() {
    let remedy = |n: &str, visits: i64| {
        let known: &[(&str, i64)] = if visits == 0 { &[] } else { &[("order-card", visits)] };
        let mut all = compare(&card(n), &facts("held", known));
        all.pop().map(|compared| (compared.kind, compared.remedy))
    };
    // before production, and in it
    assert!(matches!(remedy("0", 0), Some(("answer-not-arrived", Remedy::Bring(_)))));
    assert!(matches!(remedy("0", 1), Some(("answer-not-arrived", Remedy::Bring(_)))));
    // the second card's answer must not meet a case that waits for the first
    assert!(matches!(remedy("1", 1), Some(("answer-not-arrived", Remedy::Later))));
    assert!(matches!(remedy("1", 2), Some(("answer-not-arrived", Remedy::Bring(_)))));
    let closed = compare(&card("0"), &facts("closed", &[("order-card", 1)]));
    assert!(matches!(closed.as_slice(), [Compared { remedy: Remedy::None, .. }]));
    let mut arrived = facts("held", &[("order-card", 1)]);
    arrived.arrived.insert(card("0").key);
    assert!(compare(&card("0"), &arrived).is_empty());
}

#[test]
fn money_is_compared_by_its_number_and_brought_once() {
    let mut order = stated("charge", "duty", Did::Ordered);
    order.told = vec![payment("p-1"), payment("p-2")];
    let mut known = facts("held", &[("create-order", 1)]);
    known.booked.insert("p-1".to_owned());
    let all = compare(&order, &known);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].kind, all[0].key.as_str()), ("payment-not-booked", "p-2"));
    assert_eq!(all[0].remedy, Remedy::Bring(payment("p-2")));
    // money of a case that nobody knows goes to suspense, and none is given back out of it
    let unknown = compare(&order, &Facts::default());
    assert_eq!(unknown.len(), 3);
    assert_eq!(unknown[1].remedy, Remedy::Bring(payment("p-1")));
    let mut returned = stated("refund", "p-1", Did::TookConfirmation);
    returned.told = vec![refund("r-1")];
    assert_eq!(compare(&returned, &Facts::default())[1].remedy, Remedy::None);

    let mut confirmed = stated("refund", "p-1", Did::TookConfirmation);
    confirmed.told = vec![refund("r-1")];
    let mut known = facts("held", &[("confirm-non-performance", 1)]);
    assert_eq!(compare(&confirmed, &known)[0].remedy, Remedy::Later);
    known.cases.values_mut().for_each(|case| case.refunding = true);
    assert_eq!(compare(&confirmed, &known)[0].remedy, Remedy::Bring(refund("r-1")));
}

#[test]
fn a_case_that_has_ended_outside_does_not_go_on_by_itself() {
    let cancelled = stated("register", "", Did::Cancelled);
    let all = compare(&cancelled, &facts("held", &[("register", 1)]));
    assert_eq!((all[0].kind, &all[0].remedy), ("ended-outside", &Remedy::SetAside));
    assert!(compare(&cancelled, &facts("closed", &[])).is_empty(), "both have ended without a card");
    let issued = compare(&cancelled, &facts("closed", &[("close", 1)]));
    assert_eq!((issued[0].kind, &issued[0].remedy), ("ended-outside", &Remedy::None));
    // nobody can pay any more here either
    assert!(compare(&stated("charge", "duty", Did::Withdrawn), &facts("closed", &[])).is_empty());
}

#[test]
fn a_text_message_beside_one_in_the_cabinet_is_in_doubt() {
    let told = stated("cabinet", "ready.issuance.1", Did::Notified);
    let key = format!("sms/{CASE}/ready.issuance.1");
    assert_eq!(compare(&told, &facts("held", &[]))[0].remedy, Remedy::Doubt { key });
    let mut known = facts("held", &[]);
    known.noticed.insert(told.key.clone());
    assert!(compare(&told, &known).is_empty());
}
