//! Questions: whatever "goes to a human", at any stage, answered by the role it was put to, from a closed list, with
//! a reason.
//!
//! `GET /v1/questions?stage=intake&limit=50` and `POST /v1/questions/{case}`. The engine settles the choice within
//! the request; who asks, what may be chosen and what a choice means is the stage's.

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use kezek_domain::rules::{QuestionRule, Rules, Words};
use kezek_domain::{CaseId, Coupon, Receipt, Region, Ticket};
use kezek_stage::{Answers, Body, Caller, CaseOf, Decision, DoorError, Fault, Question, Reads};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Longest reason, in characters.
const LONGEST_REASON: usize = 500;

#[derive(Clone)]
struct Desk {
    stages: Arc<[&'static str]>,
    answers: Arc<dyn Answers>,
    reads: Arc<dyn Reads>,
    rules: Arc<Rules>,
}

impl Desk {
    /// The stage as the pipeline spells it.
    fn stage(&self, name: &str) -> Result<&'static str, DoorError> {
        self.stages
            .iter()
            .copied()
            .find(|s| *s == name)
            .ok_or_else(|| DoorError::not_found(format!("no such stage; there are {}", self.stages.join(", "))))
    }
}

/// The routes, for the stages of the pipeline; the rules say a question in words.
pub fn routes(stages: &[&'static str], answers: Arc<dyn Answers>, reads: Arc<dyn Reads>, rules: Arc<Rules>) -> Router {
    Router::new().route("/v1/questions", get(list)).route("/v1/questions/{case}", post(choose)).with_state(Desk {
        stages: stages.into(),
        answers,
        reads,
        rules,
    })
}

#[derive(Deserialize)]
struct Page {
    stage: String,
    limit: Option<u32>,
}

/// One question that the caller's role may answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    case: CaseId,
    receipt: Receipt,
    coupon: Option<Coupon>,
    region: Region,
    since: Timestamp,
    until: Option<Timestamp>,
    ticket: Ticket,
    question: String,
    finding: String,
    choices: Vec<String>,
    /// In words; nothing for a question whose rule was taken away since it was asked.
    text: Option<Words>,
    /// What each choice means, in the order of `choices`.
    meanings: Vec<Option<Words>>,
}

async fn list(
    State(desk): State<Desk>,
    caller: Caller,
    Query(page): Query<Page>,
) -> Result<impl IntoResponse, DoorError> {
    let stage = desk.stage(&page.stage)?;
    let waiting = desk.reads.waiting(&caller, stage, page.limit.unwrap_or(50).clamp(1, 500)).await?;
    let mut asked = Vec::new();
    for case in waiting {
        let Some(question) = case.question.map(read).transpose()? else { continue };
        if question.role != caller.role {
            continue;
        }
        let rules = desk.rules.questions();
        asked.push(Asked {
            text: rules.find(&question.key).map(QuestionRule::words),
            meanings: question.choices.iter().map(|c| rules.choice(&c.label).cloned()).collect(),
            case: case.case.id,
            receipt: case.case.receipt,
            coupon: case.case.coupon,
            region: case.case.region,
            since: case.since,
            until: case.until,
            ticket: case.case.ticket,
            question: question.key,
            finding: question.finding,
            choices: question.choices.into_iter().map(|c| c.label).collect(),
        });
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(json!({ "questions": asked }))))
}

/// The choice, with the ticket that the page showed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    stage: String,
    ticket: Ticket,
    choice: String,
    reason: String,
}

async fn choose(
    State(desk): State<Desk>,
    caller: Caller,
    CaseOf(case): CaseOf,
    Body(sent): Body<Chosen>,
) -> Result<Json<Value>, DoorError> {
    let stage = desk.stage(&sent.stage)?;
    let view = desk.reads.case(&caller, case, &[], "question").await?;
    let question = view
        .question
        .map(read)
        .transpose()?
        .ok_or_else(|| DoorError::conflict("nothing-asked", "this case asks nothing now; load the list anew"))?;
    caller.needs(&[question.role])?;
    let mut errors = Vec::new();
    if question.choices.iter().all(|c| c.label != sent.choice) {
        let labels: Vec<_> = question.choices.iter().map(|c| c.label.as_str()).collect();
        errors.push(("/choice".to_owned(), format!("choose one of {}", labels.join(", "))));
    }
    let reason = sent.reason.trim();
    if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
        let what = format!("say why, in 1 to {LONGEST_REASON} characters and without personal data");
        errors.push(("/reason".to_owned(), what));
    }
    if !errors.is_empty() {
        return Err(DoorError::invalid(errors));
    }
    let settled = desk
        .answers
        .decide(Decision {
            case,
            stage,
            ticket: sent.ticket,
            body: Value::Null,
            choice: Some(sent.choice),
            reason: Some(reason.to_owned()),
            caller,
        })
        .await?;
    Ok(Json(json!({ "case": case, "ticket": settled.ticket, "outcome": settled.outcome })))
}

