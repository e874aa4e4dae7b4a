//! What can happen next: the steps of workers, sweeper, doors and operators, and the faults.

use super::engine::{lowest, seen};
use super::state::{
    CaseRow, Errand, Hand, How, Known, Letter, Message, NOTICE, Order, Outside, PAYMENTS, PRINT, Phase, REFUND, Seen,
    Stage, State, Subject, Turn, Worker,
};
use super::{Faults, Planted, Protocol};

/// A step, named like the code. Numbers are workers or cases.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The broker delivers, the room reads the case file; a stale delivery is acked at once.
    Take(Message),
    /// `Attempt::effect` commits the intent, or learns what is known of the key.
    Intend(usize),
    /// The stage talks to the world.
    Work(usize),
    /// `Attempt::effect` commits the answer.
    Remember(usize),
    /// `Engine::settle` commits.
    Settle(usize),
    /// `Engine::settle_early` commits.
    PutToWait(usize),
    Publish(usize),
    Confirm(usize),
    /// `Engine::flush_confirmed`.
    DeleteOutbox(usize),
    Ack(usize),
    /// `housekeeping::outbox_round`: published, confirmed, deleted.
    Sweep(Message),
    /// `housekeeping::lapse_round`.
    Lapse(u8),
    /// `Answers::bring`.
    Bring(u8, u8),
    /// `desk::replay`.
    Replay(Subject),
    /// `desk::resend`, of what is nowhere.
    Resend(Message),
    /// A request acts at its receiver after its caller has gone.
    ActLate(u8, usize),
    /// The business clock passes a hold's deadline.
    Deadline(u8),

    /// The citizen pays.
    Pay(u8),
    /// The database is copied.
    Snapshot,

    /// The process dies; what it had in hand is delivered again.
    Crash(usize),
    /// It dies while its request is under way.
    CrashCalling(usize),
    /// The settle is committed and the worker does not come to know it.
    SettleUnknown(usize),
    WorkFails(usize),
    AnswerLost(usize),
    WorkRefused(usize),
    PublishLost(usize),
    ConfirmLost(usize),
    /// The sweeper takes a row whose worker is only slow.
    SweepEarly(Message),
    Repeat(Message),
    BrokerLoses(Message),
    BringAgain(u8, u8),
    /// A resend while the message still exists.
    ResendEarly(Message),
    Restore,
}

/// What an effect's receiver does with a repeated request, and the effect's slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Receiver {
    Dedupes,
    Asked(usize, Turn),
    Neither(usize, Turn),
}

impl Receiver {
    pub const fn slot(self) -> Option<usize> {
        match self {
            Self::Dedupes => None,
            Self::Asked(slot, _) | Self::Neither(slot, _) => Some(slot),
        }
    }
}

pub fn receiver(message: &Message, seen: &Seen) -> Receiver {
    match (message.subject, message.errand, seen.stage) {
        (Subject::Notice(_), ..) | (_, Errand::Side, _) => Receiver::Neither(NOTICE, Turn::Told),
        (Subject::Case(_), _, Stage::Production) => Receiver::Asked(PRINT, Turn::Printed),
        (Subject::Case(_), _, Stage::Refund) => {
            let payment = lowest(seen.purse);
            let slot = REFUND + usize::try_from(payment.trailing_zeros()).unwrap_or(0).min(PAYMENTS - 1);
            Receiver::Asked(slot, Turn::Refunded(payment))
        }
        _ => Receiver::Dedupes,
    }
}

impl Protocol {
    /// Whether the step needs a fault of the environment, and which.
    pub fn fault(action: &Action) -> Option<Faults> {
        Some(match action {
            Action::Crash(_) => Faults::CRASH,
            Action::CrashCalling(_) => Faults::LATE,
            Action::SettleUnknown(_) => Faults::UNKNOWN,
            Action::WorkFails(_) | Action::AnswerLost(_) => Faults::TRANSIENT,
            Action::WorkRefused(_) => Faults::PERMANENT,
            Action::PublishLost(_) | Action::ConfirmLost(_) => Faults::UNCONFIRMED,
            Action::SweepEarly(_) => Faults::SLOW,
            Action::Repeat(_) => Faults::REPEAT,
            Action::BrokerLoses(_) => Faults::LOSE,
            Action::BringAgain(..) => Faults::AGAIN,
            Action::ResendEarly(_) => Faults::RESEND,
            Action::Restore => Faults::RESTORE,
            _ => return None,
        })
    }

