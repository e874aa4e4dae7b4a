//! A line of the list of stages: what the process needs to know of a stage without knowing its types.

use crate::engine::Engine;
use crate::room::StageRoom;
use crate::topology::StageShape;
use kezek_stage::{
    Answer as _, BoxFuture, ConfigError, Decided, Decision, Desk, DoorError, Doors, Kit, Money, Shape, Stage,
};
use kezek_stage::{Answers, Reads, Subject as _, SubjectKind};
use serde_json::Value;
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
    Ok(Arc::new(StageRoom::<S> {
        stage: Arc::new(stage),
        engine: engine.clone(),
        shape,
        brake: Arc::default(),
        deciding: StageRoom::<S>::deciding(),
    }))
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
