use super::*;
use crate::actor::Role;
use crate::region::Region;
use serde_json::json;
use uuid::Uuid;

fn entry(number: i64) -> JournalEntry {
    JournalEntry {
        case: CaseId(Uuid::from_u128(7)),
        number,
        ticket: Ticket(number),
        at: Timestamp::constant(1_756_800_000 + number, 0),
        recorded_at: Timestamp::constant(1_756_800_000 + number, 5_000),
        stage: StageName::new("review"),
        visit: 1,
        move_label: "enter".to_owned(),
        outcome: Some("approved".to_owned()),
        actor: Actor::Officer {
            account: "a.officer".to_owned(),
            role: Role::Reviewer,
            region: Some(Region::parse("KZ-75").unwrap()),
        },
        rule_version: "2025-06-01+0123456789ab".to_owned(),
        detail: json!({ "b": 2, "a": ["x", null, true] }),
        calls: vec![CallRecord {
            system: System::RpDrn,
            operation: "register".to_owned(),
            result: "registered".to_owned(),
            millis: 12,
        }],
    }
}

fn journal(length: i64) -> (Vec<Linked>, [u8; 32]) {
    let mut head = GENESIS;
    let links = (1..=length)
        .map(|number| {
            let entry = entry(number);
            head = chain(&head, &entry);
            Linked { entry, digest: head }
        })
        .collect();
    (links, head)
}

#[test]
fn a_true_journal_has_no_break() {
    let (links, head) = journal(5);
    assert_eq!(verify(&links, &head, 5), Ok(()));
    assert_eq!(verify(&[], &GENESIS, 0), Ok(()));
}

#[test]
fn every_altered_field_is_found() {
    let alterations: Vec<fn(&mut JournalEntry)> = vec![
        |e| e.ticket = Ticket(99),
        |e| e.at = Timestamp::UNIX_EPOCH,
        |e| e.recorded_at = Timestamp::UNIX_EPOCH,
        |e| e.stage = StageName::new("payment"),
        |e| e.visit = 2,
        |e| e.move_label = "close".to_owned(),
        |e| e.outcome = Some("cancelled".to_owned()),
        |e| e.outcome = None,
        |e| e.actor = Actor::System,
        |e| e.actor = Actor::Officer { account: "a.officer".to_owned(), role: Role::Reviewer, region: None },
        |e| e.rule_version.push('0'),
        |e| e.detail = json!({ "b": 3, "a": ["x", null, true] }),
        |e| e.detail = json!({ "b": 2, "a": ["x", null, "true"] }),
        |e| e.calls.clear(),
        |e| {
            if let Some(call) = e.calls.first_mut() {
                call.millis = 13;
            }
        },
    ];
    for (place, alter) in alterations.into_iter().enumerate() {
        let (mut links, head) = journal(5);
        alter(&mut links[2].entry);
        assert_eq!(verify(&links, &head, 5), Err(Break::Digest { number: 3 }), "alteration {place}");
    }
}

#[test]
fn an_altered_digest_is_found() {
    let (mut links, head) = journal(3);
    links[1].digest[0] ^= 1;
    assert_eq!(verify(&links, &head, 3), Err(Break::Digest { number: 2 }));
}

#[test]
fn a_removed_entry_is_found() {
    let (mut links, head) = journal(5);
    links.remove(1);
    assert_eq!(verify(&links, &head, 5), Err(Break::Number { expected: 2, found: 3 }));
}

#[test]
fn a_removed_entry_is_found_even_when_the_rest_is_renumbered() {
    let (mut links, head) = journal(5);
    links.remove(1);
    for (place, link) in links.iter_mut().enumerate() {
        link.entry.number = i64::try_from(place).unwrap() + 1;
    }
    assert_eq!(verify(&links, &head, 4), Err(Break::Digest { number: 2 }));
}

#[test]
fn swapped_entries_are_found() {
    let (mut links, head) = journal(5);
    links.swap(1, 3);
    assert_eq!(verify(&links, &head, 5), Err(Break::Number { expected: 2, found: 4 }));
}

#[test]
fn a_cut_tail_is_found() {
    let (mut links, head) = journal(5);
    links.pop();
    assert_eq!(verify(&links, &head, 5), Err(Break::Tail { expected: 5, found: 4 }));
    assert_eq!(verify(&[], &head, 5), Err(Break::Tail { expected: 5, found: 0 }));
}

#[test]
fn a_rewritten_journal_is_found_by_its_head() {
    let (_, head) = journal(3);
    let mut last = GENESIS;
    let forged: Vec<Linked> = (1..=3)
        .map(|number| {
            let mut entry = entry(number);
            entry.outcome = Some("cancelled".to_owned());
            last = chain(&last, &entry);
            Linked { entry, digest: last }
        })
        .collect();
    assert_eq!(verify(&forged, &head, 3), Err(Break::Head { number: 3 }));
}

#[test]
fn an_entry_of_another_case_is_found() {
    let (mut links, _) = journal(1);
    let mut stray = entry(2);
    stray.case = CaseId(Uuid::from_u128(8));
    let head = chain(&links[0].digest, &stray);
    links.push(Linked { entry: stray, digest: head });
    assert_eq!(verify(&links, &head, 2), Err(Break::Case { number: 2 }));
}

#[test]
fn what_a_database_gives_back_differently_is_the_same_entry() {
    let first = entry(1);
    let mut back = first.clone();
    back.detail = serde_json::from_str(r#"{"a":["x",null,true],"b":2.0}"#).unwrap();
    assert_eq!(chain(&GENESIS, &first), chain(&GENESIS, &back));
    // A database keeps microseconds.
    back.at = Timestamp::new(back.at.as_second(), 999).unwrap();
    assert_eq!(chain(&GENESIS, &first), chain(&GENESIS, &back));
}

#[test]
fn text_cannot_move_from_one_field_into_the_next() {
    let mut first = entry(1);
    first.move_label = "ab".to_owned();
    first.outcome = Some("c".to_owned());
    let mut second = first.clone();
    second.move_label = "a".to_owned();
    second.outcome = Some("bc".to_owned());
    assert_ne!(chain(&GENESIS, &first), chain(&GENESIS, &second));
}

#[test]
fn the_encoding_of_version_1_does_not_change() {
    // Journals live longer than programs: this digest may only change together with the version byte.
    let digest = hex::encode(chain(&GENESIS, &entry(1)));
    assert_eq!(digest, "85cb9bbb242fcb35d4ab56d5ae474cafa477adc5753ee26654750dc21782acf7");
}
