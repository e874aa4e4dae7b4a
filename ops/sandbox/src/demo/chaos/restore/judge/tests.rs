//! What the judge of a restore must find, planted.

use super::*;
use crate::demo::judge::{CaseLine, NoticeLine, Sent};
use crate::ledger::{Ledger, Notice, Registration};
use crate::plan::Plan;
use kezek_domain::Purse;

const KNOWN: Uuid = Uuid::from_u128(1);
const LOST: Uuid = Uuid::from_u128(2);

fn registration(state: RegistrationState) -> Registration {
    Registration {
        person: 0,
        coupon: None,
        refusal: None,
        state,
        request_sha256: String::new(),
        calls: 1,
        cancel_calls: 0,
        close_calls: 0,
    }
}

fn notice(effects: u32) -> Notice {
    Notice { person: None, text_sha256: String::new(), calls: effects, effects }
}

/// One case that the database knows and one that was lost with it, both registered outside.
fn restored() -> (Evidence, Vec<Listed>) {
    let told = NoticeLine { case: KNOWN, kind: "received".to_owned(), stage: "intake".to_owned(), visit: 1 };
    let mut asked = Ledger::default();
    asked.registrations.insert(format!("register/{KNOWN}"), registration(RegistrationState::Cancelled));
    asked.registrations.insert(format!("register/{LOST}"), registration(RegistrationState::Open));
    asked.sms.insert(format!("sms/{}", told.occasion()), notice(1));
    asked.cabinet.insert(format!("cabinet/{}", told.occasion()), notice(1));
    let case = CaseLine {
        id: KNOWN,
        receipt: "R-1".to_owned(),
        coupon: None,
        how: "closed".to_owned(),
        stage: None,
        closing: Some(Closing::Cancelled),
        refusal: None,
        purse: Purse::default(),
        journal: Vec::new(),
        head: kezek_domain::journal::GENESIS,
        number: 0,
    };
    let sent = |receipt: &str| Sent { plan: Plan::Issued, answer: Answer::Accepted(receipt.to_owned()) };
    let listed = |kind: &str, key: &str, case| Listed {
        kind: kind.to_owned(),
        key: key.to_owned(),
        case,
        done: "listed".to_owned(),
    };
    let list = vec![
        listed("case-unknown", &format!("register/{LOST}"), Some(LOST)),
        listed("receipt-unknown", "R-2", None),
        // why it did not end as planned
        listed("ended-outside", &format!("register/{KNOWN}"), Some(KNOWN)),
    ];
    let evidence = Evidence {
        open: true,
        sent: vec![sent("R-1"), sent("R-2")],
        cases: vec![case],
        notices: vec![told],
        asked,
        ..Evidence::default()
    };
    (evidence, list)
}

fn judged(plant: impl FnOnce(&mut Evidence, &mut Vec<Listed>)) -> Restored {
    let (mut evidence, mut listed) = restored();
    plant(&mut evidence, &mut listed);
    Restored::of(&evidence, &[], &listed, Order::Right)
}

#[test]
fn a_restore_of_which_everything_is_listed_holds() {
    let restored = judged(|_, _| ());
    assert!(restored.holds(), "{restored:?}");
    assert_eq!(restored.lost_with_the_database, 1);
}

#[test]
fn what_is_not_listed_is_told() {
    for at in 0..3 {
        let restored = judged(|_, listed| drop(listed.remove(at)));
        assert!(!restored.holds(), "{restored:?}");
        assert_eq!(restored.unlisted.len() + restored.surprises.len(), 1, "{restored:?}");
    }
    let reopened = judged(|evidence, listed| {
        evidence.cases[0].closing = Some(Closing::Issued);
        listed.retain(|line| line.kind != "ended-outside");
    });
    assert_eq!(reopened.unlisted, [format!("register/{KNOWN}")]);
}

#[test]
fn who_applies_outside_the_window_after_a_leap_is_no_surprise() {
    let refused = |code: &str| {
        let answer = Answer::RefusedAtBegin(code.to_owned());
        judged(|evidence, _| evidence.sent.push(Sent { plan: Plan::Issued, answer })).surprises.len()
    };
    assert_eq!((refused("outside-window"), refused("not-citizen")), (0, 1));
}

#[test]
fn a_message_sent_again_is_told_and_a_text_message_promised_for_the_right_order_alone() {
    let again = |evidence: &mut Evidence| evidence.asked.sms.values_mut().for_each(|row| row.effects = 2);
    assert!(!judged(|evidence, _| again(evidence)).holds());
    let (mut evidence, listed) = restored();
    again(&mut evidence);
    let wrong = Restored::of(&evidence, &[], &listed, Order::Wrong);
    assert!(wrong.holds() && wrong.sms_twice == 1);
    let cabinet = judged(|evidence, _| evidence.asked.cabinet.values_mut().for_each(|row| row.effects = 2));
    assert!(!cabinet.holds());
}

#[test]
fn what_is_left_anywhere_is_told_but_for_money_in_suspense() {
    assert!(!judged(|evidence, _| evidence.parked = 1).holds());
    assert!(!judged(|evidence, _| evidence.outbox = 1).holds());
    let violated = |name: &str| judged(|evidence, _| evidence.violations.extend([(name.to_owned(), 2)]));
    assert!(!violated("purse_differs").holds());
    assert!(violated("arrivals_unclaimed").holds());
}
