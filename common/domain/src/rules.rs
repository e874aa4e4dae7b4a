//! The rules as data: files with dates of effect and a citation, compiled in and replaceable one by one.
//!
//! Nothing here knows what day it is. Rules are judged at the instant of filing (Almaty date), and every
//! decision stores [`Rules::version`]. A gap, a contradiction or an unknown key in a file is an error at
//! start, never a silent default.

mod calendar;
mod clock;
mod desk;
mod duty;
mod exemption;
mod extension;
mod inforce;
mod legal;
mod notice;
mod period;
mod pictures;
#[cfg(test)]
mod properties;
mod questions;
mod refusal;
mod terms;
mod texts;
mod time;

pub use calendar::{Calendar, Due};
pub use clock::{ClockRules, Mark, Reckoning, StageRule, Standing, Whose};
pub use desk::{DeskRules, FourEyes, OldCardRule};
pub use duty::{Duty, DutyQuestion, DutyTable, NoDuty};
pub use exemption::{Exemptions, Ground, Mapping};
pub use extension::Extension;
pub use inforce::{InForce, Line};
pub use legal::{LegalBasis, Window, WindowRule};
pub use notice::NoticeKind;
pub use pictures::{PhotoProfile, Pictures, SignatureProfile};
pub use questions::{Late, QuestionRule, QuestionRules, Words};
pub use refusal::Refusal;
pub use terms::Terms;
pub use texts::{Filling, Text, Texts};
pub use time::{almaty_date, almaty_day_end, almaty_day_start, almaty_time};

pub use crate::dossier::DutyOutcome;
use crate::dossier::Reason;
use crate::name::Service;
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::LazyLock;

const BUILT_IN: [(&str, &str); 10] = [
    ("calendar.toml", include_str!("../rules/calendar.toml")),
    ("clock.toml", include_str!("../rules/clock.toml")),
    ("desk.toml", include_str!("../rules/desk.toml")),
    ("duty.toml", include_str!("../rules/duty.toml")),
    ("exemption.toml", include_str!("../rules/exemption.toml")),
    ("legal.toml", include_str!("../rules/legal.toml")),
    ("pictures.toml", include_str!("../rules/pictures.toml")),
    ("questions.toml", include_str!("../rules/questions.toml")),
    ("terms.toml", include_str!("../rules/terms.toml")),
    ("texts.toml", include_str!("../rules/texts.toml")),
];

static BUILT: LazyLock<Rules> = LazyLock::new(|| {
    #[expect(clippy::panic, reason = "compiled-in data, proved readable by a test; nothing works without it")]
    Rules::parse(&BTreeMap::new()).unwrap_or_else(|fault| panic!("built-in rules: {fault}"))
});

/// A rule file that cannot be used: which, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rules/{file}: {message}")]
pub struct RulesError {
    /// The file.
    pub file: String,
    /// What is wrong with it, and where.
    pub message: String,
}

/// All rules, of one version.
#[derive(Debug, Clone)]
pub struct Rules {
    version: String,
    legal: legal::Legal,
    duty: DutyTable,
    exemptions: Exemptions,
    desk: DeskRules,
    calendar: Calendar,
    clock: ClockRules,
    terms: Terms,
    pictures: Pictures,
    questions: QuestionRules,
    texts: Texts,
}

/// What every file begins with; the rest is read by its own room.
#[derive(Deserialize)]
struct Versioned {
    version: Date,
}

