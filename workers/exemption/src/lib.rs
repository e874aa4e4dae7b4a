#![doc = include_str!("../README.md")]

mod answer;
mod job;
mod outcome;
mod question;
mod standing;
#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use job::Job;
pub use outcome::{Assessed, Outcome};
pub use question::Doubt;

use jiff::SignedDuration;
use kezek_domain::dossier::{Consent, DutyAssessment, DutyOutcome, Exemption as Evidence, Form, Questions, Section};
use kezek_domain::rules::{DutyQuestion, NoticeKind, Rules, almaty_date};
use kezek_domain::{Fault, System};
use kezek_gateway::{ConsentAnswer, Gateway, SikAnswer, SocialStatus};
use kezek_stage::{Attempt, Case, ConfigError, File, Hold, Kit, Question, SectionDraft, Stage, Turn};
use serde::Deserialize;
use standing::Standing;
use std::sync::Arc;

/// The stage has nothing to configure: rates, grounds and mappings are rules.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {}

/// The stage.
#[derive(Debug)]
pub struct Exemption {
    gateway: Arc<Gateway>,
    rules: Arc<Rules>,
}

/// What is known of the case so far.
struct Papers {
    form: Form,
    /// The duty that an earlier question has settled.
    settled: Option<DutyAssessment>,
    questions: Option<Questions>,
}

/// What SIK had to say.
enum Told {
    Statuses(Vec<SocialStatus>),
    Doubt(Doubt),
}

impl Stage for Exemption {
    const NAME: &'static str = "exemption";
    const READS: &'static [Section] = &[Section::Form, Section::DutyAssessment, Section::Questions];
    const NEEDS: &'static [System] = &[System::Sik];
    type Subject = Case;
    type Config = Config;
    type Job = Job;
    type Answer = Answer;
    type Outcome = Outcome;

    fn open(_config: Config, kit: Kit) -> Result<Self, ConfigError> {
        let rules = kit.get::<Rules>().unwrap_or_else(|_| Arc::new(Rules::built_in().clone()));
        for doubt in Doubt::samples() {
            Question::is_ruled(&rules, &doubt.key(), doubt.possible())?;
        }
        Ok(Self { gateway: kit.get::<Gateway>()?, rules })
    }

    async fn work(&self, _job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        self.assess(papers(file)?, false, file, attempt).await
    }

    async fn answer(
        &self,
        answer: &Answer,
        _job: &Job,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        let mut papers = papers(file)?;
        papers.questions = question::answered(papers.questions, answer, attempt.now());
        match answer {
            Answer::Duty { duty } => {
                papers.settled = Some(outcome::assessment(duty, &self.rules));
                self.assess(papers, false, file, attempt).await
            }
            Answer::AskAgain => self.assess(papers, false, file, attempt).await,
            Answer::Exempt => {
                let ground = self.declared(&papers.form).unwrap_or_else(|| "by-decision".to_owned());
                self.decided(Some(ground), papers, file, attempt)
            }
            Answer::Pay => self.decided(None, papers, file, attempt),
        }
    }

    /// The question is late. The register may know by now; if not, it goes on as its rule says, without a deadline.
    async fn lapse(&self, _job: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        Ok(match self.assess(papers(file)?, true, file, attempt).await? {
            Turn::Hold(hold) => Turn::Hold(Hold { notices: Vec::new(), ..hold }),
            done @ (Turn::Done(_) | Turn::Again(_)) => done,
        })
    }
}

fn papers(file: &File<Exemption>) -> Result<Papers, Fault> {
    Ok(Papers { form: file.form()?, settled: file.find()?, questions: file.find()? })
}

impl Exemption {
    async fn assess(
        &self,
        papers: Papers,
        late: bool,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        let ask = |doubt: Doubt, settled: Option<&DutyAssessment>, questions: Option<Questions>| {
            self.ask(&doubt, late, settled, questions, attempt)
        };
        let duty = match self.duty(&papers, file, attempt)? {
            Ok(duty) => duty,
            Err(doubt) => return ask(doubt, None, papers.questions),
        };
        match duty.outcome {
            DutyOutcome::Payable { .. } => {}
            // whoever applies: nobody's statuses are anybody's business then
            DutyOutcome::FreeByGround { .. } => {
                let assessed = Assessed { duty, exemption: None, questions: papers.questions };
                return Ok(Turn::Done(Outcome::FreeByGround(assessed)));
            }
            DutyOutcome::ExemptByStatus { .. } => {
                return Err(Fault::permanent("duty-settled", "the exemption was already assessed"));
            }
        }
        let filed = almaty_date(file.case.filed_at);
        let statuses = match self.statuses(&papers.form, file, attempt).await? {
            Told::Statuses(statuses) => statuses,
            Told::Doubt(doubt) => return ask(doubt, Some(&duty), papers.questions),
        };
        let evidence = |ground| Evidence {
            ground,
            evidence_sha256: standing::evidence(&statuses, filed),
            statuses_count: u32::try_from(statuses.len()).unwrap_or(u32::MAX),
        };
        match standing::judge(&statuses, &self.rules, filed) {
            Standing::Exempt(ground) => {
                let exemption = Some(evidence(Some(ground.clone())));
                let duty = outcome::exempted(duty, ground, self.citation(file));
                Ok(Turn::Done(Outcome::Exempt(Assessed { duty, exemption, questions: papers.questions })))
            }
            Standing::Unmapped => ask(Doubt::Unmapped, Some(&duty), papers.questions),
            Standing::NoPrivilege if papers.form.declared_exemption.is_some() => {
                ask(Doubt::DeclaredUnknown, Some(&duty), papers.questions)
            }
            Standing::NoPrivilege => {
                let exemption = Some(evidence(None));
                Ok(Turn::Done(Outcome::Payable(Assessed { duty, exemption, questions: papers.questions })))
            }
        }
    }

