//! What no sequence of moves may do, and what single moves must do.

use super::*;
use proptest::prelude::*;

const STAGES: [&str; 3] = ["intake", "payment", "refund"];

/// A case with its purse, moved as the engine moves it.
struct Walk {
    status: Status,
    purse: Purse,
    entries: [u32; 3],
}

/// What the engine may be asked to do; postings and visits are added here as the engine adds them.
#[derive(Debug, Clone)]
enum Ask {
    Enter(usize),
    Hold,
    Stay,
    Park,
    Replay,
    Close(Closing),
    /// The stage gives back what is held, and closes.
    ReturnAndClose(Closing),
    Money(i64),
}

fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        3 => (0..STAGES.len()).prop_map(Ask::Enter),
        1 => Just(Ask::Hold),
        1 => Just(Ask::Stay),
        1 => Just(Ask::Park),
        2 => Just(Ask::Replay),
        2 => proptest::sample::select(Closing::ALL).prop_map(Ask::Close),
        2 => proptest::sample::select(Closing::ALL).prop_map(Ask::ReturnAndClose),
        2 => (1..100_000i64).prop_map(Ask::Money),
    ]
}

impl Walk {
    fn new() -> Self {
        Self { status: Status::opened(STAGES[0].into()), purse: Purse::default(), entries: [1, 0, 0] }
    }

    fn refund(&self) -> Entry {
        Entry { stage: STAGES[2].into(), visit: self.entries[2] + 1 }
    }

