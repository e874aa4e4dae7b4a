//! What must end outside before an operator ends a case: the order for the duty, and the registration in RP DRN. Each is
//! asked for under the key that the stages use, so it may be repeated, and a stage that did it before has done it.

use crate::doors::gateway::arrival;
use anyhow::{Result, anyhow, bail};
use kezek_domain::{CaseId, Coupon};
use kezek_gateway::incoming::{Message, PaymentConfirmed};
use kezek_gateway::{CouponAnswer, Gateway, RegistrationState, WithdrawAnswer};
use kezek_runtime::Engine;
use kezek_stage::{Answers, EffectKey};
use kezek_store::cases;
use uuid::Uuid;

use super::Told as _;

/// Why the register is told that a registration ends.
const REASON: &str = "operator";

/// Withdraws the order, brings whatever it had taken in, and cancels the registration. Returns what was done, in words.
///
/// # Errors
/// A system that does not answer, or a registration that was closed with a card: nothing of the case is changed.
pub async fn outside(engine: &Engine, gateway: &Gateway, answers: &dyn Answers, case: Uuid) -> Result<Vec<String>> {
    let known = cases::list(engine.pool(), &[case]).await.told("reading the case")?.remove(&case);
    let id = CaseId(case);
    let mut done = Vec::new();

    let charge = EffectKey::of("charge", id, "duty");
    let away = |what: &str, fault: kezek_gateway::GatewayFault| {
        anyhow!("{what}: {fault}; nothing of the case was changed, run it again when RP DRN answers")
    };
    let payments = match gateway.withdraw_order(charge.as_str()).await.map_err(|f| away("withdrawing the order", f))? {
        WithdrawAnswer::Withdrawn { payments } => {
            done.push("the order for the duty is withdrawn".to_owned());
            payments
        }
        WithdrawAnswer::AlreadyPaid { payments } => payments,
        WithdrawAnswer::NotFound => Vec::new(),
    };
    for payment in payments {
        // booked before the case is closed, so that the law sees the money and gives it back; once per number
        let (number, amount) = (payment.number.clone(), payment.amount);
        let message = Message::PaymentConfirmed(PaymentConfirmed {
            order_key: charge.to_string(),
            number: payment.number,
            amount: payment.amount,
            at: payment.at,
        });
        let arrived = arrival(engine.keyring(), &message).map_err(|fault| anyhow!("{fault}"))?;
        answers.bring(arrived).await.map_err(|error| anyhow!("payment {number} cannot be kept ({})", error.code))?;
        done.push(format!("payment {number} of {amount} is booked; it goes back"));
    }

    // a case that was parked before it knew its coupon may be registered all the same
    let coupon = match known.and_then(|row| row.coupon) {
        Some(coupon) => Some(Coupon::parse(&coupon).map_err(|_| anyhow!("the case's coupon cannot be read"))?),
        None => {
            let key = EffectKey::of("register", id, "");
            let state =
                gateway.registration_state(key.as_str()).await.map_err(|f| away("asking for the registration", f))?;
            match state {
                RegistrationState::Open { coupon } => Some(coupon),
                RegistrationState::Cancelled { .. } | RegistrationState::Unknown => None,
                RegistrationState::Closed { .. } => {
                    bail!("the register has closed this registration: the card was handed over")
                }
            }
        }
    };
    if let Some(coupon) = coupon {
        let key = EffectKey::of("cancel-registration", id, "");
        let answer = gateway.cancel_registration(key.as_str(), &coupon, REASON).await;
        match answer.map_err(|f| away("cancelling the registration", f))? {
            CouponAnswer::Done => done.push("the registration in RP DRN is cancelled".to_owned()),
            CouponAnswer::NotFound => done.push("RP DRN does not know the registration".to_owned()),
        }
    }
    Ok(done)
}
