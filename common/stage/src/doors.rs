//! Doors: where the outside world enters. A door commits what came before it answers; it never moves a case
//! itself: it brings an answer, or settles a decision through the engine.

use crate::attempt::{Attempt, BoxFuture};
use crate::clock::Clock;
use crate::file::CaseHead;
use crate::turn::Money;
use crate::{Attachment, Stage};
use axum::extract::FromRequestParts;
use axum::http::{StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use kezek_domain::dossier::{Form, Section};
use kezek_domain::fault::Fault;
use kezek_domain::{Actor, CaseId, Coupon, Receipt, Region, Role, Service, Ticket};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// A stage with doors: HTTP routes that belong to the room which owns the decision.
pub trait Doors: Stage {
    /// The routes, mounted at the root of the process's HTTP server behind the bearer-token check.
    fn routes(desk: Desk<Self>) -> axum::Router;
}

/// What a stage's doors are given.
pub struct Desk<S> {
    /// The stage itself, for checks that doors and workers share.
    pub stage: Arc<S>,
    /// Queries under the console's database role.
    pub reads: Arc<dyn Reads>,
    /// Brings answers, opens cases, settles decisions.
    pub answers: Arc<dyn Answers>,
    /// The business clock.
    pub clock: Clock,
    /// Makes the attempt under which a door asks outside systems before a case exists (it has no effects).
    pub enquiry: Arc<dyn Fn() -> Attempt + Send + Sync>,
}

impl<S> Clone for Desk<S> {
    fn clone(&self) -> Self {
        Self {
            stage: Arc::clone(&self.stage),
            reads: Arc::clone(&self.reads),
            answers: Arc::clone(&self.answers),
            clock: self.clock.clone(),
            enquiry: Arc::clone(&self.enquiry),
        }
    }
}

impl<S> std::fmt::Debug for Desk<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}

/// Who is calling, established by the bearer token before the route runs. An extractor.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account.
    pub account: String,
    /// What the account may do.
    pub role: Role,
    /// The account's region; `None` for national roles.
    pub region: Option<Region>,
    /// The IIN of the person behind the account, where decisions are signed; never shown.
    pub iin: Option<kezek_domain::Iin>,
    /// The registration points at which the account hands cards over (A3.19); none for other roles.
    pub points: Vec<String>,
}

impl Caller {
    /// The actor that the journal names.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::Officer { account: self.account.clone(), role: self.role, region: self.region }
    }
    /// Refuses callers of other roles.
    ///
    /// # Errors
    /// 403, naming the role that is needed.
    pub fn needs(&self, roles: &[Role]) -> Result<(), DoorError> {
        if roles.contains(&self.role) {
            return Ok(());
        }
        let wanted: Vec<_> = roles.iter().map(|r| r.label()).collect();
        Err(DoorError::forbidden(format!(
            "role {} may not do this; it takes {}",
            self.role.label(),
            wanted.join(" or ")
        )))
    }
    /// Regions the caller may see: his own, or all for national roles.
    #[must_use]
    pub fn regions(&self) -> Vec<Region> {
        self.region.map_or_else(Region::all, |r| vec![r])
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = DoorError;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, DoorError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(DoorError::unauthorised)
    }
}

/// A refusal at a door: `application/problem+json` that says what, where and what to do, and never repeats a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct DoorError {
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: &'static str,
    /// What happened and what to do.
    pub detail: String,
    /// Each wrong field: JSON pointer, message.
    pub errors: Vec<(String, String)>,
    /// Further members of the problem document.
    pub more: Option<(&'static str, String)>,
}

impl DoorError {
    /// Any refusal.
    pub fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), more: None }
    }
    /// 400/422 with every wrong field by JSON pointer.
    #[must_use]
    pub fn invalid(errors: Vec<(String, String)>) -> Self {
        let detail =
            format!("{} field(s) are wrong; correct each and send again with the same requestId", errors.len());
        Self { status: 422, code: "invalid", detail, errors, more: None }
    }
    /// 401.
    #[must_use]
    pub fn unauthorised() -> Self {
        Self::new(401, "unauthorised", "send `Authorization: Bearer <token>` of an active account")
    }
    /// 403.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(403, "forbidden", detail)
    }
    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, "not-found", detail)
    }
    /// 409: somebody was faster.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(409, code, detail)
    }
    /// 503: nothing was kept; the sender repeats.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(503, "unavailable", detail)
    }
}

