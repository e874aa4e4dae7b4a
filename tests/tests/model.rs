//! The ticket protocol as a model, searched state by state: nothing lost, nothing twice, and from everywhere a way to
//! the end, whatever dies, repeats or gets lost in between. Each kind of mistake that the protocol exists to prevent
//! is planted, and the search must find it. `KEZEK_LONG=1` searches further; `--nocapture` shows how far, and the
//! steps to each planted mistake.
//!
//! A case is paid for (`payment`: an order whose receiver dedupes, a hold with a deadline, answers, a lapse that
//! withdraws), a card is printed (a receiver that can be asked), money that is too much goes back (asked as well), and
//! a notice tells of it (a receiver that is neither). Two workers with one delivery in hand each, a broker without
//! any order, a database whose transactions are single steps. Holds that are due, retries and rungs wait for no clock:
//! every order of events is tried.
//!
//! | action | in the code |
//! |---|---|
//! | `Take` | `consume::take`, then `Engine::read` with `recognise`: a lower ticket is acked at once |
//! | `Intend`, `Work`, `Remember` | `Attempt::effect`: `Effects::intend`, the stage's call, `Effects::answered` |
//! | `Turn::UnderWay` | the cause `effect-under-way`: a retry that spends nothing and comes once the receiver can act no more |
//! | `WorkFails`, `AnswerLost`, `WorkRefused` | a transient fault without and with effect; a permanent one, `Effects::forget` |
//! | `Settle`, `SettleUnknown` | `Engine::settle`: `jobs::lock`, `guard`, `draft_turn`, `draft_fault`, `write`; a commit whose end is not known |
//! | a Hold's settle | `holds::put` and `arrivals::wake`; a retry and a park are settles too (`after_fault`) |
//! | `PutToWait` | `Engine::settle_early`; under the settle's lock `draft_unheld_answer` |
//! | `Publish`, `Confirm`, `PublishLost`, `ConfirmLost` | `Engine::send`, `Publisher::confirmed` |
//! | `DeleteOutbox` | `Engine::flush_confirmed` |
//! | `Ack` | `room::ack`, after commit and confirm |
//! | `Sweep`, `SweepEarly` | `housekeeping::outbox_round`; `SweepEarly` while a slow worker has the row |
//! | `Deadline`, `Lapse` | the business clock; `housekeeping::lapse_round` with `holds::take_due` |
//! | `Pay`, `Bring`, `BringAgain` | the citizen at the provider; `Engine::bring` with `post_money` |
//! | a letter's `Take` and `Settle` | `StageRoom::letter`, `Engine::settle_letter` |
//! | `Replay`, `Resend`, `ResendEarly` | `desk::replay`, `desk::resend` |
//! | `Snapshot`, `Restore` | a copy of the database, and the procedure: workers off, purge, resend, reconcile |
//! | `Crash`, `CrashCalling`, `Repeat`, `BrokerLoses`, `ActLate` | what nobody wrote: a process, the broker, a receiver |
//!
//! **Left out.** Batches and their splitting, `revision` and `Fate::Redo` for it, decisions inside a request and their
//! 409, `Again` and breakers, questions, the delivery limit with `TryAlone`, letters of strange messages, discard,
//! rows set aside, `Busy` (workers here are as if each were a process), flow versions, and the law beyond paid,
//! unpaid, issued and refunded. Two settles never overlap: that rows are locked in one order is taken for granted.
//!
//! **Where the model asks more than the code does today**; it is a planted mistake below. `RestoreWithoutReconciling`:
//! no command writes `effects` from what receivers say.

#[path = "model/actions.rs"]
mod actions;
#[path = "model/database.rs"]
mod database;
#[path = "model/desk.rs"]
mod desk;
#[path = "model/engine.rs"]
mod engine;
#[path = "model/planted.rs"]
mod planted;
#[path = "model/properties.rs"]
mod properties;
#[path = "model/state.rs"]
mod state;
#[path = "model/steps.rs"]
mod steps;

use actions::Action;
use properties::{Good, Met};
use state::State;
use stateright::{Checker as _, HasDiscoveries, Model, Property};
use std::collections::BTreeSet;
use std::ops::BitOr;
use std::time::Instant;

/// Kinds of faults, as a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Faults(u16);

