//! Each zero with its violation planted.

use super::*;
use crate::ledger::{
    Card, Confirmation, Ledger, Notice, Order, OrderState, Payment, Refund, Registration, RegistrationState,
};
use crate::plan::Plan;
use jiff::Timestamp;
use jiff::civil::date;
use kezek_domain::journal::{GENESIS, JournalEntry, Linked, chain};
use kezek_domain::{Actor, CaseId, Closing, Purse, Ticket};

const DUTY: Tiyn = Tiyn(78_640);

fn entry(case: Uuid) -> JournalEntry {
    JournalEntry {
        case: CaseId(case),
        number: 1,
        ticket: Ticket(0),
        at: Timestamp::UNIX_EPOCH,
        recorded_at: Timestamp::UNIX_EPOCH,
        stage: "intake".into(),
        visit: 1,
        move_label: "open".to_owned(),
        outcome: None,
        actor: Actor::Applicant,
        rule_version: "test".to_owned(),
        detail: serde_json::json!({}),
        calls: Vec::new(),
    }
}

fn registration(coupon: &str) -> Registration {
    Registration {
        person: 0,
        coupon: Some(coupon.to_owned()),
        refusal: None,
        state: RegistrationState::Closed,
        request_sha256: String::new(),
        calls: 1,
        cancel_calls: 0,
        close_calls: 1,
    }
}

fn order(coupon: &str, number: &str) -> Order {
    let payment = Payment { number: number.to_owned(), amount: DUTY, at: Timestamp::UNIX_EPOCH, confirmations: 1 };
    Order {
        number: format!("o-{number}"),
        coupon: coupon.to_owned(),
        amount: DUTY,
        until: Timestamp::UNIX_EPOCH,
        state: OrderState::Paid,
        payments: vec![payment],
        calls: 1,
        withdraw_calls: 0,
    }
}

fn card(coupon: &str) -> Card {
    Card { coupon: coupon.to_owned(), result: CardResult::Produced { card_number: "1".to_owned() }, calls: 1 }
}

fn notice(effects: u32) -> Notice {
    Notice { person: Some(0), text_sha256: String::new(), calls: effects, effects }
}

fn confirmation(number: &str) -> Confirmation {
    let refund = Refund { number: format!("r-{number}"), amount: DUTY, paid_at: Timestamp::UNIX_EPOCH };
    Confirmation {
        coupon: Some("C-2".to_owned()),
        amount: DUTY,
        payments: vec![number.to_owned()],
        calls: 1,
        refund: Some(refund),
    }
}

/// Two applications that ended as planned: one card issued, one cancelled and given back; a third was refused at
/// the pre-check.
fn sound() -> Evidence {
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let case = |id: Uuid, coupon: &str, closing, purse| {
        let entry = entry(id);
        let head = chain(&GENESIS, &entry);
        CaseLine {
            id,
            receipt: format!("R-{}", id.as_u128()),
            coupon: Some(coupon.to_owned()),
            how: "closed".to_owned(),
            stage: None,
            closing: Some(closing),
            refusal: None,
            purse,
            journal: vec![Linked { entry, digest: head }],
            head,
            number: 1,
        }
    };
    let book = |case, kind: &str, reference: &str| {
        [(1, DUTY.0), (2, -DUTY.0)].map(|(line, amount)| BookLine {
            case: Some(case),
            kind: kind.to_owned(),
            reference: reference.to_owned(),
            line,
            amount,
        })
    };
    let mut asked = Ledger::default();
    asked.registrations.insert("register/1".to_owned(), registration("C-1"));
    asked.registrations.insert("register/2".to_owned(), registration("C-2"));
    asked.orders.insert("charge/1".to_owned(), order("C-1", "p-1"));
    asked.orders.insert("charge/2".to_owned(), order("C-2", "p-2"));
    asked.cards.insert("print/1/0".to_owned(), card("C-1"));
    asked.confirmations.insert("refund/2/p-2".to_owned(), confirmation("p-2"));
    let told = NoticeLine { case: one, kind: "ready".to_owned(), stage: "issuance".to_owned(), visit: 1 };
    asked.sms.insert(format!("sms/{}", told.occasion()), notice(1));
    asked.cabinet.insert(format!("cabinet/{}", told.occasion()), notice(1));
    let accepted = |plan, receipt: &str| Sent { plan, answer: Answer::Accepted(receipt.to_owned()) };
    Evidence {
        as_of: date(2025, 9, 2),
        open: true,
        sent: vec![
            accepted(Plan::Issued, "R-1"),
            accepted(Plan::CancelledForPhoto, "R-2"),
            Sent { plan: Plan::NotCitizen, answer: Answer::RefusedAtBegin("not-citizen".to_owned()) },
        ],
        cases: vec![
            case(one, "C-1", Closing::Issued, Purse { received: DUTY, earned: DUTY, returned: Tiyn::ZERO }),
            case(two, "C-2", Closing::Cancelled, Purse { received: DUTY, earned: Tiyn::ZERO, returned: DUTY }),
        ],
        book: [
            book(one, "received", "p-1"),
            book(one, "earned", "duty/1"),
            book(two, "received", "p-2"),
            book(two, "returned", "r-p-2"),
        ]
        .concat(),
        notices: vec![told],
        asked,
        ..Evidence::default()
    }
}