impl From<Fault> for DoorError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Transient { .. } => {
                Self::unavailable(format!("not possible just now ({}); nothing was kept, send it again", fault.cause()))
            }
            Fault::Permanent { .. } => Self {
                more: Some(("cause", fault.cause().to_owned())),
                ..Self::new(500, "fault", format!("stopped by a fault ({})", fault.cause()))
            },
        }
    }
}

impl IntoResponse for DoorError {
    fn into_response(self) -> Response {
        let errors: Vec<_> =
            self.errors.iter().map(|(pointer, message)| json!({ "pointer": pointer, "message": message })).collect();
        let mut body = json!({
            "type": format!("urn:kezek:problem:{}", self.code),
            "status": self.status, "code": self.code, "detail": self.detail, "errors": errors,
        });
        if let (Some((key, value)), Some(object)) = (self.more, body.as_object_mut()) {
            object.insert(key.to_owned(), Value::String(value));
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        (status, kind, body.to_string()).into_response()
    }
}

/// A picture or document of an application, as a door shows or takes it.
#[derive(Clone)]
pub struct Picture {
    /// Which one.
    pub which: Attachment,
    /// Media type.
    pub media_type: String,
    /// The bytes as they came.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}, {} bytes)", self.which.label(), self.bytes.len())
    }
}

/// An application that passed the door's own checks and asks to become a case.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The sender (account) and its request id: the same pair opens one case.
    pub source: String,
    /// The sender's id of the request.
    pub request_id: String,
    /// SHA-256 of the whole request: the same id with other content is refused.
    pub request_sha256: [u8; 32],
    /// The service.
    pub service: Service,
    /// The form as it was signed.
    pub form: Form,
    /// Photograph, signature sample, signed content and EDS.
    pub attachments: Vec<Picture>,
}

/// What became of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The case.
    pub case: CaseId,
    /// Its receipt.
    pub receipt: Receipt,
    /// Whether this very request had opened it before.
    pub before: bool,
}

/// Whom an arrival is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArrivalSubject {
    /// A known case.
    Case(CaseId),
    /// The case named by an effect key that we gave out; unknown keys are kept and listed.
    Key(String),
}

/// Something that came from outside for a case.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Who sent it (a system's label or an account).
    pub source: String,
    /// The sender's number of it: unique per source.
    pub reference: String,
    /// Whom it is for.
    pub subject: ArrivalSubject,
    /// The stage that it answers.
    pub stage: &'static str,
    /// Kind of the answer's shape.
    pub kind: &'static str,
    /// Its version.
    pub version: u32,
    /// Its body; no personal data.
    pub body: Value,
    /// The money that it reports: posted with the arrival, whether or not the case waits.
    pub money: Option<Money>,
    /// Who brought it.
    pub actor: Actor,
}

impl Arrival {
    /// An answer for a stage.
    ///
    /// # Errors
    /// Permanent, where the answer cannot be written as JSON.
    pub fn of<S: Stage>(
        source: impl Into<String>,
        reference: impl Into<String>,
        subject: ArrivalSubject,
        answer: &S::Answer,
        actor: Actor,
    ) -> Result<Self, Fault> {
        use crate::shape::Shape as _;
        use crate::turn::Answer as _;
        Ok(Self {
            source: source.into(),
            reference: reference.into(),
            subject,
            stage: S::NAME,
            kind: S::Answer::KIND,
            version: S::Answer::VERSION,
            body: serde_json::to_value(answer).map_err(|_| Fault::permanent("answer-unwritable", S::Answer::KIND))?,
            money: answer.money(),
            actor,
        })
    }
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brought {
    /// Kept, and on its way to the stage.
    Kept,
    /// Had come before.
    Before,
    /// Kept, but no case is known for it: listed for an operator; money goes to suspense.
    Unclaimed,
}

/// An officer's decision, settled within the request.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The case.
    pub case: CaseId,
    /// The stage at which it is held.
    pub stage: &'static str,
    /// The ticket that the officer's page showed: a stale one answers 409.
    pub ticket: Ticket,
    /// The answer's body (`Stage::Answer` of the stage).
    pub body: Value,
    /// Or the label of a question's choice; then `body` is ignored.
    pub choice: Option<String>,
    /// Why, where a question wants a reason.
    pub reason: Option<String>,
    /// Who decides.
    pub caller: Caller,
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The case's ticket now.
    pub ticket: Ticket,
    /// The outcome's label, or `held`.
    pub outcome: String,
}

