#![doc = include_str!("../README.md")]

mod answer;
mod doors;
mod job;
mod outcome;
mod store;

pub use answer::{Answer, OldCard};
pub use job::Job;
pub use outcome::Outcome;

use jiff::{Timestamp, ToSpan as _};
use kezek_domain::dossier::{DutyAssessment, Handover, Production, Registration};
use kezek_domain::rules::{NoticeKind, Rules, almaty_date, almaty_day_end};
use kezek_domain::{Section, System, Tiyn};
use kezek_gateway::{CouponAnswer, Gateway};
use kezek_stage::{
    Attempt, Case, ConfigError, EffectKey, Fault, File, Hold, Kit, Permit, Receiver, Settled, Stage, Turn,
};
use serde::Deserialize;
use std::sync::Arc;

/// Settings of the stage. There are none: its term is a rule.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

/// The stage.
pub struct Issuance {
    gateway: Arc<Gateway>,
    rules: Arc<Rules>,
}

impl std::fmt::Debug for Issuance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Issuance")
    }
}

impl Stage for Issuance {
    const NAME: &'static str = "issuance";
    const READS: &'static [Section] =
        &[Section::Form, Section::Identity, Section::Registration, Section::DutyAssessment, Section::Production];
    type Subject = Case;
    type Config = Config;
    type Job = Job;
    type Answer = Answer;
    type Outcome = Outcome;

    fn open(_config: Config, kit: Kit) -> Result<Self, ConfigError> {
        let rules = kit.get::<Rules>().unwrap_or_else(|_| Arc::new(Rules::built_in().clone()));
        Ok(Self { rules, gateway: kit.get::<Gateway>()? })
    }

    /// A3.19: the card lies at its registration point and waits for the person.
    async fn work(&self, _job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let (_, next) = self.waits(file, attempt)?;
        let hold = next.map_or_else(Hold::open, Hold::until);
        Ok(Turn::Hold(hold.notify(NoticeKind::Ready)))
    }

    /// A11d: handed over against the coupon; the registration in RP DRN is closed and the duty earned.
    async fn answer(
        &self,
        answer: &Answer,
        _job: &Job,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        let Answer::HandedOver { coupon: shown, account, at, old_card } = answer;
        let coupon = file.get::<Registration>()?.coupon;
        if *shown != coupon {
            // the door has compared already; whatever comes past it does not close a case
            return Err(Fault::permanent("coupon-differs", "the coupon shown is not the case's (A11d)"));
        }
        let key = EffectKey::of("close-registration", file.case.id, "");
        let closed = attempt
            .effect(&key, Receiver::Dedupes, System::RpDrn, "close", async {
                self.gateway.close_registration(key.as_str(), &coupon).await.map(|a| match a {
                    CouponAnswer::Done => true,
                    CouponAnswer::NotFound => false,
                })
            })
            .await?
            .sure()?;
        if !closed {
            return Err(Fault::permanent("coupon-unknown", "the register does not know its own coupon")
                .from_system(System::RpDrn));
        }
        let due = file.find::<DutyAssessment>()?.map_or(Tiyn::ZERO, |d| d.amount);
        let handover = Handover { officer: account.clone(), at: *at, old_card: old_card.label().to_owned() };
        let earned = outcome::earned(file.case.id, due, file.case.purse.held());
        Ok(Turn::Done(Outcome::HandedOver { handover, earned }))
    }

    /// Nobody has fetched the card: its owner is reminded, and after the term it is listed for the operator. It goes on
    /// waiting in any case.
    async fn lapse(&self, _job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let (passed, next) = self.waits(file, attempt)?;
        let hold = next.map_or_else(Hold::open, Hold::until);
        Ok(Turn::Hold(match passed {
            0 => hold,
            1 => hold.notify(NoticeKind::ReadyReminder),
            _ => hold.notify(NoticeKind::ReadyLastCall),
        }))
    }

    async fn record(&self, won: &[Settled<'_, Self>], permit: &mut Permit<'_>) -> Result<(), Fault> {
        store::insert_handovers(won, permit).await
    }
}

impl Issuance {
    /// How many reminders' days have passed since the card was made, and when something is next to be done: the next
    /// reminder, or the end of the term; nothing once that is over.
    fn waits(&self, file: &File<Self>, attempt: &Attempt) -> Result<(usize, Option<Timestamp>), Fault> {
        let ready = file.find::<Production>()?.map_or(file.case.filed_at, |made| made.at);
        let day = |days: u32| almaty_day_end(almaty_date(ready).saturating_add(i64::from(days).days()));
        let reminders = self.rules.desk().uncollected_days();
        let passed = reminders.iter().filter(|days| day(**days) <= attempt.now()).count();
        let dates = reminders.iter().map(|days| day(*days)).chain([self.rules.terms().issuance_until(ready)]);
        Ok((passed, dates.filter(|date| *date > attempt.now()).min()))
    }
}

#[cfg(test)]
mod tests;
