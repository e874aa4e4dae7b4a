//! What a person of the production centre is asked, and the answers to choose from.

use crate::{Answer, CancelReason};
use kezek_domain::Fault;
use kezek_domain::rules::Rules;
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
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unpaid, Self::IncomingControl, Self::RemakesUsedUp];

    /// The key of its rule.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Unpaid => "production.unpaid",
            Self::IncomingControl => "production.incoming-control",
            Self::RemakesUsedUp => "production.remakes-used-up",
        }
    }

    /// Every answer that this stage knows for it; the rule says which are offered.
    pub fn possible(self) -> Vec<Choice<Answer>> {
        let choice = |label: &str, answer| Choice { label: label.to_owned(), answer };
        let (go_on, reason) = match self {
            Self::Unpaid => (choice("check-again", Answer::CheckAgain), CancelReason::Unpaid),
            Self::IncomingControl => (choice("remake", Answer::Remake), CancelReason::IncomingControl),
            Self::RemakesUsedUp => (choice("remake", Answer::Remake), CancelReason::RemakesUsedUp),
        };
        vec![go_on, choice("cancel", Answer::Cancel { reason })]
    }

    /// The question as its rule says, with what was found: a label or the centre's code. Once `late`, of whom the rule
    /// names then.
    ///
    /// # Errors
    /// As [`Question::by_rule`].
    pub fn question(self, rules: &Rules, finding: &str, late: bool) -> Result<Question<Answer>, Fault> {
        Question::by_rule(rules, self.key(), finding, self.possible(), late)
    }
}
