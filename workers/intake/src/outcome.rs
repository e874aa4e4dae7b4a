//! How intake may end.

use kezek_domain::dossier::{CheckOutcome, CheckResult, Document, Findings, Identity, Questions, Registration};
use kezek_domain::rules::{Refusal, Rules};
use kezek_domain::{Coupon, Sex};
use kezek_stage::{Fault, Marks, SectionDraft};
use serde_json::{Value, json};

/// How an application was taken in, or not.
#[derive(Debug)]
pub enum Outcome {
    /// RP DRN has it (A3.13).
    Registered(Box<Registered>),
    /// It does not go on.
    Refused(TurnedDown),
    /// It does not go on online: the person applies at the service centre.
    Redirected(TurnedDown),
}

/// What is filed with a registered application.
#[derive(Debug)]
pub struct Registered {
    /// Who the registers say the applicant is.
    pub identity: Identity,
    /// The present card.
    pub document: Document,
    /// Every check with its result.
    pub findings: Findings,
    /// The coupon and the documentation code.
    pub registration: Registration,
    /// Questions that were asked and answered on the way.
    pub questions: Option<Questions>,
}

/// What is filed with an application that does not go on.
#[derive(Debug)]
pub struct TurnedDown {
    /// Why.
    pub refusal: Refusal,
    /// Every check made; `None` where a human's answer decided, and the question's hold has filed them.
    pub findings: Option<Findings>,
    /// Questions that were asked and answered on the way.
    pub questions: Option<Questions>,
}

impl Outcome {
    /// The ending that a refusal leads to.
    #[must_use]
    pub fn turned_down(refusal: Refusal, findings: Option<Findings>, questions: Option<Questions>) -> Self {
        let down = TurnedDown { refusal, findings, questions };
        if refusal.csc() { Self::Redirected(down) } else { Self::Refused(down) }
    }
}

impl kezek_stage::Outcome for Outcome {
    fn label(&self) -> &'static str {
        match self {
            Self::Registered(_) => "registered",
            Self::Refused(_) => "refused",
            Self::Redirected(_) => "redirected",
        }
    }

    fn samples() -> Vec<Self> {
        let findings = |check: &str, outcome, detail: &str| Findings {
            checks: vec![CheckResult { check: check.to_owned(), outcome, detail_code: detail.to_owned() }],
            rule_version: Rules::built_in().version().to_owned(),
        };
        let refused = findings("A3.3", CheckOutcome::Failed, "not-matched");
        let redirected = findings("A3.6", CheckOutcome::Failed, "temporary");
        let mut samples = vec![
            Self::turned_down(Refusal::NotIdentified, Some(refused), None),
            Self::turned_down(Refusal::NoPermanentRegistration, Some(redirected), None),
        ];
        samples.extend(sample_registered(findings("A3.13", CheckOutcome::Passed, "registered")));
        samples
    }

    fn sections(&self) -> Result<Vec<SectionDraft>, Fault> {
        let mut drafts = Vec::new();
        let (findings, questions) = match self {
            Self::Registered(filed) => {
                drafts.push(SectionDraft::of(&filed.identity)?);
                drafts.push(SectionDraft::of(&filed.document)?);
                drafts.push(SectionDraft::of(&filed.registration)?);
                (Some(&filed.findings), &filed.questions)
            }
            Self::Refused(down) | Self::Redirected(down) => (down.findings.as_ref(), &down.questions),
        };
        if let Some(findings) = findings {
            drafts.push(SectionDraft::of(findings)?);
        }
        if let Some(questions) = questions {
            drafts.push(SectionDraft::of(questions)?);
        }
        Ok(drafts)
    }

    fn marks(&self) -> Marks {
        match self {
            Self::Registered(filed) => Marks { coupon: Some(filed.registration.coupon.clone()) },
            Self::Refused(_) | Self::Redirected(_) => Marks::default(),
        }
    }

    fn facts(&self) -> Value {
        match self {
            Self::Registered(filed) => json!({
                "documentation_code": filed.registration.documentation_code,
                "rule_version": filed.findings.rule_version,
            }),
            Self::Refused(down) | Self::Redirected(down) => json!({
                "refusal": down.refusal.label(),
                "law": down.refusal.law(),
                "detail": down.findings.as_ref().and_then(deciding_detail),
                "rule_version": down.findings.as_ref().map(|f| f.rule_version.as_str()),
            }),
        }
    }
}

/// The detail of the first check that failed: it decided.
fn deciding_detail(findings: &Findings) -> Option<&str> {
    findings.checks.iter().find(|c| c.outcome == CheckOutcome::Failed).map(|c| c.detail_code.as_str())
}

fn sample_registered(findings: Findings) -> Option<Outcome> {
    let identity = Identity {
        surname: "Үлгі".to_owned(),
        given_name: "Үлгі".to_owned(),
        patronymic: None,
        birth_date: jiff::civil::date(1885, 1, 1),
        sex: Sex::Male,
        citizenship: "398".to_owned(),
        birth_country: "398".to_owned(),
        registered_region: None,
        registered_permanently: true,
        capable: true,
        changed: Vec::new(),
    };
    let document = Document {
        number: "000000000".to_owned(),
        begins: jiff::civil::date(2015, 9, 10),
        ends: Some(jiff::civil::date(2025, 9, 10)),
        status: "00".to_owned(),
    };
    let registration = Registration {
        coupon: Coupon::parse("DEMO-0000001").ok()?,
        registered_at: jiff::Timestamp::UNIX_EPOCH,
        documentation_code: "demo-expiry".to_owned(),
    };
    let filed = Registered { identity, document, findings, registration, questions: None };
    Some(Outcome::Registered(Box::new(filed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kezek_stage::Outcome as _;

    #[test]
    fn every_ending_has_a_sample_and_files_its_findings() {
        let labels: Vec<_> = Outcome::samples().iter().map(kezek_stage::Outcome::label).collect();
        assert_eq!(labels, ["refused", "redirected", "registered"]);
        for sample in Outcome::samples() {
            let sections = sample.sections().expect("sections are written");
            assert!(sections.iter().any(|s| s.section.label() == "findings"));
        }
    }

    #[test]
    fn a_refusal_names_its_line_of_law_and_the_deciding_detail() {
        let facts = Outcome::samples()[1].facts();
        assert_eq!(facts["law"], "A3.6");
        assert_eq!(facts["detail"], "temporary");
    }
}