impl Faults {
    /// None.
    const NONE: Self = Self(0);
    /// A process dies.
    const CRASH: Self = Self(1);
    /// A process dies while its request is under way.
    const LATE: Self = Self(1 << 1);
    /// A commit of unknown end.
    const UNKNOWN: Self = Self(1 << 2);
    /// A call that fails, with or without effect.
    const TRANSIENT: Self = Self(1 << 3);
    /// A call that is refused.
    const PERMANENT: Self = Self(1 << 4);
    /// A publication or its confirm does not arrive.
    const UNCONFIRMED: Self = Self(1 << 5);
    /// A worker that is slow to publish.
    const SLOW: Self = Self(1 << 6);
    /// A message delivered twice.
    const REPEAT: Self = Self(1 << 7);
    /// A confirmed message that the broker loses.
    const LOSE: Self = Self(1 << 8);
    /// A provider that tells twice.
    const AGAIN: Self = Self(1 << 9);
    /// A resend of what is not lost.
    const RESEND: Self = Self(1 << 10);
    /// The database is restored to an earlier state.
    const RESTORE: Self = Self(1 << 11);
}

impl BitOr for Faults {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A mistake, planted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Planted {
    /// Neither reading nor settling compares tickets.
    NoTicket,
    /// A delivery is acked as soon as it is taken.
    AckBeforeCommit,
    /// A row leaves the outbox when it is published, not when it is confirmed.
    DeleteBeforeConfirm,
    /// An answer whose case is not held yet is put aside.
    AnswerBeforeHoldDropped,
    /// A lapse leaves the order open.
    LapseWithoutWithdrawal,
    /// A notice travels under its case's ticket.
    SideMessageWithoutOwnRow,
    /// The call goes out before its intent is committed.
    CallBeforeIntent,
    /// The receiver is asked while the earlier request may still act.
    AskedTooSoon,
    /// The effect key changes with every attempt.
    KeyOfTheTicket,
    /// A posting for every message that tells of money.
    MoneyPostedPerMessage,
    /// An answer's settle leaves the letter of its replay as it is.
    LetterLeftReplaying,
    /// A resend passes over lapses.
    ResendForgetsLapse,
    /// A resend passes over letters.
    ResendForgetsLetter,
    /// The queues are kept when the database is restored.
    RestoreWithoutPurge,
    /// Receivers are not asked what they did since the copy.
    RestoreWithoutReconciling,
}

/// What is searched: how much of everything, which faults, how many of them together.
struct Protocol {
    name: &'static str,
    cases: u8,
    /// Payments that a citizen may make, and how many cover the duty.
    payments: u8,
    duty: u8,
    /// Whether a hold has a deadline.
    deadline: bool,
    notices: bool,
    /// Attempts before a transient fault parks.
    attempts: u8,
    kinds: Faults,
    faults: u8,
    planted: Option<Planted>,
    met: &'static [Met],
    good: Good,
}

impl Protocol {
    fn plain(name: &'static str, met: &'static [Met]) -> Self {
        Self {
            name,
            cases: 1,
            payments: 1,
            duty: 1,
            deadline: true,
            notices: false,
            attempts: 2,
            kinds: Faults::NONE,
            faults: 0,
            planted: None,
            met,
            good: Good::default(),
        }
    }
    fn plants(&self, planted: Planted) -> bool {
        self.planted == Some(planted)
    }
    fn bounds(&self) -> String {
        format!(
            "{} (cases {}, payments {} for a duty of {}, deadline {}, notices {}, faults {} of kinds {:#05x})",
            self.name, self.cases, self.payments, self.duty, self.deadline, self.notices, self.faults, self.kinds.0
        )
    }
    const fn may(&self, fault: Faults) -> bool {
        self.kinds.0 & fault.0 != 0
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(self.cases)]
    }
    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.own(state, actions);
        self.others(state, actions);
    }
    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(self.step(state, action))
    }
    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(properties::ONCE, properties::once),
            Property::always(properties::TICKET, properties::ticket),
            Property::always(properties::PRESENT, properties::outstanding),
            Property::always(properties::MONEY, properties::money),
            Property::always(properties::ANSWER, properties::answer),
            Property::always(properties::ORDER, properties::order),
            Property::always(properties::AHEAD, properties::ahead),
            Property::always(properties::QUIET, properties::quiet),
            Property::always(properties::END, properties::end),
        ];
        all.extend(self.met.iter().map(|(name, met)| Property::sometimes(name, *met)));
        all
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// `KEZEK_LONG=1` searches further.
fn long() -> bool {
    std::env::var("KEZEK_LONG").is_ok_and(|value| value == "1")
}