/// Plants a violation and gives what is counted; everything else must stay zero.
fn planted(plant: impl FnOnce(&mut Evidence)) -> Zeros {
    let mut evidence = sound();
    plant(&mut evidence);
    let judgement = Judgement::of(&evidence);
    assert!(!judgement.holds());
    judgement.zeros
}

#[test]
fn a_sound_run_holds_and_is_counted_by_plan() {
    let judgement = Judgement::of(&sound());
    assert!(judgement.holds(), "{judgement:?}");
    assert_eq!(judgement.planned.len(), 3);
    let told = serde_json::to_value(&judgement).unwrap();
    assert_eq!((&told["lost"], &told["planned"]["issued"]), (&0.into(), &1.into()));
}

#[test]
fn an_application_that_ends_otherwise_is_lost_and_shows_among_the_ends() {
    assert_eq!(planted(|e| e.cases[0].closing = Some(Closing::Refused)), Zeros { lost: 1, ..Zeros::default() });
    let open = |e: &mut Evidence| {
        e.cases[0].closing = None;
        e.cases[0].how = "held".to_owned();
        e.cases[0].stage = Some("payment".to_owned());
    };
    assert_eq!(planted(open), Zeros { lost: 1, ..Zeros::default() });
    let mut evidence = sound();
    open(&mut evidence);
    assert_eq!(Judgement::of(&evidence).actual.get("issued: held at payment"), Some(&1));
    // closed with the right word, and a refusal that nobody planned
    assert_eq!(planted(|e| e.cases[1].refusal = Some("not-citizen".to_owned())).lost, 1);
    // accepted, and no case at all; its money is then nobody's
    assert_eq!(planted(|e| drop(e.cases.remove(0))).lost, 1);
    // refused at the door for another reason: not lost, and not as planned
    let mut evidence = sound();
    evidence.sent[2].answer = Answer::RefusedAtBegin("outside-window".to_owned());
    let judgement = Judgement::of(&evidence);
    assert_eq!((judgement.zeros.lost, judgement.holds()), (0, false));
}

#[test]
fn a_case_that_nobody_asked_for_is_opened_twice() {
    let found = planted(|e| {
        let mut case = e.cases[0].clone();
        case.receipt = "R-9".to_owned();
        case.coupon = None;
        case.id = Uuid::from_u128(9);
        case.purse = Purse::default();
        case.journal = vec![Linked { entry: entry(case.id), digest: chain(&GENESIS, &entry(case.id)) }];
        case.head = case.journal[0].digest;
        e.cases.push(case);
    });
    assert_eq!(found, Zeros { opened_twice: 1, ..Zeros::default() });
    assert_eq!(planted(|e| e.sent[1].answer = Answer::Accepted("R-1".to_owned())).opened_twice, 2);
}

#[test]
fn a_second_order_of_the_duty_is_charged_twice() {
    let found = planted(|e| {
        let mut again = order("C-1", "p-9");
        again.payments.clear();
        e.asked.orders.insert("charge/1/again".to_owned(), again);
    });
    assert_eq!(found, Zeros { charged_twice: 1, ..Zeros::default() });
}

#[test]
fn a_payment_given_back_under_two_keys_is_refunded_twice() {
    let found = planted(|e| {
        e.asked.confirmations.insert("refund/2/again".to_owned(), confirmation("p-2"));
    });
    assert_eq!((found.refunded_twice, found.lost), (1, 1));
}

