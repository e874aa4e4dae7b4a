//! The tax authority: takes confirmations of non-performance and pays the duty back (A11c).

use std::sync::Arc;

use kezek_domain::Tiyn;
use kezek_gateway::service_ids;
use kezek_gateway::xml::{Node, Problem, instant_text};

use super::orders;
use crate::ledger::{Confirmation, Refund};
use crate::random::name;
use crate::world::World;

/// Takes a confirmation; the refund follows as a message, once per key. A confirmation that names
/// unknown payments or another sum is noted as a conflict and not paid.
pub(super) fn non_performance(world: &Arc<World>, data: &Node) -> Result<(), Problem> {
    let key = data.need_text("confirmationKey")?.to_owned();
    let amount = Tiyn(data.need_number("amountTiyn")?);
    data.need_text("legalBasis")?;
    let numbers: Vec<String> =
        data.need("payments")?.children().iter().filter_map(|node| node.text("")).map(str::to_owned).collect();
    let coupon = data.text("coupon").map(str::to_owned);
    let cancelled = coupon.clone();
    {
        let mut ledger = world.ledger();
        if let Some(row) = ledger.confirmations.get_mut(&key) {
            row.calls += 1;
            if row.amount != amount || row.payments != numbers {
                ledger.conflict("non-performance", &key, "another sum or other payments under the same key");
            }
            return Ok(());
        }
        let known: Option<i64> =
            numbers.iter().map(|number| ledger.payment(number).map(|payment| payment.amount.0)).sum();
        let what = match known {
            None => Some("names a payment that nobody made"),
            Some(sum) if sum != amount.0 => Some("the sum is not that of the payments"),
            Some(_) if numbers.is_empty() => Some("names no payment"),
            Some(_) => None,
        };
        let row = Confirmation { coupon, amount, payments: numbers, calls: 1, refund: None };
        ledger.confirmations.insert(key.clone(), row);
        if let Some(what) = what {
            ledger.conflict("non-performance", &key, what);
            return Ok(());
        }
    }
    if let Some(coupon) = cancelled {
        orders::cancelled(world, &coupon);
    }
    world.later(world.delay("refund", &key, 60, 240), |world| async move {
        let paid_at = world.clock.now();
        let number = format!("DEMO-R-{}", &name(world.people.seed(), "refund", key.as_bytes())[..16]);
        if let Some(row) = world.ledger().confirmations.get_mut(&key) {
            row.refund = Some(Refund { number: number.clone(), amount, paid_at });
        }
        let message = Node::new("refundPaid")
            .field("confirmationKey", key.as_str())
            .field("amountTiyn", amount.0.to_string())
            .field("paidAt", instant_text(paid_at))
            .field("number", number);
        world.outbound.deliver(service_ids::TAX_REFUND_PAID, &key, &message).await;
    });
    Ok(())
}