    /// The duty by the table, or as an earlier question has settled it.
    ///
    /// # Errors
    /// Permanent where the table does not say: an operator adds the rule and replays.
    fn duty(
        &self,
        papers: &Papers,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Result<DutyAssessment, Doubt>, Fault> {
        if let Some(settled) = &papers.settled {
            return Ok(Ok(settled.clone()));
        }
        let (form, filed) = (&papers.form, almaty_date(file.case.filed_at));
        match self.rules.duty_between(&form.service, form.reason, filed, attempt.today()) {
            Ok(duty) => Ok(Ok(outcome::assessment(&duty, &self.rules))),
            Err(DutyQuestion::Differs { at_filing, now }) => Ok(Err(Doubt::DutyDiffers { at_filing, now })),
            Err(DutyQuestion::NoDuty(none)) => Err(Fault::permanent("duty-unknown", none.to_string())),
        }
    }

    /// SIK's answer; a consent that has run out in the meantime is asked anew, once.
    async fn statuses(&self, form: &Form, file: &File<Self>, attempt: &Attempt) -> Result<Told, Fault> {
        let filed = almaty_date(file.case.filed_at);
        let mut given = Some(form.consent.clone()).filter(|c| lasts(c, attempt));
        for _ in 0..2 {
            let consent = match given.take() {
                Some(consent) => consent,
                None => {
                    let asked = self.gateway.consent(&form.iin, &form.phone, form.service.as_str(), attempt.now());
                    match attempt.call(System::Kdp, "consent", asked).await? {
                        ConsentAnswer::Granted(consent) => consent,
                        ConsentAnswer::Denied => return Ok(Told::Doubt(Doubt::ConsentDenied)),
                    }
                }
            };
            let asked = self.gateway.statuses(&form.iin, &consent, filed);
            match attempt.call(System::Sik, "statuses", asked).await? {
                SikAnswer::Has(statuses) => return Ok(Told::Statuses(statuses)),
                SikAnswer::HasNone => return Ok(Told::Statuses(Vec::new())),
                SikAnswer::NotFound => return Ok(Told::Doubt(Doubt::NotFound)),
                SikAnswer::TokenExpired => {}
            }
        }
        Err(Fault::permanent("consent-refused", "the register refuses a consent that was given a moment ago")
            .from_system(System::Sik))
    }

    /// Holds for a human; the duty settled so far is filed with the question, so that the answer finds it.
    fn ask(
        &self,
        doubt: &Doubt,
        late: bool,
        settled: Option<&DutyAssessment>,
        filed: Option<Questions>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        let now = attempt.now();
        let question = doubt.question(&self.rules, late)?;
        let asked = question::asked(filed, doubt, &question, now);
        let mut hold = Hold::asks(&self.rules, question, now, late)
            .filing(SectionDraft::of(&asked)?)
            .notify(NoticeKind::QuestionAsked);
        if let Some(duty) = settled {
            hold = hold.filing(SectionDraft::of(duty)?);
        }
        Ok(Turn::Hold(hold))
    }

    /// A human has decided what SIK could not say.
    fn decided(
        &self,
        ground: Option<String>,
        papers: Papers,
        file: &File<Self>,
        attempt: &Attempt,
    ) -> Result<Turn<Self>, Fault> {
        let duty = self.duty(&papers, file, attempt)?.map_err(|_| {
            Fault::permanent("duty-unsettled", "an answer about statuses came before the duty was settled")
        })?;
        let filed = almaty_date(file.case.filed_at);
        let exemption = Some(Evidence {
            ground: ground.clone(),
            evidence_sha256: standing::evidence(&[], filed),
            statuses_count: 0,
        });
        Ok(Turn::Done(match ground {
            Some(ground) => {
                let duty = outcome::exempted(duty, ground, self.citation(file));
                Outcome::Exempt(Assessed { duty, exemption, questions: papers.questions })
            }
            None => Outcome::Payable(Assessed { duty, exemption, questions: papers.questions }),
        }))
    }

    /// The ground that the applicant declares, where it is one.
    fn declared(&self, form: &Form) -> Option<String> {
        let declared = form.declared_exemption.as_deref()?;
        self.rules.exemptions().ground(declared).map(|ground| ground.code.clone())
    }

    fn citation(&self, file: &File<Self>) -> &str {
        self.rules.exemptions().citation(almaty_date(file.case.filed_at)).unwrap_or("to confirm")
    }
}

/// Whether a consent outlasts the question (A3.1).
fn lasts(consent: &Consent, attempt: &Attempt) -> bool {
    consent.expires_at.duration_since(attempt.now()) > SignedDuration::from_secs(60)
}
