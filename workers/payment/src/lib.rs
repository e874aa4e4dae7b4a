#![doc = include_str!("../README.md")]

mod answer;
mod doors;
mod duty;
mod job;
mod order;
mod outcome;
mod store;

pub use answer::Answer;
pub use doors::arrival;
pub use job::Job;
pub use outcome::Outcome;

use duty::Taken;
use jiff::Timestamp;
use kezek_domain::dossier::{PaymentOrder, Section};
use kezek_domain::rules::{NoticeKind, Rules};
use kezek_domain::{Fault, System};
use kezek_gateway::{Gateway, OrderState, PaidPart, WithdrawAnswer};
use kezek_stage::{Attempt, Case, ConfigError, File, Hold, Kit, Permit, SectionDraft, Settled, Stage, Turn};
use order::Placed;
use serde::Deserialize;
use std::sync::Arc;

/// The stage has nothing to configure: its term and its tolerance are rules.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

/// The stage.
#[derive(Debug)]
pub struct Payment {
    gateway: Arc<Gateway>,
    rules: Arc<Rules>,
}

impl Stage for Payment {
    const NAME: &'static str = "payment";
    const READS: &'static [Section] = &[Section::DutyAssessment, Section::PaymentOrder];
    const LEDGER: bool = true;
    const NEEDS: &'static [System] = &[System::RpDrn];
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
        let duty = duty::due(file)?;
        let taken = Taken::of(file);
        // a replay after the term: the order may have been withdrawn, and the registration with it
        let over = file.find::<PaymentOrder>()?.is_some_and(|order| order.until <= attempt.now());
        if over {
            return self.withdraw(file, attempt).await;
        }
        // a confirmation may be faster than the answer to the order that it pays
        if taken.covers(duty, &self.rules) {
            return Ok(Turn::Done(Outcome::paid(&taken, attempt.now())));
        }
        let until = self.rules.terms().payment_until(attempt.now());
        let number = match order::place(&self.gateway, file, attempt, duty, until).await? {
            Placed::Open(number) => number,
            Placed::Withdrawn => return self.after_withdrawal(file, attempt, taken).await,
        };
        let order = PaymentOrder { key: order::key(file.case.id).to_string(), number, amount: duty, until };
        let next = self.next_look(until, attempt.now());
        Ok(Turn::Hold(Hold::until(next).filing(SectionDraft::of(&order)?).notify(NoticeKind::PaymentDue)))
    }

    async fn answer(
        &self,
        answer: &Answer,
        _job: &Job,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        // its money is in the ledger already, and the ledger decides
        let Answer::Confirmed { .. } = answer;
        let duty = duty::due(file)?;
        let until = file.get::<PaymentOrder>()?.until;
        let taken = Taken::of(file);
        let in_time = attempt.now() < until;
        if !in_time {
            // a lapse may have withdrawn the order and lost its turn since: only the withdrawal's own answer tells
            return self.withdraw(file, attempt).await;
        }
        if taken.covers(duty, &self.rules) {
            return Ok(Turn::Done(Outcome::paid(&taken, attempt.now())));
        }
        match order::state(&self.gateway, file, attempt).await? {
            OrderState::Withdrawn { payments } => self.lapsed(file, attempt, taken.with(payments)).await,
            OrderState::Open { payments } | OrderState::Paid { payments } => {
                let taken = taken.with(payments);
                if taken.covers(duty, &self.rules) {
                    Ok(Turn::Done(Outcome::paid(&taken, attempt.now())))
                } else {
                    Ok(Turn::Hold(Hold::until(self.next_look(until, attempt.now())).notify(NoticeKind::PartlyPaid)))
                }
            }
            OrderState::NotFound => Err(order::unknown()),
        }
    }

    /// The first deadline of an order is the reminder's, the second its own: only then is it withdrawn.
    async fn lapse(&self, _job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let until = file.get::<PaymentOrder>()?.until;
        if attempt.now() < until {
            return Ok(Turn::Hold(Hold::until(until).notify(NoticeKind::PaymentReminder)));
        }
        self.withdraw(file, attempt).await
    }

    async fn record(&self, won: &[Settled<'_, Self>], permit: &mut Permit<'_>) -> Result<(), Fault> {
        store::record(won, permit).await
    }
}

impl Payment {
    /// When an order that is open until then is looked at next: when the applicant is reminded, or at its end.
    fn next_look(&self, until: Timestamp, now: Timestamp) -> Timestamp {
        let reminded = self.rules.terms().reminded_at(until);
        if now < reminded { reminded } else { until }
    }

    /// Withdraws the order, and settles what it is then known to have taken in.
    async fn withdraw(&self, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let duty = duty::due(file)?;
        let taken = Taken::of(file);
        match order::withdraw(&self.gateway, file, attempt).await? {
            WithdrawAnswer::Withdrawn { payments } => self.lapsed(file, attempt, taken.with(payments)).await,
            WithdrawAnswer::AlreadyPaid { payments } => {
                let taken = taken.with(payments);
                if taken.covers(duty, &self.rules) {
                    return Ok(Turn::Done(Outcome::paid(&taken, attempt.now())));
                }
                let detail = format!("the service says paid, {} of {duty} is known", taken.sum());
                Err(Fault::permanent("paid-but-short", detail).from_system(System::RpDrn))
            }
            // nobody can pay an order that does not exist
            WithdrawAnswer::NotFound => self.lapsed(file, attempt, taken).await,
        }
    }

    /// The order had been withdrawn before this visit: what it took in is asked for.
    async fn after_withdrawal(&self, file: &File<Self>, attempt: &Attempt, taken: Taken) -> Result<Turn<Self>, Fault> {
        match order::state(&self.gateway, file, attempt).await? {
            OrderState::Withdrawn { payments } => self.lapsed(file, attempt, taken.with(payments)).await,
            OrderState::Open { .. } | OrderState::Paid { .. } | OrderState::NotFound => {
                Err(Fault::permanent("order-contradicts", "withdrawn when ordered, otherwise when asked")
                    .from_system(System::RpDrn))
            }
        }
    }

    /// A registered application that is never paid is cancelled in the register too.
    async fn lapsed(&self, file: &File<Self>, attempt: &Attempt, taken: Taken) -> Result<Turn<Self>, Fault> {
        order::cancel_registration(&self.gateway, file, attempt).await?;
        Ok(Turn::Done(Outcome::Lapsed { found: taken.found().to_vec() }))
    }
}

/// Payments by number, as the gateway reports them.
pub(crate) type Parts = Vec<PaidPart>;

#[cfg(test)]
mod tests;
