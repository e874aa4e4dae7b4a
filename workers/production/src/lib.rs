#![doc = include_str!("../README.md")]

mod answer;
mod card;
mod doors;
mod gate;
mod job;
mod outcome;
mod question;

pub use answer::{Answer, CancelReason};
pub use doors::arrival;
pub use job::Job;
pub use outcome::Outcome;

use gate::Gate;
use kezek_domain::dossier::{Production as Made, ProductionResult, Section};
use kezek_domain::rules::{NoticeKind, Rules, almaty_day_end};
use kezek_domain::{Fault, How, System};
use kezek_gateway::Gateway;
use kezek_stage::{Attachment, Attempt, Case, ConfigError, File, Hold, Kit, Question, SectionDraft, Stage, Turn};
use question::Asked;
use serde::Deserialize;
use std::sync::Arc;

/// The stage's configuration section.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Remakes after a defect before a person is asked, 0 to 20.
    pub remakes: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { remakes: 3 }
    }
}

/// The stage.
#[derive(Debug)]
pub struct Production {
    gateway: Arc<Gateway>,
    rules: Arc<Rules>,
    remakes: u32,
}

impl Stage for Production {
    const NAME: &'static str = "production";
    const READS: &'static [Section] = &[
        Section::Form,
        Section::Identity,
        Section::DutyAssessment,
        Section::Exemption,
        Section::Decision,
        Section::Production,
    ];
    const ATTACHMENTS: &'static [Attachment] = &[Attachment::Photo, Attachment::Signature];
    const NEEDS: &'static [System] = &[System::ProductionCentre];
    type Subject = Case;
    type Config = Config;
    type Job = Job;
    type Answer = Answer;
    type Outcome = Outcome;

    fn open(config: Config, kit: Kit) -> Result<Self, ConfigError> {
        if config.remakes > 20 {
            return Err(ConfigError::at("stage.production.remakes", "must be from 0 to 20"));
        }
        let rules = kit.get::<Rules>().unwrap_or_else(|_| Arc::new(Rules::built_in().clone()));
        for asked in Asked::ALL {
            Question::is_ruled(&rules, asked.key(), asked.possible())?;
        }
        Ok(Self { gateway: kit.get::<Gateway>()?, rules, remakes: config.remakes })
    }

    async fn work(&self, job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        self.order(job, file, attempt).await
    }

    async fn answer(
        &self,
        answer: &Answer,
        job: &Job,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        let current = card::key(file.case.id, job);
        if answer.order_key().is_some_and(|key| key != current.as_str()) {
            return self.still(job, file, attempt);
        }
        let made = |result, card_number, at: Option<_>| Made {
            order_key: current.to_string(),
            attempt: job.remake + 1,
            result,
            card_number,
            at: at.unwrap_or_else(|| attempt.now()),
        };
        match answer {
            Answer::Produced { card_number_digest, at, .. } => {
                let number = Some(format!("hmac-sha256:{card_number_digest}"));
                Ok(Turn::Done(Outcome::Produced { made: made(ProductionResult::Produced, number, *at) }))
            }
            Answer::Defect { code, at, .. } => {
                let made = made(ProductionResult::Defect, None, *at);
                if job.remake < self.remakes {
                    return Ok(Turn::Done(Outcome::Defective { next: job.remake + 1, made }));
                }
                let question = Asked::RemakesUsedUp.question(&self.rules, code, false)?;
                Ok(Turn::Hold(self.asks(question, attempt).filing(SectionDraft::of(&made)?)))
            }
            Answer::IncomingControlFailed { code, at, .. } => {
                let made = made(ProductionResult::Defect, None, *at);
                let question = Asked::IncomingControl.question(&self.rules, code, false)?;
                Ok(Turn::Hold(self.asks(question, attempt).filing(SectionDraft::of(&made)?)))
            }
            Answer::CheckAgain => match self.asked(job, file, attempt)? {
                Some(Asked::Unpaid) => self.order(job, file, attempt).await,
                Some(Asked::IncomingControl | Asked::RemakesUsedUp) => self.still(job, file, attempt),
                // the gate has opened since it was asked: the order may not have gone out yet
                None => self.order(job, file, attempt).await,
            },
            Answer::Remake => match (self.asked(job, file, attempt)?, file.find::<Made>()?) {
                (Some(Asked::IncomingControl | Asked::RemakesUsedUp), Some(made)) => {
                    Ok(Turn::Done(Outcome::Defective { next: job.remake.saturating_add(1), made }))
                }
                _ => self.still(job, file, attempt),
            },
            Answer::Cancel { reason } => {
                card::cancel_registration(&self.gateway, file, attempt, *reason).await?;
                Ok(Turn::Done(Outcome::Cancelled { reason: *reason }))
            }
        }
    }

    async fn lapse(&self, job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        // overdue: the centre still owes its answer, and nobody here can give it
        self.still(job, file, attempt)
    }
}

impl Production {
    /// Orders the card, unless the gate is shut.
    async fn order(&self, job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        gate::approved(file)?;
        if let Gate::Shut(finding) = gate::paid(file, &self.rules, attempt.today())? {
            return Ok(Turn::Hold(self.asks(Asked::Unpaid.question(&self.rules, finding, false)?, attempt)));
        }
        card::order(&self.gateway, job, file, attempt).await?;
        let days = self.rules.terms().production_working_days;
        let (last, _) = self.rules.calendar().add_working_days(attempt.today(), days);
        let hold = Hold::until(almaty_day_end(last));
        // a remake is ours to bear: the applicant was told once
        Ok(Turn::Hold(if job.remake == 0 { hold.notify(NoticeKind::InProduction) } else { hold }))
    }

    /// What a person was asked and has not answered, read from the file: a hold replaces its question.
    fn asked(&self, job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Option<Asked>, Fault> {
        let rejected = file.find::<Made>()?.is_some_and(|made| {
            made.result == ProductionResult::Defect && made.order_key == card::key(file.case.id, job).as_str()
        });
        if rejected {
            let used_up = job.remake >= self.remakes;
            return Ok(Some(if used_up { Asked::RemakesUsedUp } else { Asked::IncomingControl }));
        }
        Ok(match gate::paid(file, &self.rules, attempt.today())? {
            Gate::Shut(_) => Some(Asked::Unpaid),
            Gate::Open => None,
        })
    }

    /// A wait for a person of the centre, until the question is late by its rule.
    fn asks(&self, question: Question<Answer>, attempt: &Attempt) -> Hold<Answer> {
        Hold::asks(&self.rules, question, attempt.now(), false)
    }

    /// The case is held as it was; a question whose deadline has passed is late, and asked of whom the rule names then.
    fn still(&self, job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let until = match file.case.status.how() {
            Some(How::Held { until: Some(until) }) if *until > attempt.now() => Some(*until),
            _ => None,
        };
        let hold = Hold { until, ..Hold::open() };
        Ok(Turn::Hold(match self.asked(job, file, attempt)? {
            Some(asked) => hold.asking(asked.question(&self.rules, "asked-before", until.is_none())?),
            None => hold,
        }))
    }
}

#[cfg(test)]
mod tests;
