//! What becomes of a letter.

use crate::Cause;
use serde_json::{Value, json};

/// What an operator needs to see many letters as one problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The cause, of the closed list.
    pub cause: Cause,
    /// The problem: stage and cause.
    pub fingerprint: String,
}

/// The closed set of results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Kept in `dead_letters` for an operator.
    Stored(Seen),
    /// The broker gave up on it and its subject still waits for it: the engine sends it once more, alone in its batch.
    TriedAlone(Seen),
    /// Its subject has gone on: there is nothing to repair.
    Stale(Seen),
}

impl Outcome {
    /// What was seen.
    #[must_use]
    pub const fn seen(&self) -> &Seen {
        match self {
            Self::Stored(seen) | Self::TriedAlone(seen) | Self::Stale(seen) => seen,
        }
    }
}

impl kezek_stage::Outcome for Outcome {
    fn label(&self) -> &'static str {
        match self {
            Self::Stored(_) => "stored",
            Self::TriedAlone(_) => "tried-alone",
            Self::Stale(_) => "stale",
        }
    }
    fn samples() -> Vec<Self> {
        let seen = |cause: Cause| Seen { cause, fingerprint: crate::fingerprint(Some("intake"), cause.label()) };
        vec![
            Self::Stored(seen(Cause::Undecodable)),
            Self::TriedAlone(seen(Cause::DeliveryLimit)),
            Self::Stale(seen(Cause::Expired)),
        ]
    }
    fn letter(&self) -> kezek_stage::LetterVerdict {
        match self {
            Self::Stored(_) => kezek_stage::LetterVerdict::Keep,
            Self::TriedAlone(_) => kezek_stage::LetterVerdict::TryAlone,
            Self::Stale(_) => kezek_stage::LetterVerdict::Drop,
        }
    }
    fn facts(&self) -> Value {
        let Seen { cause, fingerprint } = self.seen();
        json!({ "cause": cause.label(), "fingerprint": fingerprint })
    }
}
