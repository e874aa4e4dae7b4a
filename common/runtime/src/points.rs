//! Points: the places between two steps at which a test may let the process die, let two workers meet, or have a
//! stage return another turn. Compiled in only with the feature `kill-points`, which the testkit alone switches on;
//! without it every call is nothing, and with it nothing happens that a test has not armed.

use kezek_domain::fault::Fault;
use kezek_stage::{Breakers, Stage, Turn};
use std::sync::Arc;
use uuid::Uuid;

#[cfg(feature = "kill-points")]
mod armed;
#[cfg(feature = "kill-points")]
pub use armed::{Armed, Instead, Meeting, Then, arm, disarm, replace};

/// A place between two steps. A hop passes them in this order; doors, letters, lapses and the sweep pass those that
/// they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "kill-points", derive(serde::Serialize, serde::Deserialize))]
pub enum Point {
    /// Messages (or outbox rows) are in hand; nothing was read.
    Taken,
    /// The file is read; the stage has not begun.
    BeforeWork,
    /// An intent is committed; the call was not made.
    Intended,
    /// An outside system has answered (or not); nothing else was done.
    #[cfg(feature = "kill-points")]
    AfterCall,
    /// An outside system has answered; its answer was not kept.
    BeforeAnswer,
    /// The stage has returned its turn.
    AfterWork,
    /// Everything is written and nothing is committed.
    BeforeCommit,
    /// Committed; nothing was published.
    Committed,
    /// Published and confirmed; neither acked nor deleted.
    Confirmed,
    /// Acked; the outbox rows still stand.
    Acked,
}

/// A point is reached by the subjects that `who` names.
#[cfg(not(feature = "kill-points"))]
pub(crate) fn reached(_: Point, _: &str, _: impl FnOnce() -> Vec<Uuid>) -> std::future::Ready<()> {
    std::future::ready(())
}
#[cfg(feature = "kill-points")]
pub(crate) fn reached(
    point: Point,
    stage: &str,
    who: impl FnOnce() -> Vec<Uuid>,
) -> kezek_stage::BoxFuture<'static, ()> {
    armed::reached(point, stage, who)
}

/// What a test has the stage return for a subject, once, instead of asking it.
#[cfg(not(feature = "kill-points"))]
pub(crate) const fn instead<S: Stage>(_: Uuid) -> Option<Result<Turn<S>, Fault>> {
    None
}
#[cfg(feature = "kill-points")]
pub(crate) fn instead<S: Stage>(subject: Uuid) -> Option<Result<Turn<S>, Fault>> {
    armed::instead::<S>(subject)
}

/// Breakers whose report, made after every call, is a point.
#[cfg(not(feature = "kill-points"))]
pub(crate) fn after_calls(breakers: Arc<dyn Breakers>, _: &'static str, _: Uuid) -> Arc<dyn Breakers> {
    breakers
}
#[cfg(feature = "kill-points")]
pub(crate) fn after_calls(breakers: Arc<dyn Breakers>, stage: &'static str, case: Uuid) -> Arc<dyn Breakers> {
    Arc::new(armed::AfterCalls { breakers, stage, case })
}

/// The identifiers in an effect's key.
pub(crate) fn ids_in(key: &str) -> Vec<Uuid> {
    key.split('/').filter_map(|part| part.parse().ok()).collect()
}
