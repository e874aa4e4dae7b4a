//! The engine: the only crate that names lapin. It reads a message, lets the stage work, settles the turn in one
//! transaction, publishes what follows with confirms, and acks.
//!
//! ```text
//! broker ─▶ consume ─▶ load ─▶ room (work) ─▶ settle ─▶ broker (publish, confirm) ─▶ acks
//! ```

mod acks;
mod answers;
mod arriving;
mod brake;
mod breakers;
mod broker;
mod busy;
mod consume;
mod deciding;
pub mod desk;
mod drain;
mod effects;
mod engine;
mod envelope;
mod filling;
mod gather;
mod housekeeping;
mod item;
mod letters;
mod line;
mod load;
pub mod management;
mod metrics;
mod notebook;
mod outside;
#[cfg(not(feature = "kill-points"))]
mod points;
#[cfg(feature = "kill-points")]
pub mod points;
mod reads;
mod retry;
mod room;
mod settle;
pub mod topology;
mod watchdog;

/// The allocator that a worker's binary declares as its own.
pub use mimalloc::MiMalloc as Allocator;

pub use breakers::{Outage, SharedBreakers};
pub use broker::{Link, Published, Publisher};
pub use drain::{DrainError, Drained, drain, workers_off};
pub use engine::{Engine, Limits, Parts};
pub use envelope::{Envelope, Mode, NoEnvelope, Subject};
pub use housekeeping::{Readiness, clock_round, housekeeping, ready};
pub use line::{BodySchema, DoorKit, Line, Room, SampleAnswer};
pub use metrics::Metrics;
pub use prometheus::Histogram;
pub use retry::{LADDER, Rung, Waits};

use kezek_stage::{Answers, Reads};
use std::sync::Arc;

/// The engine's side of the doors: opens cases, keeps arrivals, settles decisions of the stages that run here.
#[must_use]
pub fn answers(engine: &Engine, rooms: &[Arc<dyn Room>]) -> Arc<dyn Answers> {
    let rooms = rooms.iter().map(|r| (r.name(), Arc::clone(r))).collect();
    Arc::new(answers::EngineAnswers { engine: engine.clone(), rooms })
}

/// Queries for doors, under the console's role.
#[must_use]
pub fn reads(engine: &Engine) -> Arc<dyn Reads> {
    Arc::new(reads::EngineReads::new(engine.clone()))
}
