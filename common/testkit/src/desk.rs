//! The doors of one stage without server, broker or database: cases that are held, and a book of what was decided.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use jiff::Timestamp;
use kezek_domain::dossier::{Filed, Section};
use kezek_domain::{CaseId, Coupon, Iin, Region, Role, Status, Ticket};
use kezek_stage::{
    Answers, Arrival, Attachment, Attempt, BoxFuture, Brought, Caller, CaseHead, CaseView, Decided, Decision, Desk,
    DoorError, Doors, Opened, Picture, Reads, Reexamination, Submission, WaitingCase,
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tower::ServiceExt as _;

use crate::Bench;

/// One held case as the doors see it.
#[derive(Clone, Debug)]
pub struct HeldCase {
    /// Its head.
    pub head: CaseHead,
    /// Since when it waits.
    pub since: Timestamp,
    /// The question asked, if any.
    pub question: Option<Value>,
    sections: HashMap<Section, Value>,
    pictures: HashMap<Attachment, Vec<u8>>,
}

impl HeldCase {
    /// A held case without papers.
    #[must_use]
    pub fn new(head: CaseHead, since: Timestamp) -> Self {
        Self { head, since, question: None, sections: HashMap::new(), pictures: HashMap::new() }
    }
    /// Files a section.
    #[must_use]
    pub fn filing<T: Filed>(mut self, section: &T) -> Self {
        self.sections.insert(T::SECTION, serde_json::to_value(section).unwrap_or(Value::Null));
        self
    }
    /// Attaches a picture or document.
    #[must_use]
    pub fn attaching(mut self, which: Attachment, bytes: impl Into<Vec<u8>>) -> Self {
        self.pictures.insert(which, bytes.into());
        self
    }
}

#[derive(Default)]
struct Book {
    cases: BTreeMap<CaseId, HeldCase>,
    decisions: Vec<Decision>,
    arrivals: Vec<Arrival>,
    submissions: Vec<Submission>,
    reexaminations: Vec<Reexamination>,
    read: Vec<(String, CaseId, String)>,
}

/// What stands behind the doors: cases by region and ticket, as the database would show them.
#[derive(Clone, Default)]
pub struct Counter(Arc<Mutex<Book>>);

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counter")
    }
}

impl Counter {
    /// Puts a case before the doors, in place of the one with its id.
    pub fn put(&self, case: HeldCase) {
        self.book().cases.insert(case.head.id, case);
    }
    /// Decisions taken so far.
    #[must_use]
    pub fn decisions(&self) -> Vec<Decision> {
        self.book().decisions.clone()
    }
    /// Arrivals brought so far.
    #[must_use]
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.book().arrivals.clone()
    }
    /// Submissions so far.
    #[must_use]
    pub fn submissions(&self) -> Vec<Submission> {
        self.book().submissions.clone()
    }
    /// Closed cases whose papers were taken in once more.
    #[must_use]
    pub fn reexaminations(&self) -> Vec<Reexamination> {
        self.book().reexaminations.clone()
    }
    /// The audit trail: account, case, purpose.
    #[must_use]
    pub fn audit(&self) -> Vec<(String, CaseId, String)> {
        self.book().read.clone()
    }
    /// The routes of a stage on a bench, before this counter.
    pub fn routes<S: Doors>(&self, bench: &Bench<S>) -> Router {
        let (clock, effects, breakers) =
            (bench.clock().clone(), Arc::clone(&bench.effects), Arc::clone(&bench.breakers));
        let case = bench.case.id;
        let enquiry_clock = clock.clone();
        let enquiry = move || {
            let (effects, breakers) = (Arc::clone(&effects), Arc::clone(&breakers));
            Attempt::new(1, case, S::NAME, enquiry_clock.clone(), effects as _, breakers as _)
        };
        S::routes(Desk {
            stage: Arc::clone(&bench.stage),
            reads: Arc::new(self.clone()),
            answers: Arc::new(self.clone()),
            clock,
            enquiry: Arc::new(enquiry),
        })
    }
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn visible(&self, caller: &Caller, case: CaseId, purpose: &str) -> Result<HeldCase, DoorError> {
        let mut book = self.book();
        let found = book.cases.get(&case).filter(|c| caller.regions().contains(&c.head.region)).cloned();
        let found = found.ok_or_else(|| DoorError::not_found("no such case in your region"))?;
        book.read.push((caller.account.clone(), case, purpose.to_owned()));
        Ok(found)
    }
}

/// An officer in a role and region.
#[must_use]
pub fn officer(role: Role, region: Region, iin: Option<Iin>) -> Caller {
    // whoever issues serves every point that sample people choose
    let points = match role {
        Role::Issuer => (1..4).map(|n| format!("{}-{n:02}", region.as_str())).collect(),
        _ => Vec::new(),
    };
    Caller { account: format!("{role}-{}", region.as_str()), role, region: Some(region), iin, points }
}

/// An account of a national role or of an outside system.
#[must_use]
pub fn account(role: Role) -> Caller {
    Caller { account: role.label().to_owned(), role, region: None, iin: None, points: Vec::new() }
}

/// Asks a door as a caller, and gives its answer with the body as JSON (`null` where it is none).
pub async fn ask(
    doors: &Router,
    caller: &Caller,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let (status, bytes) = ask_raw(doors, caller, method, path, body).await;
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// [`ask`], with the body as it came.
pub async fn ask_raw(
    doors: &Router,
    caller: &Caller,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, Vec<u8>) {
    let sent = body.map_or_else(Body::empty, |b| Body::from(b.to_string()));
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .extension(caller.clone())
        .body(sent);
    let Ok(request) = request else { return (StatusCode::BAD_REQUEST, Vec::new()) };
    let response = match doors.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 64 << 20).await.map_or_else(|_| Vec::new(), |b| b.to_vec());
    (status, bytes)
}

