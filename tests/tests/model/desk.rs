//! Everybody else's transactions: doors, housekeeping, the operator's desk, and the restore.

use super::state::{
    ArrivalRow, Came, CaseRow, Database, Errand, How, JobRow, Known, Letter, Message, NOTICE, State, Subject, Told,
};
use super::{Planted, Protocol};

impl Protocol {
    /// `Engine::bring`: the arrival, its money and its message in one commit, once per source and reference.
    pub fn bring(&self, db: &mut Database, c: u8, p: u8) {
        let case = &mut db.cases[usize::from(c)];
        let before = case.arrivals[usize::from(p)].is_some();
        if before && !self.plants(Planted::MoneyPostedPerMessage) {
            return;
        }
        let mut rows = Vec::new();
        let fresh = case.booked & (1 << p) == 0;
        self.book(case, 1 << p);
        if let (How::Closed(closing), true) = (case.how, fresh) {
            // from Closed to refunding: the case moves again, under a new ticket
            self.close(case, closing);
            case.job.raise(case.job.ticket);
            case.job.attempt = 1;
            rows.push(Message::of(Subject::Case(c), case.job.ticket, Errand::Job));
        }
        if !before {
            case.arrivals[usize::from(p)] = Some(ArrivalRow { job: JobRow::first(), state: Came::Moving });
            rows.push(Message::of(Subject::Arrival(c, p), 1, Errand::Job));
        }
        db.insert(&rows);
    }

    /// `holds::take_due`: whether the case's wait is over and no lapse is on its way under its present ticket.
    pub fn due(case: &CaseRow) -> bool {
        case.held()
            && case.hold.is_some_and(|h| h.due && h.lapse_ticket != case.job.ticket)
            && !case.answer_on_its_way()
    }

    /// `housekeeping::lapse_round`.
    pub fn lapse_round(db: &mut Database, c: u8) {
        let case = &mut db.cases[usize::from(c)];
        let ticket = case.job.ticket;
        if let Some(hold) = &mut case.hold {
            hold.lapse_ticket = ticket;
        }
        db.insert(&[Message::of(Subject::Case(c), ticket, Errand::Lapse)]);
    }

    /// `desk::replay`: a new ticket, the same effect keys.
    pub fn replay(db: &mut Database, subject: Subject) {
        let Some(own) = db.job_mut(subject) else { return };
        own.raise(own.ticket);
        own.attempt = 1;
        own.letter = Letter::Replaying(own.ticket);
        let row = Message::of(subject, own.ticket, Errand::Job);
        let case = &mut db.cases[subject.case()];
        match subject {
            Subject::Case(_) => case.how = How::Moving,
            Subject::Arrival(_, p) => {
                if let Some(arrival) = &mut case.arrivals[usize::from(p)] {
                    arrival.state = Came::Moving;
                }
            }
            Subject::Notice(_) => {
                if let Some(notice) = &mut case.notice {
                    notice.state = Told::Moving;
                }
            }
        }
        db.insert(&[row]);
    }

    /// Everything that some message must stand for, somewhere: moving subjects, lapses on their way, and parked
    /// subjects whose letter has not come to the desk yet.
    pub fn outstanding(&self, db: &Database) -> Vec<Message> {
        let mut all = Vec::new();
        let parked = |subject: Subject, own: &JobRow| {
            (own.letter != Letter::Open(own.ticket)).then(|| Message::of(subject, own.ticket, Errand::Letter))
        };
        for (c, case) in (0_u8..).zip(&db.cases) {
            let subject = Subject::Case(c);
            match case.how {
                How::Moving => all.push(Message::of(subject, case.job.ticket, Errand::Job)),
                How::Held if case.hold.is_some_and(|h| h.lapse_ticket == case.job.ticket) => {
                    all.push(Message::of(subject, case.job.ticket, Errand::Lapse));
                }
                How::Parked => all.extend(parked(subject, &case.job)),
                How::Held | How::Closed(_) => {}
            }
            for (p, arrival) in (0_u8..).zip(&case.arrivals) {
                let Some(arrival) = arrival else { continue };
                let subject = Subject::Arrival(c, p);
                match arrival.state {
                    Came::Moving => all.push(Message::of(subject, arrival.job.ticket, Errand::Job)),
                    Came::Parked => all.extend(parked(subject, &arrival.job)),
                    Came::Waiting | Came::Taken | Came::Unwanted => {}
                }
            }
            if let Some(notice) = case.notice.as_ref().filter(|_| !self.plants(Planted::SideMessageWithoutOwnRow)) {
                let subject = Subject::Notice(c);
                match notice.state {
                    Told::Moving => all.push(Message::of(subject, notice.job.ticket, Errand::Job)),
                    Told::Parked => all.extend(parked(subject, &notice.job)),
                    Told::Ended => {}
                }
            }
        }
        all
    }

    /// The restore: workers off, the broker purged, an earlier database, what is outstanding sent again, and the
    /// providers asked what they have done and taken in.
    pub fn restore(&self, state: &mut State) {
        let Some(backup) = state.backup.take() else { return };
        state.db = *backup;
        state.workers = Default::default();
        if !self.plants(Planted::RestoreWithoutPurge) {
            state.broker.clear();
        }
        state.lost.clear();
        state.restored = true;
        for (case, outside) in state.db.cases.iter_mut().zip(&mut state.outside) {
            for slot in 0..outside.done.len() {
                // whatever was still under way has acted by the time that anybody is asked
                outside.done[slot] += u8::from(std::mem::take(&mut outside.late[slot]));
                // a receiver that is neither of both cannot be asked
                if outside.done[slot] > 0 && slot != NOTICE && !self.plants(Planted::RestoreWithoutReconciling) {
                    case.effects[slot] = Known::Answered;
                }
            }
            for (p, arrival) in case.arrivals.iter().enumerate() {
                if arrival.is_none() {
                    outside.told &= !(1 << p);
                }
            }
        }
        for message in self.outstanding(&state.db) {
            if !state.db.outbox.iter().any(|row| row.stands_for(&message)) {
                state.copies += 1;
                state.db.insert(&[Message { copy: state.copies, ..message }]);
            }
        }
    }
}
