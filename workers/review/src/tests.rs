//! A10, A11a, A11b on the bench and at the door.

use crate::{Allowed, Answer, Config, Job, Outcome, Review, Shown, Signed, content};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use kezek_domain::dossier::{CancelReason, Decision, DecisionOutcome, Document, Proposal, ProposalState, Registration};
use kezek_domain::rules::{NoticeKind, Rules};
use kezek_domain::{CaseId, How, Region, Role, Status, Ticket};
use kezek_gateway::eds::{CmsVerifier, Verifier};
use kezek_gateway::service_ids;
use kezek_stage::{Attachment, Outcome as _, Shape as _, Stage as _, Turn};
use kezek_testkit::desk::{Counter, HeldCase, ask, ask_raw, officer};
use kezek_testkit::eds::{Authority, Signer};
use kezek_testkit::register::Register;
use kezek_testkit::{Bench, bench, paper};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

type Tested = Result<(), Box<dyn Error>>;

const SIGNED_CONTENT: &[u8] = b"what the applicant signed";

struct Desk {
    register: Register,
    bench: Bench<Review>,
    authority: Authority,
    own: Signer,
}

async fn desk() -> Result<Desk, Box<dyn Error>> {
    desk_with(Rules::built_in().clone()).await
}

/// The built-in rules with one line of the desks' changed.
fn rules(from: &str, to: &str) -> Result<Rules, Box<dyn Error>> {
    let text = include_str!("../../../common/domain/rules/desk.toml");
    assert!(text.contains(from), "{from}");
    Ok(Rules::parse(&BTreeMap::from([("desk.toml".to_owned(), text.replacen(from, to, 1))]))?)
}

async fn desk_with(rules: Rules) -> Result<Desk, Box<dyn Error>> {
    let register = Register::open().await?;
    let authority = Authority::new(paper::filed_at())?;
    let own = authority.person(&paper::iin())?;
    let kit = bench::kit(paper::filed_at())
        .with(Arc::new(register.gateway()?))
        .with(Arc::new(rules))
        .with(Arc::new(Verifier::new(CmsVerifier::new(&authority.pem()?)?)));
    let bench = Bench::open(Config::default(), kit)?
        .filing(&paper::form())
        .filing(&paper::identity())
        .filing(&paper::document())
        .filing(&paper::findings())
        .filing(&paper::registration())
        .filing(&paper::duty())
        .coupon(&paper::coupon());
    Ok(Desk { register, bench, authority, own })
}

fn answer(label: &str) -> Answer {
    let of = |a: &Answer| match a {
        Answer::Approve { .. } => "approve".to_owned(),
        Answer::Cancel { reason, .. } => reason.label().to_owned(),
        Answer::TakeBack { .. } => "take-back".to_owned(),
    };
    Answer::samples().into_iter().find(|a| of(a) == label).expect("a sample of every answer")
}

#[tokio::test]
async fn a10_review_starts_only_after_the_coupon_and_waits_for_the_term() -> Tested {
    let mut desk = desk().await?;
    let Turn::Hold(hold) = desk.bench.work(&Job {}).await? else { panic!("review waits for an officer") };
    // Tuesday 2 September and two working days: to the end of Thursday in Almaty
    assert_eq!(hold.until, Some("2025-09-05T00:00:00+05:00".parse()?));
    assert_eq!(hold.notices, [NoticeKind::InReview]);

    let kit = bench::kit(paper::filed_at())
        .with(Arc::new(desk.register.gateway()?))
        .with(Arc::new(Verifier::new(CmsVerifier::new(&desk.authority.pem()?)?)));
    let mut before = Bench::<Review>::open(Config::default(), kit)?.filing(&paper::form());
    assert_eq!(before.work(&Job {}).await.err().map(|f| f.cause()), Some("section-missing"));
    Ok(())
}

