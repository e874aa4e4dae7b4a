//! How officers decide and hand over: what order A leaves open, and what it says for this service.

use crate::dossier::DecisionOutcome;
use crate::name::Service;
use jiff::SignedDuration;
use jiff::civil::Date;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Which decisions a second officer must take alike before they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FourEyes {
    /// None.
    Off,
    /// Approvals (A11a).
    Approvals,
    /// Cancellations (A11b).
    Cancellations,
    /// Both.
    All,
}

/// What a handover needs of the old card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OldCardRule {
    /// What became of it is recorded.
    Recorded,
    /// It is given back, or was withdrawn before.
    Returned,
}

/// The rules of the desks.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeskRules {
    #[serde(rename = "version")]
    _version: Date,
    four_eyes: FourEyes,
    take_back_minutes: u32,
    page_minutes: u32,
    uncollected_days: Vec<u32>,
    refund_reminder_days: Vec<u32>,
    old_card: OldCardRule,
    documentation_codes: BTreeMap<String, Vec<String>>,
    representative: BTreeMap<String, bool>,
    why: BTreeMap<String, String>,
}

const KEYS: [&str; 8] = [
    "documentation_codes",
    "four_eyes",
    "old_card",
    "page_minutes",
    "refund_reminder_days",
    "representative",
    "take_back_minutes",
    "uncollected_days",
];

impl DeskRules {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.take_back_minutes > 60 {
            return Err(format!("take_back_minutes is {}, must be from 0 to 60", self.take_back_minutes));
        }
        if !(1..=480).contains(&self.page_minutes) {
            return Err(format!("page_minutes is {}, must be from 1 to 480", self.page_minutes));
        }
        for (name, days) in
            [("uncollected_days", &self.uncollected_days), ("refund_reminder_days", &self.refund_reminder_days)]
        {
            if days.len() > 2 {
                return Err(format!("{name} has more than two: a first reminder and a last one"));
            }
            let rising = days.windows(2).all(|pair| pair[0] < pair[1]);
            if !rising || days.iter().any(|day| !(1..=3650).contains(day)) {
                return Err(format!("{name} must rise, each from 1 to 3650"));
            }
        }
        if let Some((service, _)) = self.documentation_codes.iter().find(|(_, codes)| codes.is_empty()) {
            return Err(format!("documentation_codes of {service} is empty: no application could be approved"));
        }
        match KEYS.iter().find(|key| self.why.get(**key).is_none_or(|why| why.trim().is_empty())) {
            Some(key) => Err(format!("why.{key} is missing")),
            None => Ok(()),
        }
    }

    /// Whether a second officer must decide alike.
    #[must_use]
    pub const fn needs_second(&self, outcome: DecisionOutcome) -> bool {
        match (self.four_eyes, outcome) {
            (FourEyes::All, _)
            | (FourEyes::Approvals, DecisionOutcome::Approved)
            | (FourEyes::Cancellations, DecisionOutcome::Cancelled) => true,
            (FourEyes::Off, _)
            | (FourEyes::Approvals, DecisionOutcome::Cancelled)
            | (FourEyes::Cancellations, DecisionOutcome::Approved) => false,
        }
    }

    /// How long a cancellation may be taken back before it takes effect; nothing where it takes effect at once.
    #[must_use]
    pub fn take_back(&self) -> Option<SignedDuration> {
        (self.take_back_minutes > 0).then(|| SignedDuration::from_mins(i64::from(self.take_back_minutes)))
    }

    /// How old a page may be from which a decision is signed.
    #[must_use]
    pub fn page(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.page_minutes))
    }

    /// A4.1: whether a documentation code fits the service.
    #[must_use]
    pub fn code_fits(&self, service: &Service, code: &str) -> bool {
        self.documentation_codes.get(service.as_str()).is_some_and(|codes| codes.iter().any(|known| known == code))
    }

    /// A4.3: whether somebody under power of attorney may fetch what the service gives; a service that is not named
    /// admits nobody.
    #[must_use]
    pub fn representative(&self, service: &Service) -> bool {
        self.representative.get(service.as_str()).copied().unwrap_or(false)
    }

    /// Days after which whoever has not fetched the card is reminded, rising.
    #[must_use]
    pub fn uncollected_days(&self) -> &[u32] {
        &self.uncollected_days
    }

    /// Days after which whoever has not claimed a refund is reminded, rising.
    #[must_use]
    pub fn refund_reminder_days(&self) -> &[u32] {
        &self.refund_reminder_days
    }

    /// What a handover needs of the old card.
    #[must_use]
    pub const fn old_card(&self) -> OldCardRule {
        self.old_card
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Rules, RulesError};

    const BUILT_IN: &str = include_str!("../../rules/desk.toml");

    fn with(from: &str, to: &str) -> Result<Rules, RulesError> {
        assert!(BUILT_IN.contains(from), "{from}");
        Rules::parse(&BTreeMap::from([("desk.toml".to_owned(), BUILT_IN.replace(from, to))]))
    }

    #[test]
    fn a4_1_a4_3_a11b_what_the_order_says_and_what_it_leaves_open() {
        let rules = Rules::built_in().desk();
        let card = Service::ID_CARD_RENEWAL;
        assert!(rules.code_fits(&card, "demo-expiry") && !rules.code_fits(&card, "demo-expiry-verify"));
        assert!(!rules.representative(&card), "A4.3");
        assert_eq!(rules.take_back(), Some(SignedDuration::from_mins(5)));
        for outcome in [DecisionOutcome::Approved, DecisionOutcome::Cancelled] {
            assert!(!rules.needs_second(outcome), "off by default");
        }
    }

    #[test]
    fn a11a_four_eyes_are_a_rule() -> Result<(), RulesError> {
        for (word, approved, cancelled) in
            [("all", true, true), ("approvals", true, false), ("cancellations", false, true)]
        {
            let rules = with("four_eyes = \"off\"", &format!("four_eyes = \"{word}\""))?;
            let needs = |outcome| rules.desk().needs_second(outcome);
            assert_eq!((needs(DecisionOutcome::Approved), needs(DecisionOutcome::Cancelled)), (approved, cancelled));
        }
        Ok(())
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (from, to) in [
            ("take_back_minutes = 5", "take_back_minutes = 61"),
            ("page_minutes = 60", "page_minutes = 0"),
            ("[30, 150]", "[90, 30]"),
            ("[30, 150]", "[1, 2, 3]"),
            ("[\"demo-expiry\"]", "[]"),
            ("four_eyes = \"ours", "other = \"ours"),
            ("four_eyes = \"off\"", "four_eyes = \"sometimes\""),
        ] {
            assert!(with(from, to).is_err(), "{to}");
        }
    }
}
