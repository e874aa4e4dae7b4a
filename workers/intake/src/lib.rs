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

use examination::Papers;
use kezek_domain::System;
use kezek_domain::dossier::{Questions, Section};
use kezek_domain::rules::{NoticeKind, Refusal, Rules};
use kezek_gateway::Gateway;
use kezek_gateway::eds::{CmsVerifier, SignatureVerifier};
use kezek_stage::{Attachment, Attempt, Case, ConfigError, Fault, File, Hold, Kit, SectionDraft, Stage, Turn};
use outage::Halt;
use screening::{Applicant, Screened, Screening};
use sheet::{Sheet, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// The stage.
pub struct Intake {
    gateway: Arc<Gateway>,
    verifier: Arc<dyn SignatureVerifier>,
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
    const READS: &'static [Section] = &[Section::Form, Section::Questions];
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
        Ok(Self {
            gateway: kit.get::<Gateway>()?,
            verifier: kit.get::<CmsVerifier>()?,
            rules: kit.get::<Rules>().unwrap_or_else(|_| Arc::new(Rules::built_in().clone())),
            config,
        })
    }

    fn patience(&self, system: System) -> Option<Duration> {
        outage::patience(system, &self.rules)
    }

    async fn work(&self, _job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        self.take_in(file.find::<Questions>()?, file, attempt).await
    }

    async fn answer(
        &self,
        answer: &Answer,
        _job: &Job,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        let filed = file.find::<Questions>()?;
        match answer {
            Answer::GoOn { finding } => {
                let questions = questions::let_pass(filed, *finding, attempt.now());
                self.take_in(Some(questions), file, attempt).await
            }
            Answer::Refuse { refusal } => self.turn_down(*refusal, None, filed, file, attempt).await,
        }
    }

    /// The question is late: it stays asked, now without a deadline; the lateness is in the journal and the metrics.
    async fn lapse(&self, _job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let filed = file.find::<Questions>()?;
        match questions::pending(filed.as_ref()) {
            Some(finding) => Ok(Turn::Hold(Hold::open().asking(answer::question(finding)))),
            None => self.take_in(filed, file, attempt).await,
        }
    }
}

impl Intake {
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
        let mut sheet = Sheet::accepting(questions::accepted(asked.as_ref()));
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
            let now = attempt.now();
            let asked = questions::asked(asked, finding, now);
            return Ok(Turn::Hold(
                Hold::until(questions::due(&self.rules, now))
                    .asking(answer::question(finding))
                    .filing(SectionDraft::of(&asked)?)
                    .filing(SectionDraft::of(&sheet.findings(self.rules.version()))?)
                    .notify(NoticeKind::QuestionAsked),
            ));
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