#[tokio::test]
async fn a11a_approval_leads_on_and_asks_nobody() -> Tested {
    let mut desk = desk().await?;
    let turn = desk.bench.answer(&answer("approve"), &Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Approved(_))));
    assert_eq!(desk.bench.filed::<Decision>()?.outcome, DecisionOutcome::Approved);
    assert!(desk.bench.calls().is_empty());
    Ok(())
}

#[tokio::test]
async fn a11b_cancellation_ends_the_registration_under_one_key() -> Tested {
    let mut desk = desk().await?;
    for reason in CancelReason::ALL {
        let Turn::Hold(hold) = desk.bench.answer(&answer(reason.label()), &Job {}).await? else { panic!("at once") };
        assert!(desk.register.asked_of(service_ids::CANCEL).len() < CancelReason::ALL.len());
        desk.bench.passes(SignedDuration::from_mins(5));
        assert_eq!(hold.until, Some(desk.bench.clock().now()));
        let turn = desk.bench.lapse(&Job {}).await?;
        assert!(matches!(turn, Turn::Done(Outcome::Cancelled(r, _)) if r == *reason));
        settled(&mut desk);
    }
    let asked = desk.register.asked_of(service_ids::CANCEL);
    let key = format!("cancel-registration/{}", desk.bench.case.id);
    assert_eq!(asked.len(), CancelReason::ALL.len());
    assert!(asked.iter().all(|a| a.key.as_deref() == Some(&key) && a.data.contains(paper::coupon().as_str())));

    desk.bench.answer(&answer("photo-quality"), &Job {}).await?;
    desk.bench.passes(SignedDuration::from_mins(5));
    desk.register.down(service_ids::CANCEL);
    let fault = desk.bench.lapse(&Job {}).await.err();
    assert!(fault.is_some_and(|f| f.is_transient()));
    desk.register.says(service_ids::CANCEL, "demo-not-found");
    let fault = desk.bench.lapse(&Job {}).await.err();
    assert_eq!(fault.map(|f| f.cause()), Some("coupon-unknown"));
    Ok(())
}

/// What was decided is over: the next decision begins anew.
fn settled(desk: &mut Desk) {
    desk.bench.case.status = waiting(None);
    let over = desk.bench.filed::<Proposal>().map(|p| Proposal { state: ProposalState::TakenBack, ..p });
    if let Ok(over) = over {
        desk.bench.put(&over);
    }
}

fn waiting(until: Option<Timestamp>) -> Status {
    Status::Open { at: Review::NAME.into(), visit: 1, how: How::Held { until }, refunding: None }
}

/// A decision by this officer.
fn by(label: &str, account: &str, person: &str) -> Answer {
    let sign = |signed: Signed| Signed { account: account.to_owned(), signer_sha256: person.to_owned(), ..signed };
    match answer(label) {
        Answer::Approve { signed } => Answer::Approve { signed: sign(signed) },
        Answer::Cancel { reason, signed } => Answer::Cancel { reason, signed: sign(signed) },
        Answer::TakeBack { at, .. } => Answer::TakeBack { account: account.to_owned(), at },
    }
}

