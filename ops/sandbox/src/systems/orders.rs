//! RP DRN's payment service (A3.15), and the citizens who pay as their plans say.

use std::sync::Arc;
use std::time::Duration;

use kezek_domain::Tiyn;
use kezek_gateway::service_ids;
use kezek_gateway::xml::{Node, Problem, instant_text};

use crate::ledger::{Order, OrderState, Payment};
use crate::plan::{Plan, first_part};
use crate::random::name;
use crate::soap::{result, success};
use crate::world::World;

/// Creates an order; the same key gets the same order.
pub(super) async fn create(world: &Arc<World>, data: &Node) -> Result<Node, Problem> {
    let (key, coupon) = (data.need_text("key")?, data.need_text("coupon")?);
    let amount = Tiyn(data.need_number("amountTiyn")?);
    let until = data.need_instant("until")?;
    let refused = |code: &str| result("demo-order-refused").child(Node::new("refusal").field("code", code));
    if !amount.is_positive() {
        return Ok(refused("demo-amount"));
    }
    let number = format!("DEMO-O-{}", &name(world.people.seed(), "order", key.as_bytes())[..16]);
    {
        let mut ledger = world.ledger();
        if let Some(order) = ledger.orders.get_mut(key) {
            order.calls += 1;
            let (same, state) = (order.coupon == coupon && order.amount == amount, order.state);
            if !same {
                ledger.conflict("create-order", key, "another coupon or amount under the same key");
                return Ok(result("demo-conflict"));
            }
            return Ok(match state {
                OrderState::Withdrawn => result("demo-withdrawn"),
                OrderState::Open | OrderState::Paid => success().field("orderNumber", number),
            });
        }
        if ledger.by_coupon(coupon).is_none() {
            return Ok(refused("demo-coupon"));
        }
        let order = Order {
            number: number.clone(),
            coupon: coupon.to_owned(),
            amount,
            until,
            state: OrderState::Open,
            payments: Vec::new(),
            calls: 1,
            withdraw_calls: 0,
        };
        ledger.orders.insert(key.to_owned(), order);
    }
    if let Some(person) = world.holder(coupon) {
        pay_as_planned(world, key, amount, person.plan).await;
    }
    Ok(success().field("orderNumber", number))
}

/// What the citizen does about a new order.
async fn pay_as_planned(world: &Arc<World>, key: &str, amount: Tiyn, plan: Plan) {
    let soon = world.delay("pay", key, 20, 120);
    let rest = Tiyn(amount.0 - first_part(amount).0);
    match plan {
        Plan::Unpaid | Plan::PaidAfterLapse => {}
        Plan::PaidEarly => {
            // the confirmation overtakes the answer; if nobody listens the answer comes all the same
            let confirmed = pay(world, key, 1, amount, 1);
            let _ = tokio::time::timeout(Duration::from_secs(3), confirmed).await;
        }
        Plan::PaidLate => pay_later(world, world.delay("pay-late", key, 800, 1500), key, 1, amount, 1),
        Plan::ConfirmedTwice => pay_later(world, soon, key, 1, amount, 2),
        Plan::ConfirmationLost => pay_later(world, soon, key, 1, amount, 0),
        Plan::PaidPartOnly => pay_later(world, soon, key, 1, first_part(amount), 1),
        Plan::PaidInParts => {
            pay_later(world, soon, key, 1, first_part(amount), 1);
            pay_later(world, soon + Duration::from_millis(250), key, 2, rest, 1);
        }
        _ => pay_later(world, soon, key, 1, amount, 1),
    }
}

fn pay_later(world: &Arc<World>, wait: Duration, key: &str, part: u32, amount: Tiyn, confirmations: u32) {
    let key = key.to_owned();
    world.later(wait, |world| async move {
        let confirmed = pay(&world, &key, part, amount, confirmations);
        confirmed.await;
    });
}

/// Takes money in for an order; the future delivers so many confirmations of it, under one number and
/// each with its own message id.
fn pay(
    world: &Arc<World>,
    key: &str,
    part: u32,
    amount: Tiyn,
    confirmations: u32,
) -> impl Future<Output = ()> + Send + 'static {
    let number = format!("DEMO-P-{}", &name(world.people.seed(), "payment", format!("{key}/{part}").as_bytes())[..16]);
    let at = world.clock.now();
    let taken = {
        let mut ledger = world.ledger();
        match ledger.orders.get_mut(key) {
            Some(order) if order.payments.iter().all(|payment| payment.number != number) => {
                order.payments.push(Payment { number: number.clone(), amount, at, confirmations });
                if order.state == OrderState::Open && order.paid() >= order.amount {
                    order.state = OrderState::Paid;
                }
                true
            }
            _ => false,
        }
    };
    let message = Node::new("payment")
        .field("orderKey", key)
        .field("number", number)
        .field("amountTiyn", amount.0.to_string())
        .field("at", instant_text(at));
    let (world, key) = (Arc::clone(world), key.to_owned());
    let intent = world.outbound.intent();
    async move {
        for _ in 0..if taken { confirmations } else { 0 } {
            world.outbound.deliver(service_ids::PAYMENT_CONFIRMED, &key, &message).await;
        }
        drop(intent);
    }
}

pub(super) fn payments(order: &Order) -> Node {
    order.payments.iter().fold(Node::new("payments"), |list, payment| {
        list.child(
            Node::new("payment")
                .field("number", payment.number.as_str())
                .field("amountTiyn", payment.amount.0.to_string())
                .field("at", instant_text(payment.at)),
        )
    })
}

/// Withdraws an order that is not paid; some pay it all the same.
pub(super) fn withdraw(world: &Arc<World>, data: &Node) -> Result<Node, Problem> {
    let key = data.need_text("key")?;
    let (answer, late) = {
        let mut ledger = world.ledger();
        let Some(order) = ledger.orders.get_mut(key) else { return Ok(result("demo-not-found")) };
        order.withdraw_calls += 1;
        let first = order.state == OrderState::Open;
        let answer = if order.state == OrderState::Paid { result("demo-already-paid") } else { success() };
        if first {
            order.state = OrderState::Withdrawn;
        }
        (answer.child(payments(order)), first.then(|| (order.coupon.clone(), order.amount)))
    };
    if let Some((coupon, amount)) = late
        && world.holder(&coupon).is_some_and(|person| person.plan == Plan::PaidAfterLapse)
    {
        pay_later(world, world.delay("pay-after-lapse", key, 80, 300), key, 1, amount, 1);
    }
    Ok(answer)
}

/// What became of an order.
pub(super) fn state(world: &World, data: &Node) -> Result<Node, Problem> {
    let key = data.need_text("key")?;
    let ledger = world.ledger();
    let Some(order) = ledger.orders.get(key) else { return Ok(result("demo-not-found")) };
    let state = match order.state {
        OrderState::Open => "open",
        OrderState::Paid => "paid",
        OrderState::Withdrawn => "withdrawn",
    };
    Ok(success().field("state", state).child(payments(order)))
}

/// The application was cancelled: whoever planned so pays once more.
pub(super) fn cancelled(world: &Arc<World>, coupon: &str) {
    if world.holder(coupon).is_none_or(|person| person.plan != Plan::PaidAfterCancellation) {
        return;
    }
    let order = world
        .ledger()
        .orders
        .iter()
        .find(|(_, order)| order.coupon == coupon)
        .map(|(key, order)| (key.clone(), order.amount));
    if let Some((key, amount)) = order {
        pay_later(world, world.delay("pay-after-cancellation", &key, 80, 300), &key, 2, amount, 1);
    }
}
