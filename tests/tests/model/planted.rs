//! The planted mistakes: each is found, by the property that is there to find it.

use super::{Faults, Planted, Protocol, found, properties};

fn with(kinds: Faults, faults: u8) -> Protocol {
    Protocol { kinds, faults, ..Protocol::plain("planted", &[]) }
}

#[test]
fn a_settle_that_compares_no_ticket_moves_a_case_twice() {
    found(Planted::NoTicket, &[properties::TICKET], with(Faults::REPEAT, 1));
}

#[test]
fn an_ack_before_the_commit_loses_a_case() {
    found(Planted::AckBeforeCommit, &[properties::PRESENT, properties::END], with(Faults::CRASH, 1));
}

#[test]
fn a_row_deleted_before_its_confirm_loses_a_case() {
    found(Planted::DeleteBeforeConfirm, &[properties::PRESENT, properties::END], with(Faults::UNCONFIRMED, 1));
}

#[test]
fn an_answer_dropped_before_the_hold_leaves_its_case_waiting_for_ever() {
    let protocol = Protocol { deadline: false, ..with(Faults::NONE, 0) };
    found(Planted::AnswerBeforeHoldDropped, &[properties::ANSWER, properties::QUIET], protocol);
}

#[test]
fn a_lapse_that_withdraws_nothing_leaves_an_order_to_be_paid() {
    found(Planted::LapseWithoutWithdrawal, &[properties::ORDER], with(Faults::NONE, 0));
}

#[test]
fn a_notice_under_its_cases_ticket_loses_the_case() {
    let protocol = Protocol { notices: true, ..with(Faults::NONE, 0) };
    found(Planted::SideMessageWithoutOwnRow, &[properties::PRESENT, properties::QUIET], protocol);
}

#[test]
fn a_call_before_its_intent_happens_twice() {
    found(Planted::CallBeforeIntent, &[properties::ONCE], with(Faults::CRASH, 1));
}

#[test]
fn a_receiver_asked_too_soon_does_it_twice() {
    found(Planted::AskedTooSoon, &[properties::ONCE], with(Faults::LATE, 1));
    // a message delivered to a second worker while the first one's call is under way
    found(Planted::AskedTooSoon, &[properties::ONCE], with(Faults::REPEAT, 1));
}

#[test]
fn a_key_that_changes_with_the_ticket_orders_twice() {
    found(Planted::KeyOfTheTicket, &[properties::ONCE], with(Faults::CRASH, 1));
}

#[test]
fn money_posted_per_message_is_posted_twice() {
    found(Planted::MoneyPostedPerMessage, &[properties::MONEY], with(Faults::AGAIN, 1));
}

#[test]
fn a_letter_that_no_settle_closes_stays_on_the_desk() {
    found(Planted::LetterLeftReplaying, &[properties::QUIET], with(Faults::PERMANENT, 1));
}

#[test]
fn a_resend_that_forgets_lapses_leaves_a_case_waiting_for_ever() {
    found(Planted::ResendForgetsLapse, &[properties::QUIET], with(Faults::LOSE, 1));
}

#[test]
fn a_resend_that_forgets_letters_leaves_a_case_parked_for_ever() {
    found(Planted::ResendForgetsLetter, &[properties::QUIET], with(Faults::LOSE | Faults::PERMANENT, 2));
}

#[test]
fn a_restore_without_purge_meets_messages_from_the_future() {
    found(Planted::RestoreWithoutPurge, &[properties::AHEAD], with(Faults::RESTORE, 1));
}

#[test]
fn a_restore_without_reconciling_does_things_twice() {
    found(Planted::RestoreWithoutReconciling, &[properties::ONCE], with(Faults::RESTORE, 1));
}