impl Rules {
    /// The rules compiled into this program.
    #[must_use]
    pub fn built_in() -> &'static Self {
        &BUILT
    }

    /// The built-in files with some replaced, by file name.
    ///
    /// # Errors
    /// [`RulesError`] names the file and what is wrong: unknown file, unreadable TOML, unknown key, period
    /// that overlaps another, missing text.
    pub fn parse(replaced: &BTreeMap<String, String>) -> Result<Self, RulesError> {
        if let Some(unknown) = replaced.keys().find(|name| BUILT_IN.iter().all(|(known, _)| known != name)) {
            let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            return Err(RulesError {
                file: unknown.clone(),
                message: format!("no such rule file; known are {}", known.join(", ")),
            });
        }
        let files: BTreeMap<&str, &str> =
            BUILT_IN.iter().map(|(name, text)| (*name, replaced.get(*name).map_or(*text, String::as_str))).collect();
        Ok(Self {
            version: version_of(&files)?,
            legal: read(&files, "legal.toml", legal::Legal::check)?,
            duty: read(&files, "duty.toml", DutyTable::check)?,
            exemptions: read(&files, "exemption.toml", Exemptions::check)?,
            desk: read(&files, "desk.toml", DeskRules::check)?,
            calendar: read(&files, "calendar.toml", Calendar::check)?,
            questions: read(&files, "questions.toml", QuestionRules::check)?,
            clock: read(&files, "clock.toml", ClockRules::check)?,
            terms: read(&files, "terms.toml", Terms::check)?,
            pictures: read(&files, "pictures.toml", Pictures::check)?,
            texts: read(&files, "texts.toml", Texts::check)?,
        })
    }

    /// These rules with a legal basis that an operator has entered (A0.3); `text` are the file's exact bytes, which
    /// become part of the version. Whether it was signed is judged before.
    ///
    /// # Errors
    /// [`RulesError`] where the service has no basis at all, or the period overlaps one that is there.
    pub fn extended(&self, extension: &Extension, text: &str) -> Result<Self, RulesError> {
        let mut rules = self.clone();
        rules.legal.extend(extension).map_err(|message| RulesError { file: "extension".to_owned(), message })?;
        let mut digest = Sha256::new();
        for part in [self.version.as_str(), text] {
            digest.update(part.len().to_be_bytes());
            digest.update(part.as_bytes());
        }
        let day = self.version.split('+').next().unwrap_or_default();
        rules.version = format!("{day}+{}", &hex::encode(digest.finalize())[..12]);
        Ok(rules)
    }

    /// The youngest date of the files and a digest of all of them, such as `2026-11-20+0123456789ab`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// On what a service rests on the day of filing (A0.3); `None` means it is closed on that day.
    #[must_use]
    pub fn legal_basis(&self, service: &Service, filed: Date) -> Option<&LegalBasis> {
        self.legal.basis(service, filed)
    }

    /// The window of days of a service, where it has one.
    #[must_use]
    pub fn window(&self, service: &Service) -> Option<&WindowRule> {
        self.legal.window(service)
    }

    /// A7: whether a card that expires on `expires` may be renewed online on the day of filing.
    #[must_use]
    pub fn a7_window(&self, expires: Date, filed: Date) -> Window {
        self.legal.a7(expires, filed)
    }

    /// The duty for a service and reason on a day.
    ///
    /// # Errors
    /// [`NoDuty`] where no rule, or no MRP of the year, is known: a question for a human.
    pub fn duty(&self, service: &Service, reason: Reason, on: Date) -> Result<Duty, NoDuty> {
        self.duty.duty(service, reason, on)
    }

    /// The duty where filing and assessment may lie on both sides of a change.
    ///
    /// # Errors
    /// [`DutyQuestion::Differs`] where the two days give two results: which counts is for a human to say.
    pub fn duty_between(
        &self,
        service: &Service,
        reason: Reason,
        filed: Date,
        now: Date,
    ) -> Result<Duty, DutyQuestion> {
        self.duty.between(service, reason, filed, now)
    }

    /// The table behind [`Rules::duty`].
    #[must_use]
    pub const fn duty_table(&self) -> &DutyTable {
        &self.duty
    }

    /// What a status code of the social register means on a day (A3.14).
    #[must_use]
    pub fn exemption(&self, status_code: &str, on: Date) -> Mapping<'_> {
        self.exemptions.mapping(status_code, on)
    }

    /// The grounds of exemption.
    #[must_use]
    pub const fn exemptions(&self) -> &Exemptions {
        &self.exemptions
    }

    /// How officers decide and hand over.
    #[must_use]
    pub const fn desk(&self) -> &DeskRules {
        &self.desk
    }

    /// The working calendar.
    #[must_use]
    pub const fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// What a stage may take of the term, whose its days are, and what stops the clock.
    #[must_use]
    pub const fn clock(&self) -> &ClockRules {
        &self.clock
    }

    /// How long each step may take.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Limits of photograph and specimen signature.
    #[must_use]
    pub const fn pictures(&self) -> &Pictures {
        &self.pictures
    }

    /// What goes to a human, and how.
    #[must_use]
    pub const fn questions(&self) -> &QuestionRules {
        &self.questions
    }

    /// The words applicants read.
    #[must_use]
    pub const fn texts(&self) -> &Texts {
        &self.texts
    }
}

