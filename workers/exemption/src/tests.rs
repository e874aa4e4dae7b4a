//! The stage on the bench, with SIK and KDP on loopback.

use crate::{Answer, Config, Exemption, Job, Outcome};
use jiff::SignedDuration;
use kezek_domain::dossier::{DutyAssessment, DutyOutcome, Exemption as Evidence, Form, Questions};
use kezek_domain::rules::NoticeKind;
use kezek_domain::{Role, System, Tiyn};
use kezek_gateway::service_ids;
use kezek_gateway::xml::Node;
use kezek_stage::{Hold, Outcome as _, Turn};
use kezek_testkit::register::Register;
use kezek_testkit::{Bench, bench, paper};
use std::error::Error;
use std::sync::Arc;

type Tested = Result<(), Box<dyn Error>>;

struct Case {
    register: Register,
    bench: Bench<Exemption>,
}

fn statuses(codes: &[&str]) -> Node {
    let status = |code: &&str| {
        Node::new("status")
            .field("code", *code)
            .field("nameKz", "…")
            .field("nameRu", "…")
            .field("beginDate", "2020-01-01")
    };
    let list = codes.iter().map(status).fold(Node::new("statuses"), Node::child);
    Node::new("answer").child(list)
}

fn consent() -> Node {
    Node::new("answer")
        .field("kdpToken", "new-token")
        .field("publicKey", "k")
        .field("expiresAt", "2026-02-01T00:00:00Z")
}

async fn case_with(filed: &str, change: impl FnOnce(&mut Form)) -> Result<Case, Box<dyn Error>> {
    let register = Register::open().await?;
    register.answers(service_ids::STATUSES, statuses(&[]));
    register.answers(service_ids::CONSENT, consent());
    let at = filed.parse()?;
    let mut form = paper::form();
    form.consent.expires_at = at + SignedDuration::from_hours(1);
    change(&mut form);
    let kit = bench::kit(at).with(Arc::new(register.gateway()?));
    let bench =
        Bench::open(Config::default(), kit)?.filing(&form).filing(&paper::registration()).coupon(&paper::coupon());
    Ok(Case { register, bench })
}

async fn case() -> Result<Case, Box<dyn Error>> {
    case_with(paper::FILED, |_| {}).await
}

impl Case {
    async fn done(&mut self) -> Result<Outcome, Box<dyn Error>> {
        done(self.bench.work(&Job {}).await?)
    }
    async fn held(&mut self) -> Result<Hold<Answer>, Box<dyn Error>> {
        held(self.bench.work(&Job {}).await?)
    }
    fn duty(&self) -> Result<DutyAssessment, Box<dyn Error>> {
        Ok(self.bench.filed::<DutyAssessment>()?)
    }
    fn services(&self) -> Vec<String> {
        self.register.asked().into_iter().map(|a| a.service).collect()
    }
}

fn done(turn: Turn<Exemption>) -> Result<Outcome, Box<dyn Error>> {
    match turn {
        Turn::Done(outcome) => Ok(outcome),
        other @ (Turn::Hold(_) | Turn::Again(_)) => Err(format!("not decided: {other:?}").into()),
    }
}

fn held(turn: Turn<Exemption>) -> Result<Hold<Answer>, Box<dyn Error>> {
    match turn {
        Turn::Hold(hold) => Ok(hold),
        other @ (Turn::Done(_) | Turn::Again(_)) => Err(format!("not held: {other:?}").into()),
    }
}

fn asked(hold: &Hold<Answer>) -> (Role, String, Vec<String>) {
    let question = hold.question.as_ref().expect("a question");
    (question.role, question.key.clone(), question.choices.iter().map(|c| c.label.clone()).collect())
}

