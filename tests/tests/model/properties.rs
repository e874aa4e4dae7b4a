//! What must be true in every state, and what some state must reach so that the rest is not true of nothing.

use super::Protocol;
use super::actions::{present, waits};
use super::state::{Came, CaseRow, Closing, How, Letter, NOTICE, Order, Outside, PRINT, State, Told};
use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::{Mutex, PoisonError};

/// States that are known to lead to the end.
pub type Good = Mutex<HashSet<u64>>;

pub const ONCE: &str = "no effect happens twice outside";
pub const TICKET: &str = "no ticket moves a case twice";
pub const PRESENT: &str = "what is outstanding is in the outbox, with the broker or in a hand";
pub const MONEY: &str = "money that arrived is posted once";
pub const ANSWER: &str = "no answer is put aside while its case is open";
pub const ORDER: &str = "no order stays open behind a case closed as unpaid";
pub const AHEAD: &str = "no message is ahead of the database";
pub const QUIET: &str = "where nothing more happens by itself, every case is at its end";
pub const END: &str = "from every state the end can be reached";

/// Each effect once per key. A receiver that is neither deduping nor to be asked may be told twice across a restore.
pub fn once(_: &Protocol, state: &State) -> bool {
    state.outside.iter().all(|outside| {
        let slots = outside.done.iter().enumerate();
        outside.orders <= 1 && slots.into_iter().all(|(slot, n)| *n <= 1 + u8::from(slot == NOTICE && state.restored))
    })
}

pub fn ticket(_: &Protocol, state: &State) -> bool {
    state.db.cases.iter().all(|case| {
        let arrivals = case.arrivals.iter().flatten().map(|a| &a.job);
        let notices = case.notice.iter().map(|n| &n.job);
        std::iter::once(&case.job).chain(arrivals).chain(notices).all(|job| !job.twice)
    })
}

pub fn outstanding(protocol: &Protocol, state: &State) -> bool {
    let lost = |message| state.lost.iter().any(|m| m.stands_for(message));
    protocol.outstanding(&state.db).iter().all(|message| present(state, message) || lost(message))
}

pub fn money(_: &Protocol, state: &State) -> bool {
    state.db.cases.iter().zip(&state.outside).all(|(case, outside)| {
        u32::from(case.received) == case.booked.count_ones()
            && case.booked & !outside.payments == 0
            && (case.earned | case.returned) & !case.booked == 0
            && case.earned & case.returned == 0
    })
}

pub fn answer(_: &Protocol, state: &State) -> bool {
    // a case that gives money back was at its end before, or is on its way there
    let over = |case: &CaseRow| case.closed() || case.refunding.is_some();
    let aside = |case: &CaseRow| case.arrivals.iter().flatten().any(|a| a.state == Came::Unwanted);
    state.db.cases.iter().all(|case| over(case) || !aside(case))
}

pub fn order(_: &Protocol, state: &State) -> bool {
    state.db.cases.iter().zip(&state.outside).all(|(case, outside)| {
        let unpaid = case.how == How::Closed(Closing::Unpaid) || case.refunding == Some(Closing::Unpaid);
        !(unpaid && outside.order == Order::Open)
    })
}

pub fn ahead(_: &Protocol, state: &State) -> bool {
    !state.strange
}

/// The case is where it shall be, and so is everything about it.
fn at_its_end(protocol: &Protocol, case: &CaseRow, outside: &Outside) -> bool {
    let settled = case.arrivals.iter().flatten().all(|a| matches!(a.state, Came::Taken | Came::Unwanted))
        && case.notice.iter().all(|n| n.state == Told::Ended);
    let letters = [Some(&case.job), case.notice.as_ref().map(|n| &n.job)];
    let arrivals = case.arrivals.iter().map(|a| a.as_ref().map(|a| &a.job));
    let answered =
        letters.into_iter().chain(arrivals).flatten().all(|job| matches!(job.letter, Letter::None | Letter::Closed(_)));
    if waits(protocol, case, outside) {
        return settled && answered;
    }
    let How::Closed(closing) = case.how else { return false };
    let told = !protocol.notices || case.notice.is_some();
    let books = case.booked == outside.payments && outside.told == outside.payments && case.purse() == 0;
    let performed = match closing {
        Closing::Issued => outside.done[PRINT] == 1 && case.earned.count_ones() == u32::from(protocol.duty),
        Closing::Unpaid => outside.done[PRINT] == 0 && case.earned == 0,
    };
    settled && answered && told && books && performed
}

