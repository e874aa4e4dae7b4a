//! A line of the list of stages: what the process needs to know of a stage without knowing its types.

use crate::engine::Engine;
use crate::item::{Errand, Ready};
use crate::points::{self, Point};
use crate::room::StageRoom;
use crate::settle::Fate;
use crate::topology::StageShape;
use kezek_domain::Ticket;
use kezek_domain::fault::Fault;
use kezek_stage::{
    Answer as _, BoxFuture, CaseHead, Choice, ConfigError, Decided, Decision, Desk, DoorError, Doors, Kit, Money,
    Question, Shape, Stage, decode,
};
use kezek_stage::{Answers, Reads, Subject as _, SubjectKind};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// One stage of the list.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    shape: StageShape,
    subject: SubjectKind,
    notices: bool,
    open: OpenFn,
    routes: Option<RoutesFn>,
    schemas: fn() -> Vec<BodySchema>,
    answers: fn() -> Vec<SampleAnswer>,
}

type OpenFn = fn(Value, &Kit, &Engine, StageShape) -> Result<Arc<dyn Room>, ConfigError>;
type RoutesFn = fn(&dyn Room, &DoorKit) -> Option<axum::Router>;

/// The schema of one body that travels.
#[derive(Clone, Debug)]
pub struct BodySchema {
    /// `jobs` or `answers`.
    pub family: &'static str,
    /// The stage.
    pub stage: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Version.
    pub version: u32,
    /// JSON Schema.
    pub schema: Value,
    /// Examples.
    pub samples: Vec<Value>,
}

/// A sample answer, as a door would bring it.
#[derive(Clone, Debug)]
pub struct SampleAnswer {
    /// Which answer it is.
    pub label: &'static str,
    /// Kind of its shape.
    pub kind: &'static str,
    /// Its version.
    pub version: u32,
    /// Its body.
    pub body: Value,
    /// The money that it reports.
    pub money: Option<Money>,
}

/// What doors are given.
#[derive(Clone)]
pub struct DoorKit {
    /// Queries under the console's role.
    pub reads: Arc<dyn Reads>,
    /// The engine's side.
    pub answers: Arc<dyn Answers>,
    /// The engine.
    pub engine: Engine,
}

impl std::fmt::Debug for DoorKit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DoorKit")
    }
}

/// A stage of this process, its types erased around whole batches.
pub trait Room: Send + Sync {
    /// The stage's name.
    fn name(&self) -> &'static str;
    /// Runs the stage until `stop`, then finishes what is in hand.
    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, ()>;
    /// Settles an officer's decision within a request.
    fn decide(&self, decision: Decision) -> BoxFuture<'_, Result<Decided, DoorError>>;
    /// The room itself, for its routes.
    fn as_any(&self) -> &dyn std::any::Any;
}

impl Line {
    /// A stage without doors.
    #[must_use]
    pub const fn of<S: Stage>() -> Self {
        Self {
            shape: StageShape { name: S::NAME, per_region: false, for_cancelled: false, for_parked: false },
            subject: S::Subject::KIND,
            notices: false,
            open: open::<S>,
            routes: None,
            schemas: schemas::<S>,
            answers: sample_answers::<S>,
        }
    }
    /// A stage with doors.
    #[must_use]
    pub const fn with_doors<S: Doors>() -> Self {
        Self { routes: Some(routes::<S>), ..Self::of::<S>() }
    }
    /// One queue per region.
    #[must_use]
    pub const fn per_region(mut self) -> Self {
        self.shape.per_region = true;
        self
    }
    /// Takes cancelled applications.
    #[must_use]
    pub const fn for_cancelled(mut self) -> Self {
        self.shape.for_cancelled = true;
        self
    }
    /// Takes parked messages and what could not be routed.
    #[must_use]
    pub const fn for_parked(mut self) -> Self {
        self.shape.for_parked = true;
        self
    }
    /// Tells the applicant.
    #[must_use]
    pub const fn for_notices(mut self) -> Self {
        self.notices = true;
        self
    }
    /// The stage's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.shape.name
    }
    /// The stage's shape on the broker.
    #[must_use]
    pub const fn shape(&self) -> StageShape {
        self.shape
    }
    /// Whose row it settles.
    #[must_use]
    pub const fn subject(&self) -> SubjectKind {
        self.subject
    }
    /// Whether it tells the applicant.
    #[must_use]
    pub const fn tells(&self) -> bool {
        self.notices
    }
    /// The schemas of its job and answer.
    #[must_use]
    pub fn schemas(&self) -> Vec<BodySchema> {
        (self.schemas)()
    }
    /// The sample answers of the stage; none where nobody answers it.
    #[must_use]
    pub fn sample_answers(&self) -> Vec<SampleAnswer> {
        (self.answers)()
    }
    /// Opens the stage.
    ///
    /// # Errors
    /// Its configuration section, by key.
    pub fn open(&self, config: Value, kit: &Kit, engine: &Engine) -> Result<Arc<dyn Room>, ConfigError> {
        (self.open)(config, kit, engine, self.shape)
    }
    /// The routes of its doors, if it has any.
    pub fn routes(&self, room: &dyn Room, kit: &DoorKit) -> Option<axum::Router> {
        self.routes.and_then(|routes| routes(room, kit))
    }
}

fn open<S: Stage>(config: Value, kit: &Kit, engine: &Engine, shape: StageShape) -> Result<Arc<dyn Room>, ConfigError> {
    let config = if config.is_null() {
        S::Config::default()
    } else {
        serde_json::from_value(config).map_err(|e| ConfigError::at(format!("stage.{}", S::NAME), e.to_string()))?
    };
    let stage = S::open(config, kit.clone())?;
    Ok(Arc::new(StageRoom::<S> { stage: Arc::new(stage), engine: engine.clone(), shape, brake: Arc::default() }))
}

