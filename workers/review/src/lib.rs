#![doc = include_str!("../README.md")]

mod answer;
mod compare;
mod doors;
mod job;
mod outcome;
mod pending;
mod signing;
mod store;

pub use answer::{Answer, Signed};
pub use compare::Line;
pub use job::Job;
pub use outcome::Outcome;
pub use signing::{Allowed, Shown, content};

use jiff::Timestamp;
use kezek_domain::dossier::{CancelReason, Decision, Proposal, ProposalState, Registration};
use kezek_domain::rules::{NoticeKind, Rules, almaty_date, almaty_day_end};
use kezek_domain::{Section, System};
use kezek_gateway::eds::Verifier;
use kezek_gateway::{CouponAnswer, Gateway};
use kezek_stage::{
    Attempt, Case, ConfigError, EffectKey, Fault, File, Hold, Kit, Permit, Receiver, Settled, Stage, Turn,
};
use serde::Deserialize;
use std::sync::Arc;

/// Why a decision is not taken although its signature is good; the door turns them into 409 and 422.
pub(crate) const STALE_FILE: &str = "stale-file";
pub(crate) const CODE: &str = "documentation-code";
pub(crate) const CANCELLING: &str = "being-cancelled";
pub(crate) const SAME_OFFICER: &str = "same-officer";
pub(crate) const NOTHING_TO_TAKE_BACK: &str = "nothing-to-take-back";

/// Settings of the stage. There are none: its terms are rules.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

/// The stage.
pub struct Review {
    gateway: Arc<Gateway>,
    rules: Arc<Rules>,
    verifier: Arc<Verifier>,
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
        Section::Proposal,
    ];
    type Subject = Case;
    type Config = Config;
    type Job = Job;
    type Answer = Answer;
    type Outcome = Outcome;

    fn open(_config: Config, kit: Kit) -> Result<Self, ConfigError> {
        let rules = kit.get::<Rules>().unwrap_or_else(|_| Arc::new(Rules::built_in().clone()));
        Ok(Self { rules, gateway: kit.get::<Gateway>()?, verifier: kit.get::<Verifier>()? })
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

    /// A11a, A11b: the officer has decided, or takes a cancellation back; the door has verified the signature.
    async fn answer(
        &self,
        answer: &Answer,
        _job: &Job,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        let pending = file.find::<Proposal>()?.filter(|p| p.visit == file.visit && p.state.stands());
        let Some(signed) = answer.signed() else {
            return pending::taken_back(answer, pending, file, attempt);
        };
        if signed.revision.is_some_and(|seen| seen != file.case.revision) {
            return Err(Fault::permanent(STALE_FILE, "the case's file has changed since this page was read"));
        }
        let registration = file.get::<Registration>()?;
        if signed.documentation_code.as_ref().is_some_and(|seen| *seen != registration.documentation_code) {
            return Err(Fault::permanent(STALE_FILE, "the register has given another documentation code since"));
        }
        let desk = self.rules.desk();
        // A4.1: an application whose code does not fit is not approved; what is wrong with it needs verification
        let fits = desk.code_fits(&file.case.service, &registration.documentation_code);
        if matches!(answer, Answer::Approve { .. }) && !fits {
            return Err(Fault::permanent(CODE, "the documentation code does not fit this service (A4.1)"));
        }
        let decision = answer.decision().ok_or_else(|| Fault::permanent("decision-missing", "review.answer"))?;
        match pending {
            Some(pending) if pending.state == ProposalState::Cooling => {
                Err(Fault::permanent(CANCELLING, "this case is being cancelled; its officer may take that back"))
            }
            Some(first) => {
                if first.decision.officer == decision.officer || first.signer_sha256 == signed.signer_sha256 {
                    return Err(Fault::permanent(SAME_OFFICER, "the second decision is another officer's to take"));
                }
                if !first.agrees_with(&decision) {
                    return pending::overruled(first, file, attempt);
                }
                self.conclude(decision, signed, first.review_until, file, attempt).await
            }
            None if desk.needs_second(decision.outcome) => pending::first_of_two(decision, signed, file, attempt),
            None => {
                let until = pending::held_until(file, attempt);
                self.conclude(decision, signed, until, file, attempt).await
            }
        }
    }

    /// The term is over and nobody has decided: the case goes on waiting and is listed as late (A4.2). Or the time has
    /// passed within which a cancellation could be taken back: it takes effect.
    async fn lapse(&self, _job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let pending = file.find::<Proposal>()?.filter(|p| p.visit == file.visit && p.state.stands());
        match pending {
            Some(Proposal { state: ProposalState::Cooling, effective_at: Some(at), decision, .. }) => {
                if attempt.now() < at {
                    return Ok(Turn::Hold(Hold::until(at)));
                }
                match decision.reason {
                    Some(reason) => self.cancel(reason, decision, file, attempt).await,
                    None => Err(Fault::permanent("reason-missing", "a cancellation without its reason")),
                }
            }
            _ => Ok(Turn::Hold(Hold::open())),
        }
    }

    async fn record(&self, won: &[Settled<'_, Self>], permit: &mut Permit<'_>) -> Result<(), Fault> {
        store::insert_decisions(won, permit).await
    }
}

impl Review {
    /// A decision that counts: an approval at once, a cancellation once it can no longer be taken back.
    async fn conclude(
        &self,
        decision: Decision,
        signed: &Signed,
        review_until: Option<Timestamp>,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        match (decision.reason, self.rules.desk().take_back()) {
            (None, _) => Ok(Turn::Done(Outcome::Approved(decision))),
            (Some(reason), None) => self.cancel(reason, decision, file, attempt).await,
            (Some(_), Some(wait)) => pending::cooling(decision, signed, review_until, wait, file, attempt),
        }
    }

    /// A11b: the registration is cancelled, and with it the application.
    async fn cancel(
        &self,
        reason: CancelReason,
        decision: Decision,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
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
}

#[cfg(test)]
mod tests;