impl Reads for Counter {
    fn waiting<'a>(
        &'a self,
        caller: &'a Caller,
        stage: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<WaitingCase>, DoorError>> {
        Box::pin(async move {
            let mut waiting: Vec<_> = self
                .book()
                .cases
                .values()
                .filter(|c| c.head.status.at().is_some_and(|at| at == stage))
                .filter(|c| caller.regions().contains(&c.head.region))
                .map(|c| WaitingCase {
                    case: c.head.clone(),
                    since: c.since,
                    until: c.head.status.how().and_then(|h| match h {
                        kezek_domain::How::Held { until } => *until,
                        kezek_domain::How::Moving | kezek_domain::How::Parked => None,
                    }),
                    question: c.question.clone(),
                })
                .collect();
            waiting.sort_by_key(|w| w.since);
            waiting.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(waiting)
        })
    }
    fn case<'a>(
        &'a self,
        caller: &'a Caller,
        case: CaseId,
        sections: &'a [Section],
        purpose: &'a str,
    ) -> BoxFuture<'a, Result<CaseView, DoorError>> {
        Box::pin(async move {
            let found = self.visible(caller, case, purpose)?;
            Ok(CaseView {
                case: found.head,
                since: Some(found.since),
                question: found.question,
                sections: found.sections.into_iter().filter(|(s, _)| sections.contains(s)).collect(),
            })
        })
    }
    fn picture<'a>(
        &'a self,
        caller: &'a Caller,
        case: CaseId,
        which: Attachment,
    ) -> BoxFuture<'a, Result<Picture, DoorError>> {
        Box::pin(async move {
            let mut found = self.visible(caller, case, which.label())?;
            let bytes = found.pictures.remove(&which).ok_or_else(|| DoorError::not_found("no such picture"))?;
            Ok(Picture { which, media_type: "image/jpeg".to_owned(), bytes })
        })
    }
    fn public_status<'a>(&'a self, number: &'a str) -> BoxFuture<'a, Result<CaseHead, DoorError>> {
        Box::pin(async move {
            let book = self.book();
            let named =
                |h: &CaseHead| h.receipt.as_str() == number || h.coupon.as_ref().is_some_and(|c| c.as_str() == number);
            let found = book.cases.values().map(|c| &c.head).find(|h| named(h)).cloned();
            found.ok_or_else(|| DoorError::not_found("no case has this number"))
        })
    }
    fn by_coupon<'a>(
        &'a self,
        caller: &'a Caller,
        coupon: &'a Coupon,
    ) -> BoxFuture<'a, Result<Option<CaseId>, DoorError>> {
        Box::pin(async move {
            let book = self.book();
            let mut seen = book.cases.values().filter(|c| caller.regions().contains(&c.head.region));
            Ok(seen.find(|c| c.head.coupon.as_ref() == Some(coupon)).map(|c| c.head.id))
        })
    }
}

impl Answers for Counter {
    fn reexamine(&self, wanted: Reexamination) -> BoxFuture<'_, Result<Opened, DoorError>> {
        Box::pin(async move {
            let mut book = self.book();
            let before = book.reexaminations.iter().position(|r| r.of == wanted.of);
            let place = u128::try_from(before.unwrap_or(book.reexaminations.len())).unwrap_or(0);
            let case = CaseId(uuid::Uuid::from_u128(1000 + place));
            if before.is_none() {
                book.reexaminations.push(wanted);
            }
            Ok(Opened { case, receipt: kezek_domain::Receipt::of(case), before: before.is_some() })
        })
    }
    fn open_case(&self, submission: Submission) -> BoxFuture<'_, Result<Opened, DoorError>> {
        Box::pin(async move {
            let mut book = self.book();
            let n = book.submissions.len();
            let same = |s: &Submission| s.source == submission.source && s.request_id == submission.request_id;
            let before = book.submissions.iter().position(same);
            let case = CaseId(uuid::Uuid::from_u128(u128::try_from(before.unwrap_or(n)).unwrap_or(0) + 1));
            if let Some(at) = before
                && book.submissions[at].request_sha256 != submission.request_sha256
            {
                return Err(DoorError::conflict("other-content", "this requestId was used for other content"));
            }
            if before.is_none() {
                book.submissions.push(submission);
            }
            Ok(Opened { case, receipt: kezek_domain::Receipt::of(case), before: before.is_some() })
        })
    }
    fn bring(&self, arrival: Arrival) -> BoxFuture<'_, Result<Brought, DoorError>> {
        Box::pin(async move {
            let mut book = self.book();
            let before = book.arrivals.iter().any(|a| a.source == arrival.source && a.reference == arrival.reference);
            if before {
                return Ok(Brought::Before);
            }
            book.arrivals.push(arrival);
            Ok(Brought::Kept)
        })
    }
    fn decide(&self, decision: Decision) -> BoxFuture<'_, Result<Decided, DoorError>> {
        Box::pin(async move {
            let held = self.visible(&decision.caller, decision.case, "decide")?;
            let there = matches!(&held.head.status, Status::Open { at, how: kezek_domain::How::Held { .. }, .. } if at == decision.stage);
            if !there || held.head.ticket != decision.ticket {
                return Err(DoorError::conflict("stale", "the case has moved since this page was shown; load it anew"));
            }
            let ticket: Ticket = held.head.ticket.next();
            let mut book = self.book();
            if let Some(case) = book.cases.get_mut(&decision.case) {
                case.head.ticket = ticket;
            }
            book.decisions.push(decision);
            Ok(Decided { ticket, outcome: "decided".to_owned() })
        })
    }
}
