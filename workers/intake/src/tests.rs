//! The stage on the bench, with the registers on loopback.

use crate::checks::digests::sha256_hex;
use crate::picture::testing::{Stroke, portrait, signature};
use crate::{Answer, Config, Doubt, Intake, Job, Outcome};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use kezek_domain::dossier::{CheckOutcome, Document, Findings, Form, Identity, Questions, Registration};
use kezek_domain::rules::{NoticeKind, Refusal};
use kezek_domain::{IinProfile, Receipt, Role, System};
use kezek_gateway::eds::CmsVerifier;
use kezek_gateway::service_ids;
use kezek_gateway::xml::Node;
use kezek_stage::{Attachment, Hold, Outcome as _, Turn};
use kezek_testkit::desk::{Counter, HeldCase, account, ask};
use kezek_testkit::eds::Authority;
use kezek_testkit::register::Register;
use kezek_testkit::{Bench, bench, paper};
use serde_json::{Value, json};
use std::error::Error;
use std::sync::Arc;

type Tested = Result<(), Box<dyn Error>>;

struct Case {
    register: Register,
    bench: Bench<Intake>,
    form: Form,
    papers: [(Attachment, Vec<u8>); 4],
}

/// The person as GBDFL tells it, with a change.
fn person(change: impl FnOnce(Node) -> Node) -> Node {
    let (identity, card) = (paper::identity(), paper::document());
    let address =
        Node::new("regAddress").field("status", "1").field("region", "demo-75").field("beginDate", "2015-01-01");
    let document = Node::new("document")
        .field("type", "002")
        .field("number", card.number)
        .field("beginDate", card.begins.to_string())
        .maybe("endDate", card.ends.map(|d| d.to_string()))
        .field("status", "00");
    let base = Node::new("person")
        .field("iin", paper::iin().expose())
        .field("surname", identity.surname)
        .field("name", identity.given_name)
        .field("birthDate", identity.birth_date.to_string())
        .field("gender", "1")
        .field("citizenship", "398")
        .field("lifeStatus", "0")
        .child(Node::new("birthPlace").field("country", "398"))
        .child(address)
        .child(Node::new("documents").child(document));
    Node::new("response").child(Node::new("persons").child(change(base)))
}

fn result(word: &str) -> Node {
    Node::new("answer").field("result", word)
}

/// Everything as the law wants it.
async fn case() -> Result<Case, Box<dyn Error>> {
    case_with(|_| {}).await
}

async fn case_with(change: impl FnOnce(&mut Form)) -> Result<Case, Box<dyn Error>> {
    let register = Register::open().await?;
    register.answers(service_ids::PERSON, person(|p| p));
    register.answers(service_ids::PHONE, Node::new("answer").field("bound", "true"));
    register.answers(service_ids::SESSION, result("matched"));
    register.answers(service_ids::FACE, result("matched"));
    register.answers(
        service_ids::REGISTER,
        Node::new("answer").field("coupon", paper::coupon().as_str()).field("documentationCode", "demo-75-01"),
    );
    register.answers(service_ids::REGISTRATION_STATE, Node::new("answer").field("state", "unknown"));
    let consent = Node::new("answer")
        .field("kdpToken", "new-token")
        .field("publicKey", "new-key")
        .field("expiresAt", "2025-09-02T06:00:00Z");
    register.answers(service_ids::CONSENT, consent);

    let (photo, sample) = (portrait(490, 630), signature(600, 200, Stroke::Written));
    let mut form = paper::form();
    form.photo_sha256 = sha256_hex(&photo);
    form.signature_sha256 = sha256_hex(&sample);
    change(&mut form);
    let signed = serde_json::to_vec(&form)?;
    let authority = Authority::new(paper::filed_at())?;
    let eds = authority.person(&paper::iin())?.sign(&signed)?;
    let papers = [
        (Attachment::Photo, photo),
        (Attachment::Signature, sample),
        (Attachment::SignedContent, signed),
        (Attachment::Eds, eds),
    ];
    let kit = bench::kit(paper::filed_at())
        .with(Arc::new(register.gateway()?))
        .with(Arc::new(CmsVerifier::new(&authority.pem()?)?));
    let config = Config { iin_profile: IinProfile::Demo, ..Config::default() };
    let mut bench = Bench::open(config, kit)?.filing(&form);
    for (which, bytes) in &papers {
        bench = bench.attaching(*which, bytes.clone());
    }
    Ok(Case { register, bench, form, papers })
}