fn routes<S: Doors>(room: &dyn Room, kit: &DoorKit) -> Option<axum::Router> {
    let room = room.as_any().downcast_ref::<StageRoom<S>>()?;
    let engine = kit.engine.clone();
    Some(S::routes(Desk {
        stage: Arc::clone(&room.stage),
        reads: Arc::clone(&kit.reads),
        answers: Arc::clone(&kit.answers),
        clock: engine.clock().clone(),
        enquiry: Arc::new(move || {
            kezek_stage::Attempt::new(
                1,
                kezek_domain::CaseId(uuid::Uuid::nil()),
                S::NAME,
                engine.clock().clone(),
                Arc::new(crate::effects::NoEffects),
                Arc::clone(engine.breakers()) as Arc<dyn kezek_stage::Breakers>,
            )
        }),
    }))
}

fn schemas<S: Stage>() -> Vec<BodySchema> {
    fn one<T: Shape>(family: &'static str, stage: &'static str) -> BodySchema {
        let samples = T::samples().iter().filter_map(|s| serde_json::to_value(s).ok()).collect();
        BodySchema {
            family,
            stage,
            kind: T::KIND,
            version: T::VERSION,
            schema: schemars::schema_for!(T).to_value(),
            samples,
        }
    }
    let mut out = vec![one::<S::Job>("jobs", S::NAME)];
    if S::Answer::KIND != kezek_stage::NoAnswer::KIND {
        out.push(one::<S::Answer>("answers", S::NAME));
    }
    out
}

fn sample_answers<S: Stage>() -> Vec<SampleAnswer> {
    let (kind, version) = (S::Answer::KIND, S::Answer::VERSION);
    let one = |answer: &S::Answer| {
        let body = serde_json::to_value(answer).ok()?;
        Some(SampleAnswer { label: answer.label(), kind, version, body, money: answer.money() })
    };
    S::Answer::samples().iter().filter_map(one).collect()
}

impl<S: Stage> Room for StageRoom<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }
    fn run(self: Arc<Self>, stop: CancellationToken) -> BoxFuture<'static, ()> {
        Box::pin(Self::clone(&self).run(stop))
    }
    fn decide(&self, decision: Decision) -> BoxFuture<'_, Result<Decided, DoorError>> {
        Box::pin(self.settle_decision(decision))
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn stale() -> DoorError {
    DoorError::conflict("stale", "the case has gone on since this page was read; load it again")
}

impl<S: Stage> StageRoom<S> {
    async fn settle_decision(&self, d: Decision) -> Result<Decided, DoorError> {
        for _ in 0..3 {
            let Some((job, file)) = self.engine.read_held::<S>(d.case.0, d.ticket.0).await? else {
                return Err(stale());
            };
            self.may_decide(&d, &file.case)?;
            let (answer, note) = self.chosen(&d).await?;
            let attempt = self.engine.attempt::<S>(1, &file.case);
            let ready = Ready::<S> {
                item: None,
                errand: Errand::Decision,
                actor: d.caller.actor(),
                job,
                subject: d.case.0,
                ticket: d.ticket.0,
                revision: file.case.revision,
                answer: Some(answer),
                file,
                attempt,
                note,
            };
            let finished = self.attempt(ready).await;
            if let Err(fault) = &finished.result {
                // nothing is settled: the officer sees the fault and decides again
                return Err(fault.clone().into());
            }
            let settled = self
                .engine
                .settle(&*self.stage, std::slice::from_ref(&finished))
                .await
                .map_err(|e| DoorError::from(Fault::from(e)))?;
            match settled.fates.into_iter().next() {
                Some(Fate::True { ticket, outcome }) => {
                    self.engine.metrics().settled.with_label_values(&[S::NAME, &outcome]).inc();
                    self.engine.send(&settled.rows).await;
                    points::reached(Point::Confirmed, S::NAME, || vec![d.case.0]).await;
                    return Ok(Decided { ticket: Ticket(ticket), outcome });
                }
                Some(Fate::Redo) => {}
                _ => return Err(stale()),
            }
        }
        Err(DoorError::unavailable("the case is changing just now; try again"))
    }

    fn may_decide(&self, d: &Decision, case: &CaseHead) -> Result<(), DoorError> {
        match &d.caller.region {
            Some(region) if *region != case.region => Err(DoorError::not_found("no such case in your region")),
            _ => Ok(()),
        }
    }

    /// The answer: the body that the door built, or the whole answer behind a question's choice.
    async fn chosen(&self, d: &Decision) -> Result<(S::Answer, Value), DoorError> {
        let Some(label) = &d.choice else {
            let answer = decode::<S::Answer>(S::Answer::VERSION, d.body.to_string().as_bytes()).map_err(Fault::from)?;
            let note = json!({ "answer": answer.label(), "reason": d.reason });
            return Ok((answer, note));
        };
        let held = kezek_store::holds::find(self.engine.pool(), d.case.0).await.map_err(Fault::from)?;
        let question = held.and_then(|(_, _, question)| question).ok_or_else(stale)?;
        let question: Question<S::Answer> = serde_json::from_value(question)
            .map_err(|_| DoorError::from(Fault::permanent("question-unreadable", S::NAME)))?;
        d.caller.needs(&[question.role])?;
        let labels: Vec<String> = question.choices.iter().map(|c| c.label.clone()).collect();
        let Some(Choice { answer, .. }) = question.choices.into_iter().find(|c| c.label == *label) else {
            return Err(DoorError::invalid(vec![(
                "/choice".to_owned(),
                format!("must be one of {}", labels.join(", ")),
            )]));
        };
        let note = json!({ "question": question.key, "choice": label, "reason": d.reason });
        Ok((answer, note))
    }
}
