//! A worker's transactions, named as in the code: read, guard, settle, settle_early, wake, close.

use super::state::{
    Came, CaseRow, Closing, Database, Errand, Hand, HoldRow, How, JobRow, Letter, Message, Phase, Seen, SideRow, Stage,
    State, Subject, Told, Turn,
};
use super::{Planted, Protocol};

/// Why a finished attempt does not become true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Stale,
    Redo,
    Lost,
    NotHeld,
}

/// What reading a delivery came to.
#[derive(Debug)]
pub enum Read {
    Stale,
    Strange,
    Ready(Phase),
}

pub const fn seen(case: &CaseRow) -> Seen {
    Seen {
        ticket: case.job.ticket,
        stage: case.stage,
        due: match case.hold {
            Some(hold) => hold.due,
            None => false,
        },
        booked: case.booked,
        purse: case.purse(),
    }
}

/// Earlier payments first.
pub const fn lowest(bits: u8) -> u8 {
    bits & bits.wrapping_neg()
}

impl Protocol {
    /// `Engine::recognise`.
    pub fn read(&self, db: &Database, message: &Message) -> Read {
        let (Some(case), Some(own)) = (db.cases.get(message.subject.case()), db.job(message.subject)) else {
            return Read::Strange;
        };
        let seen = seen(case);
        if message.errand == Errand::Letter {
            return Read::Ready(Phase::Worked { seen, turn: Turn::Keep });
        }
        if !self.plants(Planted::NoTicket) {
            if message.ticket < own.ticket {
                return Read::Stale;
            }
            if message.ticket > own.ticket {
                return Read::Strange;
            }
        }
        if matches!(message.subject, Subject::Arrival(..)) && !case.held() {
            return Read::Ready(Phase::Early);
        }
        Read::Ready(Phase::Read(seen))
    }

    /// `Engine::guard`: `None` where the turn may become true.
    pub fn guard(&self, db: &Database, message: &Message, seen: &Seen) -> Option<Fate> {
        let (Some(case), Some(own)) = (db.cases.get(message.subject.case()), db.job(message.subject)) else {
            return Some(Fate::Stale);
        };
        if message.errand == Errand::Letter || self.plants(Planted::NoTicket) {
            return None;
        }
        if own.ticket != message.ticket {
            return Some(Fate::Stale);
        }
        match (message.subject, message.errand) {
            (Subject::Arrival(..), _) if !case.held() => Some(Fate::NotHeld),
            (Subject::Arrival(..), _) if case.job.ticket != seen.ticket => Some(Fate::Redo),
            (_, Errand::Lapse) if case.answer_on_its_way() => Some(Fate::Lost),
            (_, Errand::Lapse) if !case.held() => Some(Fate::Stale),
            _ => None,
        }
    }

    /// `Engine::settle`, of one turn. `known`: the worker comes to know that it is committed.
    pub fn settle(&self, state: &mut State, worker: usize, known: bool) {
        let Some(hand) = state.workers[worker].hand.clone() else { return };
        let Phase::Worked { seen, turn } = hand.phase else { return };
        let rows = match self.guard(&state.db, &hand.message, &seen) {
            None => self.write(&mut state.db, &hand.message, &seen, turn),
            Some(Fate::Stale) => Vec::new(),
            Some(Fate::Lost) => {
                // the lapse round issues it again once the answer is settled
                if let Some(hold) = &mut state.db.cases[hand.message.subject.case()].hold {
                    hold.lapse_ticket = 0;
                }
                Vec::new()
            }
            Some(Fate::NotHeld) => {
                self.unheld(&mut state.db, hand.message.subject);
                Vec::new()
            }
            Some(Fate::Redo) => {
                self.read_again(state, worker, hand.message);
                return;
            }
        };
        state.db.insert(&rows);
        let confirmed = std::mem::take(&mut state.workers[worker].confirmed);
        state.db.delete(&confirmed);
        if known {
            state.workers[worker].hand =
                Some(Hand { message: hand.message, phase: Phase::Sending { rows, published: false } });
        } else {
            // it settles again, and the ticket tells; the rows are the sweeper's
            state.workers[worker].confirmed = confirmed;
        }
    }