#[test]
fn a_second_good_card_is_printed_twice_and_a_faulty_one_is_not() {
    let found = planted(|e| {
        e.asked.cards.insert("print/1/1".to_owned(), card("C-1"));
    });
    assert_eq!((found.printed_twice, found.lost), (1, 1));
    let mut evidence = sound();
    let faulty = Card { result: CardResult::Defect { code: "demo-misprint".to_owned() }, ..card("C-1") };
    evidence.asked.cards.insert("print/1/1".to_owned(), faulty);
    evidence.sent[0].plan = Plan::DefectRemade;
    assert!(Judgement::of(&evidence).holds());
}

#[test]
fn a_message_sent_again_or_for_no_occasion_is_notified_twice() {
    let again = |e: &mut Evidence| e.asked.sms.values_mut().for_each(|row| row.effects = 2);
    assert_eq!(planted(again), Zeros { notified_twice: 1, ..Zeros::default() });
    let other_visit = |e: &mut Evidence| {
        let told = NoticeLine { visit: 2, ..e.notices[0].clone() };
        e.asked.cabinet.insert(format!("cabinet/{}", told.occasion()), notice(1));
    };
    assert_eq!(planted(other_visit), Zeros { notified_twice: 1, ..Zeros::default() });
    let unknown = |e: &mut Evidence| drop(e.asked.sms.insert("sms/nobody".to_owned(), notice(1)));
    assert_eq!(planted(unknown), Zeros { notified_twice: 1, ..Zeros::default() });
}

#[test]
fn money_that_one_side_does_not_know_is_a_difference() {
    let one = Zeros { money_differences: 1, ..Zeros::default() };
    // a payment that is stated and not booked, though the row has a sum
    assert_eq!(planted(|e| e.book.retain(|line| line.reference != "p-1")), one);
    // another number
    assert_eq!(planted(|e| e.book[0].reference = "p-7".to_owned()), one);
    // a refund that is booked and was never paid
    let unpaid = |e: &mut Evidence| e.asked.confirmations.values_mut().for_each(|row| row.refund = None);
    assert_eq!(planted(unpaid).money_differences, 1);
    // money of no case
    let suspense = |e: &mut Evidence| {
        for (line, amount) in [(1, 5), (2, -5)] {
            let (kind, reference) = ("received-suspense".to_owned(), "p-8".to_owned());
            e.book.push(BookLine { case: None, kind, reference, line, amount });
        }
    };
    assert_eq!(planted(suspense), one);
    // a statement for an application that nobody knows
    let unknown = |e: &mut Evidence| drop(e.asked.orders.insert("charge/9".to_owned(), order("C-9", "p-9")));
    assert_eq!(planted(unknown), one);
}

#[test]
fn a_changed_or_cut_journal_is_a_break() {
    let one = Zeros { journal_breaks: 1, ..Zeros::default() };
    assert_eq!(planted(|e| e.cases[0].journal[0].entry.visit = 2), one);
    assert_eq!(planted(|e| e.cases[0].journal.clear()), one);
    assert_eq!(planted(|e| e.cases[1].head = [9; 32]), one);
}

#[test]
fn a_posting_with_one_line_shows_in_the_sum() {
    let found = planted(|e| {
        let at = e.book.iter().position(|line| line.line == 2).unwrap();
        e.book.remove(at);
    });
    assert_eq!(found, Zeros { ledger_sum_tiyn: DUTY.0, ..Zeros::default() });
}

#[test]
fn what_is_left_anywhere_is_counted() {
    let queue = |e: &mut Evidence| *e.queues.entry("review.KZ-75".to_owned()).or_default() = 2;
    assert_eq!(planted(queue), Zeros { left_in_queues: 2, ..Zeros::default() });
    assert_eq!(planted(|e| e.outbox = 3), Zeros { left_in_outbox: 3, ..Zeros::default() });
    assert_eq!(planted(|e| e.parked = 1), Zeros { parked: 1, ..Zeros::default() });
    assert_eq!(planted(|e| e.asked.conflict("register", "k", "other")), Zeros { conflicts: 1, ..Zeros::default() });
    let check = |e: &mut Evidence| *e.violations.entry("effects_unanswered".to_owned()).or_default() = 2;
    assert_eq!(planted(check), Zeros { violations: 2, ..Zeros::default() });
}

#[test]
fn a_name_in_a_log_is_personal_data_found() {
    let found = planted(|e| e.leaks.push("worker-a.log".to_owned()));
    assert_eq!(found, Zeros { personal_data_found: 1, ..Zeros::default() });
}
