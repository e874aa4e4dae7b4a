#![doc = include_str!("../README.md")]

mod answer;
mod checks;
mod config;
mod doors;
mod doubt;
mod examination;
mod job;
mod outage;
mod outcome;
mod picture;
mod questions;
mod registration;
mod screening;
mod sheet;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod words;

pub use answer::Answer;
pub use config::Config;
pub use doubt::Doubt;
pub use job::Job;
pub use outcome::{Outcome, Registered, TurnedDown};

use answer::Asked;
use examination::Papers;
use kezek_domain::System;
use kezek_domain::dossier::{Questions, Review, Section};
use kezek_domain::rules::{NoticeKind, Refusal, Rules};
use kezek_gateway::Gateway;
use kezek_gateway::eds::Verifier;
use kezek_stage::{
    Attachment, Attempt, Case, Choice, ConfigError, Fault, File, Hold, Kit, Question, SectionDraft, Stage, Turn,
};
use outage::Halt;
use screening::{Applicant, Screened, Screening};
use sheet::{Sheet, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// The stage.
pub struct Intake {
    gateway: Arc<Gateway>,
    verifier: Arc<Verifier>,
    rules: Arc<Rules>,
    config: Config,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Intake(rules {})", self.rules.version())
    }
}

impl Stage for Intake {
    const NAME: &'static str = "intake";
    const READS: &'static [Section] = &[Section::Form, Section::Questions, Section::Review];
    const ATTACHMENTS: &'static [Attachment] = &Attachment::ALL;
    // KDP is asked only where the consent that came with the application is of no use any more
    const NEEDS: &'static [System] = &[System::Gbdfl, System::Bmg, System::DigitalId, System::ZagsIs, System::RpDrn];
    type Subject = Case;
    type Config = Config;
    type Job = Job;
    type Answer = Answer;
    type Outcome = Outcome;

    fn open(config: Config, kit: Kit) -> Result<Self, ConfigError> {
        config.check()?;
        let rules = kit.get::<Rules>().unwrap_or_else(|_| Arc::new(Rules::built_in().clone()));
        for asked in Asked::all() {
            Question::is_ruled(&rules, &asked.key(&rules), asked.possible())?;
        }
        Ok(Self { gateway: kit.get::<Gateway>()?, verifier: kit.get::<Verifier>()?, rules, config })
    }

    fn patience(&self, system: System) -> Option<Duration> {
        outage::patience(system, &self.rules)
    }

    /// A case that was opened to have a refusal looked at begins with the human; every other one with the registers.
    async fn work(&self, _job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let filed = file.find::<Questions>()?;
        match file.find::<Review>()?.and_then(|review| Refusal::parse(&review.refusal)) {
            Some(refusal) if !questions::looked_at(filed.as_ref(), refusal) => {
                Ok(Turn::Hold(self.ask(Asked::Disputed(refusal), filed, attempt)?))
            }
            Some(_) | None => self.take_in(filed, file, attempt).await,
        }
    }

    async fn answer(
        &self,
        answer: &Answer,
        _job: &Job,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        let filed = file.find::<Questions>()?;
        let (asked, refusal) = match answer {
            Answer::GoOn { finding } => (Some(Asked::Doubt(*finding)), None),
            Answer::LetPass { refusal } | Answer::LookAgain { refusal } => (Some(Asked::Disputed(*refusal)), None),
            Answer::Refuse { refusal } => (questions::pending(filed.as_ref()), Some(*refusal)),
        };
        let questions = match asked {
            Some(asked) => Some(self.chosen(asked, answer, filed, attempt)?),
            None => filed,
        };
        match refusal {
            Some(refusal) => self.turn_down(refusal, None, questions, file, attempt).await,
            None => self.take_in(questions, file, attempt).await,
        }
    }

    /// The question is late: it goes on as its rule says, without a deadline; that it is late is in the journal.
    async fn lapse(&self, _job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let filed = file.find::<Questions>()?;
        match questions::pending(filed.as_ref()) {
            Some(asked) => {
                let question = asked.question(&self.rules, true)?;
                Ok(Turn::Hold(Hold::asks(&self.rules, question, attempt.now(), true)))
            }
            None => self.take_in(filed, file, attempt).await,
        }
    }
}

