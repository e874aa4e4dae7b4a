//! The judge: compares what was planned with what has come, on both sides of every wire.
//!
//! Pure: everything is in [`Evidence`], gathered elsewhere; each number that must be zero is one function of it,
//! and each has a test that plants the violation and sees it counted.

mod ends;
mod material;

pub use material::{Answer, BookLine, CaseLine, Evidence, NoticeLine, Sent};

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kezek_domain::Tiyn;
use kezek_domain::journal::verify;
use serde::Serialize;
use uuid::Uuid;

use crate::ledger::CardResult;
use ends::Ends;

/// The numbers of which every one must be zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Zeros {
    /// Acceptances whose case did not reach its planned end.
    pub lost: u64,
    /// Cases beyond one for an acceptance.
    pub opened_twice: u64,
    /// Orders of the duty beyond one for an application.
    pub charged_twice: u64,
    /// Refunds of a payment beyond the first.
    pub refunded_twice: u64,
    /// Cards beyond the one that is good.
    pub printed_twice: u64,
    /// Notices beyond one for each occasion.
    pub notified_twice: u64,
    /// Cases whose ledger is not what the provider and the tax authority state.
    pub money_differences: u64,
    /// Cases whose journal does not hold together.
    pub journal_breaks: u64,
    /// The ledger's sum.
    pub ledger_sum_tiyn: i64,
    /// Messages in queues.
    pub left_in_queues: u64,
    /// Rows in the outbox.
    pub left_in_outbox: u64,
    /// What waits for an operator.
    pub parked: u64,
    /// Requests that contradicted earlier ones, as the sandbox noticed.
    pub conflicts: u64,
    /// What else `kezek check` counts.
    pub violations: i64,
    /// Places where personal data was found.
    pub personal_data_found: u64,
}

/// What the judge says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// Applications by their plan.
    pub planned: BTreeMap<String, u64>,
    /// Applications by what came of them: the plan, or the plan and what came instead.
    pub actual: BTreeMap<String, u64>,
    /// What must be zero.
    #[serde(flatten)]
    pub zeros: Zeros,
}

impl Judgement {
    /// Judges.
    #[must_use]
    pub fn of(evidence: &Evidence) -> Self {
        Self {
            planned: planned(evidence),
            actual: actual(evidence),
            zeros: Zeros {
                lost: lost(evidence),
                opened_twice: opened_twice(evidence),
                charged_twice: charged_twice(evidence),
                refunded_twice: refunded_twice(evidence),
                printed_twice: printed_twice(evidence),
                notified_twice: notified_twice(evidence),
                money_differences: money_differences(evidence),
                journal_breaks: journal_breaks(evidence),
                ledger_sum_tiyn: ledger_sum(evidence),
                left_in_queues: evidence.queues.values().sum(),
                left_in_outbox: evidence.outbox,
                parked: evidence.parked,
                conflicts: count(evidence.asked.conflicts.len()),
                violations: evidence.violations.values().map(|n| n.abs()).sum(),
                personal_data_found: count(evidence.leaks.len()),
            },
        }
    }