    /// Makes a move true, or leaves everything as it was.
    fn make(&mut self, ask: &Ask) -> Result<(), IllegalMove> {
        let mut purse = self.purse;
        let mv = match ask {
            Ask::Enter(place) => Move::Enter { stage: STAGES[*place].into(), visit: self.entries[*place] + 1 },
            Ask::Hold => Move::Hold { until: None },
            Ask::Stay => Move::Stay,
            Ask::Park => Move::Park,
            Ask::Replay => Move::Replay,
            Ask::Close(closing) => {
                // The duty is earned by performing, at most what it is; the rest stays held.
                if *closing == Closing::Issued && self.status.refunding().is_none() {
                    purse.earned = Tiyn(purse.earned.0 + purse.held().0.min(78_640));
                }
                Move::Close { closing: *closing, reason: "asked".to_owned() }
            }
            Ask::ReturnAndClose(closing) => {
                purse.returned = Tiyn(purse.returned.0 + purse.held().0);
                Move::Close { closing: *closing, reason: "asked".to_owned() }
            }
            Ask::Money(amount) => {
                // A fact: it stays booked whatever the law answers.
                self.purse.received = Tiyn(self.purse.received.0 + amount);
                purse = self.purse;
                Move::Money
            }
        };
        let next = after(&self.status, &mv, &purse, &self.refund())?;
        self.purse = purse;
        if let (Some(at), Some(visit)) = (next.at(), next.visit())
            && let Some(place) = STAGES.iter().position(|stage| at == stage)
        {
            self.entries[place] = self.entries[place].max(visit);
        }
        self.status = next;
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_walk_closes_twice_keeps_money_or_wakes_the_closed(asks in proptest::collection::vec(ask(), 1..40)) {
        let mut walk = Walk::new();
        let mut closings_since_money = 0;
        for ask in &asks {
            let before = walk.status.clone();
            let entries = walk.entries;
            let legal = walk.make(ask).is_ok();
            let now = &walk.status;
            let money = matches!(ask, Ask::Money(_));
            if money {
                prop_assert!(legal, "money is a fact and never illegal");
                closings_since_money = 0;
            }
            if !legal {
                prop_assert_eq!(&before, now);
            }
            if now.is_closed() && before != *now {
                closings_since_money += 1;
            }
            prop_assert!(closings_since_money <= 1, "two closings without money between");
            if now.is_closed() {
                prop_assert_eq!(walk.purse.held(), Tiyn::ZERO, "closed with money held");
            }
            if let Status::Closed(closing) = before {
                prop_assert_eq!(legal, money, "only money moves a closed case");
                if legal {
                    prop_assert_eq!(now.at().map(StageName::as_str), Some("refund"));
                    prop_assert_eq!(now.visit(), Some(entries[2] + 1));
                    let because = Because { closing, reason: "late-money".to_owned() };
                    prop_assert_eq!(now.refunding(), Some(&because));
                }
            }
            if before.how() == Some(&How::Parked) && now.how() != Some(&How::Parked) {
                prop_assert!(matches!(ask, Ask::Replay | Ask::Close(_) | Ask::ReturnAndClose(_)));
            }
            if let (Some(because), Some(closing)) = (before.refunding(), now.closing()) {
                prop_assert_eq!(because.closing, closing, "the end was decided before the refund");
            }
            if let Some(because) = before.refunding() && !now.is_closed() {
                prop_assert_eq!(now.refunding(), Some(because), "a refund under way is not forgotten");
            }
        }
    }

    #[test]
    fn every_open_case_can_still_be_closed(asks in proptest::collection::vec(ask(), 0..40)) {
        let mut walk = Walk::new();
        for ask in &asks {
            // Illegal ones change nothing.
            let _ = walk.make(ask);
        }
        if !walk.status.is_closed() {
            prop_assert_eq!(walk.make(&Ask::ReturnAndClose(Closing::Withdrawn)), Ok(()));
        }
        prop_assert!(walk.status.is_closed());
    }
}

fn entry(visit: u32) -> Entry {
    Entry { stage: "refund".into(), visit }
}

fn open(at: &'static str, how: How) -> Status {
    Status::Open { at: at.into(), visit: 1, how, refunding: None }
}

fn close(closing: Closing, reason: &str) -> Move {
    Move::Close { closing, reason: reason.to_owned() }
}

fn purse(received: i64, earned: i64, returned: i64) -> Purse {
    Purse { received: Tiyn(received), earned: Tiyn(earned), returned: Tiyn(returned) }
}

#[test]
fn a11c_cancelling_a_paid_case_opens_the_refund_and_then_closes_as_cancelled() -> Result<(), IllegalMove> {
    let held = open("review", How::Held { until: None });
    let refunding = after(&held, &close(Closing::Cancelled, "photo-quality"), &purse(78_640, 0, 0), &entry(1))?;
    let because = Because { closing: Closing::Cancelled, reason: "photo-quality".to_owned() };
    assert_eq!(refunding, Status::Open { at: "refund".into(), visit: 1, how: How::Moving, refunding: Some(because) });
    let closed = after(&refunding, &close(Closing::Refused, "ignored"), &purse(78_640, 0, 78_640), &entry(2))?;
    assert_eq!(closed, Status::Closed(Closing::Cancelled));
    Ok(())
}

#[test]
fn a11d_issuing_earns_the_duty_and_an_overpayment_is_refunded() -> Result<(), IllegalMove> {
    let at_issuance = open("issuance", How::Held { until: None });
    let issued = close(Closing::Issued, "handed-over");
    let exact = after(&at_issuance, &issued, &purse(78_640, 78_640, 0), &entry(1))?;
    assert_eq!(exact, Status::Closed(Closing::Issued));
    let over = after(&at_issuance, &issued, &purse(100_000, 78_640, 0), &entry(1))?;
    assert_eq!(over.refunding().map(|because| because.closing), Some(Closing::Issued));
    Ok(())
}

#[test]
fn late_money_opens_a_closed_case_for_the_refund_with_the_next_visit() -> Result<(), IllegalMove> {
    let closed = Status::Closed(Closing::Unpaid);
    let refunding = after(&closed, &Move::Money, &purse(78_640, 0, 0), &entry(2))?;
    assert_eq!(refunding.visit(), Some(2));
    assert_eq!(refunding.refunding().map(|because| because.reason.as_str()), Some("late-money"));
    // Money that is already spoken for changes nothing.
    assert_eq!(after(&closed, &Move::Money, &purse(78_640, 78_640, 0), &entry(2))?, closed);
    Ok(())
}

#[test]
fn money_during_a_refund_is_returned_by_one_more_visit() -> Result<(), IllegalMove> {
    let because = Because { closing: Closing::Unpaid, reason: "late-money".to_owned() };
    let refunding = Status::Open { at: "refund".into(), visit: 1, how: How::Moving, refunding: Some(because.clone()) };
    assert_eq!(after(&refunding, &Move::Money, &purse(200, 0, 100), &entry(2))?, refunding);
    let again = after(&refunding, &close(Closing::Refused, "done"), &purse(200, 0, 100), &entry(2))?;
    assert_eq!(again, Status::Open { at: "refund".into(), visit: 2, how: How::Moving, refunding: Some(because) });
    Ok(())
}

#[test]
fn what_is_not_legal_says_why() {
    let closed = Status::Closed(Closing::Issued);
    let parked = open("payment", How::Parked);
    let moving = open("payment", How::Moving);
    let same_visit = Move::Enter { stage: "payment".into(), visit: 1 };
    let label = |status: &Status, mv: &Move, purse: &Purse| {
        after(status, mv, purse, &entry(1)).map_err(|illegal| illegal.label()).err()
    };
    let empty = Purse::default();
    assert_eq!(label(&closed, &close(Closing::Issued, ""), &empty), Some("illegal-move-closed"));
    assert_eq!(label(&closed, &Move::Replay, &empty), Some("illegal-move-closed"));
    assert_eq!(label(&parked, &Move::Park, &empty), Some("illegal-move-parked"));
    assert_eq!(label(&parked, &Move::Hold { until: None }, &empty), Some("illegal-move-parked"));
    assert_eq!(label(&moving, &Move::Replay, &empty), Some("illegal-move-not-parked"));
    assert_eq!(label(&moving, &same_visit, &empty), Some("illegal-move-visit"));
    assert_eq!(label(&moving, &close(Closing::Refused, ""), &purse(1, 2, 0)), Some("illegal-move-overdrawn"));
}

#[test]
fn a_hold_may_be_renewed_and_staying_changes_nothing() -> Result<(), IllegalMove> {
    let until = Some(Timestamp::UNIX_EPOCH);
    let held = open("review", How::Held { until: None });
    let empty = Purse::default();
    assert_eq!(after(&held, &Move::Hold { until }, &empty, &entry(1))?, open("review", How::Held { until }));
    assert_eq!(after(&held, &Move::Stay, &empty, &entry(1))?, held);
    Ok(())
}

#[test]
fn a_status_is_stored_and_read_back() -> Result<(), serde_json::Error> {
    for status in [
        Status::Closed(Closing::Unpaid),
        open("review", How::Held { until: Some(Timestamp::UNIX_EPOCH) }),
        open("payment", How::Parked),
    ] {
        assert_eq!(serde_json::from_value::<Status>(serde_json::to_value(&status)?)?, status);
    }
    assert_eq!(serde_json::to_string(&Status::Closed(Closing::Unpaid))?, r#"{"closed":"unpaid"}"#);
    Ok(())
}
