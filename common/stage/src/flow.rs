//! A service's table of arrows from outcomes to stages. Stages do not know it; the engine follows it.

use crate::{Outcome, Shape, Stage, Subject as _, SubjectKind};
use kezek_domain::fault::Fault;
use kezek_domain::lifecycle::Closing;
use kezek_domain::rules::NoticeKind;
use kezek_domain::{Service, StageName};
use serde_json::Value;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};

/// Where an outcome leads, and the notices that go with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Where.
    pub target: Target,
    /// What the applicant is told.
    pub notices: Vec<NoticeKind>,
}

/// Where a step leads.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Into a stage, with its job.
    Stage {
        /// The stage.
        name: StageName,
        /// Kind of the job.
        kind: &'static str,
        /// Version of the job.
        version: u32,
        /// The job's body; no personal data.
        body: Value,
    },
    /// The case's end. Where the case still holds money, the law opens the refund instead.
    Close {
        /// How it ends.
        closing: Closing,
        /// Why: a metric-safe label.
        reason: &'static str,
    },
    /// The end of a subject that is not a case (a notice, a letter).
    End,
}

impl Step {
    /// Into a stage.
    #[must_use]
    pub fn to<S: Stage>(job: &S::Job) -> Self {
        Self {
            target: Target::Stage {
                name: StageName::new(S::NAME),
                kind: S::Job::KIND,
                version: S::Job::VERSION,
                // a job is a plain struct of labels and numbers: it always serialises
                body: serde_json::to_value(job).unwrap_or(Value::Null),
            },
            notices: Vec::new(),
        }
    }
    /// The case's end.
    #[must_use]
    pub const fn close(closing: Closing, reason: &'static str) -> Self {
        Self { target: Target::Close { closing, reason }, notices: Vec::new() }
    }
    /// The end of a subject that is not a case.
    #[must_use]
    pub const fn end() -> Self {
        Self { target: Target::End, notices: Vec::new() }
    }
    /// Tells the applicant.
    #[must_use]
    pub fn notify(mut self, notice: NoticeKind) -> Self {
        self.notices.push(notice);
        self
    }
}

/// A plain function from an outcome to a step: it sees no case and branches on the variant only.
pub type Arrow<O> = fn(&O) -> Step;

type ErasedArrow = Box<dyn Fn(&dyn Any) -> Option<Step> + Send + Sync>;

struct Routed {
    arrow: ErasedArrow,
    subject: SubjectKind,
    samples: Vec<(&'static str, Step)>,
}

/// A service's flow, with its version; a case keeps the version that it was opened with.
pub struct Flow {
    service: Service,
    version: u32,
    start: Step,
    refund: Step,
    takes_money: bool,
    routes: BTreeMap<&'static str, Routed>,
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Flow({} v{}, {} stages)", self.service, self.version, self.routes.len())
    }
}

/// A flow that cannot carry a case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlowError {
    /// A stage is entered whose outcomes lead nowhere.
    #[error("flow {flow}: stage `{stage}` is entered from `{from}` but has no arrows: add `.on::<…>(…)`")]
    NotRouted {
        /// The flow.
        flow: String,
        /// The stage entered.
        stage: String,
        /// Where from.
        from: String,
    },
    /// A stage has arrows and nothing leads to it.
    #[error("flow {flow}: stage `{stage}` has arrows but nothing leads to it: remove them or add the arrow")]
    NotReachable {
        /// The flow.
        flow: String,
        /// The stage.
        stage: String,
    },
    /// The flow never closes a case.
    #[error("flow {flow}: no outcome closes a case")]
    NoEnd {
        /// The flow.
        flow: String,
    },
    /// A stage was routed twice.
    #[error("flow {flow}: stage `{stage}` is routed twice")]
    Twice {
        /// The flow.
        flow: String,
        /// The stage.
        stage: String,
    },
    /// The flow names no stage that gives money back.
    #[error("flow {flow}: it takes money and `refund` does not lead into a stage")]
    NoRefund {
        /// The flow.
        flow: String,
    },
}

