//! FACTS S22: a human looks at an automated refusal.

use super::*;
use kezek_domain::dossier::{CheckResult, Review};
use kezek_domain::{CaseId, Closing, Status};

fn review(refusal: Refusal) -> Review {
    Review { of: CaseId(uuid::Uuid::from_u128(77)), refusal: refusal.code().to_owned(), asked_at: paper::filed_at() }
}

async fn disputing(refusal: Refusal) -> Result<Case, Box<dyn Error>> {
    let mut case = case().await?;
    case.bench = case.bench.filing(&review(refusal));
    Ok(case)
}

/// The register knows a temporary registration alone.
fn temporarily() -> Result<Node, Box<dyn Error>> {
    let text = person(|p| p).to_xml().replace("<status>1</status><region>", "<status>2</status><region>");
    Ok(kezek_gateway::xml::parse(text.as_bytes(), 1 << 20).map_err(|e| e.to_string())?)
}

#[tokio::test]
async fn s22_the_head_of_the_region_may_set_a_refusal_aside_and_no_other_one_with_it() -> Tested {
    let mut case = disputing(Refusal::NoPermanentRegistration).await?;
    case.register.answers(service_ids::PERSON, temporarily()?);
    let hold = case.held().await?;
    let question = hold.question.expect("a question");
    assert_eq!((question.role, question.finding.as_str()), (Role::Head, "no-permanent-registration"));
    assert_eq!(question.key, "intake.refusal-disputed");
    assert_eq!(hold.notices, [NoticeKind::QuestionAsked]);
    assert!(case.services().is_empty(), "the human first");

    let let_pass = question.choices.iter().find(|c| c.label == "let-pass").expect("may be let pass");
    let turn = case.bench.answer(&let_pass.answer, &Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Registered(_))), "{turn:?}");
    let findings = case.bench.filed::<Findings>()?;
    let lifted = findings.checks.iter().find(|c| c.check == "A3.6").expect("the check is kept");
    assert_eq!(lifted.outcome, CheckOutcome::Unsure);
    let asked = case.bench.filed::<Questions>()?.asked;
    assert_eq!(asked[0].choice.as_deref(), Some("let-pass"));

    let mut other = disputing(Refusal::NoPermanentRegistration).await?;
    other.register.answers(service_ids::PERSON, temporarily()?);
    other.register.answers(service_ids::SESSION, result("not-matched"));
    other.held().await?;
    let Turn::Done(outcome) = other.bench.answer(&let_pass.answer, &Job {}).await? else { panic!("not decided") };
    assert_eq!(outcome.facts()["refusal"], "not-identified");
    Ok(())
}

#[tokio::test]
async fn s22_what_only_a_register_can_lift_is_asked_of_it_again_or_upheld() -> Tested {
    let mut case = disputing(Refusal::PersonNotFound).await?;
    let question = case.held().await?.question.expect("a question");
    let labels: Vec<_> = question.choices.iter().map(|c| c.label.as_str()).collect();
    assert_eq!(labels, ["ask-again", "upheld"]);
    let turn = case.bench.answer(&question.choices[0].answer, &Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Registered(_))));

    let mut upheld = disputing(Refusal::PersonNotFound).await?;
    upheld.held().await?;
    let Turn::Done(outcome) = upheld.bench.answer(&question.choices[1].answer, &Job {}).await? else {
        panic!("not decided")
    };
    assert_eq!((outcome.label(), outcome.facts()["refusal"].as_str()), ("refused", Some("person-not-found")));
    Ok(())
}

#[tokio::test]
async fn s22_a_head_who_does_not_answer_in_time_is_replaced_by_the_committee() -> Tested {
    let mut case = disputing(Refusal::PhotoUnfit).await?;
    let hold = case.held().await?;
    assert_eq!(hold.until, Some("2025-09-06T00:00:00+05:00".parse()?));
    let late = held(case.bench.lapse(&Job {}).await?)?;
    assert_eq!((late.until, late.question.map(|q| q.role)), (None, Some(Role::Committee)));
    Ok(())
}

#[tokio::test]
async fn s22_the_door_takes_a_refused_application_once_and_nothing_else() -> Tested {
    let case = case().await?;
    let counter = Counter::default();
    let (doors, portal) = (counter.routes(&case.bench), account(Role::Portal));
    let findings = |outcome| Findings {
        checks: vec![CheckResult { check: "A3.10".to_owned(), outcome, detail_code: "too-small".to_owned() }],
        rule_version: "v".to_owned(),
    };
    let mut head = case.bench.case.clone();
    let path = format!("/v1/applications/{}/review", Receipt::of(head.id).as_str());
    counter.put(HeldCase::new(head.clone(), paper::filed_at()).filing(&findings(CheckOutcome::Failed)));
    let (status, told) = ask(&doors, &portal, "POST", &path, None).await;
    assert_eq!((status, &told["code"]), (StatusCode::CONFLICT, &json!("not-refused")), "{told}");

    head.status = Status::Closed(Closing::Refused);
    counter.put(HeldCase::new(head.clone(), paper::filed_at()).filing(&findings(CheckOutcome::Failed)));
    let (status, told) = ask(&doors, &portal, "POST", &path, None).await;
    assert_eq!((status, &told["status"]), (StatusCode::CREATED, &json!("received")), "{told}");
    let (status, again) = ask(&doors, &portal, "POST", &path, None).await;
    assert_eq!((status, &again["receipt"]), (StatusCode::OK, &told["receipt"]));
    let wanted = counter.reexaminations();
    assert_eq!((wanted.len(), wanted[0].of), (1, head.id));
    assert_eq!(wanted[0].sections[0].body["refusal"], "photo-unfit");

    counter.put(HeldCase::new(head, paper::filed_at()).filing(&findings(CheckOutcome::Unsure)));
    let (status, told) = ask(&doors, &portal, "POST", &path, None).await;
    assert_eq!((status, &told["code"]), (StatusCode::CONFLICT, &json!("decided-by-a-human")));
    let (status, _) = ask(&doors, &account(Role::Operator), "POST", &path, None).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    Ok(())
}