#[tokio::test]
async fn a3_14_a_certain_none_leads_to_payment() -> Tested {
    for codes in [&[][..], &["demo-pensioner"]] {
        let mut case = case().await?;
        case.register.answers(service_ids::STATUSES, statuses(codes));
        assert_eq!(case.done().await?.label(), "payable");
        assert_eq!(case.duty()?.outcome, DutyOutcome::Payable { amount: Tiyn(78_640) });
        let evidence = case.bench.filed::<Evidence>()?;
        assert_eq!((evidence.ground, evidence.statuses_count as usize), (None, codes.len()));
    }
    Ok(())
}

#[tokio::test]
async fn a3_14_a_status_exempts_and_its_ground_is_filed_but_not_told() -> Tested {
    let mut case = case().await?;
    case.register.answers(service_ids::STATUSES, statuses(&["demo-student", "demo-disability-2"]));
    let outcome = case.done().await?;
    assert_eq!(outcome.label(), "exempt");
    assert!(!outcome.facts().to_string().contains("622-6"));
    let duty = case.duty()?;
    assert_eq!((duty.amount, duty.legal_basis.as_str()), (Tiyn::ZERO, "Tax Code of 25 December 2017, article 622"));
    assert_eq!(duty.outcome, DutyOutcome::ExemptByStatus { ground: "622-6".to_owned() });
    assert_eq!(case.bench.filed::<Evidence>()?.ground.as_deref(), Some("622-6"));
    Ok(())
}

#[tokio::test]
async fn a3_14_free_by_ground_asks_nobody() -> Tested {
    let mut case = case_with("2026-02-02T05:00:00Z", |_| {}).await?;
    assert_eq!(case.done().await?.label(), "free-by-ground");
    assert_eq!(case.duty()?.amount, Tiyn::ZERO);
    assert!(case.services().is_empty());
    Ok(())
}

#[tokio::test]
async fn a3_14_a_register_that_does_not_answer_is_never_read_as_none() -> Tested {
    let mut case = case().await?;
    case.register.down(service_ids::STATUSES);
    let fault = case.bench.work(&Job {}).await.expect_err("a fault");
    assert!(fault.is_transient() && fault.system() == Some(System::Sik));
    Ok(())
}

#[tokio::test]
async fn a3_14_what_is_not_certain_goes_to_the_head() -> Tested {
    let mut unknown = case().await?;
    unknown.register.says(service_ids::STATUSES, "demo-not-found");
    let hold = unknown.held().await?;
    let choices = ["pay", "exempt", "ask-again"].map(str::to_owned).to_vec();
    assert_eq!(asked(&hold), (Role::Head, "exemption.sik-person-not-found".to_owned(), choices));
    assert_eq!(hold.notices, [NoticeKind::QuestionAsked]);

    let mut unmapped = case().await?;
    unmapped.register.answers(service_ids::STATUSES, statuses(&["code-of-tomorrow"]));
    assert_eq!(asked(&unmapped.held().await?).1, "exemption.sik-status-unmapped");
    // the mapping was added, or the status withdrawn: asking again decides
    unmapped.register.answers(service_ids::STATUSES, statuses(&["demo-veteran"]));
    assert_eq!(done(unmapped.bench.answer(&Answer::AskAgain, &Job {}).await?)?.label(), "exempt");
    Ok(())
}

#[tokio::test]
async fn a3_14_a_declared_exemption_that_sik_does_not_know_is_decided_by_a_human() -> Tested {
    let declaring = |form: &mut Form| form.declared_exemption = Some("622-3".to_owned());
    let mut exempt = case_with(paper::FILED, declaring).await?;
    assert_eq!(asked(&exempt.held().await?).1, "exemption.declared-exemption-unknown");
    assert_eq!(done(exempt.bench.answer(&Answer::Exempt, &Job {}).await?)?.label(), "exempt");
    assert_eq!(exempt.duty()?.outcome, DutyOutcome::ExemptByStatus { ground: "622-3".to_owned() });
    assert_eq!(exempt.bench.filed::<Questions>()?.asked[0].choice.as_deref(), Some("exempt"));

    let mut pays = case_with(paper::FILED, declaring).await?;
    pays.held().await?;
    assert_eq!(done(pays.bench.answer(&Answer::Pay, &Job {}).await?)?.label(), "payable");
    assert_eq!(pays.duty()?.amount, Tiyn(78_640));
    Ok(())
}

