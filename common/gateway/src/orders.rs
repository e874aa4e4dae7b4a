//! RP DRN's payment service: orders for the state duty (A3.15). The receiver dedupes by the effect
//! key; what it took in can be asked for at any time, so a lost confirmation is never lost money.

use jiff::Timestamp;
use kezek_domain::{Coupon, System, Tiyn};
use serde::{Deserialize, Serialize};

use crate::answer::{Answer, SUCCESS};
use crate::envelope::plain_code;
use crate::xml::{Node, Problem, instant_text};
use crate::{Gateway, GatewayFault, service_ids};

/// One payment that arrived for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidPart {
    /// The provider's number of the payment; money is posted once per number.
    pub number: String,
    /// How much, in tiyn.
    pub amount: Tiyn,
    /// When, business time.
    pub at: Timestamp,
}

/// What the service says to a new order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderAnswer {
    /// There is an order now; the same key always gets the same number.
    Created {
        /// The number that the applicant pays against.
        number: String,
    },
    /// This key's order was withdrawn before.
    Withdrawn,
    /// The service does not take the order.
    Refused {
        /// Its code.
        code: String,
    },
}

/// What the service says to a withdrawal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WithdrawAnswer {
    /// Withdrawn, now or before.
    Withdrawn {
        /// Parts that had arrived; usually none. They are facts to be posted.
        payments: Vec<PaidPart>,
    },
    /// The whole amount has arrived: the order is not withdrawn.
    AlreadyPaid {
        /// All payments.
        payments: Vec<PaidPart>,
    },
    /// There is no order under this key.
    NotFound,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderState {
    /// Not yet paid in full.
    Open {
        /// Parts that have arrived.
        payments: Vec<PaidPart>,
    },
    /// Paid in full.
    Paid {
        /// All payments.
        payments: Vec<PaidPart>,
    },
    /// Withdrawn.
    Withdrawn {
        /// Whatever arrived before or after.
        payments: Vec<PaidPart>,
    },
    /// There is no order under this key.
    NotFound,
}

impl Gateway {
    /// Creates an order for the duty (A3.15). `until` is the last business instant at which it can
    /// be paid.
    ///
    /// # Errors
    /// A technical failure.
    pub async fn create_order(
        &self,
        key: &str,
        coupon: &Coupon,
        amount: Tiyn,
        until: Timestamp,
    ) -> Result<OrderAnswer, GatewayFault> {
        let question = Node::new("createOrderRequest")
            .field("key", key)
            .field("coupon", coupon.as_str())
            .field("amountTiyn", amount.0.to_string())
            .field("until", instant_text(until));
        let answer = self.ask(System::RpDrn, service_ids::CREATE_ORDER, Some(key), &question).await?;
        match answer.code.as_str() {
            SUCCESS => answer
                .data
                .need_text("orderNumber")
                .map(|number| OrderAnswer::Created { number: number.to_owned() })
                .map_err(|problem| answer.bad(problem)),
            "demo-withdrawn" => Ok(OrderAnswer::Withdrawn),
            "demo-order-refused" => {
                let code = answer.data.text("refusal/code").unwrap_or("no-code");
                Ok(OrderAnswer::Refused { code: plain_code(code) })
            }
            _ => Err(answer.unexpected()),
        }
    }

    /// Withdraws an order, unless it is already paid.
    ///
    /// # Errors
    /// A technical failure.
    pub async fn withdraw_order(&self, key: &str) -> Result<WithdrawAnswer, GatewayFault> {
        let answer = self.order(service_ids::WITHDRAW_ORDER, "withdrawOrderRequest", key).await?;
        match answer.code.as_str() {
            SUCCESS => Ok(WithdrawAnswer::Withdrawn { payments: payments(&answer)? }),
            "demo-already-paid" => Ok(WithdrawAnswer::AlreadyPaid { payments: payments(&answer)? }),
            "demo-not-found" => Ok(WithdrawAnswer::NotFound),
            _ => Err(answer.unexpected()),
        }
    }

    /// Asks what became of an order.
    ///
    /// # Errors
    /// A technical failure.
    pub async fn order_state(&self, key: &str) -> Result<OrderState, GatewayFault> {
        let answer = self.order(service_ids::ORDER_STATE, "orderStateRequest", key).await?;
        if answer.code == "demo-not-found" {
            return Ok(OrderState::NotFound);
        }
        let state = answer.success()?.need_text("state").map_err(|problem| answer.bad(problem))?;
        let payments = payments(&answer)?;
        match state {
            "open" => Ok(OrderState::Open { payments }),
            "paid" => Ok(OrderState::Paid { payments }),
            "withdrawn" => Ok(OrderState::Withdrawn { payments }),
            _ => Err(answer.odd("state")),
        }
    }

    async fn order(&self, service: &str, name: &str, key: &str) -> Result<Answer, GatewayFault> {
        self.ask(System::RpDrn, service, Some(key), &Node::new(name).field("key", key)).await
    }
}

fn payments(answer: &Answer) -> Result<Vec<PaidPart>, GatewayFault> {
    let list = answer.data.find("payments").map_or(&[][..], Node::children);
    list.iter().map(read).collect::<Result<_, _>>().map_err(|problem| answer.bad(problem))
}

pub(crate) fn read(node: &Node) -> Result<PaidPart, Problem> {
    Ok(PaidPart {
        number: node.need_text("number")?.to_owned(),
        amount: amount(node, "amountTiyn")?,
        at: node.need_instant("at")?,
    })
}

/// An amount of money that arrived: more than nothing.
pub(crate) fn amount(node: &Node, path: &str) -> Result<Tiyn, Problem> {
    let amount = Tiyn(node.need_number(path)?);
    if amount.is_positive() { Ok(amount) } else { Err(node.problem(path, "not more than nothing")) }
}
