#![doc = include_str!("../README.md")]

mod answer;
mod basis;
mod confirm;
mod coverage;
mod doors;
mod job;
mod outcome;

pub use answer::Answer;
pub use coverage::Part;
pub use doors::{arrival, claim};
pub use job::Job;
pub use outcome::Outcome;

use coverage::Coverage;
use jiff::{Timestamp, ToSpan as _};
use kezek_domain::dossier::{Refund as Filed, Section};
use kezek_domain::ledger::PostingKind;
use kezek_domain::rules::{NoticeKind, Rules, almaty_date, almaty_day_end};
use kezek_domain::{Fault, System, Tiyn};
use kezek_gateway::Gateway;
use kezek_stage::{Attempt, Case, ConfigError, EffectKey, File, Hold, Kit, SectionDraft, Stage, Turn};
use serde::Deserialize;
use std::sync::Arc;

/// The stage has nothing to configure: the claim's limit is a rule.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

/// The stage.
#[derive(Debug)]
pub struct Refund {
    gateway: Arc<Gateway>,
    rules: Arc<Rules>,
}

impl Stage for Refund {
    const NAME: &'static str = "refund";
    const READS: &'static [Section] = &[Section::Refund];
    const LEDGER: bool = true;
    const NEEDS: &'static [System] = &[System::RpDrn, System::TaxAuthority];
    type Subject = Case;
    type Config = Config;
    type Job = Job;
    type Answer = Answer;
    type Outcome = Outcome;

    fn open(_config: Config, kit: Kit) -> Result<Self, ConfigError> {
        let rules = kit.get::<Rules>().unwrap_or_else(|_| Arc::new(Rules::built_in().clone()));
        Ok(Self { gateway: kit.get::<Gateway>()?, rules })
    }

    async fn work(&self, _job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        confirm::cancel_registration(&self.gateway, file, attempt).await?;
        if held(file)? == Tiyn::ZERO {
            return Ok(Turn::Done(self.before(file, attempt)?));
        }
        self.claim(file, attempt).await
    }

    async fn answer(
        &self,
        answer: &Answer,
        _job: &Job,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        let claimed = file.get::<Filed>()?;
        if let Answer::Claimed { claimed_at, .. } = answer
            && held(file)? != Tiyn::ZERO
        {
            return self.waits_for_payment(Filed { claimed_at: Some(*claimed_at), ..claimed }, *claimed_at, attempt);
        }
        // its money is in the ledger already, and the ledger decides
        if held(file)? == Tiyn::ZERO {
            let paid_at = match answer {
                Answer::Paid { paid_at, .. } => *paid_at,
                // the report of the payment outran that of the claim
                Answer::Claimed { .. } => file
                    .ledger
                    .iter()
                    .filter(|l| l.kind == PostingKind::Returned)
                    .map(|l| l.at)
                    .max()
                    .unwrap_or_else(|| attempt.now()),
            };
            let (Answer::Paid { confirmation_key, .. } | Answer::Claimed { confirmation_key, .. }) = answer;
            let filed = Filed {
                confirmation_key: confirmation_key.clone(),
                amount: file.case.purse.returned,
                paid_at: Some(paid_at),
                ..claimed
            };
            return Ok(Turn::Done(Outcome::Refunded { filed }));
        }
        let until = almaty_day_end(claimed.claim_until);
        if claimed.claimed_at.is_none() && until <= attempt.now() {
            return self.lapse_of(&claimed, file, attempt).await;
        }
        // money may have come since: what was confirmed before is the same again under the same key
        confirm::all(&self.gateway, file, attempt).await?;
        let next = claimed.pay_until.filter(|pay| *pay > attempt.now()).unwrap_or_else(|| self.next(&claimed, attempt));
        Ok(Turn::Hold(Hold::until(next)))
    }

    async fn lapse(&self, _job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let claimed = file.get::<Filed>()?;
        if held(file)? == Tiyn::ZERO {
            return Ok(Turn::Done(Outcome::NothingHeld));
        }
        // claimed in time and not paid: overdue, and never forfeited; the next term begins
        if claimed.claimed_at.is_some() {
            return self.waits_for_payment(claimed, attempt.now(), attempt);
        }
        let limit = almaty_day_end(claimed.claim_until);
        if attempt.now() < limit {
            let hold = Hold::until(self.next(&claimed, attempt));
            return Ok(Turn::Hold(match self.reminders_passed(&claimed, attempt) {
                0 => hold,
                1 => hold.notify(NoticeKind::RefundReminder),
                _ => hold.notify(NoticeKind::RefundLastCall),
            }));
        }
        self.lapse_of(&claimed, file, attempt).await
    }
}

