#![doc = include_str!("../README.md")]

mod cause;
mod job;
mod outcome;

pub use cause::{Cause, Origin, fingerprint};
pub use job::Job;
pub use outcome::{Outcome, Seen};

use kezek_stage::{Attempt, ConfigError, Fault, File, Kit, Letter, LetterFacts, NoAnswer, Stage, Turn};
use serde::Deserialize;

/// Settings of the stage. There are none.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

/// The stage.
#[derive(Debug)]
pub struct Recovery;

impl Stage for Recovery {
    const NAME: &'static str = "recovery";
    type Subject = Letter;
    type Config = Config;
    type Job = Job;
    type Answer = NoAnswer;
    type Outcome = Outcome;

    fn open(_config: Config, _kit: Kit) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn work(&self, job: &Job, file: &File<Self>, _attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let facts = file.letter.as_ref().ok_or_else(|| Fault::permanent("no-letter", "the file names no letter"))?;
        Ok(Turn::Done(sort(job, facts)))
    }

    async fn answer(&self, answer: &NoAnswer, _: &Job, _: &File<Self>, _: &Attempt) -> Result<Turn<Self>, Fault> {
        match *answer {}
    }

    async fn lapse(&self, _job: &Job, _file: &File<Self>, _attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        Err(Fault::permanent("no-hold", "a letter never waits"))
    }
}

/// What becomes of a letter. When in doubt it is kept: an operator can discard, nobody can bring back.
fn sort(job: &Job, facts: &LetterFacts) -> Outcome {
    let cause = Cause::read(&facts.reason);
    let seen = Seen { cause, fingerprint: fingerprint(job.stage.as_deref(), &facts.reason) };
    // a letter that names no known case and ticket cannot be shown to be stale
    let known = facts.case.is_some() && facts.ticket.is_some();
    match cause.origin() {
        Origin::Broker if known && !facts.outstanding => Outcome::Stale(seen),
        Origin::Broker if known && cause == Cause::DeliveryLimit && !facts.tried_alone => Outcome::TriedAlone(seen),
        Origin::Broker | Origin::Engine => Outcome::Stored(seen),
    }
}

#[cfg(test)]
mod tests;
