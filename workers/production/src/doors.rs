//! The stage's door: a result of the centre from the gateway's asynchronous endpoint becomes an arrival.
//!
//! Unique by the order's key, which a remake never shares: one order has one result, however often it is told.

use crate::{Answer, Production};
use kezek_domain::{Actor, Fault, System};
use kezek_gateway::incoming::{CentreResult, ProductionResult};
use kezek_stage::{Arrival, ArrivalSubject};
use sha2::{Digest as _, Sha256};

/// The arrival of the centre's result (A3.18, A5.4). The card's number is left behind as its digest.
///
/// # Errors
/// Permanent, where the answer cannot be written as JSON.
pub fn arrival(message: &ProductionResult) -> Result<Arrival, Fault> {
    let order_key = message.order_key.clone();
    let at = message.at;
    let answer = match &message.result {
        CentreResult::Produced { card_number } => {
            Answer::Produced { order_key, card_number_sha256: digest(card_number), at }
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

/// The form in which a card's number is kept: SHA-256, in hex.
#[must_use]
pub fn digest(card_number: &str) -> String {
    hex::encode(Sha256::digest(card_number.as_bytes()))
}