/// The question of whichever stage: its answers stay unread here.
fn read(question: Value) -> Result<Question<Value>, DoorError> {
    serde_json::from_value(question).map_err(|_| Fault::permanent("question-unreadable", "a stored question").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use kezek_domain::{Purse, Role, Service, Status};
    use kezek_stage::{CaseHead, Choice};
    use kezek_testkit::desk::{Counter, HeldCase, ask, officer};
    use kezek_testkit::paper;

    fn held() -> HeldCase {
        let id = CaseId(uuid::Uuid::from_u128(9));
        let mut status = Status::opened("exemption".into());
        if let Status::Open { how, .. } = &mut status {
            *how = kezek_domain::How::Held { until: None };
        }
        let head = CaseHead {
            id,
            receipt: Receipt::of(id),
            coupon: Some(paper::coupon()),
            service: Service::ID_CARD_RENEWAL,
            flow_version: 1,
            region: paper::region(),
            language: kezek_domain::dossier::Language::Kk,
            filed_at: paper::filed_at(),
            status,
            ticket: Ticket(4),
            revision: 0,
            purse: Purse::default(),
        };
        let question = Question {
            key: "exemption.sik-status-unmapped".to_owned(),
            role: Role::Head,
            finding: "not-mapped".to_owned(),
            choices: vec![
                Choice { label: "exempt".to_owned(), answer: json!("yes") },
                Choice { label: "pay".to_owned(), answer: json!("no") },
            ],
        };
        let mut held = HeldCase::new(head, paper::filed_at());
        held.question = serde_json::to_value(question).ok();
        held
    }

    #[tokio::test]
    async fn a_question_is_answered_by_its_role_from_its_list_with_a_reason() {
        let counter = Counter::default();
        counter.put(held());
        let rules = Arc::new(Rules::built_in().clone());
        let doors = routes(&["intake", "exemption"], Arc::new(counter.clone()), Arc::new(counter.clone()), rules);
        let head = officer(Role::Head, paper::region(), None);
        let reviewer = officer(Role::Reviewer, paper::region(), None);

        let (_, none) = ask(&doors, &reviewer, "GET", "/v1/questions?stage=exemption", None).await;
        assert_eq!(none["questions"].as_array().map(Vec::len), Some(0));
        let (status, listed) = ask(&doors, &head, "GET", "/v1/questions?stage=exemption", None).await;
        assert_eq!((status, listed["questions"][0]["choices"].clone()), (StatusCode::OK, json!(["exempt", "pay"])));
        assert!(listed["questions"][0]["text"]["kk"].as_str().is_some_and(|text| text.contains("Әлеуметтік")));
        assert_eq!(listed["questions"][0]["meanings"][1]["en"], "The duty is due");
        assert_eq!(ask(&doors, &head, "GET", "/v1/questions?stage=nowhere", None).await.0, StatusCode::NOT_FOUND);

        let path = format!("/v1/questions/{}", held().head.id);
        let sent = |choice: &str, reason: &str, ticket: i64| {
            Some(json!({ "stage": "exemption", "ticket": ticket, "choice": choice, "reason": reason }))
        };
        let (status, problem) = ask(&doors, &head, "POST", &path, sent("maybe", " ", 4)).await;
        assert_eq!((status, problem["errors"].as_array().map(Vec::len)), (StatusCode::UNPROCESSABLE_ENTITY, Some(2)));
        assert_eq!(ask(&doors, &reviewer, "POST", &path, sent("exempt", "seen", 4)).await.0, StatusCode::FORBIDDEN);
        assert_eq!(ask(&doors, &head, "POST", &path, sent("exempt", "seen", 3)).await.0, StatusCode::CONFLICT);
        assert!(counter.decisions().is_empty());
        assert_eq!(ask(&doors, &head, "POST", &path, sent("exempt", "seen", 4)).await.0, StatusCode::OK);
        let taken = counter.decisions();
        assert_eq!((taken[0].choice.as_deref(), taken[0].reason.as_deref()), (Some("exempt"), Some("seen")));
    }
}
