//! A10, A11a, A11b on the bench and at the door.

use crate::{Allowed, Answer, Config, Job, Outcome, Review, content};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kezek_domain::dossier::{CancelReason, Decision, DecisionOutcome, Document};
use kezek_domain::rules::NoticeKind;
use kezek_domain::{CaseId, How, Region, Role, Status, Ticket};
use kezek_gateway::eds::CmsVerifier;
use kezek_gateway::service_ids;
use kezek_stage::{Attachment, Outcome as _, Shape as _, Stage as _, Turn};
use kezek_testkit::desk::{Counter, HeldCase, ask, ask_raw, officer};
use kezek_testkit::eds::{Authority, Signer};
use kezek_testkit::register::Register;
use kezek_testkit::{Bench, bench, paper};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
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
    let register = Register::open().await?;
    let authority = Authority::new(paper::filed_at())?;
    let own = authority.person(&paper::iin())?;
    let kit = bench::kit(paper::filed_at())
        .with(Arc::new(register.gateway()?))
        .with(Arc::new(CmsVerifier::new(&authority.pem()?)?));
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
        .with(Arc::new(CmsVerifier::new(&desk.authority.pem()?)?));
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
        let turn = desk.bench.answer(&answer(reason.label()), &Job {}).await?;
        assert!(matches!(turn, Turn::Done(Outcome::Cancelled(r, _)) if r == *reason));
    }
    let asked = desk.register.asked_of(service_ids::CANCEL);
    let key = format!("cancel-registration/{}", desk.bench.case.id);
    assert_eq!(asked.len(), CancelReason::ALL.len());
    assert!(asked.iter().all(|a| a.key.as_deref() == Some(&key) && a.data.contains(paper::coupon().as_str())));

    desk.register.down(service_ids::CANCEL);
    let fault = desk.bench.answer(&answer("photo-quality"), &Job {}).await.err();
    assert!(fault.is_some_and(|f| f.is_transient()));
    desk.register.says(service_ids::CANCEL, "demo-not-found");
    let fault = desk.bench.answer(&answer("photo-quality"), &Job {}).await.err();
    assert_eq!(fault.map(|f| f.cause()), Some("coupon-unknown"));
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
        .filing(&Document { number: "876543210".to_owned(), ..paper::document() })
        .attaching(Attachment::Photo, [0xff, 0xd8])
        .attaching(Attachment::SignedContent, SIGNED_CONTENT)
}

fn body(ticket: i64, decision: &str, reason: Option<&str>, signature: &[u8]) -> Value {
    json!({ "ticket": ticket, "decision": decision, "reason": reason, "signature": STANDARD.encode(signature) })
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

    let shown = STANDARD.decode(page["signing"][0]["content"].as_str().ok_or("content")?)?;
    let applied = hex::encode(Sha256::digest(SIGNED_CONTENT));
    assert_eq!(shown, content(Allowed::Approve, case, Ticket(7), &reviewer.account, &applied)?);
    let signature = desk.own.sign(&shown)?;
    let (status, decided) =
        ask(&doors, &reviewer, "POST", &path(case), Some(body(7, "approve", None, &signature))).await;
    assert_eq!((status, decided["ticket"].as_i64()), (StatusCode::OK, Some(8)), "{decided}");

    let taken = counter.decisions();
    let kept: Answer = serde_json::from_value(taken[0].body.clone())?;
    let Answer::Approve { signed } = kept else { panic!("approved") };
    assert_eq!(STANDARD.decode(&signed.cms)?, signature);
    assert_eq!(signed.signature_sha256, hex::encode(Sha256::digest(&signature)));

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
    let approve = content(Allowed::Approve, case, Ticket(7), &reviewer.account, &applied)?;
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