    /// `Engine::settle_early`, and the re-reading of an answer whose case is held by now.
    pub fn put_to_wait(&self, state: &mut State, worker: usize) {
        let Some(Hand { message, .. }) = state.workers[worker].hand.clone() else { return };
        if state.db.cases[message.subject.case()].held() {
            self.read_again(state, worker, message);
            return;
        }
        if state.db.job(message.subject).is_some_and(|own| own.ticket == message.ticket) {
            self.unheld(&mut state.db, message.subject);
        }
        let phase = Phase::Sending { rows: Vec::new(), published: false };
        state.workers[worker].hand = Some(Hand { message, phase });
    }

    fn read_again(&self, state: &mut State, worker: usize, message: Message) {
        state.workers[worker].hand = match self.read(&state.db, &message) {
            Read::Ready(phase) => Some(Hand { message, phase }),
            Read::Stale => None,
            Read::Strange => {
                state.strange = true;
                None
            }
        };
    }

    /// `Engine::draft_unheld_answer`: it waits for the hold, or nobody wants it any more.
    fn unheld(&self, db: &mut Database, subject: Subject) {
        let Subject::Arrival(c, p) = subject else { return };
        let case = &mut db.cases[usize::from(c)];
        let unwanted = case.closed() || self.plants(Planted::AnswerBeforeHoldDropped);
        if let Some(arrival) = &mut case.arrivals[usize::from(p)] {
            let ticket = arrival.job.ticket;
            self.raise(&mut arrival.job, ticket);
            arrival.state = if unwanted { Came::Unwanted } else { Came::Waiting };
        }
    }

    /// Raises an arrival's ticket.
    fn raise(&self, own: &mut JobRow, ticket: u8) {
        let letter = own.letter;
        own.raise(ticket);
        if self.plants(Planted::LetterLeftReplaying) {
            own.letter = letter;
        }
    }

    /// What one settle writes; returns the rows of the outbox.
    fn write(&self, db: &mut Database, message: &Message, seen: &Seen, turn: Turn) -> Vec<Message> {
        match (message.subject, message.errand) {
            (subject, Errand::Letter) => {
                // one letter per message id: one that came before is only counted
                if let Some(own) = db.job_mut(subject).filter(|own| own.letter.ticket() < message.ticket) {
                    own.letter = Letter::Open(message.ticket);
                }
                Vec::new()
            }
            (Subject::Case(c), Errand::Side) => {
                let case = &mut db.cases[usize::from(c)];
                case.job.raise(message.ticket);
                if let Some(notice) = &mut case.notice {
                    notice.state = Told::Ended;
                }
                Vec::new()
            }
            (Subject::Case(c), errand) => self.turn(&mut db.cases[usize::from(c)], c, message.ticket, turn, errand),
            (Subject::Arrival(c, p), _) => {
                let case = &mut db.cases[usize::from(c)];
                let Some(arrival) = &mut case.arrivals[usize::from(p)] else { return Vec::new() };
                if matches!(turn, Turn::Transient | Turn::Permanent | Turn::UnderWay) {
                    let (row, parked) = self.subject_fault(message, &mut arrival.job, turn);
                    if parked {
                        arrival.state = Came::Parked;
                    }
                    return vec![row];
                }
                self.raise(&mut arrival.job, message.ticket);
                arrival.state = Came::Taken;
                self.turn(case, c, seen.ticket, turn, Errand::Job)
            }
            (Subject::Notice(c), _) => {
                let Some(notice) = &mut db.cases[usize::from(c)].notice else { return Vec::new() };
                if turn == Turn::Told {
                    notice.job.raise(message.ticket);
                    notice.state = Told::Ended;
                    return Vec::new();
                }
                let (row, parked) = self.subject_fault(message, &mut notice.job, turn);
                if parked {
                    notice.state = Told::Parked;
                }
                vec![row]
            }
        }
    }

