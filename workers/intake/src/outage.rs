//! A12: where a register has failed for more than ten minutes, the person applies at the service centre. Measured
//! from the breaker's opening, in real time.

use kezek_domain::System;
use kezek_domain::rules::Rules;
use kezek_stage::{Attempt, Fault};
use std::time::Duration;

/// Why the checks stopped before their end.
#[derive(Debug)]
pub enum Halt {
    /// A register has been out for longer than the rules allow (A12).
    Outage(System),
    /// A technical failure: repeated, or parked.
    Fault(Fault),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// How long an application waits for a system (A12); `None` for the register of applications: the request may have
/// been heard there, so it is repeated until it is answered.
#[must_use]
pub fn patience(system: System, rules: &Rules) -> Option<Duration> {
    (system != System::RpDrn).then(|| rules.terms().outage())
}

/// Tells a passing failure from an outage under A12. Only for registers that are asked and not changed: after a
/// request that may have changed something, nobody is sent away on a guess.
#[must_use]
pub fn judge(fault: Fault, system: System, attempt: &Attempt, rules: &Rules) -> Halt {
    let allowed = rules.terms().outage();
    let out = attempt.outage(system).is_some_and(|out| out.unsigned_abs() > allowed && out.is_positive());
    if fault.is_transient() && out { Halt::Outage(system) } else { Halt::Fault(fault) }
}
