//! Statements of what was done, by key, a page at a time: what an operator compares with after a restore.

use std::collections::BTreeMap;
use std::ops::Bound;

use kezek_gateway::xml::{Node, instant_text};

use super::production::told;
use crate::ledger::{CardResult, Ledger, OrderState, RegistrationState};
use crate::soap::success;
use crate::world::World;

/// Rows of a page.
const PAGE: usize = 200;

/// RP DRN: registrations, and the orders of its payment service.
pub(super) fn rp_drn(world: &World, data: &Node) -> Node {
    page(world, data, |ledger, after| {
        let registrations = rows(&ledger.registrations, after, |row| {
            let state = match row.state {
                RegistrationState::Open => "registered",
                RegistrationState::Refused => "refused-to-register",
                RegistrationState::Cancelled => "cancelled",
                RegistrationState::Closed => "closed",
            };
            Node::new("row").field("state", state)
        });
        let orders = rows(&ledger.orders, after, |order| {
            let state = match order.state {
                OrderState::Open | OrderState::Paid => "ordered",
                OrderState::Withdrawn => "withdrawn",
            };
            Node::new("row").field("state", state).child(super::orders::payments(order))
        });
        [orders, registrations].concat()
    })
}

/// The production centre: orders and what was made of them.
pub(super) fn production(world: &World, data: &Node) -> Node {
    page(world, data, |ledger, after| {
        rows(&ledger.cards, after, |card| {
            let row = Node::new("row").field("state", "took-card-order");
            // nothing was said of an order that still waits
            if card.result == CardResult::Waiting { row } else { row.child(told(&card.result)) }
        })
    })
}

/// The tax authority: confirmations of non-performance and refunds.
pub(super) fn tax(world: &World, data: &Node) -> Node {
    page(world, data, |ledger, after| {
        rows(&ledger.confirmations, after, |row| {
            let node = Node::new("row").field("state", "took-confirmation");
            let Some(refund) = &row.refund else { return node };
            node.child(
                Node::new("refund")
                    .field("number", refund.number.as_str())
                    .field("amountTiyn", refund.amount.0.to_string())
                    .field("paidAt", instant_text(refund.paid_at)),
            )
        })
    })
}

/// The personal cabinet: messages. (Nobody states text messages.)
pub(super) fn cabinet(world: &World, data: &Node) -> Node {
    page(world, data, |ledger, after| rows(&ledger.cabinet, after, |_| Node::new("row").field("state", "notified")))
}

fn page(world: &World, data: &Node, list: impl FnOnce(&Ledger, &str) -> Vec<(String, Node)>) -> Node {
    let mut rows = list(&world.ledger(), data.text("after").unwrap_or_default());
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let rows = rows.into_iter().take(PAGE).map(|(key, row)| row.field("key", key));
    success().child(rows.fold(Node::new("rows"), Node::child))
}

fn rows<T>(all: &BTreeMap<String, T>, after: &str, told: impl Fn(&T) -> Node) -> Vec<(String, Node)> {
    let later = all.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
    later.take(PAGE).map(|(key, row)| (key.clone(), told(row))).collect()
}