    /// Whether everything is as planned and every zero is one.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.planned == self.actual && self.zeros == Zeros::default()
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn planned(evidence: &Evidence) -> BTreeMap<String, u64> {
    let mut out = BTreeMap::new();
    for sent in &evidence.sent {
        *out.entry(sent.plan.label().to_owned()).or_default() += 1;
    }
    out
}

fn actual(evidence: &Evidence) -> BTreeMap<String, u64> {
    let end = Ends::of(evidence);
    let mut out = BTreeMap::new();
    for sent in &evidence.sent {
        let label = sent.plan.label();
        let key = match end.of_sent(sent) {
            Ok(()) => label.to_owned(),
            Err(instead) => format!("{label}: {instead}"),
        };
        *out.entry(key).or_default() += 1;
    }
    out
}

/// Acceptances in the sender's own list whose case did not reach its planned end.
#[must_use]
pub fn lost(evidence: &Evidence) -> u64 {
    let end = Ends::of(evidence);
    let accepted = evidence.sent.iter().filter(|sent| matches!(sent.answer, Answer::Accepted(_)));
    count(accepted.filter(|sent| end.of_sent(sent).is_err()).count())
}

/// Cases that no acceptance names, and acceptances that share one.
#[must_use]
pub fn opened_twice(evidence: &Evidence) -> u64 {
    let mut named: BTreeMap<&str, u64> = BTreeMap::new();
    for sent in &evidence.sent {
        if let Answer::Accepted(receipt) = &sent.answer {
            *named.entry(receipt).or_default() += 1;
        }
    }
    let unnamed = evidence.cases.iter().filter(|case| !named.contains_key(case.receipt.as_str())).count();
    count(unnamed) + named.values().map(|n| n - 1).sum::<u64>()
}

/// Orders of the duty beyond one for an application.
#[must_use]
pub fn charged_twice(evidence: &Evidence) -> u64 {
    beyond_one(evidence.asked.orders.values().map(|order| order.coupon.as_str()))
}

/// Refunds of a payment beyond the first, as the tax authority paid them.
#[must_use]
pub fn refunded_twice(evidence: &Evidence) -> u64 {
    let paid = evidence.asked.confirmations.values().filter(|row| row.refund.is_some());
    beyond_one(paid.flat_map(|row| row.payments.iter().map(String::as_str)))
}

/// Cards beyond the one that is good: a faulty one may be made again, anything else may not.
#[must_use]
pub fn printed_twice(evidence: &Evidence) -> u64 {
    let good = evidence.asked.cards.values().filter(|card| !matches!(card.result, CardResult::Defect { .. }));
    beyond_one(good.map(|card| card.coupon.as_str()))
}

/// Messages to applicants beyond one for each channel and occasion; a message that belongs to no occasion counts.
#[must_use]
pub fn notified_twice(evidence: &Evidence) -> u64 {
    let occasions: BTreeSet<String> = evidence.notices.iter().map(NoticeLine::occasion).collect();
    let mut surplus = 0;
    for channel in [&evidence.asked.sms, &evidence.asked.cabinet] {
        for (key, row) in channel {
            // the key names case and occasion after the channel
            let known = key.split_once('/').is_some_and(|(_, occasion)| occasions.contains(occasion));
            let sent = u64::from(row.effects);
            surplus += if known { sent.saturating_sub(1) } else { sent };
        }
    }
    surplus
}

fn beyond_one<'a>(names: impl Iterator<Item = &'a str>) -> u64 {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for name in names {
        *seen.entry(name).or_default() += 1;
    }
    seen.values().map(|n| n - 1).sum()
}

/// Money by the number that the other side gave it.
type Numbered<'a> = BTreeSet<(&'a str, i64)>;

/// Cases whose ledger is not, number by number, what the provider and the tax authority state; money that belongs
/// to no case counts by its number.
#[must_use]
pub fn money_differences(evidence: &Evidence) -> u64 {
    let statements = evidence.asked.statements();
    let mut stated: BTreeMap<&str, (Numbered<'_>, Numbered<'_>)> = BTreeMap::new();
    let mut homeless = 0;
    for payment in &statements.payments {
        stated.entry(&payment.coupon).or_default().0.insert((&payment.number, payment.amount.0));
    }
    for refund in &statements.refunds {
        match &refund.coupon {
            Some(coupon) => {
                stated.entry(coupon).or_default().1.insert((&refund.number, refund.amount.0));
            }
            None => homeless += 1,
        }
    }
    let mut booked: HashMap<Uuid, (Numbered<'_>, Numbered<'_>)> = HashMap::new();
    for line in evidence.book.iter().filter(|line| line.line == 1) {
        match (line.case, line.kind.as_str()) {
            (Some(case), "received" | "claimed") => {
                booked.entry(case).or_default().0.insert((&line.reference, line.amount));
            }
            (Some(case), "returned") => {
                booked.entry(case).or_default().1.insert((&line.reference, line.amount));
            }
            (Some(_), _) => {}
            (None, _) => homeless += 1,
        }
    }
    let mut differ = 0;
    for case in &evidence.cases {
        let states = case.coupon.as_deref().and_then(|coupon| stated.remove(coupon)).unwrap_or_default();
        let books = booked.remove(&case.id).unwrap_or_default();
        let sum = |side: &Numbered<'_>| side.iter().map(|(_, amount)| amount).sum::<i64>();
        let row = (case.purse.received, case.purse.returned) == (Tiyn(sum(&books.0)), Tiyn(sum(&books.1)));
        differ += u64::from(states != books || !row);
    }
    differ + homeless + count(stated.len()) + count(booked.len())
}

/// Cases whose journal does not follow from entry to entry up to the head on the case's row.
#[must_use]
pub fn journal_breaks(evidence: &Evidence) -> u64 {
    let sound = |case: &&CaseLine| verify(&case.journal, &case.head, case.number).is_ok();
    count(evidence.cases.len() - evidence.cases.iter().filter(sound).count())
}

/// The ledger's sum: every posting has two lines that cancel out.
#[must_use]
pub fn ledger_sum(evidence: &Evidence) -> i64 {
    evidence.book.iter().map(|line| line.amount).sum()
}

#[cfg(test)]
mod tests;