#[tokio::test]
async fn a11b_a_cancellation_is_taken_back_by_its_author_within_five_minutes_and_by_nobody_else() -> Tested {
    let mut desk = desk().await?;
    let until: Timestamp = "2025-09-05T00:00:00+05:00".parse()?;
    desk.bench.case.status = waiting(Some(until));
    let Turn::Hold(hold) = desk.bench.answer(&by("photo-quality", "anna", "a"), &Job {}).await? else {
        panic!("it waits before it takes effect")
    };
    let effective = hold.until.ok_or("when")?;
    assert_eq!(effective, paper::filed_at().checked_add(SignedDuration::from_mins(5))?);
    desk.bench.case.status = waiting(Some(effective));
    // nobody decides over it, and nobody but its author takes it back
    for (other, cause) in [("approve", "being-cancelled"), ("signature-quality", "being-cancelled")] {
        let fault = desk.bench.answer(&by(other, "boris", "b"), &Job {}).await.err();
        assert_eq!(fault.map(|f| f.cause()), Some(cause));
    }
    let fault = desk.bench.answer(&by("take-back", "boris", "b"), &Job {}).await.err();
    assert_eq!(fault.map(|f| f.cause()), Some("nothing-to-take-back"));
    desk.bench.passes(SignedDuration::from_secs(299));
    // a lapse that comes too early changes nothing
    let Turn::Hold(early) = desk.bench.lapse(&Job {}).await? else { panic!("too early") };
    assert_eq!(early.until, Some(effective));
    let Turn::Hold(back) = desk.bench.answer(&by("take-back", "anna", "a"), &Job {}).await? else { panic!("held") };
    assert_eq!(back.until, Some(until), "as it waited before");
    assert_eq!(desk.bench.filed::<Proposal>()?.state, ProposalState::TakenBack);
    assert!(desk.register.asked_of(service_ids::CANCEL).is_empty(), "the register heard nothing of it");
    // it goes on like any other case
    desk.bench.case.status = waiting(Some(until));
    let again = desk.bench.answer(&by("take-back", "anna", "a"), &Job {}).await.err();
    assert_eq!(again.map(|f| f.cause()), Some("nothing-to-take-back"));
    let turn = desk.bench.answer(&by("approve", "boris", "b"), &Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Approved(_))));
    Ok(())
}

#[tokio::test]
async fn a11b_after_its_minutes_a_cancellation_stands_and_with_none_it_stands_at_once() -> Tested {
    let mut desk = desk().await?;
    desk.bench.answer(&by("photo-quality", "anna", "a"), &Job {}).await?;
    desk.bench.passes(SignedDuration::from_mins(5));
    let late = desk.bench.answer(&by("take-back", "anna", "a"), &Job {}).await.err();
    assert_eq!(late.map(|f| f.cause()), Some("nothing-to-take-back"));
    assert!(matches!(desk.bench.lapse(&Job {}).await?, Turn::Done(Outcome::Cancelled(CancelReason::PhotoQuality, _))));

    let mut desk = desk_with(rules("take_back_minutes = 5", "take_back_minutes = 0")?).await?;
    let turn = desk.bench.answer(&answer("photo-quality"), &Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Cancelled(..))), "{turn:?}");
    assert_eq!(desk.register.asked_of(service_ids::CANCEL).len(), 1);
    Ok(())
}

#[tokio::test]
async fn a11a_four_eyes_where_the_rule_is_on_two_persons_decide_alike() -> Tested {
    let mut desk = desk_with(rules("four_eyes = \"off\"", "four_eyes = \"all\"")?).await?;
    let until: Timestamp = "2025-09-05T00:00:00+05:00".parse()?;
    desk.bench.case.status = waiting(Some(until));
    let first = desk.bench.answer(&by("approve", "anna", "a"), &Job {}).await?;
    let Turn::Hold(hold) = first else { panic!("one officer is not enough") };
    assert_eq!(hold.until, Some(until), "the term goes on");
    assert_eq!(desk.bench.filed::<Proposal>()?.state, ProposalState::AwaitingSecond);
    // neither the same account nor the same person behind another account
    for (account, person) in [("anna", "a"), ("anna-2", "a"), ("anna", "b")] {
        let fault = desk.bench.answer(&by("approve", account, person), &Job {}).await.err();
        assert_eq!(fault.map(|f| f.cause()), Some("same-officer"), "{account} {person}");
    }
    let turn = desk.bench.answer(&by("approve", "boris", "b"), &Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Approved(d)) if d.officer == "boris"));

    // two officers who do not agree: neither decision counts
    settled(&mut desk);
    desk.bench.answer(&by("photo-quality", "anna", "a"), &Job {}).await?;
    let Turn::Hold(_) = desk.bench.answer(&by("signature-quality", "boris", "b"), &Job {}).await? else {
        panic!("they do not agree")
    };
    assert_eq!(desk.bench.filed::<Proposal>()?.state, ProposalState::Overruled);
    // who agree: it may still be taken back
    desk.bench.answer(&by("photo-quality", "anna", "a"), &Job {}).await?;
    desk.bench.answer(&by("photo-quality", "boris", "b"), &Job {}).await?;
    assert_eq!(desk.bench.filed::<Proposal>()?.state, ProposalState::Cooling);
    assert!(desk.register.asked_of(service_ids::CANCEL).is_empty());
    Ok(())
}

