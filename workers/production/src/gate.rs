//! The payment gate (A5.3) and the approval (A11a): nothing is printed past them.

use crate::Production;
use jiff::civil::Date;
use kezek_domain::Fault;
use kezek_domain::dossier::{Decision, DecisionOutcome, DutyAssessment, DutyOutcome, Exemption};
use kezek_domain::rules::{Rules, almaty_date};
use kezek_stage::File;

/// Whether a card may be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The duty is settled.
    Open,
    /// It is not; what was found, a label.
    Shut(&'static str),
}

/// A5.3, judged anew from ledger, dossier and rules, whatever `payment` said.
pub fn paid(file: &File<Production>, rules: &Rules, today: Date) -> Result<Gate, Fault> {
    let duty = file.get::<DutyAssessment>()?;
    Ok(match &duty.outcome {
        DutyOutcome::Payable { amount } => {
            let enough = file.case.purse.held().0.saturating_add(rules.duty_table().tolerance().0) >= amount.0;
            if enough && amount.is_positive() { Gate::Open } else { Gate::Shut("duty-not-covered") }
        }
        DutyOutcome::ExemptByStatus { ground } => match file.find::<Exemption>()? {
            Some(exemption) if exemption.ground.as_ref() == Some(ground) => Gate::Open,
            Some(_) | None => Gate::Shut("exemption-without-evidence"),
        },
        DutyOutcome::FreeByGround { .. } => {
            // where the rule changed in between, a person chose one of these two days in `exemption`
            let days = [almaty_date(file.case.filed_at), today];
            let reason = file.form()?.reason;
            let free =
                |day: Date| rules.duty(&file.case.service, reason, day).is_ok_and(|rule| rule.outcome == duty.outcome);
            if days.into_iter().any(free) { Gate::Open } else { Gate::Shut("not-free-by-the-rules") }
        }
    })
}

/// A11a: only what an officer approved is printed.
///
/// # Errors
/// Permanent, where the case was sent here without an approval: the flow is wrong.
pub fn approved(file: &File<Production>) -> Result<(), Fault> {
    match file.get::<Decision>()?.outcome {
        DecisionOutcome::Approved => Ok(()),
        DecisionOutcome::Cancelled => Err(Fault::permanent("not-approved", "the latest decision is a cancellation")),
    }
}
