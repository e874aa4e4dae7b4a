//! The judge of a restore: nothing is done twice outside, and whatever outside knows and the database does not is on
//! the command's list. He makes his own list, from the sandbox's ledger and the tables. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use kezek_domain::Closing;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::super::judge::{
    Answer, Evidence, Judgement, charged_twice, journal_breaks, ledger_sum, opened_twice, printed_twice, refunded_twice,
};
use super::Order;
use crate::ledger::RegistrationState;
use crate::plan::Plan;

/// The refusal of whoever applies too early or too late.
const OUTSIDE_WINDOW: &str = "outside-window";

/// A line of what `kezek repair reconcile` lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its kind.
    pub kind: String,
    /// Key, number, letter or receipt.
    pub key: String,
    /// The case that it names.
    pub case: Option<Uuid>,
    /// What was done about it.
    pub done: String,
}

/// How many there are of each kind.
#[must_use]
pub fn kinds(listed: &[Listed]) -> BTreeMap<String, u64> {
    let mut kinds = BTreeMap::new();
    for line in listed {
        *kinds.entry(format!("{} ({})", line.kind, line.done)).or_default() += 1;
    }
    kinds
}

/// The same in one line.
#[must_use]
pub fn counted(listed: &[Listed]) -> String {
    kinds(listed).iter().map(|(kind, n)| format!("{n} {kind}")).collect::<Vec<_>>().join(", ")
}

/// What the judge says of a restore. Every number must be zero, every list empty, but for `lost_with_the_database`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// Orders of the duty beyond one for an application.
    pub charged_twice: u64,
    /// Refunds of a payment beyond the first.
    pub refunded_twice: u64,
    /// Cards beyond the one that is good.
    pub printed_twice: u64,
    /// Messages in the cabinet beyond one for each occasion.
    pub cabinet_twice: u64,
    /// Text messages beyond one for each occasion. Promised for the right order alone.
    pub sms_twice: u64,
    /// Cases that share a receipt.
    pub opened_twice: u64,
    /// Journals that do not hold together.
    pub journal_breaks: u64,
    /// The ledger's sum.
    pub ledger_sum_tiyn: i64,
    /// Messages in queues.
    pub left_in_queues: u64,
    /// Rows of the outbox.
    pub left_in_outbox: u64,
    /// What waits for an operator.
    pub parked: u64,
    /// What else `kezek check` counts; money of unknown cases that waits in suspense is not among it.
    pub violations: i64,
    /// Differences that the judge finds and the command does not list.
    pub unlisted: Vec<String>,
    /// Applications that ended otherwise than planned although nothing on the list names their case.
    pub surprises: Vec<String>,
    /// Applications accepted after the backup: the database does not know them, and the list names each.
    pub lost_with_the_database: u64,
    #[serde(skip)]
    sms_promised: bool,
}

impl Restored {
    /// Judges; `first` was listed right after the restore, `listed` at the end.
    #[must_use]
    pub fn of(evidence: &Evidence, first: &[Listed], listed: &[Listed], order: Order) -> Self {
        let known: HashSet<&str> = evidence.cases.iter().map(|case| case.receipt.as_str()).collect();
        let lost = evidence
            .sent
            .iter()
            .filter(|sent| matches!(&sent.answer, Answer::Accepted(receipt) if !known.contains(receipt.as_str())));
        // what the database lost is not opened twice: only its own cases are compared
        let unnamed = Evidence { sent: evidence.sent.clone(), cases: Vec::new(), ..Evidence::default() };
        let suspense = evidence.violations.get("arrivals_unclaimed").copied().unwrap_or_default();
        Self {
            charged_twice: charged_twice(evidence),
            refunded_twice: refunded_twice(evidence),
            printed_twice: printed_twice(evidence),
            cabinet_twice: twice(evidence.asked.cabinet.values().map(|row| row.effects)),
            sms_twice: twice(evidence.asked.sms.values().map(|row| row.effects)),
            opened_twice: opened_twice(&unnamed),
            journal_breaks: journal_breaks(evidence),
            ledger_sum_tiyn: ledger_sum(evidence),
            left_in_queues: evidence.queues.values().sum(),
            left_in_outbox: evidence.outbox,
            parked: evidence.parked,
            violations: evidence.violations.values().map(|n| n.abs()).sum::<i64>() - suspense,
            unlisted: unlisted(evidence, listed),
            surprises: surprises(evidence, first, listed),
            lost_with_the_database: lost.count() as u64,
            sms_promised: order == Order::Right,
        }
    }

    /// Whether everything that is promised holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        let lost_with_the_database = self.lost_with_the_database;
        let sms_twice = if self.sms_promised { 0 } else { self.sms_twice };
        let sms_promised = self.sms_promised;
        *self == Self { lost_with_the_database, sms_twice, sms_promised, ..Self::default() }
    }
}