#[tokio::test]
async fn a4_1_a_documentation_code_that_does_not_fit_is_not_approved() -> Tested {
    let mut desk = desk().await?;
    let odd = Registration { documentation_code: "demo-expiry-verify".to_owned(), ..paper::registration() };
    desk.bench.put(&odd);
    let fault = desk.bench.answer(&answer("approve"), &Job {}).await.err();
    assert_eq!(fault.map(|f| f.cause()), Some("documentation-code"));
    assert!(matches!(desk.bench.answer(&answer("additional-verification"), &Job {}).await?, Turn::Hold(_)));
    Ok(())
}

#[tokio::test]
async fn a11a_a_decision_on_an_outdated_revision_or_code_is_refused() -> Tested {
    let mut desk = desk().await?;
    desk.bench.case.revision = 4;
    let seen = |revision, code: &str| {
        let Answer::Approve { signed } = answer("approve") else { panic!("approve") };
        let signed = Signed { revision: Some(revision), documentation_code: Some(code.to_owned()), ..signed };
        Answer::Approve { signed }
    };
    for outdated in [seen(3, "demo-expiry"), seen(4, "demo-other")] {
        let fault = desk.bench.answer(&outdated, &Job {}).await.err();
        assert_eq!(fault.map(|f| f.cause()), Some("stale-file"));
    }
    assert!(matches!(desk.bench.answer(&seen(4, "demo-expiry"), &Job {}).await?, Turn::Done(Outcome::Approved(_))));
    Ok(())
}

#[tokio::test]
async fn a4_2_a_late_case_goes_on_waiting() -> Tested {
    let mut desk = desk().await?;
    let Turn::Hold(hold) = desk.bench.lapse(&Job {}).await? else { panic!("nobody decides by waiting") };
    assert_eq!((hold.until, hold.notices.len()), (None, 0));
    Ok(())
}

#[test]
fn outcomes_have_samples_of_every_variant_and_no_personal_data_in_debug() {
    let labels: std::collections::BTreeSet<_> = Outcome::samples().iter().map(kezek_stage::Outcome::label).collect();
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), ["approved", "cancelled"]);
    let printed = format!("{:?}", Answer::samples());
    assert!(!printed.contains("MAA="), "the signature holds the officer's certificate");
}

fn held(desk: &Desk) -> HeldCase {
    let mut head = desk.bench.case.clone();
    head.ticket = Ticket(7);
    head.status = Status::Open { at: Review::NAME.into(), visit: 1, how: How::Held { until: None }, refunding: None };
    HeldCase::new(head, paper::filed_at())
        .filing(&paper::form())
        .filing(&paper::identity())
        .filing(&paper::registration())
        .filing(&Document { number: "876543210".to_owned(), ..paper::document() })
        .attaching(Attachment::Photo, [0xff, 0xd8])
        .attaching(Attachment::SignedContent, SIGNED_CONTENT)
}

fn body(ticket: i64, decision: &str, reason: Option<&str>, signature: &[u8]) -> Value {
    json!({
        "ticket": ticket, "revision": 0, "at": paper::filed_at(), "documentationCode": "demo-expiry",
        "decision": decision, "reason": reason, "signature": STANDARD.encode(signature),
    })
}

/// What the page shows at ticket 7.
fn shown<'a>(case: CaseId, applied: &'a str) -> Shown<'a> {
    Shown {
        case,
        ticket: Ticket(7),
        revision: 0,
        at: paper::filed_at(),
        application_sha256: applied,
        documentation_code: "demo-expiry",
    }
}

fn path(case: CaseId) -> String {
    format!("/v1/review/cases/{case}/decision")
}

