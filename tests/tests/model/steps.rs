//! What each action does. The database's transactions are in `engine` and `desk`.

use super::actions::{Action, Receiver, receiver, slot};
use super::engine::Read;
use super::state::{Errand, Hand, Known, Message, Order, Outside, Phase, Seen, State, Subject, Turn, remove};
use super::{Planted, Protocol};

impl Protocol {
    /// The state after a step.
    pub fn step(&self, before: &State, action: Action) -> State {
        let mut state = before.clone();
        if Self::fault(&action).is_some() {
            state.faults += 1;
        }
        match action {
            Action::Take(message) => self.take(&mut state, message),
            Action::Intend(w) => self.intend(&mut state, w),
            Action::Work(w) => self.work(&mut state, w),
            Action::WorkFails(w) => change(&mut state, w, |seen| Phase::Worked { seen, turn: Turn::Transient }),
            Action::AnswerLost(w) => {
                if !late(&mut state, w) {
                    self.work(&mut state, w);
                }
                change(&mut state, w, |seen| Phase::Worked { seen, turn: Turn::Transient });
            }
            Action::WorkRefused(w) => {
                // the receiver's own "no": the intent is taken back
                if let Some((c, slot)) = slot(&state, w) {
                    state.db.cases[c].effects[slot] = Known::New;
                }
                change(&mut state, w, |seen| Phase::Worked { seen, turn: Turn::Permanent });
            }
            Action::Remember(w) => {
                if let Some((c, slot)) = slot(&state, w) {
                    state.db.cases[c].effects[slot] = Known::Answered;
                }
                if let Some(Hand { phase, .. }) = &mut state.workers[w].hand
                    && let Phase::Called { seen, turn } = *phase
                {
                    *phase = Phase::Worked { seen, turn };
                }
            }
            Action::Settle(w) => self.settle(&mut state, w, true),
            Action::SettleUnknown(w) => self.settle(&mut state, w, false),
            Action::PutToWait(w) => self.put_to_wait(&mut state, w),
            Action::Publish(w) | Action::Confirm(w) | Action::PublishLost(w) | Action::ConfirmLost(w) => {
                self.send(&mut state, w, action);
            }
            Action::DeleteOutbox(w) => {
                let confirmed = std::mem::take(&mut state.workers[w].confirmed);
                state.db.delete(&confirmed);
            }
            Action::Ack(w) => state.workers[w].hand = None,
            Action::Crash(w) => self.crash(&mut state, w),
            Action::CrashCalling(w) => {
                late(&mut state, w);
                self.crash(&mut state, w);
            }
            Action::Sweep(message) | Action::SweepEarly(message) => {
                state.db.delete(&[message]);
                state.deliver(message);
            }
            Action::Repeat(message) => state.deliver(message),
            Action::BrokerLoses(message) => {
                remove(&mut state.broker, &message);
                state.lost.push(message);
                state.lost.sort_unstable();
            }
            Action::Lapse(c) => Self::lapse_round(&mut state.db, c),
            Action::Bring(c, p) | Action::BringAgain(c, p) => {
                state.outside[usize::from(c)].told |= 1 << p;
                self.bring(&mut state.db, c, p);
            }
            Action::Replay(subject) => Self::replay(&mut state.db, subject),
            Action::Resend(message) | Action::ResendEarly(message) => {
                state.copies += 1;
                let copy = state.copies;
                state.lost.retain(|m| !m.stands_for(&message));
                state.db.insert(&[Message { copy, ..message }]);
            }
            Action::ActLate(c, slot) => {
                let outside = &mut state.outside[usize::from(c)];
                outside.late[slot] = false;
                outside.done[slot] += 1;
            }
            Action::Deadline(c) => {
                if let Some(hold) = &mut state.db.cases[usize::from(c)].hold {
                    hold.due = true;
                }
            }
            Action::Pay(c) => {
                let outside = &mut state.outside[usize::from(c)];
                outside.payments |= outside.payments + 1;
            }
            Action::Snapshot => state.backup = Some(Box::new(state.db.clone())),
            Action::Restore => self.restore(&mut state),
        }
        state.workers.sort_unstable();
        state
    }

    fn take(&self, state: &mut State, message: Message) {
        remove(&mut state.broker, &message);
        match self.read(&state.db, &message) {
            Read::Stale => {}
            Read::Strange => state.strange = true,
            Read::Ready(phase) => {
                if let Some(worker) = state.workers.iter_mut().find(|w| w.hand.is_none()) {
                    worker.hand = Some(Hand { message, phase });
                }
            }
        }
    }

