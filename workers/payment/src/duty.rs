//! What is due and what was taken in: the ledger, and what the service itself names when asked.

use crate::{Parts, Payment};
use jiff::Timestamp;
use kezek_domain::dossier::DutyAssessment;
use kezek_domain::ledger::PostingKind;
use kezek_domain::rules::Rules;
use kezek_domain::{Fault, System, Tiyn};
use kezek_gateway::PaidPart;
use kezek_stage::{File, LedgerLine};

/// The duty to be paid, above zero.
///
/// # Errors
/// Permanent, where the case was sent here without a duty to pay: the flow is wrong.
pub fn due(file: &File<Payment>) -> Result<Tiyn, Fault> {
    let amount = file.get::<DutyAssessment>()?.outcome.amount();
    if amount.is_positive() {
        Ok(amount)
    } else {
        Err(Fault::permanent("nothing-to-pay", "the duty was assessed as free or exempt and the case was sent to pay"))
    }
}

/// Money taken in for a case.
#[derive(Debug)]
pub struct Taken {
    held: Tiyn,
    known: Vec<LedgerLine>,
    found: Parts,
}

impl Taken {
    /// What the ledger says.
    pub fn of(file: &File<Payment>) -> Self {
        let received = |l: &&LedgerLine| matches!(l.kind, PostingKind::Received | PostingKind::Claimed);
        let known = file.ledger.iter().filter(received).cloned().collect();
        Self { held: file.case.purse.held(), known, found: Vec::new() }
    }

    /// And what the service names; a payment that the ledger has counts once.
    pub fn with(mut self, payments: Parts) -> Self {
        for part in payments {
            let posted = |l: &LedgerLine| l.source == System::RpDrn.label() && l.reference == part.number;
            let twice = self.found.iter().any(|f| f.number == part.number);
            if !twice && !self.known.iter().any(posted) {
                self.found.push(part);
            }
        }
        self
    }

    /// Everything together.
    pub fn sum(&self) -> Tiyn {
        Tiyn(self.found.iter().fold(self.held.0, |sum, part| sum.saturating_add(part.amount.0)))
    }

    /// Whether it covers the duty: a difference within the rules' tolerance is not rejected.
    pub fn covers(&self, duty: Tiyn, rules: &Rules) -> bool {
        self.sum().0.saturating_add(rules.duty_table().tolerance().0) >= duty.0
    }

    /// Payments that the ledger did not have.
    pub fn found(&self) -> &[PaidPart] {
        &self.found
    }

    /// The provider's numbers of all payments, oldest first.
    pub fn numbers(&self) -> Vec<String> {
        let known = self.known.iter().map(|l| l.reference.clone());
        known.chain(self.found.iter().map(|f| f.number.clone())).collect()
    }

    /// When the last of them came.
    pub fn last(&self) -> Option<Timestamp> {
        self.known.iter().map(|l| l.at).chain(self.found.iter().map(|f| f.at)).max()
    }
}
