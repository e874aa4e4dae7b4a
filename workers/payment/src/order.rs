//! The order at RP DRN's payment service: placed, asked for, withdrawn, each under the key of the obligation.

use crate::Payment;
use jiff::Timestamp;
use kezek_domain::{CaseId, Coupon, Fault, System, Tiyn};
use kezek_gateway::{Gateway, GatewayFault, OrderAnswer, OrderState, PaidPart, WithdrawAnswer};
use kezek_stage::{Attempt, EffectKey, File, Receiver};
use serde::{Deserialize, Serialize};

/// What became of placing the order.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placed {
    /// It can be paid, under this number.
    Open(String),
    /// It was withdrawn on an earlier visit, and an obligation is ordered once.
    Withdrawn,
}

/// The key of a case's charge: it names case and obligation, never the visit.
pub fn key(case: CaseId) -> EffectKey {
    EffectKey::of("charge", case, "duty")
}

/// Places the order (A3.15).
pub async fn place(
    gateway: &Gateway,
    file: &File<Payment>,
    attempt: &Attempt,
    amount: Tiyn,
    until: Timestamp,
) -> Result<Placed, Fault> {
    let key = key(file.case.id);
    let coupon = coupon(file)?;
    let call = async {
        match gateway.create_order(key.as_str(), coupon, amount, until).await? {
            OrderAnswer::Created { number } => Ok(Placed::Open(number)),
            OrderAnswer::Withdrawn => Ok(Placed::Withdrawn),
            OrderAnswer::Refused { code } => Err(Fault::permanent("order-refused", code)),
        }
    };
    attempt.effect(&key, Receiver::Dedupes, System::RpDrn, "create-order", call).await?.sure()
}

/// Asks what became of the order.
pub async fn state(gateway: &Gateway, file: &File<Payment>, attempt: &Attempt) -> Result<OrderState, Fault> {
    let key = key(file.case.id);
    attempt.call(System::RpDrn, "order-state", gateway.order_state(key.as_str())).await
}

/// Withdraws the order, unless it is paid. The service's first answer is remembered and counts for ever: once it has
/// acknowledged a withdrawal, the registration may be cancelled already, and whatever it says later is late money.
pub async fn withdraw(gateway: &Gateway, file: &File<Payment>, attempt: &Attempt) -> Result<WithdrawAnswer, Fault> {
    let order = key(file.case.id);
    let key = EffectKey::of("withdraw", file.case.id, "duty");
    let call = async {
        Ok::<_, GatewayFault>(match gateway.withdraw_order(order.as_str()).await? {
            WithdrawAnswer::Withdrawn { payments } => Withdrawal::Withdrawn(payments),
            WithdrawAnswer::AlreadyPaid { payments } => Withdrawal::AlreadyPaid(payments),
            WithdrawAnswer::NotFound => Withdrawal::NotFound,
        })
    };
    // an answer that was lost: the order's state tells whether it is withdrawn; if not, it is asked for again
    let asked = Box::pin(async {
        Ok(match gateway.order_state(order.as_str()).await? {
            OrderState::Withdrawn { payments } => Some(Withdrawal::Withdrawn(payments)),
            OrderState::NotFound => Some(Withdrawal::NotFound),
            OrderState::Open { .. } | OrderState::Paid { .. } => None,
        })
    });
    let done = attempt.effect(&key, Receiver::Asked(asked), System::RpDrn, "withdraw-order", call).await?.sure()?;
    Ok(match done {
        Withdrawal::Withdrawn(payments) => WithdrawAnswer::Withdrawn { payments },
        Withdrawal::AlreadyPaid(payments) => WithdrawAnswer::AlreadyPaid { payments },
        Withdrawal::NotFound => WithdrawAnswer::NotFound,
    })
}

/// Cancels the registration of an application that was not paid in time; one that is not there is cancelled enough.
pub async fn cancel_registration(gateway: &Gateway, file: &File<Payment>, attempt: &Attempt) -> Result<(), Fault> {
    let key = EffectKey::of("cancel-registration", file.case.id, "");
    let coupon = coupon(file)?;
    let call = async { gateway.cancel_registration(key.as_str(), coupon, "unpaid").await.map(|_| ()) };
    attempt.effect(&key, Receiver::Dedupes, System::RpDrn, "cancel-registration", call).await?.sure()
}

/// The service does not know an order that it once numbered.
pub fn unknown() -> Fault {
    Fault::permanent("order-unknown", "the service does not know the order that it gave a number")
        .from_system(System::RpDrn)
}

fn coupon(file: &File<Payment>) -> Result<&Coupon, Fault> {
    let missing =
        || Fault::permanent("no-coupon", "a duty is ordered for a registered application only (A3.13, A3.15)");
    file.case.coupon.as_ref().ok_or_else(missing)
}

/// The gateway's answer in the form in which effects are remembered.
#[derive(Serialize, Deserialize)]
enum Withdrawal {
    Withdrawn(Vec<PaidPart>),
    AlreadyPaid(Vec<PaidPart>),
    NotFound,
}
