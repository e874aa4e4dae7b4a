//! Orders, payments and refunds as the plans have them, over HTTP both ways.

use crate::town::{DUTY, Town};
use kezek_domain::Tiyn;
use kezek_gateway::incoming::{CentreResult, Message};
use kezek_gateway::{Accepted, CardOrder, Claim, CouponAnswer, OrderAnswer, OrderState, WithdrawAnswer};
use kezek_sandbox::Plan;

async fn ordered(town: &Town, plan: Plan) -> kezek_domain::Coupon {
    let coupon = town.registered(plan).await;
    let until = town.now().checked_add(jiff::SignedDuration::from_hours(72)).unwrap();
    let key = format!("pay/{}", plan.label());
    let answer = town.gateway.create_order(&key, &coupon, DUTY, until).await.unwrap();
    assert_eq!(town.gateway.create_order(&key, &coupon, DUTY, until).await.unwrap(), answer);
    assert!(matches!(answer, OrderAnswer::Created { .. }));
    coupon
}

fn payments(messages: &[Message]) -> Vec<(String, i64)> {
    messages
        .iter()
        .filter_map(|message| match message {
            Message::PaymentConfirmed(payment) => Some((payment.number.clone(), payment.amount.0)),
            Message::ProductionResult(_) | Message::TaxClaimFiled(_) | Message::TaxRefundPaid(_) => None,
        })
        .collect()
}

fn numbers(messages: &[Message]) -> Vec<String> {
    let mut numbers: Vec<_> = payments(messages).into_iter().map(|(number, _)| number).collect();
    numbers.sort();
    numbers.dedup();
    numbers
}

#[tokio::test]
async fn a3_15_each_way_of_paying() {
    for (plan, confirmations, sum) in [
        (Plan::Issued, 1, DUTY.0),
        (Plan::PaidLate, 1, DUTY.0),
        (Plan::ConfirmedTwice, 2, DUTY.0),
        (Plan::ConfirmationLost, 0, DUTY.0),
        (Plan::PaidInParts, 2, DUTY.0),
        (Plan::PaidPartOnly, 1, DUTY.0 / 2),
        (Plan::Unpaid, 0, 0),
    ] {
        let town = Town::new().await;
        ordered(&town, plan).await;
        let messages = town.at_rest().await;
        assert_eq!(payments(&messages).len(), confirmations, "{plan:?}");
        let state = town.gateway.order_state(&format!("pay/{}", plan.label())).await.unwrap();
        let (OrderState::Open { payments } | OrderState::Paid { payments } | OrderState::Withdrawn { payments }) =
            state.clone()
        else {
            unreachable!("no order")
        };
        assert_eq!(payments.iter().map(|payment| payment.amount.0).sum::<i64>(), sum, "{plan:?}");
        assert_eq!(matches!(state, OrderState::Paid { .. }), sum == DUTY.0, "{plan:?}");
        if plan == Plan::ConfirmedTwice {
            assert_eq!(numbers(&messages).len(), 1, "twice the same payment");
            let taken = town.inbox.taken.lock().unwrap();
            assert_ne!(taken[0].message_id, taken[1].message_id);
        }
    }
}

#[tokio::test]
async fn a_confirmation_can_come_before_the_answer() {
    let town = Town::new().await;
    let coupon = town.registered(Plan::PaidEarly).await;
    let inbox = std::sync::Arc::clone(&town.inbox);
    town.gateway.create_order("k", &coupon, DUTY, town.now()).await.unwrap();
    assert_eq!(inbox.taken.lock().unwrap().len(), 1, "it was here when the answer came");
}

#[tokio::test]
async fn withdrawal_finds_what_was_paid() {
    let town = Town::new().await;
    let withdraw = async |plan: Plan| town.gateway.withdraw_order(&format!("pay/{}", plan.label())).await.unwrap();
    for plan in [Plan::ConfirmationLost, Plan::PaidPartOnly, Plan::Unpaid] {
        ordered(&town, plan).await;
    }
    town.at_rest().await;
    assert!(
        matches!(withdraw(Plan::ConfirmationLost).await, WithdrawAnswer::AlreadyPaid { payments } if payments.len() == 1 && payments[0].amount == DUTY)
    );
    let part = withdraw(Plan::PaidPartOnly).await;
    assert!(matches!(&part, WithdrawAnswer::Withdrawn { payments } if payments[0].amount == Tiyn(DUTY.0 / 2)));
    assert_eq!(withdraw(Plan::PaidPartOnly).await, part);
    assert_eq!(withdraw(Plan::Unpaid).await, WithdrawAnswer::Withdrawn { payments: vec![] });
    assert_eq!(town.gateway.withdraw_order("nothing").await.unwrap(), WithdrawAnswer::NotFound);
    assert_eq!(town.gateway.order_state("nothing").await.unwrap(), OrderState::NotFound);
}

