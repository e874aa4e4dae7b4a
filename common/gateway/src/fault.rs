//! What can fail on the way to a system, told apart as integrators do; decides what is retried.

use kezek_domain::{Fault, System};

/// A technical failure of a call. Holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayFault {
    /// The call carried no consent token, or one that the register does not know.
    #[error("{system}: consent token missing or unknown")]
    ConsentMissing {
        /// Who was asked.
        system: System,
    },
    /// What was asked for does not exist, where the operation has no answer for that.
    #[error("{system}: data not found")]
    DataNotFound {
        /// Who was asked.
        system: System,
    },
    /// The register, or the gateway for it, refuses this request.
    #[error("{system}: refused with code {code}")]
    RemoteError {
        /// Who was asked.
        system: System,
        /// Its code.
        code: String,
    },
    /// The gateway failed with a code that is known.
    #[error("{system}: gateway error {code}")]
    GatewayError {
        /// Who was asked.
        system: System,
        /// The gateway's code.
        code: String,
    },
    /// The gateway failed with a code that nobody knows.
    #[error("{system}: unknown gateway error {code}")]
    UnknownError {
        /// Who was asked.
        system: System,
        /// The gateway's code.
        code: String,
    },
    /// An answer came that cannot be read.
    #[error("{system}: bad answer at {place}: {what}")]
    BadAnswer {
        /// Who was asked.
        system: System,
        /// Where in the answer.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// No answer came.
    #[error("{system}: {what}")]
    Transport {
        /// Who was asked.
        system: System,
        /// `timed out`, `no connection` or `connection lost`.
        what: &'static str,
    },
}

impl GatewayFault {
    /// The system that was asked.
    #[must_use]
    pub const fn system(&self) -> System {
        match self {
            Self::ConsentMissing { system }
            | Self::DataNotFound { system }
            | Self::RemoteError { system, .. }
            | Self::GatewayError { system, .. }
            | Self::UnknownError { system, .. }
            | Self::BadAnswer { system, .. }
            | Self::Transport { system, .. } => *system,
        }
    }

    /// A stable word, fit for a metric label.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::ConsentMissing { .. } => "gateway-consent-missing",
            Self::DataNotFound { .. } => "gateway-data-not-found",
            Self::RemoteError { .. } => "gateway-remote-error",
            Self::GatewayError { .. } => "gateway-error",
            Self::UnknownError { .. } => "gateway-unknown-error",
            Self::BadAnswer { .. } => "gateway-bad-answer",
            Self::Transport { .. } => "gateway-transport",
        }
    }

    /// Whether asking again may help: only where the gateway or the way to it failed.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::GatewayError { .. } | Self::UnknownError { .. } | Self::Transport { .. } => true,
            Self::ConsentMissing { .. }
            | Self::DataNotFound { .. }
            | Self::RemoteError { .. }
            | Self::BadAnswer { .. } => false,
        }
    }
}

impl From<GatewayFault> for Fault {
    fn from(fault: GatewayFault) -> Self {
        let detail = fault.to_string();
        let kind = if fault.is_transient() { Self::transient } else { Self::permanent };
        kind(fault.label(), detail).from_system(fault.system())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_three_of_the_taxonomy_are_tried_again() {
        let system = System::Kdp;
        let code = || "c".to_owned();
        for (fault, again) in [
            (GatewayFault::ConsentMissing { system }, false),
            (GatewayFault::DataNotFound { system }, false),
            (GatewayFault::RemoteError { system, code: code() }, false),
            (GatewayFault::BadAnswer { system, place: code(), what: code() }, false),
            (GatewayFault::GatewayError { system, code: code() }, true),
            (GatewayFault::UnknownError { system, code: code() }, true),
            (GatewayFault::Transport { system, what: "timed out" }, true),
        ] {
            let fault = Fault::from(fault);
            assert_eq!(fault.is_transient(), again, "{fault}");
            assert_eq!(fault.system(), Some(system));
        }
    }
}
