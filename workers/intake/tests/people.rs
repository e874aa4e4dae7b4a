//! The sandbox's people, one of every plan, before the stage and its first door: each is told what was planned.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use kezek_domain::dossier::{Form, Language, Reason};
use kezek_domain::{Iin, IinProfile, Role, Service};
use kezek_gateway::eds::{CmsVerifier, Verifier};
use kezek_gateway::{Gateway, GatewayConfig};
use kezek_intake::{Config, Intake, Job, Outcome};
use kezek_sandbox::{Expected, KeyKind, Options, Person, Plan, Running};
use kezek_stage::{Attachment, Outcome as _, Turn};
use kezek_testkit::desk::{Counter, account, ask};
use kezek_testkit::{Bench, bench};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::error::Error;
use std::sync::Arc;

type Tested = Result<(), Box<dyn Error>>;

const AS_OF: Date = date(2025, 9, 2);

/// Until a message of the asynchronous channel would be sent, nobody has to listen here.
const NOBODY: &str = "http://127.0.0.1:9/";

async fn sandbox() -> Result<Running, Box<dyn Error>> {
    let options =
        Options { port: 0, callback_url: NOBODY.to_owned(), seed: 11, population: Plan::ALL.len(), as_of: AS_OF };
    Ok(kezek_sandbox::start(&options).await?)
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn form(sandbox: &Running, person: &Person, photo: &[u8], sample: &[u8], now: Timestamp) -> Form {
    Form {
        iin: person.iin.clone(),
        phone: person.phone.clone(),
        service: Service::ID_CARD_RENEWAL,
        reason: Reason::Expiry,
        region: person.region,
        registration_point: person.registration_point.clone(),
        document_number: person.card_number.clone(),
        document_expires: Some(person.card_end),
        consent: sandbox.world.people.consent(&person.iin, now),
        digital_id_session: person.session.clone(),
        photo_sha256: sha256(photo),
        signature_sha256: sha256(sample),
        declared_exemption: None,
        language: Language::Ru,
        filled_at: now,
    }
}

fn open(sandbox: &Running, person: &Person, now: Timestamp) -> Result<Bench<Intake>, Box<dyn Error>> {
    let gateway = GatewayConfig { url: sandbox.sync_url(), async_url: sandbox.async_url(), ..GatewayConfig::default() };
    let kit = bench::kit(now)
        .with(Arc::new(Gateway::new(gateway)?))
        .with(Arc::new(Verifier::new(CmsVerifier::new(&sandbox.world.authority.pem()?)?)));
    let (photo, sample) = (person.photograph()?, person.signature()?);
    let form = form(sandbox, person, &photo, &sample, now);
    let signed = serde_json::to_vec(&form)?;
    let first = sandbox.world.people.people().first().map(|other| &other.iin);
    let another: Option<&Iin> = first.filter(|_| person.plan == Plan::SignedByAnother);
    let key_of = another.unwrap_or(&person.iin);
    let eds = sandbox.world.authority.signer(key_of, KeyKind::Person)?.sign_detached(&signed)?;
    let config = Config { iin_profile: IinProfile::Demo, ..Config::default() };
    let mut bench = Bench::open(config, kit)?
        .filing(&form)
        .attaching(Attachment::Photo, photo)
        .attaching(Attachment::Signature, sample)
        .attaching(Attachment::SignedContent, signed)
        .attaching(Attachment::Eds, eds);
    // the bench gives every case the same identifier; at the register each is another's
    bench.case.id = kezek_domain::CaseId(uuid::Uuid::from_u128(1 + person.index as u128));
    Ok(bench)
}

#[tokio::test]
async fn a2_a3_a7_everybody_ends_as_planned_at_the_door_and_in_the_stage() -> Tested {
    let sandbox = sandbox().await?;
    let now = sandbox.world.clock.now();
    let counter = Counter::default();
    for person in sandbox.world.people.people() {
        let outlook = person.plan.outlook(kezek_sandbox::plan::duty_on(AS_OF));
        let mut bench = open(&sandbox, person, now)?;

        let enquiry = json!({
            "iin": person.iin.expose(), "phone": person.phone.expose(), "service": "id-card-renewal",
            "digitalIdSession": person.session, "documentNumber": person.card_number,
        });
        let doors = counter.routes(&bench);
        let (status, told) = ask(&doors, &account(Role::Portal), "POST", "/v1/applications/begin", Some(enquiry)).await;
        assert_eq!(status, 200, "{person:?}: {told}");
        let door = match outlook.end {
            Expected::RefusedAtDoor { refusal, .. } => refusal.code(),
            Expected::TurnedDown { .. } | Expected::Closed(_) => "may-apply",
        };
        let said = told["refusal"]["code"].as_str().or(told["verdict"].as_str()).unwrap_or_default();
        assert_eq!(said, door, "{person:?}: {told}");

        let mut turn = bench.work(&Job {}).await?;
        // whoever is asked lets pass what he may, and refuses what even asking again does not mend
        for patience in (0..3).rev() {
            let Turn::Hold(hold) = &turn else { break };
            assert!(person.plan.is_asked_about(), "{person:?}");
            let question = hold.question.as_ref().ok_or("a wait without a question")?;
            let choice = if patience == 0 { question.choices.last() } else { question.choices.first() };
            let answer = choice.ok_or("a question without choices")?.answer.clone();
            turn = bench.answer(&answer, &Job {}).await?;
        }
        let Turn::Done(outcome) = turn else { return Err(format!("{person:?}: {turn:?}").into()) };
        let refusal = match &outcome {
            Outcome::Registered(_) => None,
            Outcome::Refused(down) | Outcome::Redirected(down) => Some(down.refusal),
        };
        assert_eq!(refusal, outlook.end.refusal(), "{person:?}: {}", outcome.facts());
        if let Some(refusal) = refusal {
            assert_eq!(refusal.closing(), outlook.end.closing(), "{person:?}");
        }
        assert_eq!(bench.case.coupon.is_some(), outlook.registered, "{person:?}");
    }
    // every registration once, nothing under one key twice
    let once = sandbox.world.ledger().registrations.values().all(|row| row.calls == 1);
    assert!(once);
    sandbox.stop().await?;
    Ok(())
}