#[tokio::test]
async fn a3_15_a_change_of_duty_between_filing_and_assessment_goes_to_the_committee() -> Tested {
    let mut case = case_with("2025-12-31T05:00:00Z", |form| form.declared_exemption = Some("622-3".to_owned())).await?;
    case.bench.passes(SignedDuration::from_hours(24));
    let hold = case.held().await?;
    let choices = ["duty-at-filing", "duty-now"].map(str::to_owned).to_vec();
    assert_eq!(asked(&hold), (Role::Committee, "exemption.duty-differs".to_owned(), choices));
    assert!(case.services().is_empty());
    let question = hold.question.expect("a question");

    // the duty of the day of filing: it is payable, so SIK is asked, and the settled duty survives the next question
    let next = held(case.bench.answer(&question.choices[0].answer, &Job {}).await?)?;
    assert_eq!(asked(&next).1, "exemption.declared-exemption-unknown");
    case.bench.passes(SignedDuration::from_hours(24));
    assert_eq!(done(case.bench.answer(&Answer::Pay, &Job {}).await?)?.label(), "payable");
    assert_eq!(case.duty()?.amount, Tiyn(78_640));

    let mut free = case_with("2025-12-31T05:00:00Z", |_| {}).await?;
    free.bench.passes(SignedDuration::from_hours(24));
    let question = free.held().await?.question.expect("a question");
    assert_eq!(done(free.bench.answer(&question.choices[1].answer, &Job {}).await?)?.label(), "free-by-ground");
    Ok(())
}

#[tokio::test]
async fn a3_1_a_consent_that_has_run_out_is_asked_anew() -> Tested {
    let mut old = case_with(paper::FILED, |form| form.consent.expires_at = paper::filed_at()).await?;
    assert_eq!(old.done().await?.label(), "payable");
    assert_eq!(old.services(), [service_ids::CONSENT, service_ids::STATUSES]);
    assert!(old.register.asked_of(service_ids::STATUSES)[0].data.contains("new-token"));

    let mut denied = case_with(paper::FILED, |form| form.consent.expires_at = paper::filed_at()).await?;
    denied.register.says(service_ids::CONSENT, "demo-denied");
    assert_eq!(asked(&denied.held().await?).1, "exemption.sik-consent-denied");

    let mut refused = case().await?;
    refused.register.says(service_ids::STATUSES, "demo-token-expired");
    let fault = refused.bench.work(&Job {}).await.expect_err("a fault");
    assert_eq!((fault.is_transient(), fault.cause()), (false, "consent-refused"));
    assert_eq!(refused.services(), [service_ids::STATUSES, service_ids::CONSENT, service_ids::STATUSES]);
    Ok(())
}

#[tokio::test]
async fn a_late_question_asks_the_register_once_more_and_then_the_committee() -> Tested {
    let mut case = case().await?;
    case.register.says(service_ids::STATUSES, "demo-not-found");
    let hold = case.held().await?;
    assert!(hold.until.is_some());
    let late = held(case.bench.lapse(&Job {}).await?)?;
    assert_eq!((late.until, late.notices.len()), (None, 0));
    // by its rule: the head has not answered, so the Committee is asked the same
    let (head, late) = (asked(&hold), asked(&late));
    assert_eq!((head.0, late.0), (Role::Head, Role::Committee));
    assert_eq!((head.1, head.2), (late.1, late.2));
    assert_eq!(case.bench.filed::<Questions>()?.asked.len(), 1);
    case.register.answers(service_ids::STATUSES, statuses(&[]));
    assert_eq!(done(case.bench.lapse(&Job {}).await?)?.label(), "payable");
    Ok(())
}