fn read<T: DeserializeOwned>(
    files: &BTreeMap<&str, &str>,
    file: &str,
    check: impl Fn(&T) -> Result<(), String>,
) -> Result<T, RulesError> {
    let wrong = |message: String| RulesError { file: file.to_owned(), message };
    let text = files.get(file).ok_or_else(|| wrong("missing".to_owned()))?;
    let rules: T = toml::from_str(text).map_err(|fault| wrong(fault.to_string()))?;
    check(&rules).map_err(wrong)?;
    Ok(rules)
}

fn version_of(files: &BTreeMap<&str, &str>) -> Result<String, RulesError> {
    let mut youngest = Date::MIN;
    let mut digest = Sha256::new();
    // The directory of regions takes part in the version although it is not replaceable: it decides routing.
    for (name, text) in files.iter().chain(std::iter::once((&"regions.toml", &crate::region::REGIONS_TOML))) {
        let head: Versioned = toml::from_str(text)
            .map_err(|fault| RulesError { file: (*name).to_owned(), message: fault.to_string() })?;
        youngest = youngest.max(head.version);
        for part in [name, text] {
            digest.update(part.len().to_be_bytes());
            digest.update(part.as_bytes());
        }
    }
    let digest = hex::encode(digest.finalize());
    Ok(format!("{youngest}+{}", &digest[..12]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(file: &str, text: &str) -> Result<Rules, RulesError> {
        Rules::parse(&BTreeMap::from([(file.to_owned(), text.to_owned())]))
    }

    #[test]
    fn the_built_in_rules_are_readable_and_name_their_version() {
        let version = Rules::built_in().version();
        assert!(version.starts_with("2026-11-20+"), "{version}");
        assert_eq!(version.len(), 23);
    }

    #[test]
    fn a_changed_file_is_another_version() -> Result<(), RulesError> {
        let terms = include_str!("../rules/terms.toml").replace("payment_days = 3", "payment_days = 4");
        let rules = replaced("terms.toml", &terms)?;
        assert_ne!(rules.version(), Rules::built_in().version());
        assert_eq!(rules.terms().payment_days, 4);
        Ok(())
    }

    #[test]
    fn faults_name_their_file() {
        let unknown_file = replaced("tariff.toml", "").err();
        assert!(unknown_file.is_some_and(|e| e.to_string().contains("known are calendar.toml")));
        let terms = include_str!("../rules/terms.toml");
        let unknown_key = replaced("terms.toml", &format!("foo = 1\n{terms}")).err();
        assert!(unknown_key.is_some_and(|e| e.file == "terms.toml" && e.message.contains("foo")));
        let zero = replaced("terms.toml", &terms.replace("payment_days = 3", "payment_days = 0")).err();
        assert!(zero.is_some_and(|e| e.message.contains("payment_days")));
    }

    #[test]
    fn overlapping_periods_are_refused() {
        let legal = include_str!("../rules/legal.toml");
        let twice = legal.replace("[[window]]", "[[basis]]\nservice = \"id-card-renewal\"\nfrom = \"2026-03-31\"\nact = \"x\"\ncitation = \"x\"\nconfidence = \"x\"\n\n[[window]]");
        assert!(replaced("legal.toml", &twice).err().is_some_and(|e| e.message.contains("overlap")));
    }

    #[test]
    fn a_missing_text_is_refused() {
        let texts = include_str!("../rules/texts.toml").replace("[notice.ready]", "[notice.redy]");
        assert!(replaced("texts.toml", &texts).err().is_some_and(|e| e.message.contains("redy")));
    }
}