impl Refund {
    /// The tax authority has its working days to pay, counted from the claim, or from the day that went by without.
    fn waits_for_payment(&self, claimed: Filed, from: Timestamp, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let days = self.rules.terms().refund_pay_working_days;
        let term = |from: Timestamp| almaty_day_end(self.rules.calendar().add_working_days(almaty_date(from), days).0);
        // a report that comes late: its term may be over already
        let until = Some(term(from)).filter(|until| *until > attempt.now()).unwrap_or_else(|| term(attempt.now()));
        let filed = Filed { pay_until: Some(until), ..claimed };
        Ok(Turn::Hold(Hold::until(until).filing(SectionDraft::of(&filed)?)))
    }

    fn reminder(&self, claimed: &Filed, days: u32) -> Timestamp {
        almaty_day_end(almaty_date(claimed.confirmed_at).saturating_add(i64::from(days).days()))
    }

    /// How many of the reminders' days have passed.
    fn reminders_passed(&self, claimed: &Filed, attempt: &Attempt) -> usize {
        let days = self.rules.desk().refund_reminder_days();
        days.iter().filter(|days| self.reminder(claimed, **days) <= attempt.now()).count()
    }

    /// When something is next to be done about a claim that nobody has made: a reminder, or the limit.
    fn next(&self, claimed: &Filed, attempt: &Attempt) -> Timestamp {
        let limit = almaty_day_end(claimed.claim_until);
        let reminders = self.rules.desk().refund_reminder_days().iter().map(|days| self.reminder(claimed, *days));
        reminders.chain([limit]).filter(|at| *at > attempt.now()).min().unwrap_or(limit)
    }

    /// Nothing is held when the work begins. A report may be faster than the turn that asked for it (its worker was
    /// lost between the two): what the tax authority has paid since was refunded, and the applicant is told.
    fn before(&self, file: &File<Self>, attempt: &Attempt) -> Result<Outcome, Fault> {
        let newest =
            |kinds: &[PostingKind]| file.ledger.iter().filter(|l| kinds.contains(&l.kind)).max_by_key(|l| l.at);
        let told = file.find::<Filed>()?;
        let known = told.as_ref().filter(|t| t.paid_at.is_some()).map_or(Tiyn::ZERO, |t| t.amount);
        let (Some(paid), Some(payment)) =
            (newest(&[PostingKind::Returned]), newest(&[PostingKind::Received, PostingKind::Claimed]))
        else {
            return Ok(Outcome::NothingHeld);
        };
        if file.case.purse.returned <= known {
            return Ok(Outcome::NothingHeld);
        }
        let filed = Filed {
            confirmation_key: EffectKey::of("refund", file.case.id, &payment.reference).to_string(),
            amount: file.case.purse.returned,
            confirmed_at: told.as_ref().map_or_else(|| attempt.now(), |t| t.confirmed_at),
            paid_at: Some(paid.at),
            claimed_at: told.as_ref().and_then(|t| t.claimed_at),
            pay_until: told.as_ref().and_then(|t| t.pay_until),
            claim_until: told.map_or_else(|| self.rules.terms().claim_until(attempt.today()), |t| t.claim_until),
        };
        Ok(Outcome::Refunded { filed })
    }

    /// Confirms all that is held and waits for the claim.
    async fn claim(&self, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let newest = confirm::all(&self.gateway, file, attempt).await?;
        let claim_until = self.rules.terms().claim_until(attempt.today());
        let filed = Filed {
            confirmation_key: newest.to_string(),
            amount: held(file)?,
            confirmed_at: attempt.now(),
            paid_at: None,
            claim_until,
            claimed_at: None,
            pay_until: None,
        };
        let hold = Hold::until(self.next(&filed, attempt)).filing(SectionDraft::of(&filed)?);
        Ok(Turn::Hold(hold.notify(NoticeKind::RefundConfirmed)))
    }

    /// The limit has passed: what was confirmed is forfeited; what came after the confirmation has its own claim.
    async fn lapse_of(&self, claimed: &Filed, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        if held(file)? == Tiyn::ZERO {
            return Ok(Turn::Done(Outcome::NothingHeld));
        }
        let coverage = Coverage::of(file)?;
        if coverage.to_confirm().iter().any(|part| part.at > claimed.confirmed_at) {
            return self.claim(file, attempt).await;
        }
        Ok(Turn::Done(Outcome::ClaimLapsed { case: file.case.id, forfeited: coverage.left()? }))
    }
}

/// What is held, never below zero.
fn held(file: &File<Refund>) -> Result<Tiyn, Fault> {
    let held = file.case.purse.held();
    if held < Tiyn::ZERO {
        return Err(Fault::permanent(
            "purse-overdrawn",
            format!("more was earned or returned than received, by {held}"),
        ));
    }
    Ok(held)
}

#[cfg(test)]
mod tests;
