//! The life of a case: where it is, and which move leads where.
//!
//! [`after`] is the only function that changes a status. It is pure and total: workers, console and
//! recovery ask it alike, and what it refuses does not happen. Money that arrived is a fact, not a move;
//! [`Move::Money`] only asks what follows from it.

mod view;

use crate::label::labelled;
use crate::money::Tiyn;
use crate::name::StageName;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a case is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Under way.
    Open {
        /// The stage it is at.
        at: StageName,
        /// How often it has entered this stage, from 1.
        visit: u32,
        /// What it is doing there.
        how: How,
        /// Set while money is being given back: how the case will be closed after that.
        refunding: Option<Because>,
    },
    /// At its end.
    Closed(Closing),
}

/// What an open case is doing at its stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// A message is under way.
    Moving,
    /// It waits for a person or an answer.
    Held {
        /// When the wait lapses, in business time; without one it waits for as long as it takes.
        until: Option<Timestamp>,
    },
    /// It could not go on; an operator decides.
    Parked,
}

labelled! {
    /// How a case ended.
    pub enum Closing {
        /// The card was handed over (A11d).
        Issued = "issued",
        /// A check failed, and the service centre would not decide otherwise by this route.
        Refused = "refused",
        /// Sent to the service centre (A3.5, A3.6, A7, A12).
        Redirected = "redirected",
        /// The duty was not paid in time (A3.15).
        Unpaid = "unpaid",
        /// Cancelled by the reviewer (A11b) or an operator.
        Cancelled = "cancelled",
        /// Withdrawn by the applicant.
        Withdrawn = "withdrawn",
    }
}

/// Why a refund is under way, and so how the case closes after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Because {
    /// The closing that waits behind the refund.
    pub closing: Closing,
    /// A label, such as `photo-quality` or `late-money`.
    pub reason: String,
}

/// A stage and the visit with which it would be entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// The stage.
    pub stage: StageName,
    /// Earlier entries of this case into this stage, and one more.
    pub visit: u32,
}

/// What is asked to happen to a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Move {
    /// Go on to a stage.
    Enter {
        /// The stage entered.
        stage: StageName,
        /// Earlier entries of this case into this stage, and one more; counted by the engine.
        visit: u32,
    },
    /// Wait, or wait anew.
    Hold {
        /// When the wait lapses, in business time.
        until: Option<Timestamp>,
    },
    /// Again at the same place: a retry, or a stage that asked to be called later.
    Stay,
    /// Stop for an operator.
    Park,
    /// An operator sends a parked case on.
    Replay,
    /// End the case; with money held, first give it back.
    Close {
        /// How it ends.
        closing: Closing,
        /// A label.
        reason: String,
    },
    /// Money was posted to the case: what follows?
    Money,
}

/// What the ledger says about one case, in tiyn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Purse {
    /// All that was received for it, late money and claimed suspense included.
    pub received: Tiyn,
    /// What the state has earned by performing.
    pub earned: Tiyn,
    /// What was confirmed as to be given back.
    pub returned: Tiyn,
}

impl Purse {
    /// What is held: received and neither earned nor returned. Below zero the ledger is broken.
    #[must_use]
    pub const fn held(&self) -> Tiyn {
        Tiyn(self.received.0.saturating_sub(self.earned.0).saturating_sub(self.returned.0))
    }
}

/// Why a move is not legal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IllegalMove {
    /// The case is at its end.
    #[error("move `{mv}` on a case closed as `{closing}`")]
    Closed {
        /// The label of the move.
        mv: &'static str,
        /// How the case was closed.
        closing: Closing,
    },
    /// An operator has to act first.
    #[error("move `{mv}` on a parked case: replay or close it first")]
    Parked {
        /// The label of the move.
        mv: &'static str,
    },
    /// Only a parked case is replayed.
    #[error("replay of a case that is not parked")]
    NotParked,
    /// The visit does not follow the earlier ones.
    #[error("visit {visit} of stage `{stage}` does not follow the earlier ones")]
    Visit {
        /// The stage that was to be entered.
        stage: StageName,
        /// The visit given.
        visit: u32,
    },
    /// More was earned or returned than was received.
    #[error("the purse is overdrawn by {0}")]
    Overdrawn(Tiyn),
}

/// Where a move leads, or why it is not legal.
///
/// * `money`: the purse as it is with everything this settle posts; closing as issued earns the duty first.
/// * `refund`: the stage that gives money back, and the visit with which it would be entered now.
///
/// # Errors
/// [`IllegalMove`]; the case stays as it is.
pub fn after(status: &Status, mv: &Move, money: &Purse, refund: &Entry) -> Result<Status, IllegalMove> {
    match status {
        Status::Closed(closing) => after_closed(*closing, mv, money, refund),
        Status::Open { at, visit, how, refunding } => {
            let open = |how: How| Status::Open { at: at.clone(), visit: *visit, how, refunding: refunding.clone() };
            let parked = matches!(how, How::Parked);
            match mv {
                Move::Money => Ok(status.clone()),
                Move::Close { closing, reason } => {
                    // While money goes back the end is already decided; the refund stage only reports that it is done.
                    let because =
                        refunding.clone().unwrap_or_else(|| Because { closing: *closing, reason: reason.clone() });
                    close(status, because, money, refund)
                }
                Move::Replay if parked => Ok(open(How::Moving)),
                Move::Replay => Err(IllegalMove::NotParked),
                Move::Enter { .. } | Move::Hold { .. } | Move::Stay | Move::Park if parked => {
                    Err(IllegalMove::Parked { mv: mv.label() })
                }
                Move::Enter { stage, visit } => enter(status, stage, *visit, refunding.clone()),
                Move::Hold { until } => Ok(open(How::Held { until: *until })),
                Move::Stay => Ok(status.clone()),
                Move::Park => Ok(open(How::Parked)),
            }
        }
    }
}

fn after_closed(closing: Closing, mv: &Move, money: &Purse, refund: &Entry) -> Result<Status, IllegalMove> {
    match mv {
        Move::Money => {
            close(&Status::Closed(closing), Because { closing, reason: "late-money".to_owned() }, money, refund)
        }
        Move::Enter { .. } | Move::Hold { .. } | Move::Stay | Move::Park | Move::Replay | Move::Close { .. } => {
            Err(IllegalMove::Closed { mv: mv.label(), closing })
        }
    }
}

/// The end, or, while the purse is not empty, the way to the refund stage.
fn close(status: &Status, because: Because, money: &Purse, refund: &Entry) -> Result<Status, IllegalMove> {
    let held = money.held();
    if held.0 < 0 {
        Err(IllegalMove::Overdrawn(Tiyn(held.0.saturating_neg())))
    } else if held.is_positive() {
        enter(status, &refund.stage, refund.visit, Some(because))
    } else {
        Ok(Status::Closed(because.closing))
    }
}

fn enter(status: &Status, stage: &StageName, visit: u32, refunding: Option<Because>) -> Result<Status, IllegalMove> {
    let follows = match status {
        Status::Open { at, visit: present, .. } if at == stage => visit > *present,
        Status::Open { .. } | Status::Closed(_) => visit > 0,
    };
    if follows {
        Ok(Status::Open { at: stage.clone(), visit, how: How::Moving, refunding })
    } else {
        Err(IllegalMove::Visit { stage: stage.clone(), visit })
    }
}

#[cfg(test)]
mod tests;