    fn intend(&self, state: &mut State, w: usize) {
        let Some(Hand { message, phase: Phase::Read(seen) }) = state.workers[w].hand.clone() else { return };
        let (slot, turn, asked) = match receiver(&message, &seen) {
            Receiver::Asked(slot, turn) => (slot, turn, true),
            Receiver::Neither(slot, turn) => (slot, turn, false),
            Receiver::Dedupes => return,
        };
        let under_way = self.under_way(state, message.subject.case(), slot);
        let known = &mut state.db.cases[message.subject.case()].effects[slot];
        let phase = match *known {
            Known::Unanswered if under_way => Phase::Worked { seen, turn: Turn::UnderWay },
            Known::New => Phase::Intended { seen, ask: false },
            Known::Unanswered if asked => Phase::Intended { seen, ask: true },
            // in doubt: a notice is let be
            Known::Unanswered | Known::Answered => Phase::Worked { seen, turn },
        };
        if *known == Known::New {
            *known = Known::Unanswered;
        }
        state.workers[w].hand = Some(Hand { message, phase });
    }

    fn work(&self, state: &mut State, w: usize) {
        let Some(Hand { message, phase }) = state.workers[w].hand.clone() else { return };
        let (seen, ask) = match phase {
            Phase::Read(seen) => (seen, false),
            Phase::Intended { seen, ask } => (seen, ask),
            _ => return,
        };
        let c = message.subject.case();
        let outside = &mut state.outside[c];
        let phase = match receiver(&message, &seen) {
            Receiver::Dedupes => Phase::Worked { seen, turn: self.payment(&message, &seen, outside) },
            Receiver::Asked(slot, turn) | Receiver::Neither(slot, turn) => {
                let known = state.db.cases[c].effects[slot];
                if !(ask && outside.done[slot] > 0) && known != Known::Answered {
                    outside.done[slot] += 1;
                }
                Phase::Called { seen, turn }
            }
        };
        state.workers[w].hand = Some(Hand { message, phase });
    }

    /// The payment stage: `work`, `answer` and `lapse`.
    fn payment(&self, message: &Message, seen: &Seen, outside: &mut Outside) -> Turn {
        let covers = |payments: u8| payments.count_ones() >= u32::from(self.duty);
        let answer = matches!(message.subject, Subject::Arrival(..));
        if message.errand == Errand::Lapse {
            return if self.plants(Planted::LapseWithoutWithdrawal) { Turn::Lapsed(0) } else { self.withdraw(outside) };
        }
        if covers(seen.booked) && !(answer && seen.due) {
            return Turn::Paid(0);
        }
        match outside.order {
            Order::None => {
                outside.order = Order::Open;
                outside.orders += 1;
                Turn::Hold
            }
            Order::Withdrawn => Turn::Lapsed(outside.payments),
            Order::Open if answer && covers(outside.payments) => Turn::Paid(outside.payments),
            Order::Open if answer && seen.due => self.withdraw(outside),
            Order::Open => {
                // it dedupes by the key
                if self.plants(Planted::KeyOfTheTicket) && !answer {
                    outside.orders += 1;
                }
                Turn::Hold
            }
        }
    }

    fn withdraw(&self, outside: &mut Outside) -> Turn {
        if outside.payments.count_ones() >= u32::from(self.duty) {
            return Turn::Paid(outside.payments);
        }
        outside.order = Order::Withdrawn;
        Turn::Lapsed(outside.payments)
    }

    fn send(&self, state: &mut State, w: usize, action: Action) {
        let worker = &mut state.workers[w];
        let Some(Hand { phase: Phase::Sending { rows, published }, .. }) = &mut worker.hand else { return };
        if rows.is_empty() {
            return;
        }
        let row = rows[0];
        if matches!(action, Action::Publish(_)) {
            *published = true;
        } else {
            rows.remove(0);
            *published = false;
        }
        if matches!(action, Action::Confirm(_)) {
            worker.confirmed.push(row);
            worker.confirmed.sort_unstable();
        }
        if matches!(action, Action::Publish(_) | Action::PublishLost(_)) && self.plants(Planted::DeleteBeforeConfirm) {
            state.db.delete(&[row]);
        }
        if matches!(action, Action::Publish(_)) {
            state.deliver(row);
        }
    }

    fn crash(&self, state: &mut State, w: usize) {
        if let Some(hand) = std::mem::take(&mut state.workers[w]).hand
            && !self.plants(Planted::AckBeforeCommit)
        {
            state.deliver(hand.message);
        }
    }
}

/// The request is out, and its caller will not hear of it. `false` where the effect has no request of its own.
fn late(state: &mut State, w: usize) -> bool {
    let Some((c, slot)) = slot(state, w) else { return false };
    let asked = matches!(&state.workers[w].hand, Some(Hand { phase: Phase::Intended { ask, .. }, .. }) if *ask);
    let outside = &mut state.outside[c];
    // asked first: where it was done, no second request goes out
    if !(asked && outside.done[slot] > 0) {
        outside.late[slot] = true;
    }
    true
}

fn change(state: &mut State, w: usize, to: impl FnOnce(Seen) -> Phase) {
    if let Some(hand) = &mut state.workers[w].hand {
        let seen = match &hand.phase {
            Phase::Read(seen)
            | Phase::Intended { seen, .. }
            | Phase::Called { seen, .. }
            | Phase::Worked { seen, .. } => *seen,
            Phase::Early | Phase::Sending { .. } => return,
        };
        hand.phase = to(seen);
    }
}
