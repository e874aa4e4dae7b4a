//! The gateway's questions to the registers, answered over HTTP for each planned end.

use crate::town::Town;
use jiff::ToSpan as _;
use jiff::civil::date;
use kezek_domain::{IinProfile, Region};
use kezek_gateway::{
    AddressKind, ConsentAnswer, Match, PersonAnswer, PhoneAnswer, PortraitAnswer, RegisterAnswer, RegistrationState,
    SikAnswer,
};
use kezek_sandbox::Plan;

#[tokio::test]
async fn a3_1_to_a3_7_an_ordinary_person_is_fit() {
    let town = Town::new().await;
    let person = town.person(Plan::Issued);
    let ConsentAnswer::Granted(consent) =
        town.gateway.consent(&person.iin, &person.phone, "id-card-renewal", town.now()).await.unwrap()
    else {
        panic!("denied")
    };
    let PersonAnswer::Found(record) = town.gateway.person(&person.iin, &consent).await.unwrap() else {
        panic!("not found")
    };
    let day = date(2025, 9, 2);
    assert!(
        record.is_citizen() && record.is_alive() && record.capable_on(day) && record.permanently_registered_on(day)
    );
    assert_eq!(record.birth_date, person.birth_date);
    assert_eq!(
        (record.surname.as_str(), record.patronymic.as_deref()),
        (person.surname.as_str(), person.patronymic.as_deref())
    );
    assert_eq!(Region::from_gbdfl(&record.address.as_ref().unwrap().region), Some(person.region));
    let card = record.newest_id_card().unwrap();
    assert!(card.is_valid());
    assert_eq!((card.number.as_str(), card.end), (person.card_number.as_str(), Some(person.card_end)));
    assert_eq!(town.gateway.phone_bound(&person.iin, &person.phone).await.unwrap(), PhoneAnswer::Bound);
    assert_eq!(town.gateway.identify(&person.session, &person.iin).await.unwrap(), Match::Matched);
    assert_eq!(
        town.gateway.portrait_matches(&person.iin, &person.photograph().unwrap()).await.unwrap(),
        Match::Matched
    );
    assert!(town.gateway.changes(&person.iin, person.card_begin).await.unwrap().is_empty());
    let PortraitAnswer::Found(portrait) = town.gateway.portrait(&person.iin, &consent).await.unwrap() else {
        panic!("no portrait")
    };
    assert_eq!(portrait, person.register_portrait().unwrap());
}

#[tokio::test]
async fn a3_2_to_a3_7_each_refusal_shows_in_its_register_alone() {
    let town = Town::new().await;
    let day = date(2025, 9, 2);
    for person in town.sandbox.world.people.people() {
        let consent = town.consent(person);
        let answer = town.gateway.person(&person.iin, &consent).await.unwrap();
        let record = match answer {
            PersonAnswer::Found(record) => record,
            other => {
                let planned = match person.plan {
                    Plan::SeveralPersons => PersonAnswer::Several,
                    _ => PersonAnswer::NotFound,
                };
                assert!(matches!(person.plan, Plan::SeveralPersons | Plan::NotInRegister), "{person:?}");
                assert_eq!(other, planned, "{person:?}");
                continue;
            }
        };
        assert_eq!(record.is_alive(), !matches!(person.plan, Plan::Dead | Plan::Removed), "{person:?}");
        assert_eq!(record.birth_date == person.iin.birth_date(), person.plan != Plan::BirthDateDiffers, "{person:?}");
        let region = Region::from_gbdfl(&record.address.as_ref().unwrap().region);
        assert_eq!(region.is_some(), person.plan != Plan::RegionUnmapped, "{person:?}");
        assert_eq!(record.newest_id_card().unwrap().end.is_some(), person.plan != Plan::NoExpiry, "{person:?}");
        assert_eq!(record.is_citizen(), person.plan != Plan::NotCitizen, "{person:?}");
        assert_eq!(record.capable_on(day), person.plan != Plan::Incapable, "{person:?}");
        assert_eq!(record.permanently_registered_on(day), person.plan != Plan::TemporaryRegistration, "{person:?}");
        assert_eq!(
            record.address.as_ref().unwrap().kind == AddressKind::Temporary,
            person.plan == Plan::TemporaryRegistration
        );
        assert_eq!(record.newest_id_card().unwrap().is_valid(), person.plan != Plan::DocumentReplaced, "{person:?}");
        let phone = town.gateway.phone_bound(&person.iin, &person.phone).await.unwrap();
        assert_eq!(phone == PhoneAnswer::Bound, person.plan != Plan::PhoneNotBound, "{person:?}");
        let identified = town.gateway.identify(&person.session, &person.iin).await.unwrap();
        assert_eq!(identified == Match::Matched, person.plan != Plan::NotIdentified, "{person:?}");
        let changes = town.gateway.changes(&person.iin, person.card_begin).await.unwrap();
        assert_eq!(changes.is_empty(), person.plan != Plan::DataChanged, "{person:?}");
    }
}