    /// `Engine::draft_subject_fault` and `draft_fault`: another attempt from the ladder, or the operators.
    fn subject_fault(&self, message: &Message, own: &mut JobRow, turn: Turn) -> (Message, bool) {
        own.raise(message.ticket);
        let parked = turn == Turn::Permanent || (turn == Turn::Transient && own.attempt >= self.attempts);
        own.waits = turn == Turn::UnderWay;
        if turn == Turn::Transient && !parked {
            own.attempt += 1;
        }
        let errand = if parked { Errand::Letter } else { message.errand };
        (Message::of(message.subject, own.ticket, errand), parked)
    }

    /// `Engine::draft_turn`: a case's turn becomes true.
    fn turn(&self, case: &mut CaseRow, c: u8, ticket: u8, turn: Turn, errand: Errand) -> Vec<Message> {
        let subject = Subject::Case(c);
        let mut rows = Vec::new();
        if matches!(turn, Turn::Transient | Turn::Permanent | Turn::UnderWay) {
            let (row, parked) = self.subject_fault(&Message::of(subject, ticket, errand), &mut case.job, turn);
            if parked {
                case.how = How::Parked;
                case.hold = None;
            } else if let (Errand::Lapse, Some(hold)) = (errand, &mut case.hold) {
                // a lapse that is tried again is still on its way
                hold.lapse_ticket = case.job.ticket;
            }
            return vec![row];
        }
        case.job.raise(ticket);
        case.job.attempt = 1;
        match turn {
            Turn::Hold => {
                case.how = How::Held;
                case.hold = Some(HoldRow { due: false, lapse_ticket: 0 });
                // `arrivals::wake`: answers that came early are on their way now
                for (p, arrival) in (0_u8..).zip(&mut case.arrivals) {
                    if let Some(arrival) = arrival.as_mut().filter(|a| a.state == Came::Waiting) {
                        arrival.job.raise(arrival.job.ticket);
                        arrival.job.attempt = 1;
                        arrival.state = Came::Moving;
                        rows.push(Message::of(Subject::Arrival(c, p), arrival.job.ticket, Errand::Job));
                    }
                }
                return rows;
            }
            Turn::Paid(found) => {
                self.book(case, found);
                case.stage = Stage::Production;
                case.how = How::Moving;
            }
            Turn::Lapsed(found) => {
                self.book(case, found);
                self.close(case, Closing::Unpaid);
            }
            Turn::Printed => {
                let mut open = case.purse();
                for _ in 0..self.duty {
                    case.earned |= lowest(open);
                    open &= !lowest(open);
                }
                self.close(case, Closing::Issued);
            }
            Turn::Refunded(payment) => {
                case.returned |= payment;
                let closing = case.refunding.unwrap_or(Closing::Unpaid);
                self.close(case, closing);
            }
            Turn::Told | Turn::Keep | Turn::Transient | Turn::Permanent | Turn::UnderWay => {}
        }
        case.hold = None;
        if !case.closed() {
            rows.push(Message::of(subject, case.job.ticket, Errand::Job));
        }
        if self.notices && matches!(turn, Turn::Paid(_) | Turn::Lapsed(_)) && case.notice.is_none() {
            case.notice = Some(SideRow { job: JobRow::first(), state: Told::Moving });
            rows.push(if self.plants(Planted::SideMessageWithoutOwnRow) {
                Message::of(subject, case.job.ticket, Errand::Side)
            } else {
                Message::of(Subject::Notice(c), 1, Errand::Job)
            });
        }
        rows
    }

    /// `ledger::post`: once per the provider's payment number.
    pub fn book(&self, case: &mut CaseRow, payments: u8) {
        let new = if self.plants(Planted::MoneyPostedPerMessage) { payments } else { payments & !case.booked };
        case.received += u8::try_from(new.count_ones()).unwrap_or(u8::MAX);
        case.booked |= payments;
    }

    /// The law's close: the end, or, while money is held, the way to the refund stage.
    pub fn close(&self, case: &mut CaseRow, closing: Closing) {
        let because = *case.refunding.get_or_insert(closing);
        if case.purse() != 0 {
            case.stage = Stage::Refund;
            case.how = How::Moving;
            return;
        }
        case.refunding = None;
        case.how = How::Closed(because);
        // `arrivals::unwanted`
        for arrival in case.arrivals.iter_mut().flatten().filter(|a| a.state == Came::Waiting) {
            arrival.state = Came::Unwanted;
        }
    }
}
