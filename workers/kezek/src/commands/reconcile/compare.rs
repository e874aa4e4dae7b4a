//! One line of a receiver's statement against what the database knows. Pure.

use kezek_gateway::incoming::{CentreResult, Message};
use kezek_gateway::{Did, Stated};
use kezek_stage::EffectKey;
use kezek_store::reconcile::KnownCase;
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// What the database knows about a page of a statement.
#[derive(Debug, Default)]
pub struct Facts {
    /// The cases that its keys name.
    pub cases: HashMap<Uuid, KnownCase>,
    /// Numbers of payments and refunds that are booked.
    pub booked: HashSet<String>,
    /// Keys whose answer has arrived.
    pub arrived: HashSet<String>,
    /// Keys of notices of which it is known what became of them.
    pub noticed: HashSet<String>,
}

/// A difference, and what could be done about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Compared {
    /// Its kind.
    pub kind: &'static str,
    /// The key or number.
    pub key: String,
    /// In words.
    pub what: String,
    /// What could be done.
    pub remedy: Remedy,
}

/// What could be done about a difference.
#[derive(Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing by itself: the stage asks again under the same key, or a person has to act.
    None,
    /// Bring the answer once more.
    Bring(Message),
    /// The same, once the case has come so far that it waits for it.
    Later,
    /// Park the case: what it would do next contradicts what was done outside.
    SetAside,
    /// Note the text message under this key as one that may have been sent.
    Doubt {
        /// Its key.
        key: String,
    },
}

/// The number of money that a message reports.
pub fn number(message: &Message) -> Option<String> {
    match message {
        Message::PaymentConfirmed(paid) => Some(paid.number.clone()),
        Message::TaxRefundPaid(paid) => Some(paid.number.clone()),
        Message::TaxClaimFiled(_) | Message::ProductionResult(_) => None,
    }
}

/// All that a line of a statement and the database do not agree on.
pub fn compare(stated: &Stated, facts: &Facts) -> Vec<Compared> {
    let known = EffectKey::case_of(&stated.key).and_then(|case| facts.cases.get(&case.0));
    let Some(case) = known else {
        let mut all = vec![of(stated, "case-unknown", format!("{}, and there is no such case", stated.what.label()))];
        // money that came in is a fact all the same: it goes to suspense
        all.extend(stated.told.iter().filter_map(|m| money(m, facts, suspense)));
        return all;
    };
    let mut all: Vec<Compared> = done(stated, case, facts).into_iter().collect();
    for message in &stated.told {
        all.extend(match message {
            Message::PaymentConfirmed(_) => money(message, facts, |paid| Remedy::Bring(paid.clone())),
            // returned money of a case that does not give any back yet would overdraw it
            Message::TaxRefundPaid(_) => {
                money(message, facts, |paid| if case.refunding { Remedy::Bring(paid.clone()) } else { Remedy::Later })
            }
            Message::ProductionResult(_) => result(stated, message, case, facts),
            // a term is not brought after the event: the payment itself ends it
            Message::TaxClaimFiled(_) => None,
        });
    }
    all
}

fn suspense(message: &Message) -> Remedy {
    match message {
        Message::PaymentConfirmed(_) => Remedy::Bring(message.clone()),
        Message::TaxClaimFiled(_) | Message::TaxRefundPaid(_) | Message::ProductionResult(_) => Remedy::None,
    }
}

fn of(stated: &Stated, kind: &'static str, what: String) -> Compared {
    Compared { kind, key: stated.key.clone(), what, remedy: Remedy::None }
}

