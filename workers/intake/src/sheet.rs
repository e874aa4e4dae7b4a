//! The sheet of one examination: every check's result in the order made. The first refusal decides; doubts wait
//! until it is known that nothing refuses, so that nobody is asked about an application that fails anyway.

use crate::doubt::Doubt;
use kezek_domain::dossier::{CheckOutcome, CheckResult, Findings};
use kezek_domain::rules::Refusal;
use std::collections::BTreeSet;

/// What one check says. The text is a closed-set word and never personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As the law wants it.
    Passed(&'static str),
    /// Against the law.
    Failed(Refusal, &'static str),
    /// For a human.
    Unsure(Doubt, &'static str),
    /// Worth knowing, and nobody needs to be asked.
    Noted(&'static str),
}

/// The sheet.
#[derive(Debug, Default)]
pub struct Sheet {
    checks: Vec<CheckResult>,
    refusal: Option<Refusal>,
    doubts: Vec<Doubt>,
    accepted: BTreeSet<Doubt>,
    lifted: BTreeSet<Refusal>,
}

impl Sheet {
    /// An empty sheet; the doubts that a human has let pass are not raised again.
    #[must_use]
    pub fn accepting(accepted: BTreeSet<Doubt>) -> Self {
        Self { accepted, ..Self::default() }
    }

    /// The same sheet; a human has set these refusals aside, so that they refuse no more and stay written down.
    #[must_use]
    pub fn lifting(mut self, lifted: BTreeSet<Refusal>) -> Self {
        self.lifted = lifted;
        self
    }

    /// Writes down what a check says, under its line of law.
    pub fn note(&mut self, law: &'static str, verdict: Verdict) {
        let (outcome, detail) = match verdict {
            Verdict::Passed(detail) => (CheckOutcome::Passed, detail),
            Verdict::Failed(refusal, detail) if self.lifted.contains(&refusal) => (CheckOutcome::Unsure, detail),
            Verdict::Failed(refusal, detail) => {
                self.refusal = self.refusal.or(Some(refusal));
                (CheckOutcome::Failed, detail)
            }
            Verdict::Unsure(doubt, detail) => {
                if doubt.blocks() || !self.accepted.contains(&doubt) {
                    self.doubts.push(doubt);
                }
                (CheckOutcome::Unsure, detail)
            }
            Verdict::Noted(detail) => (CheckOutcome::Unsure, detail),
        };
        self.checks.push(CheckResult { check: law.to_owned(), outcome, detail_code: detail.to_owned() });
    }

    /// Why the application does not go on: the first check that failed.
    #[must_use]
    pub const fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Whether nothing has failed so far: only then are further registers asked.
    #[must_use]
    pub const fn stands(&self) -> bool {
        self.refusal.is_none()
    }

    /// The first finding that nobody has let pass.
    #[must_use]
    pub fn doubt(&self) -> Option<Doubt> {
        self.doubts.first().copied()
    }

    /// The findings as they are filed.
    #[must_use]
    pub fn findings(&self, rule_version: &str) -> Findings {
        Findings { checks: self.checks.clone(), rule_version: rule_version.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failing_check_decides_and_all_are_kept() {
        let mut sheet = Sheet::default();
        sheet.note("A3.2", Verdict::Passed("found"));
        sheet.note("A3.4", Verdict::Failed(Refusal::Incapable, "court-decision"));
        sheet.note("A3.6", Verdict::Failed(Refusal::NoPermanentRegistration, "none"));
        assert_eq!(sheet.refusal(), Some(Refusal::Incapable));
        assert_eq!(sheet.findings("v").checks.len(), 3);
    }

    #[test]
    fn a_doubt_let_pass_is_not_raised_again_but_one_that_blocks_is() {
        let mut sheet = Sheet::accepting(BTreeSet::from([Doubt::BirthDateDiffers, Doubt::SeveralPersons]));
        sheet.note("A3.2", Verdict::Unsure(Doubt::BirthDateDiffers, "differs"));
        assert_eq!(sheet.doubt(), None);
        sheet.note("A3.2", Verdict::Unsure(Doubt::SeveralPersons, "several"));
        assert_eq!(sheet.doubt(), Some(Doubt::SeveralPersons));
    }

    #[test]
    fn s22_a_refusal_that_a_human_has_lifted_refuses_no_more_and_every_other_one_does() {
        let mut sheet = Sheet::default().lifting(BTreeSet::from([Refusal::PhotoUnfit]));
        sheet.note("A3.10", Verdict::Failed(Refusal::PhotoUnfit, "too-small"));
        assert!(sheet.stands());
        assert_eq!(sheet.findings("v").checks[0].outcome, CheckOutcome::Unsure);
        sheet.note("A3.11", Verdict::Failed(Refusal::PhotoMismatch, "not-matched"));
        assert_eq!(sheet.refusal(), Some(Refusal::PhotoMismatch));
    }
}
