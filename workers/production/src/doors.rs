//! The stage's door: a result of the centre from the gateway's asynchronous endpoint becomes an arrival.
//!
//! Unique by the order's key, which a remake never shares: one order has one result, however often it is told.

use crate::{Answer, Production};
use kezek_domain::{Actor, Fault, System};
use kezek_gateway::incoming::{CentreResult, ProductionResult};
use kezek_stage::{Arrival, ArrivalSubject};

/// The arrival of the centre's result (A3.18, A5.4). The card's number is left behind as what `digest` makes of it:
/// the installation's keyed digest, in hex. Without the key nine digits would be found by trying them all.
///
/// # Errors
/// Permanent, where the answer cannot be written as JSON; whatever `digest` gives.
pub fn arrival(message: &ProductionResult, digest: &dyn Fn(&str) -> Result<String, Fault>) -> Result<Arrival, Fault> {
    let order_key = message.order_key.clone();
    let at = message.at;
    let answer = match &message.result {
        CentreResult::Produced { card_number } => {
            Answer::Produced { order_key, card_number_digest: digest(card_number)?, at }
        }
        CentreResult::Defect { code } => Answer::Defect { order_key, code: code.clone(), at },
        CentreResult::IncomingControlFailed { code } => {
            Answer::IncomingControlFailed { order_key, code: code.clone(), at }
        }
    };
    let sender = System::ProductionCentre.label();
    Arrival::of::<Production>(
        sender,
        message.order_key.clone(),
        ArrivalSubject::Key(message.order_key.clone()),
        &answer,
        Actor::Provider { system: sender.to_owned() },
    )
}