#[tokio::test]
async fn a11a_the_page_gives_the_exact_bytes_and_the_door_takes_them_signed_by_the_officer() -> Tested {
    let mut desk = desk().await?;
    let counter = Counter::default();
    counter.put(held(&desk));
    let (doors, case) = (counter.routes(&desk.bench), desk.bench.case.id);
    let reviewer = officer(Role::Reviewer, paper::region(), Some(paper::iin()));

    let (status, tasks) = ask(&doors, &reviewer, "GET", "/v1/review/tasks?limit=5", None).await;
    assert_eq!((status, tasks["tasks"][0]["ticket"].as_i64()), (StatusCode::OK, Some(7)));
    assert_eq!(tasks["tasks"][0]["coupon"], paper::coupon().as_str());

    let (status, page) = ask(&doors, &reviewer, "GET", &format!("/v1/review/cases/{case}"), None).await;
    assert_eq!(status, StatusCode::OK);
    let lines = page["lines"].as_array().ok_or("lines")?;
    let differing: Vec<_> = lines.iter().filter(|l| l["differs"] == true).map(|l| l["field"].clone()).collect();
    assert_eq!(differing, ["document-number"]);
    assert_eq!(page["signing"].as_array().map(Vec::len), Some(4));

    let offered = STANDARD.decode(page["signing"][0]["content"].as_str().ok_or("content")?)?;
    let applied = hex::encode(Sha256::digest(SIGNED_CONTENT));
    assert_eq!(offered, content(Allowed::Approve, &reviewer.account, &shown(case, &applied))?);
    let signature = desk.own.sign(&offered)?;
    let (status, decided) =
        ask(&doors, &reviewer, "POST", &path(case), Some(body(7, "approve", None, &signature))).await;
    assert_eq!((status, decided["ticket"].as_i64()), (StatusCode::OK, Some(8)), "{decided}");

    let taken = counter.decisions();
    let kept: Answer = serde_json::from_value(taken[0].body.clone())?;
    let Answer::Approve { signed } = kept else { panic!("approved") };
    assert_eq!(STANDARD.decode(&signed.cms)?, signature);
    assert_eq!(signed.signature_sha256, hex::encode(Sha256::digest(&signature)));
    // the evidence is whole: the bytes, and over what state of the case
    assert_eq!(STANDARD.decode(&signed.content)?, offered);
    assert_eq!((signed.revision, signed.documentation_code.as_deref()), (Some(0), Some("demo-expiry")));
    // A11b: each reason in both languages
    let words = &page["signing"][1];
    assert!(words["kk"].as_str().is_some_and(|t| !t.is_empty()) && words["ru"].as_str().is_some_and(|t| !t.is_empty()));

    // the stage files it: the evidence is sealed in the dossier, and the journal has its digest alone
    let Turn::Done(outcome) = desk.bench.answer(&Answer::Approve { signed }, &Job {}).await? else {
        panic!("approved")
    };
    let filed = desk.bench.filed::<Decision>()?;
    assert_eq!(STANDARD.decode(&filed.cms)?, signature);
    assert_eq!(filed.signature_sha256, hex::encode(Sha256::digest(STANDARD.decode(&filed.cms)?)));
    for readable in [outcome.facts().to_string(), format!("{outcome:?}")] {
        assert!(!readable.contains(&filed.cms), "{readable}");
    }

    // the same signature again: the ticket has moved, so it fits nothing any more
    let (status, _) = ask(&doors, &reviewer, "POST", &path(case), Some(body(7, "approve", None, &signature))).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (status, problem) =
        ask(&doors, &reviewer, "POST", &path(case), Some(body(8, "approve", None, &signature))).await;
    assert_eq!((status, problem["reason"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("content-differs")));
    assert_eq!(counter.decisions().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a11a_nobody_elses_signature_decision_or_region_passes() -> Tested {
    let desk = desk().await?;
    let counter = Counter::default();
    counter.put(held(&desk));
    let (doors, case) = (counter.routes(&desk.bench), desk.bench.case.id);
    let reviewer = officer(Role::Reviewer, paper::region(), Some(paper::iin()));
    let applied = hex::encode(Sha256::digest(SIGNED_CONTENT));
    let approve = content(Allowed::Approve, &reviewer.account, &shown(case, &applied))?;
    let good = desk.own.sign(&approve)?;

    let other = desk.authority.person(&paper::iin_of("80010120001"))?.sign(&approve)?;
    let stranger = Authority::new(paper::filed_at())?.person(&paper::iin())?.sign(&approve)?;
    let refused = [
        (body(7, "approve", None, &other), "other-person"),
        (body(7, "approve", None, &stranger), "not-trusted"),
        // an approval's signature does not cancel
        (body(7, "cancel", Some("photo-quality"), &good), "content-differs"),
        (body(7, "approve", None, b"no signature"), "undecodable"),
    ];
    for (sent, reason) in refused {
        let (status, problem) = ask(&doors, &reviewer, "POST", &path(case), Some(sent)).await;
        assert_eq!((status, problem["reason"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some(reason)));
    }
    // a page from yesterday, and one from a clock that is ahead
    for at in ["2025-09-01T10:00:00+05:00", "2025-09-02T23:00:00+05:00"] {
        let mut old = body(7, "approve", None, &good);
        old["at"] = json!(at);
        let (status, problem) = ask(&doors, &reviewer, "POST", &path(case), Some(old)).await;
        assert_eq!((status, problem["code"].as_str()), (StatusCode::CONFLICT, Some("page-too-old")));
    }
    // what the page showed is part of what is signed
    for (field, other) in [("revision", json!(1)), ("documentationCode", json!("demo-other"))] {
        let mut sent = body(7, "approve", None, &good);
        sent[field] = other;
        let (_, problem) = ask(&doors, &reviewer, "POST", &path(case), Some(sent)).await;
        assert_eq!(problem["reason"].as_str(), Some("content-differs"), "{field}");
    }
    for sent in [body(7, "cancel", None, &good), body(7, "approve", Some("photo-quality"), &good)] {
        let (status, problem) = ask(&doors, &reviewer, "POST", &path(case), Some(sent)).await;
        assert_eq!(
            (status, problem["errors"][0]["pointer"].as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, Some("/reason"))
        );
    }
    let good = Some(body(7, "approve", None, &good));
    let astana = officer(Role::Reviewer, Region::parse("KZ-71")?, Some(paper::iin()));
    assert_eq!(ask(&doors, &astana, "POST", &path(case), good.clone()).await.0, StatusCode::NOT_FOUND);
    let nameless = officer(Role::Reviewer, paper::region(), None);
    assert_eq!(ask(&doors, &nameless, "POST", &path(case), good.clone()).await.0, StatusCode::FORBIDDEN);
    let issuer = officer(Role::Issuer, paper::region(), Some(paper::iin()));
    assert_eq!(ask(&doors, &issuer, "POST", &path(case), good).await.0, StatusCode::FORBIDDEN);
    assert!(counter.decisions().is_empty());
    Ok(())
}

#[tokio::test]
async fn pictures_are_shown_to_the_region_alone_and_never_as_anything_to_run() -> Tested {
    let desk = desk().await?;
    let counter = Counter::default();
    counter.put(held(&desk));
    let (doors, case) = (counter.routes(&desk.bench), desk.bench.case.id);
    let reviewer = officer(Role::Reviewer, paper::region(), Some(paper::iin()));
    let at = |which: &str| format!("/v1/review/cases/{case}/pictures/{which}");
    assert_eq!(ask_raw(&doors, &reviewer, "GET", &at("photo"), None).await, (StatusCode::OK, vec![0xff, 0xd8]));
    // the applicant's own signed content is not a picture
    assert_eq!(ask_raw(&doors, &reviewer, "GET", &at("signed-content"), None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(counter.audit().len(), 1);
    Ok(())
}
