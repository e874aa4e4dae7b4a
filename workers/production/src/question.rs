//! What a person of the production centre is asked, and the answers to choose from.

use crate::{Answer, CancelReason};
use kezek_domain::Role;
use kezek_stage::{Choice, Question};

/// The questions of this stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The duty is not settled (A5.3).
    Unpaid,
    /// Incoming control rejected the order (A5.4).
    IncomingControl,
    /// A defect, and no remake is left.
    RemakesUsedUp,
}

impl Asked {
    /// The question, with what was found: a label or the centre's code.
    pub fn question(self, finding: &str) -> Question<Answer> {
        let choice = |label: &str, answer| Choice { label: label.to_owned(), answer };
        let cancel = |reason| choice("cancel", Answer::Cancel { reason });
        let (key, choices) = match self {
            Self::Unpaid => {
                let again = choice("check-again", Answer::CheckAgain);
                ("production.unpaid", vec![again, cancel(CancelReason::Unpaid)])
            }
            Self::IncomingControl => {
                let remake = choice("remake", Answer::Remake);
                ("production.incoming-control", vec![remake, cancel(CancelReason::IncomingControl)])
            }
            Self::RemakesUsedUp => {
                let remake = choice("remake", Answer::Remake);
                ("production.remakes-used-up", vec![remake, cancel(CancelReason::RemakesUsedUp)])
            }
        };
        Question { key: key.to_owned(), role: Role::Production, finding: finding.to_owned(), choices }
    }
}