impl Case {
    /// Works and gives the refusal with its deciding detail.
    async fn refused(&mut self) -> Result<(Refusal, String), Box<dyn Error>> {
        let turn = self.bench.work(&Job {}).await?;
        let Turn::Done(outcome) = turn else { return Err(format!("{turn:?}").into()) };
        let detail = outcome.facts()["detail"].as_str().unwrap_or_default().to_owned();
        match outcome {
            Outcome::Refused(down) | Outcome::Redirected(down) => Ok((down.refusal, detail)),
            Outcome::Registered(_) => Err("registered".into()),
        }
    }
    async fn held(&mut self) -> Result<Hold<Answer>, Box<dyn Error>> {
        held(self.bench.work(&Job {}).await?)
    }
    fn services(&self) -> Vec<String> {
        self.register.asked().into_iter().map(|a| a.service).collect()
    }
}

fn held(turn: Turn<Intake>) -> Result<Hold<Answer>, Box<dyn Error>> {
    match turn {
        Turn::Hold(hold) => Ok(hold),
        other @ (Turn::Done(_) | Turn::Again(_)) => Err(format!("not held: {other:?}").into()),
    }
}

#[tokio::test]
async fn a3_the_registers_are_asked_in_the_order_of_the_law_and_the_coupon_is_set() -> Tested {
    let mut case = case().await?;
    let Turn::Done(outcome) = case.bench.work(&Job {}).await? else { panic!("not decided") };
    assert_eq!(outcome.label(), "registered");
    let order = [
        service_ids::PERSON,
        service_ids::PHONE,
        service_ids::SESSION,
        service_ids::CHANGES,
        service_ids::FACE,
        service_ids::REGISTER,
    ];
    assert_eq!(case.services(), order);
    assert_eq!(case.bench.case.coupon, Some(paper::coupon()));
    assert_eq!(case.bench.filed::<Document>()?, paper::document());
    assert_eq!(case.bench.filed::<Registration>()?.documentation_code, "demo-75-01");
    assert_eq!(case.bench.filed::<Identity>()?.registered_region, Some(paper::region()));
    let findings = case.bench.filed::<Findings>()?;
    assert!(findings.checks.iter().all(|c| c.outcome == CheckOutcome::Passed), "{findings:?}");
    let key = format!("register/{}", case.bench.case.id.0);
    assert_eq!(case.register.asked_of(service_ids::REGISTER)[0].key.as_deref(), Some(key.as_str()));
    Ok(())
}

#[tokio::test]
async fn a3_the_first_failing_register_decides_and_no_further_one_is_asked() -> Tested {
    let answer = |name: &str, text: &str| Node::new("answer").field(name, text);
    let act = Node::new("answer").child(Node::new("acts").child(Node::new("act").field("attribute", "surname")));
    let table: [(&str, Node, Refusal, &str, &str); 4] = [
        (service_ids::PHONE, answer("bound", "false"), Refusal::PhoneNotBound, "somebody-elses", service_ids::SESSION),
        (service_ids::SESSION, result("not-matched"), Refusal::NotIdentified, "not-matched", service_ids::CHANGES),
        (service_ids::CHANGES, act, Refusal::DataChanged, "surname", service_ids::FACE),
        (service_ids::FACE, result("not-matched"), Refusal::PhotoMismatch, "not-matched", service_ids::REGISTER),
    ];
    for (service, said, refusal, detail, not_asked) in table {
        let mut case = case().await?;
        case.register.answers(service, said);
        assert_eq!(case.refused().await?, (refusal, detail.to_owned()), "{service}");
        assert!(!case.services().iter().any(|s| s == not_asked), "{service}");
    }
    Ok(())
}