#[tokio::test]
async fn a3_11_another_face_does_not_match() {
    let town = Town::new().await;
    let person = town.person(Plan::PhotoMismatch);
    assert_eq!(
        town.gateway.portrait_matches(&person.iin, &person.photograph().unwrap()).await.unwrap(),
        Match::NotMatched
    );
    let fault = town.gateway.portrait_matches(&person.iin, b"no picture").await.unwrap_err();
    assert_eq!(fault.to_string(), "digital-id: refused with code VAL-R-004");
}

#[tokio::test]
async fn a3_14_statuses_and_what_is_not_a_status() {
    let town = Town::new().await;
    let day = date(2025, 9, 2);
    let exempt = town.person(Plan::Exempt);
    let SikAnswer::Has(statuses) = town.gateway.statuses(&exempt.iin, &town.consent(exempt), day).await.unwrap() else {
        panic!("none")
    };
    assert!(statuses.len() == 2 && statuses.iter().all(|status| status.holds_on(day)));
    let ordinary = town.sandbox.world.people.people().iter().find(|person| person.statuses.is_empty()).unwrap();
    assert_eq!(town.gateway.statuses(&ordinary.iin, &town.consent(ordinary), day).await.unwrap(), SikAnswer::HasNone);
    let nobody = kezek_domain::Iin::parse("850101100012", IinProfile::Demo).unwrap();
    assert_eq!(town.gateway.statuses(&nobody, &town.consent(ordinary), day).await.unwrap(), SikAnswer::NotFound);
}

#[tokio::test]
async fn a3_1_a_token_expires_with_business_time_and_is_nobody_elses() {
    let town = Town::new().await;
    let (person, other) = (town.person(Plan::Issued), town.person(Plan::Exempt));
    let consent = town.consent(person);
    let fault = town.gateway.person(&other.iin, &consent).await.unwrap_err();
    assert_eq!(fault.to_string(), "gbdfl: consent token missing or unknown");
    let clock = &town.sandbox.world.clock;
    clock.set_offset(clock.offset() + 3601);
    assert_eq!(town.gateway.person(&person.iin, &consent).await.unwrap(), PersonAnswer::TokenExpired);
    assert_eq!(town.gateway.statuses(&person.iin, &consent, date(2025, 9, 2)).await.unwrap(), SikAnswer::TokenExpired);
}

#[tokio::test]
async fn a3_13_registration_is_refused_or_gives_one_coupon_per_key() {
    let town = Town::new().await;
    let person = town.person(Plan::Issued);
    let request = town.request(person);
    let first = town.gateway.register("k1", &request).await.unwrap();
    assert_eq!(town.gateway.register("k1", &request).await.unwrap(), first);
    let RegisterAnswer::Registered { coupon, documentation_code } = first else { panic!("refused") };
    assert_eq!(documentation_code, "demo-expiry");
    assert_eq!(
        town.gateway.registration_state("k1").await.unwrap(),
        RegistrationState::Open { coupon: coupon.clone() }
    );
    assert_eq!(town.gateway.registration_state("k9").await.unwrap(), RegistrationState::Unknown);
    assert!(
        matches!(town.gateway.register("k2", &request).await.unwrap(), RegisterAnswer::Refused { code, .. } if code == "demo-refused-open-case")
    );
    let mut other = request.clone();
    other.filed_at = other.filed_at.checked_add(1.second()).unwrap();
    assert_eq!(
        town.gateway.register("k1", &other).await.unwrap_err().to_string(),
        "rp-drn: refused with code demo-conflict"
    );
    let refused = town.gateway.register("k3", &town.request(town.person(Plan::RegistrationRefused))).await.unwrap();
    assert!(matches!(&refused, RegisterAnswer::Refused { code, .. } if code == "demo-refused-restricted"));
    let ledger = town.sandbox.world.ledger();
    assert_eq!((ledger.registrations["k1"].calls, ledger.conflicts.len()), (3, 1));
}

#[tokio::test]
async fn a4_1_the_code_asks_for_verification() {
    let town = Town::new().await;
    let answer = town.gateway.register("k", &town.request(town.person(Plan::CancelledForVerification))).await.unwrap();
    assert!(
        matches!(answer, RegisterAnswer::Registered { documentation_code, .. } if documentation_code == "demo-expiry-verify")
    );
}
