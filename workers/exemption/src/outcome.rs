//! How the assessment may end.

use kezek_domain::dossier::{DutyAssessment, DutyOutcome, Exemption, Questions};
use kezek_domain::rules::{Duty, Rules};
use kezek_domain::{Service, Tiyn};
use kezek_stage::{Fault, SectionDraft};
use serde_json::{Value, json};

/// Whether duty is due.
#[derive(Debug)]
pub enum Outcome {
    /// The duty is due (A3.15).
    Payable(Assessed),
    /// No duty for this ground of issuing, whoever applies; nobody was asked.
    FreeByGround(Assessed),
    /// This person is exempt (A3.14).
    Exempt(Assessed),
}

/// What is filed with the assessment.
#[derive(Debug)]
pub struct Assessed {
    /// The duty.
    pub duty: DutyAssessment,
    /// What SIK's answer came to, where SIK was asked.
    pub exemption: Option<Exemption>,
    /// Questions that were asked and answered on the way.
    pub questions: Option<Questions>,
}

/// The assessment of a duty as the table gives it.
#[must_use]
pub fn assessment(duty: &Duty, rules: &Rules) -> DutyAssessment {
    DutyAssessment {
        outcome: duty.outcome.clone(),
        amount: duty.amount(),
        legal_basis: duty.legal_basis.clone(),
        rule_version: rules.version().to_owned(),
        mrp: duty.mrp,
    }
}

/// The assessment of a duty from which this person is exempt.
#[must_use]
pub fn exempted(duty: DutyAssessment, ground: String, legal_basis: &str) -> DutyAssessment {
    DutyAssessment {
        outcome: DutyOutcome::ExemptByStatus { ground },
        amount: Tiyn::ZERO,
        legal_basis: legal_basis.to_owned(),
        ..duty
    }
}

impl Outcome {
    const fn assessed(&self) -> &Assessed {
        match self {
            Self::Payable(assessed) | Self::FreeByGround(assessed) | Self::Exempt(assessed) => assessed,
        }
    }
}

impl kezek_stage::Outcome for Outcome {
    fn label(&self) -> &'static str {
        match self {
            Self::Payable(_) => "payable",
            Self::FreeByGround(_) => "free-by-ground",
            Self::Exempt(_) => "exempt",
        }
    }

    fn samples() -> Vec<Self> {
        use kezek_domain::dossier::Reason;
        let rules = Rules::built_in();
        let duty =
            |on| rules.duty(&Service::ID_CARD_RENEWAL, Reason::Expiry, on).ok().map(|duty| assessment(&duty, rules));
        let exemption = |ground: Option<&str>| Exemption {
            ground: ground.map(str::to_owned),
            evidence_sha256: "00".repeat(32),
            statuses_count: u32::from(ground.is_some()),
        };
        let assessed = |duty, exemption| Assessed { duty, exemption, questions: None };
        let payable = duty(jiff::civil::date(2025, 9, 2));
        let free = duty(jiff::civil::date(2026, 2, 2));
        let exempt = payable.clone().map(|duty| exempted(duty, "622-6".to_owned(), "Tax Code, article 622"));
        [
            payable.map(|duty| Self::Payable(assessed(duty, Some(exemption(None))))),
            free.map(|duty| Self::FreeByGround(assessed(duty, None))),
            exempt.map(|duty| Self::Exempt(assessed(duty, Some(exemption(Some("622-6")))))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn sections(&self) -> Result<Vec<SectionDraft>, Fault> {
        let assessed = self.assessed();
        let mut drafts = vec![SectionDraft::of(&assessed.duty)?];
        if let Some(exemption) = &assessed.exemption {
            drafts.push(SectionDraft::of(exemption)?);
        }
        if let Some(questions) = &assessed.questions {
            drafts.push(SectionDraft::of(questions)?);
        }
        Ok(drafts)
    }

    /// The ground of an exemption says what kind of person the applicant is: it stays in the sealed dossier.
    fn facts(&self) -> Value {
        let duty = &self.assessed().duty;
        json!({ "amount_tiyn": duty.amount, "legal_basis": duty.legal_basis, "rule_version": duty.rule_version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kezek_stage::Outcome as _;

    #[test]
    fn every_ending_has_a_sample_and_files_the_duty() {
        let samples = Outcome::samples();
        assert_eq!(samples.iter().map(|s| s.label()).collect::<Vec<_>>(), ["payable", "free-by-ground", "exempt"]);
        for sample in samples {
            let sections = sample.sections().expect("sections are written");
            assert!(sections.iter().any(|s| s.section.label() == "duty-assessment"));
            assert_eq!(sample.assessed().duty.amount, sample.assessed().duty.outcome.amount());
            assert!(!sample.facts().to_string().contains("622-6"));
        }
    }
}
