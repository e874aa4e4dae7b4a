//! On what a service rests (A0.3), and the window of days in which it may be asked for (A7).

use super::{Extension, period};
use crate::label::labelled;
use crate::name::Service;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The act on which a service rests, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LegalBasis {
    /// The service.
    pub service: Service,
    /// First day of effect.
    pub from: Date,
    /// Last day of effect; without one it lasts.
    pub to: Option<Date>,
    /// The act.
    pub act: String,
    /// Where the period is said.
    pub citation: String,
    /// How sure this is.
    pub confidence: String,
}

/// The calendar days around expiry in which a renewal may be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowRule {
    /// The service.
    pub service: Service,
    /// Days left before expiry, at most.
    pub days_before: u16,
    /// Days since expiry, at most.
    pub days_after: u16,
    /// Where it is said.
    pub citation: String,
    /// How sure this is.
    pub confidence: String,
}

labelled! {
    /// Where the day of filing lies.
    pub enum Window {
        /// In the window.
        Open = "open",
        /// Too many days are left.
        TooEarly = "too-early",
        /// Too many days have passed.
        TooLate = "too-late",
    }
}

impl WindowRule {
    /// Where the day of filing lies. Both edges are in the window.
    #[must_use]
    pub fn judge(&self, expires: Date, filed: Date) -> Window {
        let left = expires.since((jiff::Unit::Day, filed)).map_or(0, |span| span.get_days());
        if left > i32::from(self.days_before) {
            Window::TooEarly
        } else if left < -i32::from(self.days_after) {
            Window::TooLate
        } else {
            Window::Open
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Legal {
    #[serde(rename = "version")]
    _version: Date,
    basis: Vec<LegalBasis>,
    window: Vec<WindowRule>,
}

impl Legal {
    pub(super) fn check(&self) -> Result<(), String> {
        for basis in &self.basis {
            let same = self.basis.iter().filter(|other| other.service == basis.service);
            period::check(&format!("basis of {}", basis.service), same.map(|b| (b.from, b.to)))?;
        }
        for rule in &self.window {
            if self.window.iter().filter(|other| other.service == rule.service).count() > 1 {
                return Err(format!("two windows for {}", rule.service));
            }
        }
        match self.window(&Service::ID_CARD_RENEWAL) {
            Some(_) => Ok(()),
            None => Err("no window for id-card-renewal".to_owned()),
        }
    }

    /// Adds a period that an operator has entered.
    pub(super) fn extend(&mut self, extension: &Extension) -> Result<(), String> {
        let service = &extension.service;
        if self.basis.iter().all(|basis| basis.service != *service) {
            return Err(format!("service {service} rests on no act that could be extended"));
        }
        let [first, second] = &extension.signers;
        self.basis.push(LegalBasis {
            service: service.clone(),
            from: extension.from,
            to: Some(extension.to),
            act: extension.act.clone(),
            citation: extension.citation.clone(),
            confidence: format!("an operator's file, signed by {first} and {second}: {}", extension.reason),
        });
        self.check()
    }

    /// Every period of a service, in time.
    pub(super) fn periods(&self, service: &Service) -> Vec<&LegalBasis> {
        let mut all: Vec<_> = self.basis.iter().filter(|basis| basis.service == *service).collect();
        all.sort_by_key(|basis| basis.from);
        all
    }

    pub(super) fn basis(&self, service: &Service, filed: Date) -> Option<&LegalBasis> {
        self.basis.iter().find(|b| b.service == *service && period::covers(b.from, b.to, filed))
    }

    pub(super) fn window(&self, service: &Service) -> Option<&WindowRule> {
        self.window.iter().find(|rule| rule.service == *service)
    }

    pub(super) fn a7(&self, expires: Date, filed: Date) -> Window {
        // `check` has seen that the rule is there; without it nothing would be in a window.
        self.window(&Service::ID_CARD_RENEWAL).map_or(Window::TooLate, |rule| rule.judge(expires, filed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;
    use jiff::ToSpan;
    use jiff::civil::date;

    #[test]
    fn a7_window_opens_30_days_before_expiry_and_closes_10_days_after() {
        let expires = date(2025, 9, 2);
        let filed = |days: i32| Rules::built_in().a7_window(expires, expires.saturating_add(days.days()));
        assert_eq!(filed(-31), Window::TooEarly);
        assert_eq!(filed(-30), Window::Open);
        assert_eq!(filed(-1), Window::Open);
        assert_eq!(filed(0), Window::Open);
        assert_eq!(filed(10), Window::Open);
        assert_eq!(filed(11), Window::TooLate);
    }

    #[test]
    fn a7_window_counts_calendar_days_across_months_and_years() {
        let rules = Rules::built_in();
        assert_eq!(rules.a7_window(date(2026, 1, 15), date(2025, 12, 16)), Window::Open);
        assert_eq!(rules.a7_window(date(2026, 1, 15), date(2025, 12, 15)), Window::TooEarly);
        assert_eq!(rules.a7_window(date(2024, 2, 25), date(2024, 3, 6)), Window::Open);
        assert_eq!(rules.a7_window(date(2024, 2, 25), date(2024, 3, 7)), Window::TooLate);
        assert_eq!(rules.a7_window(date(1990, 1, 1), date(2025, 9, 2)), Window::TooLate);
    }

    #[test]
    fn a0_3_the_order_applies_from_publication_until_31_march_2026() {
        let rules = Rules::built_in();
        let applies = |day| rules.legal_basis(&Service::ID_CARD_RENEWAL, day).is_some();
        assert!(!applies(date(2025, 5, 27)));
        assert!(applies(date(2025, 5, 28)));
        assert!(applies(date(2026, 3, 31)));
        assert!(!applies(date(2026, 4, 1)));
        assert!(rules.legal_basis(&Service::new("passport"), date(2025, 9, 2)).is_none());
    }
}