impl Intake {
    /// Holds for a human, with what is asked filed.
    fn ask(&self, what: Asked, filed: Option<Questions>, attempt: &Attempt) -> Result<Hold<Answer>, Fault> {
        let now = attempt.now();
        let question = what.question(&self.rules, false)?;
        let asked = questions::asked(filed, what, &labels(&question.choices), now);
        Ok(Hold::asks(&self.rules, question, now, false)
            .filing(SectionDraft::of(&asked)?)
            .notify(NoticeKind::QuestionAsked))
    }

    /// Writes down which of the choices an answer is.
    fn chosen(
        &self,
        what: Asked,
        answer: &Answer,
        filed: Option<Questions>,
        attempt: &Attempt,
    ) -> Result<Questions, Fault> {
        let choices = what.question(&self.rules, false)?.choices;
        let choice = choices.iter().find(|choice| choice.answer == *answer);
        let choice = choice.map_or_else(|| kezek_stage::Answer::label(answer).to_owned(), |c| c.label.clone());
        Ok(questions::chosen(filed, what, &choice, &labels(&choices), attempt.now()))
    }

    async fn take_in(
        &self,
        asked: Option<Questions>,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        let form = file.form()?;
        let papers = Papers {
            form: &form,
            photo: file.attachment(Attachment::Photo)?,
            sample: file.attachment(Attachment::Signature)?,
            signed: file.attachment(Attachment::SignedContent)?,
            eds: file.attachment(Attachment::Eds)?,
            filed_at: file.case.filed_at,
        };
        let mut sheet =
            Sheet::accepting(questions::accepted(asked.as_ref())).lifting(questions::lifted(asked.as_ref()));
        let screened = match self.check(&papers, &mut sheet, attempt).await {
            Ok(screened) => screened,
            Err(Halt::Fault(fault)) => return Err(fault),
            Err(Halt::Outage(system)) => {
                sheet.note("A12", Verdict::Failed(Refusal::Outage, system.label()));
                Screened::default()
            }
        };
        if let Some(refusal) = sheet.refusal() {
            return self.turn_down(refusal, Some(&sheet), asked, file, attempt).await;
        }
        if let Some(finding) = sheet.doubt() {
            let hold = self.ask(Asked::Doubt(finding), asked, attempt)?;
            return Ok(Turn::Hold(hold.filing(SectionDraft::of(&sheet.findings(self.rules.version()))?)));
        }
        let (identity, document) = screened.sections(file.case.filed_at).ok_or_else(|| {
            Fault::permanent("intake-incomplete", "all checks passed and a register's record is missing")
        })?;
        match registration::register(&self.gateway, file.case.id, &papers, attempt).await? {
            Some(registration) => {
                sheet.note("A3.13", Verdict::Passed("registered"));
                let findings = sheet.findings(self.rules.version());
                let filed = Registered { identity, document, findings, registration, questions: asked };
                Ok(Turn::Done(Outcome::Registered(Box::new(filed))))
            }
            None => {
                sheet.note("A3.13", Verdict::Failed(Refusal::RegistrationRefused, "refused-by-the-register"));
                let findings = Some(sheet.findings(self.rules.version()));
                Ok(Turn::Done(Outcome::turned_down(Refusal::RegistrationRefused, findings, asked)))
            }
        }
    }

    /// A3.1–A3.12.
    async fn check(&self, papers: &Papers<'_>, sheet: &mut Sheet, attempt: &Attempt) -> Result<Screened, Halt> {
        let form = papers.form;
        let screening = self.screening(attempt);
        let applicant = Applicant {
            iin: &form.iin,
            phone: &form.phone,
            service: &form.service,
            reason: form.reason,
            session: &form.digital_id_session,
            card: Some(&form.document_number),
            filed_at: papers.filed_at,
        };
        let screened = screening.screen(&applicant, Some(&form.consent), sheet).await?;
        if sheet.stands() {
            examination::examine(papers, self.verifier.as_ref(), &screening, sheet).await?;
        }
        Ok(screened)
    }

    fn screening<'a>(&'a self, attempt: &'a Attempt) -> Screening<'a> {
        Screening { gateway: &self.gateway, rules: &self.rules, attempt }
    }

    async fn turn_down(
        &self,
        refusal: Refusal,
        sheet: Option<&Sheet>,
        asked: Option<Questions>,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        registration::undo(&self.gateway, file.case.id, attempt).await?;
        let findings = sheet.map(|sheet| sheet.findings(self.rules.version()));
        Ok(Turn::Done(Outcome::turned_down(refusal, findings, asked)))
    }
}

fn labels(choices: &[Choice<Answer>]) -> Vec<String> {
    choices.iter().map(|choice| choice.label.clone()).collect()
}