#[tokio::test]
async fn a3_2_and_a2_what_gbdfl_says_of_the_person_decides() -> Tested {
    let mut nobody = case().await?;
    nobody.register.says(service_ids::PERSON, "demo-not-found");
    assert_eq!(nobody.refused().await?, (Refusal::PersonNotFound, "not-found".to_owned()));
    let mut dead = case().await?;
    dead.register.answers(service_ids::PERSON, person(|p| p.field("deathDate", "2025-01-01")));
    assert_eq!(dead.refused().await?, (Refusal::DeadOrRemoved, "dead".to_owned()));
    assert_eq!(dead.services()[..1], [service_ids::PERSON]);
    // what the one answer already told is kept although the death decided
    let findings = dead.bench.filed::<Findings>()?;
    assert!(findings.checks.iter().any(|c| c.check == "A3.6" && c.outcome == CheckOutcome::Passed));
    Ok(())
}

#[tokio::test]
async fn a7_a0_3_what_needs_no_register_asks_none() -> Tested {
    let mut lost = case_with(|form| form.reason = kezek_domain::dossier::Reason::Loss).await?;
    assert_eq!(lost.refused().await?, (Refusal::OtherReason, "loss".to_owned()));
    assert_eq!(lost.services(), [service_ids::REGISTRATION_STATE]);
    let mut late = case().await?;
    late.bench.case.filed_at = "2026-04-01T05:00:00Z".parse()?;
    assert_eq!(late.refused().await?, (Refusal::OutOfLegalBasis, "out-of-period".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a7_the_day_of_filing_counts_and_not_the_day_of_processing() -> Tested {
    // filed in time, processed a month late: still served
    let mut case = case().await?;
    case.bench.passes(SignedDuration::from_hours(24 * 40));
    let fresh =
        Node::new("answer").field("kdpToken", "t").field("publicKey", "k").field("expiresAt", "2026-01-01T00:00:00Z");
    case.register.answers(service_ids::CONSENT, fresh);
    let Turn::Done(outcome) = case.bench.work(&Job {}).await? else { panic!("not decided") };
    assert_eq!(outcome.label(), "registered");
    Ok(())
}

#[tokio::test]
async fn a3_1_a_consent_that_has_run_out_or_is_refused_by_the_register_is_asked_anew() -> Tested {
    let mut old = case_with(|form| form.consent.expires_at = paper::filed_at()).await?;
    let Turn::Done(outcome) = old.bench.work(&Job {}).await? else { panic!("not decided") };
    assert_eq!(outcome.label(), "registered");
    assert_eq!(old.services()[..2], [service_ids::CONSENT, service_ids::PERSON]);
    assert!(old.register.asked_of(service_ids::PERSON)[0].data.contains("new-token"));

    let mut refused = case().await?;
    refused.register.says(service_ids::PERSON, "demo-token-expired");
    assert_eq!(refused.refused().await?, (Refusal::NoConsent, "token-refused".to_owned()));
    assert_eq!(refused.services()[..3], [service_ids::PERSON, service_ids::CONSENT, service_ids::PERSON]);

    let mut denied = case_with(|form| form.consent.expires_at = paper::filed_at()).await?;
    denied.register.says(service_ids::CONSENT, "demo-denied");
    assert_eq!(denied.refused().await?, (Refusal::NoConsent, "denied".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a12_an_outage_of_more_than_ten_minutes_sends_to_the_centre() -> Tested {
    for system in [System::Bmg, System::DigitalId, System::Gbdfl] {
        let mut case = case().await?;
        case.bench.breakers.open(system, paper::filed_at() - SignedDuration::from_mins(10));
        let fault = case.bench.work(&Job {}).await.expect_err("ten minutes are not more than ten");
        assert!(fault.is_transient() && fault.system() == Some(system));
        case.bench.breakers.open(system, paper::filed_at() - SignedDuration::from_secs(601));
        assert_eq!(case.refused().await?, (Refusal::Outage, system.label().to_owned()));
    }
    Ok(())
}

#[tokio::test]
async fn a12_does_not_guess_about_a_registration_that_may_have_happened() -> Tested {
    let mut case = case().await?;
    case.bench.breakers.open(System::RpDrn, paper::filed_at() - SignedDuration::from_hours(5));
    let fault = case.bench.work(&Job {}).await.expect_err("repeated until RP DRN answers");
    assert!(fault.is_transient());
    Ok(())
}

#[tokio::test]
async fn a3_13_a_registration_whose_answer_was_lost_is_repeated_under_the_same_key() -> Tested {
    let mut case = case().await?;
    case.register.loses_answers(service_ids::REGISTER);
    assert!(case.bench.work(&Job {}).await.is_err());
    case.register.answers(
        service_ids::REGISTER,
        Node::new("answer").field("coupon", paper::coupon().as_str()).field("documentationCode", "c"),
    );
    let Turn::Done(outcome) = case.bench.work(&Job {}).await? else { panic!("not decided") };
    assert_eq!(outcome.label(), "registered");
    let keys: Vec<_> = case.register.asked_of(service_ids::REGISTER).into_iter().map(|a| a.key).collect();
    assert_eq!(keys[0], keys[1]);
    Ok(())
}

#[tokio::test]
async fn a3_13_a_lost_registration_is_cancelled_before_the_application_is_turned_down() -> Tested {
    let mut case = case().await?;
    case.register.loses_answers(service_ids::REGISTER);
    assert!(case.bench.work(&Job {}).await.is_err());
    // meanwhile the telephone was given to somebody else, and the register did hear the first request
    case.register.answers(service_ids::PHONE, Node::new("answer").field("bound", "false"));
    let open = Node::new("answer").field("state", "open").field("coupon", paper::coupon().as_str());
    case.register.answers(service_ids::REGISTRATION_STATE, open);
    assert_eq!(case.refused().await?.0, Refusal::PhoneNotBound);
    let cancelled = case.register.asked_of(service_ids::CANCEL);
    assert_eq!(cancelled.len(), 1);
    assert!(cancelled[0].data.contains(paper::coupon().as_str()));
    Ok(())
}

#[tokio::test]
async fn a3_13_rp_drn_may_refuse() -> Tested {
    let mut case = case().await?;
    let reason = Node::new("refusal").field("code", "demo-wanted").field("textKz", "…").field("textRu", "…");
    let no = Node::new("answer").child(Node::new("messageResult").field("code", "demo-refused")).child(reason);
    case.register.answers(service_ids::REGISTER, no);
    assert_eq!(case.refused().await?, (Refusal::RegistrationRefused, "refused-by-the-register".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a3_12_a_signature_of_somebody_else_or_over_other_bytes_is_refused() -> Tested {
    let mut other = case().await?;
    let content = other.papers[2].1.clone();
    let authority = Authority::new(paper::filed_at())?;
    other.bench = other.bench.attaching(Attachment::Eds, authority.person(&paper::iin())?.sign(&content)?);
    assert_eq!(other.refused().await?, (Refusal::SignatureInvalid, "not-trusted".to_owned()));

    let mut changed = case().await?;
    let mut form = changed.form.clone();
    form.registration_point = "another-point".to_owned();
    let bytes = serde_json::to_vec(&form)?;
    changed.bench = changed.bench.attaching(Attachment::SignedContent, bytes).filing(&form);
    assert_eq!(changed.refused().await?, (Refusal::SignatureInvalid, "content-differs".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a3_9_a3_10_all_that_is_wrong_with_the_papers_is_found_at_once() -> Tested {
    let (photo, sample) = (portrait(210, 270), signature(600, 200, Stroke::Nothing));
    let mut case = case_with(|form| {
        form.photo_sha256 = sha256_hex(&photo);
        form.signature_sha256 = sha256_hex(&sample);
    })
    .await?;
    case.bench = case.bench.attaching(Attachment::Photo, photo).attaching(Attachment::Signature, sample);
    assert_eq!(case.refused().await?, (Refusal::SignatureUnfit, "blank".to_owned()));
    let failed: Vec<_> =
        case.bench.filed::<Findings>()?.checks.into_iter().filter(|c| c.outcome == CheckOutcome::Failed).collect();
    assert_eq!(failed.iter().map(|c| c.detail_code.as_str()).collect::<Vec<_>>(), ["blank", "too-small"]);
    assert!(case.register.asked_of(service_ids::FACE).is_empty());
    Ok(())
}

#[tokio::test]
async fn a3_3_a3_11_doubts_are_asked_one_by_one_and_what_was_let_pass_stays_so() -> Tested {
    let mut case = case().await?;
    case.register.answers(service_ids::SESSION, result("unsure"));
    case.register.answers(service_ids::FACE, result("unsure"));
    let hold = case.held().await?;
    let question = hold.question.expect("a question");
    assert_eq!((question.role, question.finding.as_str()), (Role::Committee, "identification-unsure"));
    assert_eq!(hold.notices, [NoticeKind::QuestionAsked]);
    assert_eq!(hold.until, Some("2025-09-05T00:00:00+05:00".parse()?));

    let hold = held(case.bench.answer(&question.choices[0].answer, &Job {}).await?)?;
    let question = hold.question.expect("the second question");
    assert_eq!(question.finding, "portrait-unsure");
    assert!(case.register.asked_of(service_ids::REGISTER).is_empty());

    // late: it stays asked
    let late = held(case.bench.lapse(&Job {}).await?)?;
    assert_eq!((late.until, late.question.map(|q| q.finding)), (None, Some("portrait-unsure".to_owned())));

    let turn = case.bench.answer(&question.choices[0].answer, &Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Registered(_))));
    let asked = case.bench.filed::<Questions>()?.asked;
    assert_eq!(asked.iter().map(|q| q.choice.as_deref()).collect::<Vec<_>>(), [Some("go-on"), Some("go-on")]);
    Ok(())
}

#[tokio::test]
async fn a3_2_another_birth_date_is_asked_about_and_may_be_redirected() -> Tested {
    let mut case = case().await?;
    let other = person(|p| p).to_xml().replace("1890-05-15", "1890-05-16");
    case.register
        .answers(service_ids::PERSON, kezek_gateway::xml::parse(other.as_bytes(), 1 << 20).map_err(|e| e.to_string())?);
    let question = case.held().await?.question.expect("a question");
    assert_eq!(question.finding, Doubt::BirthDateDiffers.label());
    let Turn::Done(outcome) = case.bench.answer(&question.choices[1].answer, &Job {}).await? else {
        panic!("not decided")
    };
    assert_eq!(outcome.label(), "redirected");
    Ok(())
}

#[tokio::test]
async fn a3_2_several_persons_cannot_be_let_pass_but_asked_again() -> Tested {
    let mut case = case().await?;
    let two = Node::new("response").child(Node::new("persons").child(Node::new("person")).child(Node::new("person")));
    case.register.answers(service_ids::PERSON, two);
    let question = case.held().await?.question.expect("a question");
    assert_eq!(question.choices[0].label, "ask-again");
    let again = held(case.bench.answer(&question.choices[0].answer, &Job {}).await?)?;
    assert_eq!(again.question.map(|q| q.finding), Some("several-persons".to_owned()));
    case.register.answers(service_ids::PERSON, person(|p| p));
    let turn = case.bench.answer(&question.choices[0].answer, &Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Registered(_))));
    Ok(())
}

fn enquiry() -> Value {
    json!({
        "iin": paper::iin().expose(), "phone": "+77010000001", "service": "id-card-renewal",
        "digitalIdSession": "demo-session-1", "documentNumber": "012345678",
    })
}

#[tokio::test]
async fn a3_begin_tells_at_once_whether_the_person_may_apply() -> Tested {
    let case = case().await?;
    let counter = Counter::default();
    let (doors, portal) = (counter.routes(&case.bench), account(Role::Portal));
    let begin = "/v1/applications/begin";
    let (status, told) = ask(&doors, &portal, "POST", begin, Some(enquiry())).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(told["verdict"], "may-apply");
    assert_eq!(told["consent"]["token"], "new-token");
    assert_eq!(told["document"], json!({ "number": "******678", "expires": "2025-09-22" }));
    assert_eq!(case.services()[0], service_ids::CONSENT);

    case.register.answers(service_ids::PHONE, Node::new("answer").field("bound", "false"));
    let (_, told) = ask(&doors, &portal, "POST", begin, Some(enquiry())).await;
    assert_eq!((&told["verdict"], &told["refusal"]["code"]), (&json!("refused"), &json!("phone-not-bound")));
    assert!(told["refusal"]["text"]["kk"].as_str().is_some_and(|t| !t.is_empty()));
    assert!(!told.to_string().contains(paper::iin().expose()));

    case.register.down(service_ids::PHONE);
    let (status, told) = ask(&doors, &portal, "POST", begin, Some(enquiry())).await;
    assert_eq!((status, &told["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));
    case.bench.breakers.open(System::Bmg, paper::filed_at() - SignedDuration::from_mins(11));
    let (status, told) = ask(&doors, &portal, "POST", begin, Some(enquiry())).await;
    assert_eq!(
        (status, &told["verdict"], &told["refusal"]["law"]),
        (StatusCode::OK, &json!("redirected"), &json!("A12"))
    );

    let (status, _) = ask(&doors, &account(Role::Operator), "POST", begin, Some(enquiry())).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    Ok(())
}

#[tokio::test]
async fn a_submission_opens_one_case_and_its_status_tells_no_personal_data() -> Tested {
    let case = case().await?;
    let counter = Counter::default();
    let (doors, portal) = (counter.routes(&case.bench), account(Role::Portal));
    let paper_of = |at: usize| STANDARD.encode(&case.papers[at].1);
    let mut request = json!({
        "requestId": "r-1", "service": "id-card-renewal", "photo": paper_of(0), "signatureSample": paper_of(1),
        "signedContent": paper_of(2), "signature": paper_of(3),
    });
    let (status, told) = ask(&doors, &portal, "POST", "/v1/applications", Some(request.clone())).await;
    assert_eq!((status, &told["status"]), (StatusCode::CREATED, &json!("received")), "{told}");
    let (status, again) = ask(&doors, &portal, "POST", "/v1/applications", Some(request.clone())).await;
    assert_eq!((status, &again["receipt"]), (StatusCode::OK, &told["receipt"]));
    assert_eq!(counter.submissions().len(), 1);
    request["requestId"] = json!("no good");
    let (status, told) = ask(&doors, &portal, "POST", "/v1/applications", Some(request)).await;
    assert_eq!((status, &told["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/requestId")));

    let large = json!({ "photo": "A".repeat(9 << 20) });
    let (status, told) = ask(&doors, &portal, "POST", "/v1/applications", Some(large)).await;
    assert_eq!((status, &told["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("too-large")));

    let head = case.bench.case.clone();
    let path = format!("/v1/applications/{}", Receipt::of(head.id).as_str());
    counter.put(HeldCase::new(head, paper::filed_at()));
    let (status, told) = ask(&doors, &portal, "GET", &path, None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(told["stage"]["ru"], "Заявка проверяется и регистрируется");
    assert!(!told.to_string().contains(paper::iin().expose()));
    let (status, _) = ask(&doors, &portal, "GET", "/v1/applications/%20", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    Ok(())
}

#[test]
fn a3_9_a3_10_the_sandboxes_people_are_told_apart_as_planned() -> Tested {
    use crate::checks::{photo, sample};
    use crate::sheet::Verdict;
    use kezek_sandbox::pictures::{Face, Handwriting, Portrait};
    let pictures = kezek_domain::rules::Rules::built_in().pictures();
    for who in 0..12 {
        let face = Face::of(7, who, who % 2 == 0);
        for (how, wanted) in [
            (Portrait::Good, Verdict::Passed("fit")),
            (Portrait::DarkGlasses, Verdict::Passed("fit")),
            (Portrait::DarkBackground, Verdict::Failed(Refusal::PhotoUnfit, "dark-background")),
            (Portrait::TooSmall, Verdict::Failed(Refusal::PhotoUnfit, "too-small")),
            (Portrait::Blurred, Verdict::Failed(Refusal::PhotoUnfit, "blurred")),
        ] {
            assert_eq!(photo::judge(&face.photograph(how)?, &pictures.photo), wanted, "person {who}, {how:?}");
        }
        for (hand, wanted) in [
            (Handwriting::Good, Verdict::Passed("fit")),
            (Handwriting::Blotted, Verdict::Passed("fit")),
            (Handwriting::Blank, Verdict::Failed(Refusal::SignatureUnfit, "blank")),
        ] {
            assert_eq!(sample::judge(&hand.sample(7, who)?, &pictures.signature), wanted, "person {who}, {hand:?}");
        }
    }
    Ok(())
}