#[tokio::test]
async fn money_comes_after_lapse_and_after_cancellation() {
    let town = Town::new().await;
    let coupon = ordered(&town, Plan::PaidAfterLapse).await;
    assert!(town.at_rest().await.is_empty());
    let key = "pay/paid-after-lapse";
    assert_eq!(town.gateway.withdraw_order(key).await.unwrap(), WithdrawAnswer::Withdrawn { payments: vec![] });
    assert_eq!(payments(&town.at_rest().await).len(), 1);
    assert_eq!(town.gateway.create_order(key, &coupon, DUTY, town.now()).await.unwrap(), OrderAnswer::Withdrawn);

    let coupon = ordered(&town, Plan::PaidAfterCancellation).await;
    town.at_rest().await;
    assert_eq!(town.gateway.cancel_registration("c", &coupon, "photo-quality").await.unwrap(), CouponAnswer::Done);
    assert_eq!(town.gateway.cancel_registration("c", &coupon, "photo-quality").await.unwrap(), CouponAnswer::Done);
    assert_eq!(numbers(&town.at_rest().await).len(), 3);
    assert!(town.sandbox.world.ledger().conflicts.is_empty());
}

#[tokio::test]
async fn a11c_the_tax_authority_pays_back_once_per_key_and_only_what_was_paid() {
    let town = Town::new().await;
    let coupon = ordered(&town, Plan::CancelledForPhoto).await;
    let paid = numbers(&town.at_rest().await);
    let claim =
        Claim { coupon: Some(coupon), amount: DUTY, payments: paid.clone(), legal_basis: "art. 101".to_owned() };
    for _ in 0..2 {
        assert_eq!(town.gateway.confirm_non_performance("r1", &claim).await.unwrap(), Accepted);
    }
    let wrong = Claim { amount: Tiyn(1), ..claim.clone() };
    town.gateway.confirm_non_performance("r2", &wrong).await.unwrap();
    let unknown = Claim { payments: vec!["DEMO-P-0".to_owned()], ..claim };
    town.gateway.confirm_non_performance("r3", &unknown).await.unwrap();
    let refunds: Vec<_> = town.at_rest().await.into_iter().filter(|message| matches!(message, Message::TaxRefundPaid(paid) if paid.amount == DUTY && paid.confirmation_key == "r1")).collect();
    assert_eq!(refunds.len(), 1);
    let ledger = town.sandbox.world.ledger();
    assert_eq!(ledger.conflicts.len(), 2);
    let statements = ledger.statements();
    assert_eq!((statements.payments.len(), statements.refunds.len()), (1, 1));
    assert_eq!(statements.refunds[0].payments, paid);
}

fn card(town: &Town, plan: Plan, coupon: &kezek_domain::Coupon) -> CardOrder {
    let person = town.person(plan);
    CardOrder {
        coupon: coupon.clone(),
        iin: person.iin.clone(),
        surname: person.surname.clone(),
        name: person.name.clone(),
        patronymic: person.patronymic.clone(),
        birth_date: person.birth_date,
        birth_country: "398".to_owned(),
        region: person.region,
        registration_point: person.registration_point.clone(),
        photo: person.photograph().unwrap(),
        signature: person.signature().unwrap(),
    }
}

async fn made(town: &Town, key: &str) -> Vec<CentreResult> {
    town.at_rest()
        .await
        .into_iter()
        .filter_map(|message| match message {
            Message::ProductionResult(result) if result.order_key == key => Some(result.result),
            Message::ProductionResult(_)
            | Message::PaymentConfirmed(_)
            | Message::TaxClaimFiled(_)
            | Message::TaxRefundPaid(_) => None,
        })
        .collect()
}

#[tokio::test]
async fn a5_3_a5_4_the_centre_makes_what_is_paid_and_remakes_what_is_faulty() {
    let town = Town::new().await;
    let coupon = ordered(&town, Plan::DefectRemade).await;
    town.at_rest().await;
    let order = card(&town, Plan::DefectRemade, &coupon);
    for _ in 0..2 {
        town.gateway.order_card("p1", &order).await.unwrap();
    }
    assert_eq!(made(&town, "p1").await, [CentreResult::Defect { code: "demo-misprint".to_owned() }]);
    town.gateway.order_card("p2", &order).await.unwrap();
    assert!(
        matches!(made(&town, "p2").await.as_slice(), [CentreResult::Produced { card_number }] if card_number.len() == 9)
    );
    // nobody paid for this one
    let unpaid = town.registered(Plan::Unpaid).await;
    town.gateway.order_card("p3", &card(&town, Plan::Unpaid, &unpaid)).await.unwrap();
    assert_eq!(made(&town, "p3").await, [CentreResult::IncomingControlFailed { code: "demo-unpaid".to_owned() }]);
    // nobody has to pay for this one
    let exempt = town.registered(Plan::Exempt).await;
    town.gateway.order_card("p4", &card(&town, Plan::Exempt, &exempt)).await.unwrap();
    assert!(matches!(made(&town, "p4").await.as_slice(), [CentreResult::Produced { .. }]));
    assert_eq!(town.gateway.close_registration("x", &exempt).await.unwrap(), CouponAnswer::Done);
    assert_eq!(town.sandbox.world.ledger().cards["p1"].calls, 2);
}

#[tokio::test]
async fn a_message_is_sent_until_it_is_acknowledged() {
    let town = Town::new().await;
    *town.inbox.refuse.lock().unwrap() = 3;
    ordered(&town, Plan::Issued).await;
    assert_eq!(town.at_rest().await.len(), 1);
    let counts = town.sandbox.world.outbound.counts();
    assert_eq!((counts.messages, counts.acknowledged, counts.sendings), (1, 1, 4));
}
