#![doc = include_str!("../README.md")]

mod answer;
mod compare;
mod doors;
mod job;
mod outcome;
mod signing;
mod store;

pub use answer::{Answer, Signed};
pub use compare::Line;
pub use job::Job;
pub use outcome::Outcome;
pub use signing::{Allowed, content};

use kezek_domain::dossier::Registration;
use kezek_domain::rules::{NoticeKind, Rules, almaty_date, almaty_day_end};
use kezek_domain::{Section, System};
use kezek_gateway::eds::CmsVerifier;
use kezek_gateway::{CouponAnswer, Gateway};
use kezek_stage::{
    Attempt, Case, ConfigError, EffectKey, Fault, File, Hold, Kit, Permit, Receiver, Settled, Stage, Turn,
};
use serde::Deserialize;
use std::sync::Arc;

/// Settings of the stage. There are none: its terms are rules.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

/// The stage.
pub struct Review {
    gateway: Arc<Gateway>,
    rules: Arc<Rules>,
    verifier: Arc<CmsVerifier>,
}

impl std::fmt::Debug for Review {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Review")
    }
}

impl Stage for Review {
    const NAME: &'static str = "review";
    const READS: &'static [Section] = &[
        Section::Form,
        Section::Identity,
        Section::Document,
        Section::Findings,
        Section::Registration,
        Section::DutyAssessment,
        Section::Exemption,
        Section::Payment,
    ];
    type Subject = Case;
    type Config = Config;
    type Job = Job;
    type Answer = Answer;
    type Outcome = Outcome;

    fn open(_config: Config, kit: Kit) -> Result<Self, ConfigError> {
        let rules = kit.get::<Rules>().unwrap_or_else(|_| Arc::new(Rules::built_in().clone()));
        Ok(Self { rules, gateway: kit.get::<Gateway>()?, verifier: kit.get::<CmsVerifier>()? })
    }

    /// A10: the application is brought to the chosen region and waits for an officer until the term's last day ends.
    async fn work(&self, _job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        // A10: only after the coupon is formed
        file.get::<Registration>()?;
        let rules = &self.rules;
        let (last_day, _) =
            rules.calendar().add_working_days(almaty_date(attempt.now()), rules.terms().review_working_days);
        Ok(Turn::Hold(Hold::until(almaty_day_end(last_day)).notify(NoticeKind::InReview)))
    }

    /// A11a, A11b: the officer has decided; the door has verified the signature.
    async fn answer(
        &self,
        answer: &Answer,
        _job: &Job,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        let decision = answer.decision();
        let reason = match answer {
            Answer::Approve { .. } => return Ok(Turn::Done(Outcome::Approved(decision))),
            Answer::Cancel { reason, .. } => *reason,
        };
        let coupon = file.get::<Registration>()?.coupon;
        let key = EffectKey::of("cancel-registration", file.case.id, "");
        let cancelled = attempt
            .effect(&key, Receiver::Dedupes, System::RpDrn, "cancel", async {
                let answer = self.gateway.cancel_registration(key.as_str(), &coupon, reason.label()).await;
                answer.map(|a| match a {
                    CouponAnswer::Done => true,
                    CouponAnswer::NotFound => false,
                })
            })
            .await?
            .sure()?;
        if !cancelled {
            // the register gave us this coupon: that it does not know it is for an operator to find out
            return Err(Fault::permanent("coupon-unknown", "the register does not know its own coupon")
                .from_system(System::RpDrn));
        }
        Ok(Turn::Done(Outcome::Cancelled(reason, decision)))
    }

    /// The term is over and nobody has decided: the case goes on waiting and is listed as late (A4.2).
    async fn lapse(&self, _job: &Job, _file: &File<Self>, _attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        Ok(Turn::Hold(Hold::open()))
    }

    async fn record(&self, won: &[Settled<'_, Self>], permit: &mut Permit<'_>) -> Result<(), Fault> {
        store::insert_decisions(won, permit).await
    }
}

#[cfg(test)]
mod tests;
