#![doc = include_str!("../README.md")]

mod job;
mod outcome;
mod words;

pub use job::Job;
pub use outcome::{Channel, Outcome, Report};

use kezek_domain::dossier::Language;
use kezek_domain::rules::Rules;
use kezek_domain::{CaseId, Section, System};
use kezek_gateway::Gateway;
use kezek_stage::{
    Attempt, ConfigError, Effect, EffectKey, Fault, File, Kit, NoAnswer, Receiver, SideFacts, SideMessage, Stage, Turn,
};
use serde::Deserialize;
use std::sync::Arc;

/// Settings of the stage. There are none: its words are rules.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

/// The stage.
pub struct Notice {
    gateway: Arc<Gateway>,
    rules: Arc<Rules>,
}

impl std::fmt::Debug for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notice")
    }
}

impl Stage for Notice {
    const NAME: &'static str = "notice";
    const READS: &'static [Section] = &[
        Section::Form,
        Section::Findings,
        Section::Registration,
        Section::DutyAssessment,
        Section::PaymentOrder,
        Section::Payment,
        Section::Decision,
        Section::Refund,
    ];
    const NEEDS: &'static [System] = &[System::Cabinet, System::Sms];
    type Subject = SideMessage;
    type Config = Config;
    type Job = Job;
    type Answer = NoAnswer;
    type Outcome = Outcome;

    fn open(_config: Config, kit: Kit) -> Result<Self, ConfigError> {
        let rules = kit.get::<Rules>().unwrap_or_else(|_| Arc::new(Rules::built_in().clone()));
        Ok(Self { rules, gateway: kit.get::<Gateway>()? })
    }

    /// The cabinet first, in both languages: it dedupes, so a repeated attempt does no harm. Then one text message
    /// in the chosen language, whose receiver neither dedupes nor can be asked: in doubt it is not sent again.
    async fn work(&self, job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let side = file.side.as_ref().ok_or_else(|| Fault::permanent("no-notice", "the file names no notice"))?;
        let form = file.form()?;
        let (first, second) = match form.language {
            Language::Kk => (Language::Kk, Language::Ru),
            Language::Ru => (Language::Ru, Language::Kk),
        };
        let chosen = words::words(&self.rules, job.notice, first, file)?;
        let both = format!("{chosen}\n\n{}", words::words(&self.rules, job.notice, second, file)?);
        let title = file.case.receipt.as_str();

        let key = key_of("cabinet", file.case.id, side);
        let call = async { self.gateway.cabinet(key.as_str(), &form.iin, title, &both).await.map(|_| ()) };
        let cabinet = channel(attempt.effect(&key, Receiver::Dedupes, System::Cabinet, "message", call).await)?;

        let key = key_of("sms", file.case.id, side);
        let call = async { self.gateway.sms(key.as_str(), &form.phone, &chosen).await.map(|_| ()) };
        let sms = channel(attempt.effect(&key, Receiver::Neither, System::Sms, "message", call).await)?;

        Ok(Turn::Done(Outcome::of(Report { notice: job.notice, cabinet, sms })))
    }

    async fn answer(&self, answer: &NoAnswer, _: &Job, _: &File<Self>, _: &Attempt) -> Result<Turn<Self>, Fault> {
        match *answer {}
    }

    async fn lapse(&self, _job: &Job, _file: &File<Self>, _attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        Err(Fault::permanent("no-hold", "a notice never waits"))
    }
}

/// One key per channel and occasion: the same for every attempt, also of a notice that was made again.
fn key_of(channel: &str, case: CaseId, side: &SideFacts) -> EffectKey {
    EffectKey::of_notice(channel, case, side.kind.label(), &side.stage, side.visit)
}

/// A channel's own "no" ends that channel and not the notice; everything else is a fault like any other.
fn channel(result: Result<Effect<()>, Fault>) -> Result<Channel, Fault> {
    match result {
        Ok(Effect::Done(())) => Ok(Channel::Sent),
        Ok(Effect::Doubtful) => Ok(Channel::InDoubt),
        Err(fault) if matches!(fault.cause(), "gateway-remote-error" | "gateway-data-not-found") => {
            Ok(Channel::Refused)
        }
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests;