/// Searches everything; nothing may be wrong, and everything that is to be met must have been.
fn holds(protocol: Protocol) {
    let began = Instant::now();
    let bounds = protocol.bounds();
    let checker = protocol.checker().threads(threads()).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "{bounds}: {} states, {} steps, depth {}, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64()
    );
    for (wrong, path) in checker.discoveries().into_iter().filter(|(name, _)| !name.starts_with("met: ")) {
        println!("{wrong}:");
        for action in path.clone().into_actions() {
            println!("  {action:?}");
        }
        println!("{:#?}", path.last_state());
    }
    checker.assert_properties();
}

/// Searches until the planted mistake is found by each of the properties that are there to find it.
fn found(planted: Planted, by: &[&'static str], protocol: Protocol) {
    let protocol = Protocol { planted: Some(planted), met: &[], ..protocol };
    let (began, bounds) = (Instant::now(), protocol.bounds());
    let finish = HasDiscoveries::AllOf(by.iter().copied().collect::<BTreeSet<_>>());
    let checker = protocol.checker().threads(threads()).finish_when(finish).spawn_bfs().join();
    let states = checker.unique_state_count();
    println!("{planted:?}: {bounds}: {states} states, {:.1} s", began.elapsed().as_secs_f64());
    for name in by {
        let path = checker.discovery(name);
        assert!(path.is_some(), "{planted:?} is not found by: {name}");
        println!("  against: {name}");
        for step in path.map(|p| p.into_actions()).unwrap_or_default() {
            println!("    {step:?}");
        }
    }
}

const ANY: Faults = Faults(Faults::RESTORE.0 - 1);

#[test]
fn a_case_comes_to_its_end_whatever_happens_once() {
    let met = &[properties::ISSUED, properties::UNPAID, properties::EARLY, properties::LATE, properties::RESENT];
    let protocol = Protocol { kinds: ANY, faults: 1, ..Protocol::plain("any one fault", met) };
    holds(if long() { Protocol { name: "any two faults", faults: 2, ..protocol } } else { protocol });
}

#[test]
fn a_worker_may_die_or_a_message_repeat_beside_a_notice() {
    let kinds = if long() { ANY } else { Faults::CRASH | Faults::UNKNOWN | Faults::UNCONFIRMED | Faults::REPEAT };
    let met = &[properties::ISSUED, properties::UNPAID];
    holds(Protocol { notices: true, kinds, faults: 1, ..Protocol::plain("a notice beside its case", met) });
}

#[test]
fn a_lapse_and_answers_race() {
    let met = &[properties::ISSUED, properties::REFUNDED, properties::WITHDRAWN_FIRST];
    let kinds = if long() { ANY } else { Faults::REPEAT | Faults::LOSE };
    holds(Protocol { payments: 2, duty: 2, kinds, faults: 1, ..Protocol::plain("paid in two parts", met) });
}

#[test]
fn money_after_the_end_goes_back() {
    let met = &[properties::ISSUED, properties::REFUNDED, properties::REOPENED];
    let kinds = if long() { ANY } else { Faults::AGAIN | Faults::UNKNOWN };
    holds(Protocol { payments: 2, kinds, faults: 1, ..Protocol::plain("paid twice", met) });
}

#[test]
fn what_is_parked_goes_on_by_replay() {
    let met = &[properties::REPLAYED, properties::PARKED_ANSWER];
    let kinds = Faults::PERMANENT | Faults::LOSE;
    let faults = if long() { 3 } else { 2 };
    holds(Protocol { kinds, faults, ..Protocol::plain("operators", met) });
}

#[test]
fn the_ladder_ends_with_an_operator() {
    let met = &[properties::REPLAYED];
    let faults = if long() { 3 } else { 2 };
    holds(Protocol { kinds: Faults::TRANSIENT, faults, ..Protocol::plain("the ladder", met) });
}

#[test]
fn an_answer_without_a_deadline_is_never_forgotten() {
    let kinds = Faults::CRASH | Faults::REPEAT | Faults::LOSE;
    let faults = if long() { 3 } else { 2 };
    let met = &[properties::ISSUED, properties::EARLY];
    holds(Protocol { deadline: false, kinds, faults, ..Protocol::plain("no deadline", met) });
}

#[test]
fn two_cases_do_not_touch_each_other() {
    let met = &[properties::ISSUED, properties::UNPAID];
    let kinds = if long() { Faults::CRASH | Faults::REPEAT } else { Faults::NONE };
    holds(Protocol { cases: 2, kinds, faults: 1, ..Protocol::plain("two cases", met) });
}

#[test]
fn a_database_may_be_restored() {
    let met = &[properties::RESTORED];
    let (kinds, faults) = if long() { (Faults::CRASH, 2) } else { (Faults::NONE, 1) };
    holds(Protocol { kinds: kinds | Faults::RESTORE, faults, ..Protocol::plain("a restore", met) });
}