fn ended(protocol: &Protocol, state: &State) -> bool {
    let under_way = !state.broker.is_empty() || !state.db.outbox.is_empty() || state.hands().next().is_some();
    let mut cases = state.db.cases.iter().zip(&state.outside);
    !under_way && cases.all(|(case, outside)| at_its_end(protocol, case, outside))
}

pub fn quiet(protocol: &Protocol, state: &State) -> bool {
    let mut actions = Vec::new();
    protocol.own(state, &mut actions);
    !actions.is_empty() || ended(protocol, state)
}

/// Follows the first of the system's own steps, and again, to the end; what was passed is known to be good.
pub fn end(protocol: &Protocol, state: &State) -> bool {
    let hasher = BuildHasherDefault::<DefaultHasher>::new();
    let (mut passed, mut actions) = (Vec::new(), Vec::new());
    let mut here = state.clone();
    // far above any path: a longer one would be a circle
    for _ in 0..1000 {
        let fingerprint = hasher.hash_one(&here);
        let known = protocol.good.lock().unwrap_or_else(PoisonError::into_inner).contains(&fingerprint);
        if known || ended(protocol, &here) {
            passed.push(fingerprint);
            protocol.good.lock().unwrap_or_else(PoisonError::into_inner).extend(passed);
            return true;
        }
        passed.push(fingerprint);
        actions.clear();
        protocol.own(&here, &mut actions);
        let Some(first) = actions.first() else { return false };
        here = protocol.step(&here, *first);
    }
    false
}

/// Ends and turnings that a check must have met: name and predicate.
pub type Met = (&'static str, fn(&Protocol, &State) -> bool);

fn any(state: &State, of: impl Fn(&CaseRow, &Outside) -> bool) -> bool {
    state.db.cases.iter().zip(&state.outside).any(|(case, outside)| of(case, outside))
}

pub const ISSUED: Met = ("met: issued", |_, s| any(s, |c, _| c.how == How::Closed(Closing::Issued)));
pub const UNPAID: Met = ("met: unpaid", |_, s| any(s, |c, _| c.how == How::Closed(Closing::Unpaid)));
pub const REFUNDED: Met = ("met: refunded", |_, s| any(s, |c, _| c.closed() && c.returned != 0));
pub const REOPENED: Met = ("met: money after the end", |_, s| any(s, |c, _| c.refunding == Some(Closing::Issued)));
pub const EARLY: Met = ("met: an answer before the hold", |_, s| {
    any(s, |c, _| c.arrivals.iter().flatten().any(|a| a.state == Came::Waiting))
});
pub const WITHDRAWN_FIRST: Met = ("met: an answer on its way after the withdrawal", |_, s| {
    any(s, |c, o| o.order == Order::Withdrawn && c.held() && c.answer_on_its_way())
});
pub const REPLAYED: Met =
    ("met: a replay that is over", |_, s| any(s, |c, _| c.closed() && matches!(c.job.letter, Letter::Closed(_))));
pub const PARKED_ANSWER: Met =
    ("met: a parked answer", |_, s| any(s, |c, _| c.arrivals.iter().flatten().any(|a| a.state == Came::Parked)));
pub const LATE: Met = ("met: a request that acted late", |_, s| any(s, |_, o| o.late.contains(&true)));
pub const RESENT: Met = ("met: a resend", |_, s| s.copies > 0 && any(s, |c, _| c.closed()));
pub const RESTORED: Met = ("met: a restore, and an end after it", |_, s| s.restored && any(s, |c, _| c.closed()));