/// Whether the database knows that this was done; what is missing where it does not.
fn done(stated: &Stated, case: &KnownCase, facts: &Facts) -> Option<Compared> {
    let answered = |operations: &[&str]| operations.iter().any(|o| case.answered.contains_key(*o));
    let closed = case.how == "closed";
    let then = if closed { "and this case ended without it" } else { "which the stage will ask for again" };
    let again = || Some(of(stated, "done-outside", format!("{}, {then}", stated.what.label())));
    match stated.what {
        Did::Registered | Did::RefusedToRegister if answered(&["register"]) => None,
        Did::Ordered if answered(&["create-order"]) => None,
        Did::TookConfirmation if answered(&["confirm-non-performance"]) => None,
        Did::TookCardOrder if placed(case) > remake(&stated.key) => None,
        Did::Registered | Did::RefusedToRegister | Did::Ordered | Did::TookConfirmation | Did::TookCardOrder => again(),
        // an application that has ended here cannot be paid any more, whoever withdrew its order
        Did::Withdrawn if closed || answered(&["withdraw-order"]) => None,
        Did::Withdrawn => Some(of(stated, "withdrawn-outside", "the order was withdrawn".to_owned())),
        Did::Cancelled if answered(&["cancel-registration", "cancel"]) => None,
        // both have ended without a card
        Did::Cancelled if closed && !answered(&["close"]) => None,
        Did::Cancelled => {
            let what = "the registration was cancelled; decide whether the case is closed or goes on".to_owned();
            let remedy = if closed { Remedy::None } else { Remedy::SetAside };
            Some(Compared { remedy, ..of(stated, "ended-outside", what) })
        }
        Did::Closed if answered(&["close"]) => None,
        Did::Closed => {
            Some(of(stated, "issued-outside", "the card was handed over and the registration closed".to_owned()))
        }
        Did::Notified if facts.noticed.contains(&stated.key) => None,
        Did::Notified => {
            let key = stated.key.split_once('/').map_or_else(String::new, |(_, occasion)| format!("sms/{occasion}"));
            let what = "the cabinet has this message; the text message beside it may have been sent".to_owned();
            Some(Compared { remedy: Remedy::Doubt { key }, ..of(stated, "notified-outside", what) })
        }
    }
}

fn money(message: &Message, facts: &Facts, remedy: impl FnOnce(&Message) -> Remedy) -> Option<Compared> {
    let key = number(message).filter(|number| !facts.booked.contains(number))?;
    let (kind, what) = match message {
        Message::PaymentConfirmed(paid) => ("payment-not-booked", format!("{} tiyn were paid", paid.amount.0)),
        Message::TaxRefundPaid(paid) => ("refund-not-booked", format!("{} tiyn were given back", paid.amount.0)),
        Message::TaxClaimFiled(_) | Message::ProductionResult(_) => return None,
    };
    Some(Compared { kind, key, what, remedy: remedy(message) })
}

/// How many orders for a card the database knows to have placed.
fn placed(case: &KnownCase) -> u64 {
    case.answered.get("order-card").copied().map_or(0, |n| u64::try_from(n).unwrap_or(0))
}

/// Which order for a card this key is, from 0.
fn remake(key: &str) -> u64 {
    key.rsplit('/').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// The centre's answer, where it never arrived. It may come early for the first card alone: held for a card, a case
/// would take the answer to a later one for a stray.
fn result(stated: &Stated, message: &Message, case: &KnownCase, facts: &Facts) -> Option<Compared> {
    if facts.arrived.contains(&stated.key) {
        return None;
    }
    let Message::ProductionResult(made) = message else { return None };
    let word = match &made.result {
        CentreResult::Produced { .. } => "produced",
        CentreResult::Defect { .. } => "defect",
        CentreResult::IncomingControlFailed { .. } => "incoming-control-failed",
    };
    let n = remake(&stated.key);
    let awaited = n < placed(case) || n == 0;
    let remedy = match (case.how == "closed", awaited) {
        (true, _) => Remedy::None,
        (false, true) => Remedy::Bring(message.clone()),
        (false, false) => Remedy::Later,
    };
    Some(Compared { remedy, ..of(stated, "answer-not-arrived", format!("the centre's answer: {word}")) })
}

#[cfg(test)]
mod tests;