    /// Steps that the system takes by itself, operators and the clock included; neither faults nor the citizen's.
    pub fn own(&self, state: &State, actions: &mut Vec<Action>) {
        for (w, worker) in state.workers.iter().enumerate() {
            if let Some(hand) = &worker.hand {
                self.hand(w, hand, actions);
            }
            if !worker.confirmed.is_empty() {
                actions.push(Action::DeleteOutbox(w));
            }
        }
        if state.workers.iter().any(|w| w.hand.is_none()) {
            each(&state.broker, |m| {
                if !self.on_its_rung(state, &m) {
                    actions.push(Action::Take(m));
                }
            });
        }
        each(&state.db.outbox, |m| {
            if !state.workers.iter().any(|w| publishes(w, &m)) {
                actions.push(Action::Sweep(m));
            }
        });
        for (c, (case, outside)) in (0_u8..).zip(state.db.cases.iter().zip(&state.outside)) {
            if Self::due(case) {
                actions.push(Action::Lapse(c));
            }
            for p in 0..self.payments {
                if outside.payments & !outside.told & (1 << p) != 0 {
                    actions.push(Action::Bring(c, p));
                }
            }
            for (slot, late) in outside.late.iter().enumerate() {
                if *late {
                    actions.push(Action::ActLate(c, slot));
                }
            }
            let arrivals = (0..self.payments).map(|p| Subject::Arrival(c, p));
            for subject in [Subject::Case(c), Subject::Notice(c)].into_iter().chain(arrivals) {
                if state.db.job(subject).is_some_and(|own| own.letter == Letter::Open(own.ticket)) {
                    actions.push(Action::Replay(subject));
                }
            }
        }
        // the watchdog misses nothing but what the broker has lost
        for message in self.outstanding(&state.db) {
            if !present(state, &message) && state.lost.iter().any(|m| m.stands_for(&message)) {
                let forgotten = match message.errand {
                    Errand::Lapse => self.plants(Planted::ResendForgetsLapse),
                    Errand::Letter => self.plants(Planted::ResendForgetsLetter),
                    Errand::Job | Errand::Side => false,
                };
                if !forgotten {
                    actions.push(Action::Resend(message));
                }
            }
        }
        for (c, case) in (0_u8..).zip(&state.db.cases) {
            if self.deadline && case.held() && case.hold.is_some_and(|h| !h.due) {
                actions.push(Action::Deadline(c));
            }
        }
    }

    fn hand(&self, w: usize, hand: &Hand, actions: &mut Vec<Action>) {
        match &hand.phase {
            Phase::Read(seen) => match receiver(&hand.message, seen) {
                Receiver::Asked(..) | Receiver::Neither(..) if !self.plants(Planted::CallBeforeIntent) => {
                    actions.push(Action::Intend(w));
                }
                _ => actions.push(Action::Work(w)),
            },
            Phase::Intended { .. } => actions.push(Action::Work(w)),
            Phase::Called { .. } => actions.push(Action::Remember(w)),
            Phase::Worked { .. } => actions.push(Action::Settle(w)),
            Phase::Early => actions.push(Action::PutToWait(w)),
            Phase::Sending { rows, .. } if rows.is_empty() => actions.push(Action::Ack(w)),
            Phase::Sending { published: false, .. } => actions.push(Action::Publish(w)),
            Phase::Sending { published: true, .. } => actions.push(Action::Confirm(w)),
        }
    }

    /// An intent without an answer, while the earlier request may still act: nothing can be judged now.
    pub fn under_way(&self, state: &State, c: usize, slot: usize) -> bool {
        let calling = state.hands().any(|hand| match &hand.phase {
            Phase::Intended { seen, .. } => {
                hand.message.subject.case() == c && receiver(&hand.message, seen).slot() == Some(slot)
            }
            _ => false,
        });
        state.db.cases[c].effects[slot] == Known::Unanswered
            && (calling || state.outside[c].late[slot])
            && !self.plants(Planted::AskedTooSoon)
    }

    /// The message waits on the ladder for the earlier request.
    fn on_its_rung(&self, state: &State, message: &Message) -> bool {
        let c = message.subject.case();
        let waits = state.db.job(message.subject).is_some_and(|own| own.waits && own.ticket == message.ticket);
        let slot = receiver(message, &seen(&state.db.cases[c])).slot();
        waits && slot.is_some_and(|slot| self.under_way(state, c, slot))
    }