/// The papers of a closed case, to be taken in once more as a new case, judged at the same instant of filing. The
/// closed case stays closed.
#[derive(Clone, Debug)]
pub struct Reexamination {
    /// The account that submitted the closed case; no other may ask.
    pub source: String,
    /// The closed case.
    pub of: CaseId,
    /// What is filed with the new case beside its form: why it was opened.
    pub sections: Vec<crate::SectionDraft>,
}

/// Opens cases, brings answers, settles decisions. Implemented by the engine.
pub trait Answers: Send + Sync {
    /// Opens a case with the papers of a closed one, once per closed case; commits before it returns.
    fn reexamine(&self, wanted: Reexamination) -> BoxFuture<'_, Result<Opened, DoorError>>;
    /// Opens a case, once per source and request id; commits before it returns.
    fn open_case(&self, submission: Submission) -> BoxFuture<'_, Result<Opened, DoorError>>;
    /// Keeps an arrival, once per source and reference; commits before it returns.
    fn bring(&self, arrival: Arrival) -> BoxFuture<'_, Result<Brought, DoorError>>;
    /// Settles a decision within the request; 409 where the ticket is stale or the case is not held there.
    fn decide(&self, decision: Decision) -> BoxFuture<'_, Result<Decided, DoorError>>;
}

/// A case that waits for a person.
#[derive(Clone, Debug)]
pub struct WaitingCase {
    /// The case's head.
    pub case: CaseHead,
    /// Since when, on the business clock.
    pub since: Timestamp,
    /// Until when.
    pub until: Option<Timestamp>,
    /// The question asked, if any.
    pub question: Option<Value>,
}

/// A case opened for a person with the right to see it.
#[derive(Debug)]
pub struct CaseView {
    /// The case's head.
    pub case: CaseHead,
    /// Since when it waits, on the business clock.
    pub since: Option<Timestamp>,
    /// The question asked, if any.
    pub question: Option<Value>,
    /// The latest body of each section asked for.
    pub sections: HashMap<Section, Value>,
}

/// Queries under the console's database role: only the caller's regions are visible.
pub trait Reads: Send + Sync {
    /// Cases held at a stage, oldest first.
    fn waiting<'a>(
        &'a self,
        caller: &'a Caller,
        stage: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<WaitingCase>, DoorError>>;
    /// One case with sections; the read is written to the audit trail with its purpose.
    fn case<'a>(
        &'a self,
        caller: &'a Caller,
        case: CaseId,
        sections: &'a [Section],
        purpose: &'a str,
    ) -> BoxFuture<'a, Result<CaseView, DoorError>>;
    /// One picture; the read is written to the audit trail.
    fn picture<'a>(
        &'a self,
        caller: &'a Caller,
        case: CaseId,
        which: Attachment,
    ) -> BoxFuture<'a, Result<Picture, DoorError>>;
    /// The public status of a case by receipt or coupon: no personal data.
    fn public_status<'a>(&'a self, number: &'a str) -> BoxFuture<'a, Result<CaseHead, DoorError>>;
    /// The case of a coupon, if the caller may see it.
    fn by_coupon<'a>(
        &'a self,
        caller: &'a Caller,
        coupon: &'a Coupon,
    ) -> BoxFuture<'a, Result<Option<CaseId>, DoorError>>;
}
