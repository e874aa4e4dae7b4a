//! The stage's door: a refund reported by the tax authority to the gateway's asynchronous endpoint becomes an
//! arrival. Unique by the tax authority's number of the refund, whatever message brought it.

use crate::{Answer, Refund};
use kezek_domain::{Actor, Fault, System};
use kezek_gateway::incoming::{TaxClaimFiled, TaxRefundPaid};
use kezek_stage::{Arrival, ArrivalSubject};

/// The arrival of a paid refund (A11c).
///
/// # Errors
/// Permanent, where the answer cannot be written as JSON.
pub fn arrival(message: &TaxRefundPaid) -> Result<Arrival, Fault> {
    let answer = Answer::Paid {
        confirmation_key: message.confirmation_key.clone(),
        number: message.number.clone(),
        amount_tiyn: message.amount,
        paid_at: message.paid_at,
    };
    let sender = System::TaxAuthority.label();
    Arrival::of::<Refund>(
        sender,
        message.number.clone(),
        ArrivalSubject::Key(message.confirmation_key.clone()),
        &answer,
        Actor::Provider { system: sender.to_owned() },
    )
}

/// The arrival of a claim that the applicant has filed (A11c).
///
/// # Errors
/// Permanent, where the answer cannot be written as JSON.
pub fn claim(message: &TaxClaimFiled) -> Result<Arrival, Fault> {
    let answer = Answer::Claimed { confirmation_key: message.confirmation_key.clone(), claimed_at: message.claimed_at };
    let sender = System::TaxAuthority.label();
    Arrival::of::<Refund>(
        sender,
        format!("claim/{}", message.number),
        ArrivalSubject::Key(message.confirmation_key.clone()),
        &answer,
        Actor::Provider { system: sender.to_owned() },
    )
}