    /// Faults, and what the citizen may do.
    pub fn others(&self, state: &State, actions: &mut Vec<Action>) {
        for (c, outside) in (0_u8..).zip(&state.outside) {
            if outside.order == Order::Open && outside.payments.count_ones() < u32::from(self.payments) {
                actions.push(Action::Pay(c));
            }
        }
        if self.may(Faults::RESTORE) && state.backup.is_none() && !state.restored && state.faults < self.faults {
            actions.push(Action::Snapshot);
        }
        if state.faults >= self.faults {
            return;
        }
        let from = actions.len();
        for (w, worker) in state.workers.iter().enumerate() {
            if worker.hand.is_some() || !worker.confirmed.is_empty() {
                actions.push(Action::Crash(w));
            }
            let Some(hand) = &worker.hand else { continue };
            match &hand.phase {
                Phase::Read(seen) if receiver(&hand.message, seen) == Receiver::Dedupes => {
                    actions.extend([Action::WorkFails(w), Action::AnswerLost(w), Action::WorkRefused(w)]);
                }
                Phase::Intended { ask, .. } => {
                    actions.extend([Action::WorkFails(w), Action::AnswerLost(w), Action::CrashCalling(w)]);
                    // where the asked receiver has done it, no request goes out that could be refused
                    if !(*ask && slot(state, w).is_some_and(|(c, slot)| state.outside[c].done[slot] > 0)) {
                        actions.push(Action::WorkRefused(w));
                    }
                }
                Phase::Worked { seen, .. } if self.guard(&state.db, &hand.message, seen).is_none() => {
                    actions.push(Action::SettleUnknown(w));
                }
                Phase::Sending { rows, published } if !rows.is_empty() => {
                    actions.push(if *published { Action::ConfirmLost(w) } else { Action::PublishLost(w) });
                }
                _ => {}
            }
        }
        each(&state.db.outbox, |m| {
            if state.workers.iter().any(|w| publishes(w, &m)) {
                actions.push(Action::SweepEarly(m));
            }
        });
        each(&state.broker, |m| actions.extend([Action::Repeat(m), Action::BrokerLoses(m)]));
        for hand in state.hands() {
            actions.push(Action::Repeat(hand.message));
        }
        for (c, outside) in (0_u8..).zip(&state.outside) {
            for p in (0..self.payments).filter(|p| outside.told & (1 << p) != 0) {
                actions.push(Action::BringAgain(c, p));
            }
        }
        for message in self.outstanding(&state.db) {
            if message.errand == Errand::Job && present(state, &message) {
                actions.push(Action::ResendEarly(message));
            }
        }
        if state.backup.is_some() {
            actions.push(Action::Restore);
        }
        let mut kept = from;
        for at in from..actions.len() {
            if Self::fault(&actions[at]).is_some_and(|f| self.may(f)) {
                actions.swap(kept, at);
                kept += 1;
            }
        }
        actions.truncate(kept);
    }
}

/// Calls with each of the distinct messages.
fn each(messages: &[Message], mut what: impl FnMut(Message)) {
    for (at, message) in messages.iter().enumerate() {
        if at == 0 || messages[at - 1] != *message {
            what(*message);
        }
    }
}

/// The worker still has the row to publish, to confirm or to delete.
fn publishes(worker: &Worker, row: &Message) -> bool {
    let sending = matches!(&worker.hand, Some(Hand { phase: Phase::Sending { rows, .. }, .. }) if rows.contains(row));
    sending || worker.confirmed.contains(row)
}

/// Whether a message that stands for this one is in the outbox, with the broker, or in a hand.
pub fn present(state: &State, message: &Message) -> bool {
    let mut all = state.db.outbox.iter().chain(&state.broker);
    all.any(|m| m.stands_for(message)) || state.hands().any(|h| h.message.stands_for(message))
}

/// The effect that a worker is at.
pub fn slot(state: &State, w: usize) -> Option<(usize, usize)> {
    let hand = state.workers[w].hand.as_ref()?;
    let (Phase::Intended { seen, .. } | Phase::Called { seen, .. }) = &hand.phase else { return None };
    Some((hand.message.subject.case(), receiver(&hand.message, seen).slot()?))
}

/// Whether the case waits as it may wait for ever: for a citizen who has not paid, without a deadline.
pub fn waits(protocol: &Protocol, case: &CaseRow, outside: &Outside) -> bool {
    !protocol.deadline && case.how == How::Held && outside.payments == 0
}