fn twice(effects: impl Iterator<Item = u32>) -> u64 {
    effects.map(|n| u64::from(n.saturating_sub(1))).sum()
}

fn case_of(key: &str) -> Option<Uuid> {
    key.split('/').nth(1)?.parse().ok()
}

/// What outside knows and the database does not, as the judge finds it, without what is listed.
fn unlisted(evidence: &Evidence, listed: &[Listed]) -> Vec<String> {
    let on_the_list: HashSet<&str> = listed.iter().map(|line| line.key.as_str()).collect();
    let mut found = differences(evidence);
    found.retain(|difference| !on_the_list.contains(difference.as_str()));
    found.into_iter().collect()
}

fn differences(evidence: &Evidence) -> BTreeSet<String> {
    let asked = &evidence.asked;
    let cases: HashMap<Uuid, _> = evidence.cases.iter().map(|case| (case.id, case)).collect();
    let mut found = BTreeSet::new();
    // effects of cases that are not known
    let keys = asked.registrations.keys().chain(asked.orders.keys()).chain(asked.cards.keys());
    let keys = keys.chain(asked.confirmations.keys()).chain(asked.cabinet.keys());
    found.extend(keys.filter(|key| case_of(key).is_none_or(|case| !cases.contains_key(&case))).cloned());
    // money that is not booked
    let booked: HashSet<&str> = evidence.book.iter().map(|line| line.reference.as_str()).collect();
    let payments = asked.orders.values().flat_map(|order| order.payments.iter().map(|payment| &payment.number));
    let refunds = asked.confirmations.values().filter_map(|row| row.refund.as_ref().map(|refund| &refund.number));
    found.extend(payments.chain(refunds).filter(|number| !booked.contains(number.as_str())).cloned());
    // applications that ended otherwise on the other side
    for (key, row) in &asked.registrations {
        let Some(case) = case_of(key).and_then(|case| cases.get(&case)) else { continue };
        let agrees = match row.state {
            RegistrationState::Open => case.closing.is_none(),
            RegistrationState::Refused => case.closing == Some(Closing::Refused),
            RegistrationState::Closed => case.closing == Some(Closing::Issued),
            RegistrationState::Cancelled => case.closing.is_some_and(|closing| closing != Closing::Issued),
        };
        if !agrees {
            found.insert(key.clone());
        }
    }
    // messages to applicants on occasions that the database does not have
    let occasions: HashSet<String> = evidence.notices.iter().map(|notice| notice.occasion()).collect();
    let unknown = |key: &&String| key.split_once('/').is_none_or(|(_, occasion)| !occasions.contains(occasion));
    found.extend(asked.cabinet.keys().filter(unknown).cloned());
    // receipts that applicants hold
    let known: HashSet<&str> = evidence.cases.iter().map(|case| case.receipt.as_str()).collect();
    for sent in &evidence.sent {
        if let Answer::Accepted(receipt) = &sent.answer
            && !known.contains(receipt.as_str())
        {
            found.insert(receipt.clone());
        }
    }
    found
}

/// Applications of known cases that did not end as planned although nothing was ever listed about them.
fn surprises(evidence: &Evidence, first: &[Listed], listed: &[Listed]) -> Vec<String> {
    let named: HashSet<Uuid> = first.iter().chain(listed).filter_map(|line| line.case).collect();
    let explained: HashSet<&str> =
        evidence.cases.iter().filter(|case| named.contains(&case.id)).map(|case| case.receipt.as_str()).collect();
    let known: HashSet<&str> = evidence.cases.iter().map(|case| case.receipt.as_str()).collect();
    let by_date: HashSet<&str> = evidence
        .cases
        .iter()
        .filter(|case| case.refusal.as_deref() == Some(OUTSIDE_WINDOW))
        .map(|case| case.receipt.as_str())
        .collect();
    let rest = evidence.sent.iter().filter(|sent| match &sent.answer {
        // these people apply after the clock has leapt: who may, and who no more, is another question now
        _ if matches!(sent.plan, Plan::WindowTooEarly | Plan::WindowTooLate) => false,
        Answer::RefusedAtBegin(code) if code == OUTSIDE_WINDOW => false,
        Answer::Accepted(receipt) if by_date.contains(receipt.as_str()) => false,
        Answer::Accepted(receipt) => known.contains(receipt.as_str()) && !explained.contains(receipt.as_str()),
        Answer::RefusedAtBegin(_) | Answer::Otherwise(_) => true,
    });
    let evidence = Evidence { sent: rest.cloned().collect(), ..evidence.clone() };
    let judgement = Judgement::of(&evidence);
    judgement.actual.into_iter().filter(|(end, _)| !judgement.planned.contains_key(end)).map(|(end, _)| end).collect()
}

#[cfg(test)]
mod tests;