impl Flow {
    /// A flow that starts with `start` and gives money back through `refund`.
    #[must_use]
    pub fn new(service: Service, version: u32, start: Step, refund: Step) -> Self {
        Self { service, version, start, refund, takes_money: true, routes: BTreeMap::new() }
    }
    /// The arrows of one stage. The arrow matches every outcome exhaustively.
    ///
    /// # Errors
    /// Where the stage was routed before.
    pub fn on<S: Stage>(mut self, arrow: Arrow<S::Outcome>) -> Result<Self, FlowError> {
        let samples = S::Outcome::samples().iter().map(|o| (o.label(), arrow(o))).collect();
        let erased: ErasedArrow = Box::new(move |o: &dyn Any| o.downcast_ref::<S::Outcome>().map(arrow));
        if self.routes.insert(S::NAME, Routed { arrow: erased, subject: S::Subject::KIND, samples }).is_some() {
            return Err(FlowError::Twice { flow: self.label(), stage: S::NAME.to_owned() });
        }
        Ok(self)
    }
    /// `service v1`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{} v{}", self.service, self.version)
    }
    /// The service.
    #[must_use]
    pub const fn service(&self) -> &Service {
        &self.service
    }
    /// The version.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }
    /// The first step of a case.
    #[must_use]
    pub const fn start(&self) -> &Step {
        &self.start
    }
    /// The step that gives money back.
    #[must_use]
    pub const fn refund(&self) -> &Step {
        &self.refund
    }
    /// The stage that gives money back.
    #[must_use]
    pub fn refund_stage(&self) -> Option<&StageName> {
        match &self.refund.target {
            Target::Stage { name, .. } => Some(name),
            Target::Close { .. } | Target::End => None,
        }
    }
    /// Where an outcome of a stage leads.
    ///
    /// # Errors
    /// Permanent, where the flow has no arrows for the stage.
    pub fn step<S: Stage>(&self, outcome: &S::Outcome) -> Result<Step, Fault> {
        self.routes.get(S::NAME).and_then(|r| (r.arrow)(outcome)).ok_or_else(|| {
            Fault::permanent("not-routed", format!("flow {} has no arrows for {}", self.label(), S::NAME))
        })
    }
    /// Every arrow drawn from the outcomes' samples: (stage, outcome, step).
    pub fn arrows(&self) -> impl Iterator<Item = (&'static str, &'static str, &Step)> {
        self.routes.iter().flat_map(|(stage, r)| r.samples.iter().map(move |(o, s)| (*stage, *o, s)))
    }

    /// Every stage entered is routed, every stage routed is reachable, a case can end, money can go back.
    ///
    /// # Errors
    /// The first thing that is not so.
    pub fn check(&self) -> Result<(), FlowError> {
        let flow = self.label();
        let mut entered = BTreeSet::new();
        let mut ends = false;
        let starts = [("start", "", &self.start), ("refund", "", &self.refund)];
        for (from, _, step) in starts.into_iter().chain(self.arrows()) {
            match &step.target {
                Target::Stage { name, .. } => {
                    let Some((routed, _)) = self.routes.get_key_value(name.as_str()) else {
                        return Err(FlowError::NotRouted { flow, stage: name.to_string(), from: from.to_owned() });
                    };
                    entered.insert(*routed);
                }
                Target::Close { .. } => ends = true,
                Target::End => {}
            }
        }
        // notices and letters are brought by the engine, not by an arrow
        let lost = |s: &&&'static str, r: &Routed| r.subject == SubjectKind::Case && !entered.contains(**s);
        if let Some((stage, _)) = self.routes.iter().find(|(s, r)| lost(s, r)) {
            return Err(FlowError::NotReachable { flow, stage: (*stage).to_owned() });
        }
        if !ends {
            return Err(FlowError::NoEnd { flow });
        }
        if self.takes_money && self.refund_stage().is_none() {
            return Err(FlowError::NoRefund { flow });
        }
        Ok(())
    }
}
