//! A legal basis that an operator enters by a file (A0.3): an act, its period and the reason, signed by two persons.
//!
//! Here only what can be judged of the file by itself; whose the signatures are is judged where the process starts.
//! An extension adds a period and changes none that is reviewed and compiled in.

use super::{RulesError, period};
use crate::name::Service;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The file's format; another number for another meaning.
const FORMAT: u32 = 1;

/// An operator's file that extends a legal basis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// 1.
    pub format: u32,
    /// The service.
    pub service: Service,
    /// First day of effect.
    pub from: Date,
    /// Last day of effect; an extension without an end is not taken.
    pub to: Date,
    /// The act.
    pub act: String,
    /// Where the period is said.
    pub citation: String,
    /// Why it is entered by hand.
    pub reason: String,
    /// The accounts of the two persons who sign, each with a key of their own.
    pub signers: [String; 2],
}

impl Extension {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`RulesError`] under `file`: no TOML, an unknown or missing key, an empty text, a period that ends before it
    /// begins, one account named twice.
    pub fn parse(file: &str, text: &str) -> Result<Self, RulesError> {
        let wrong = |message: String| RulesError { file: file.to_owned(), message };
        let read: Self = toml::from_str(text).map_err(|fault| wrong(fault.to_string()))?;
        if read.format != FORMAT {
            return Err(wrong(format!("format is {}, this program reads {FORMAT}", read.format)));
        }
        if read.to < read.from {
            return Err(wrong(format!("the period from {} ends before it begins, on {}", read.from, read.to)));
        }
        for (key, value) in [("act", &read.act), ("citation", &read.citation), ("reason", &read.reason)] {
            if value.trim().is_empty() || value.chars().count() > 500 {
                return Err(wrong(format!("{key}: give 1 to 500 characters")));
            }
        }
        let [first, second] = &read.signers;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        for signer in [first, second] {
            if !(1..=64).contains(&signer.len()) || !signer.bytes().all(plain) {
                return Err(wrong(format!("signers: {signer:?} is no account's name")));
            }
        }
        if first == second {
            return Err(wrong(format!("signers: {first} is named twice; two different persons sign")));
        }
        Ok(read)
    }

    /// The text of a file that says this, to be signed as it stands.
    ///
    /// # Errors
    /// Never in practice: where it cannot be written as TOML.
    pub fn text(&self) -> Result<String, RulesError> {
        let wrong = |fault: toml::ser::Error| RulesError { file: "extension".to_owned(), message: fault.to_string() };
        toml::to_string(self).map_err(wrong)
    }

    /// Whether it is in effect on a day.
    #[must_use]
    pub fn covers(&self, day: Date) -> bool {
        period::covers(self.from, Some(self.to), day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;
    use jiff::civil::date;

    fn extension() -> Extension {
        Extension {
            format: 1,
            service: Service::ID_CARD_RENEWAL,
            from: date(2026, 4, 1),
            to: date(2026, 12, 31),
            act: "order 1 of 30 March 2026".to_owned(),
            citation: "paragraph 1".to_owned(),
            reason: "published after this program was built".to_owned(),
            signers: ["committee-1".to_owned(), "committee-2".to_owned()],
        }
    }

    #[test]
    fn a0_3_an_extension_opens_its_period_and_no_other_day() -> Result<(), RulesError> {
        let text = extension().text()?;
        let read = Extension::parse("extension.toml", &text)?;
        assert_eq!(read, extension());
        let rules = Rules::built_in().extended(&read, &text)?;
        let act = |day| rules.legal_basis(&Service::ID_CARD_RENEWAL, day).map(|basis| basis.act.as_str());
        assert_eq!(act(date(2026, 3, 31)), Some("order 389/253-НҚ of 26 May 2025"));
        assert_eq!(act(date(2026, 4, 1)), Some("order 1 of 30 March 2026"));
        assert_eq!(act(date(2026, 12, 31)), Some("order 1 of 30 March 2026"));
        assert_eq!(act(date(2027, 1, 1)), None);
        assert_eq!(Rules::built_in().legal_basis(&Service::ID_CARD_RENEWAL, date(2026, 4, 1)), None);
        Ok(())
    }

    #[test]
    fn a0_3_extended_rules_are_another_version_with_each_byte() -> Result<(), RulesError> {
        let text = extension().text()?;
        let one = Rules::built_in().extended(&extension(), &text)?;
        let other = Rules::built_in().extended(&extension(), &format!("{text}\n"))?;
        assert_ne!(one.version(), Rules::built_in().version());
        assert_ne!(one.version(), other.version());
        assert_eq!(one.version().len(), Rules::built_in().version().len());
        Ok(())
    }

    #[test]
    fn a0_3_an_extension_may_not_rewrite_a_period_that_is_reviewed() {
        let over = Extension { from: date(2026, 3, 31), ..extension() };
        let fault = Rules::built_in().extended(&over, "").err().map(|fault| fault.to_string()).unwrap_or_default();
        assert!(fault.contains("overlap"), "{fault}");
        let nowhere = Extension { service: Service::new("card-for-the-moon"), ..extension() };
        let fault = Rules::built_in().extended(&nowhere, "").err().map(|fault| fault.to_string()).unwrap_or_default();
        assert!(fault.contains("card-for-the-moon"), "{fault}");
    }

    #[test]
    fn a0_3_a_file_that_says_too_little_is_refused_by_its_key() {
        let told = |change: fn(&mut Extension)| {
            let mut changed = extension();
            change(&mut changed);
            let text = changed.text().unwrap_or_default();
            Extension::parse("extension.toml", &text).err().map(|fault| fault.to_string()).unwrap_or_default()
        };
        assert!(told(|e| e.to = date(2026, 3, 1)).contains("before it begins"));
        assert!(told(|e| e.reason = " ".to_owned()).contains("reason"));
        assert!(told(|e| e.signers[1] = "committee-1".to_owned()).contains("two different persons"));
        assert!(told(|e| e.signers[1] = "../x".to_owned()).contains("no account"));
        assert!(told(|e| e.format = 2).contains("format is 2"));
        assert_eq!(told(|_| ()), "");
        let unknown = Extension::parse("extension.toml", "format = 1\nuntil = 2026-01-01\n");
        assert!(unknown.err().is_some_and(|fault| fault.message.contains("until")));
    }
}
