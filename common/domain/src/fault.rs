//! Technical failures. A refusal is never one: it is an outcome.
//!
//! Which kind a failure is gets decided once, in `From` beside the client that met it. Unknown failures
//! are permanent: where money moves, stopping to ask beats trying again in hope.

use crate::actor::System;
use std::fmt;
use std::time::Duration;

/// A technical failure of a stage's work. `cause` is a closed-set word, safe as a metric label; `detail`
/// says more and never holds personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// May succeed later: time-outs, 5xx, lost connections, a job newer than this worker.
    Transient {
        /// A closed-set word.
        cause: &'static str,
        /// More, for people; no personal data.
        detail: String,
        /// The system at fault, for its breaker.
        system: Option<System>,
        /// What the other side asked to wait, at least.
        retry_after: Option<Duration>,
    },
    /// Will not succeed by repeating: the case is parked for an operator.
    Permanent {
        /// A closed-set word.
        cause: &'static str,
        /// More, for people; no personal data.
        detail: String,
        /// The system at fault.
        system: Option<System>,
    },
}

impl Fault {
    /// A failure that may pass.
    #[must_use]
    pub fn transient(cause: &'static str, detail: impl Into<String>) -> Self {
        Self::Transient { cause, detail: detail.into(), system: None, retry_after: None }
    }

    /// A failure that will not pass by repeating.
    #[must_use]
    pub fn permanent(cause: &'static str, detail: impl Into<String>) -> Self {
        Self::Permanent { cause, detail: detail.into(), system: None }
    }

    /// Names the outside system at fault.
    #[must_use]
    pub fn from_system(mut self, at_fault: System) -> Self {
        match &mut self {
            Self::Transient { system, .. } | Self::Permanent { system, .. } => *system = Some(at_fault),
        }
        self
    }

    /// Asks to wait at least this long before the next attempt; without meaning for a permanent fault.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        if let Self::Transient { retry_after, .. } = &mut self {
            *retry_after = Some(wait);
        }
        self
    }

    /// Whether repeating may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }

    /// `transient` or `permanent`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Transient { .. } => "transient",
            Self::Permanent { .. } => "permanent",
        }
    }

    /// The closed-set word for what happened.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Transient { cause, .. } | Self::Permanent { cause, .. } => cause,
        }
    }

    /// More, for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Transient { detail, .. } | Self::Permanent { detail, .. } => detail,
        }
    }

    /// The outside system at fault, if one is.
    #[must_use]
    pub const fn system(&self) -> Option<System> {
        match self {
            Self::Transient { system, .. } | Self::Permanent { system, .. } => *system,
        }
    }

    /// What the other side asked to wait, at least.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Transient { retry_after, .. } => *retry_after,
            Self::Permanent { .. } => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fault {}", self.label(), self.cause())?;
        if let Some(system) = self.system() {
            write!(f, " at {system}")?;
        }
        if self.detail().is_empty() { Ok(()) } else { write!(f, ": {}", self.detail()) }
    }
}

impl std::error::Error for Fault {}
