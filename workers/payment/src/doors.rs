//! The stage's door: a payment confirmation of the gateway's asynchronous endpoint becomes an arrival.
//!
//! Unique by the provider's payment number, whatever message brought it: a confirmation that comes twice is one.

use crate::{Answer, Payment};
use kezek_domain::{Actor, Fault, System};
use kezek_gateway::incoming::PaymentConfirmed;
use kezek_stage::{Arrival, ArrivalSubject};

/// The arrival of a payment confirmation (A3.15).
///
/// # Errors
/// Permanent, where the answer cannot be written as JSON.
pub fn arrival(message: &PaymentConfirmed) -> Result<Arrival, Fault> {
    let answer = Answer::Confirmed {
        order_key: message.order_key.clone(),
        number: message.number.clone(),
        amount_tiyn: message.amount,
        at: message.at,
    };
    let sender = System::RpDrn.label();
    Arrival::of::<Payment>(
        sender,
        message.number.clone(),
        ArrivalSubject::Key(message.order_key.clone()),
        &answer,
        Actor::Provider { system: sender.to_owned() },
    )
}
