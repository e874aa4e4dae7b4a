//! The state duty by service, reason and date (A3.15).

use super::period;
use crate::dossier::{DutyOutcome, Reason};
use crate::money::Tiyn;
use crate::name::Service;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The duty on a day, with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Duty {
    /// Payable with its amount, or free by ground; exemption by status is assessed apart (A3.14).
    pub outcome: DutyOutcome,
    /// The monthly calculation index of the year; zero where none is known and nothing is payable.
    pub mrp: Tiyn,
    /// The line of the Tax Code.
    pub legal_basis: String,
    /// Where the index is said, and how sure the rule is.
    pub citation: String,
}

impl Duty {
    /// What is to be paid; zero where nothing is.
    #[must_use]
    pub const fn amount(&self) -> Tiyn {
        self.outcome.amount()
    }
}

/// The table does not say what is due.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoDuty {
    /// No rate for the service, reason and day.
    #[error("no duty rule for {service}, {reason}, on {on}")]
    Rule {
        /// The service.
        service: Service,
        /// The reason.
        reason: Reason,
        /// The day.
        on: Date,
    },
    /// No monthly calculation index for the year.
    #[error("no monthly calculation index for {year}")]
    Mrp {
        /// The year.
        year: i16,
    },
}

/// A duty that a human has to settle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DutyQuestion {
    /// The day of filing and today give different results.
    #[error("the duty at filing ({}) is not the duty now ({})", at_filing.amount(), now.amount())]
    Differs {
        /// By the day of filing.
        at_filing: Box<Duty>,
        /// By today.
        now: Box<Duty>,
    },
    /// The table does not say.
    #[error(transparent)]
    NoDuty(#[from] NoDuty),
}

impl DutyQuestion {
    /// `duty-differs` or `duty-unknown`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Differs { .. } => "duty-differs",
            Self::NoDuty(_) => "duty-unknown",
        }
    }
}

/// MRP by year, rounding and rates.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DutyTable {
    #[serde(rename = "version")]
    _version: Date,
    tolerance_tiyn: i64,
    mrp: Vec<Mrp>,
    rounding: Vec<Rounding>,
    rate: Vec<Rate>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mrp {
    year: i16,
    tiyn: i64,
    citation: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rounding {
    from: Date,
    to: Option<Date>,
    rule: RoundingRule,
    citation: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RoundingRule {
    None,
    WholeTenge,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    service: Service,
    reason: Reason,
    from: Date,
    to: Option<Date>,
    outcome: RateOutcome,
    mrp_permille: Option<i64>,
    ground: Option<String>,
    citation: String,
    confidence: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RateOutcome {
    Payable,
    Free,
}

impl DutyTable {
    pub(super) fn check(&self) -> Result<(), String> {
        if !(0..10_000).contains(&self.tolerance_tiyn) {
            return Err("tolerance_tiyn must be from 0 to 9999".to_owned());
        }
        for mrp in &self.mrp {
            if !(1..=100_000_000).contains(&mrp.tiyn) {
                return Err(format!("mrp of {}: tiyn must be from 1 to 100000000", mrp.year));
            }
            if self.mrp.iter().filter(|other| other.year == mrp.year).count() > 1 {
                return Err(format!("two mrp for {}", mrp.year));
            }
        }
        period::check("rounding", self.rounding.iter().map(|r| (r.from, r.to)))?;
        for rate in &self.rate {
            let key = format!("rate of {}, {}, from {}", rate.service, rate.reason, rate.from);
            let same = self.rate.iter().filter(|r| r.service == rate.service && r.reason == rate.reason);
            period::check(&key, same.map(|r| (r.from, r.to)))?;
            match (rate.outcome, rate.mrp_permille, &rate.ground) {
                (RateOutcome::Payable, Some(1..=100_000), None) | (RateOutcome::Free, None, Some(_)) => {}
                (RateOutcome::Payable, _, _) => {
                    return Err(format!("{key}: payable wants mrp_permille from 1 to 100000 and no ground"));
                }
                (RateOutcome::Free, _, _) => return Err(format!("{key}: free wants a ground and no mrp_permille")),
            }
        }
        Ok(())
    }

    /// A payment that differs from the duty by no more than this is taken as the duty.
    #[must_use]
    pub const fn tolerance(&self) -> Tiyn {
        Tiyn(self.tolerance_tiyn)
    }

    /// The monthly calculation index of a year.
    #[must_use]
    pub fn mrp(&self, year: i16) -> Option<Tiyn> {
        self.mrp.iter().find(|mrp| mrp.year == year).map(|mrp| Tiyn(mrp.tiyn))
    }

    pub(super) fn duty(&self, service: &Service, reason: Reason, on: Date) -> Result<Duty, NoDuty> {
        let rate = self
            .rate
            .iter()
            .find(|r| r.service == *service && r.reason == reason && period::covers(r.from, r.to, on))
            .ok_or_else(|| NoDuty::Rule { service: service.clone(), reason, on })?;
        let mrp = self.mrp.iter().find(|mrp| mrp.year == on.year());
        let (outcome, mrp) = match (&rate.ground, mrp) {
            (Some(ground), mrp) => (DutyOutcome::FreeByGround { ground: ground.clone() }, mrp),
            (None, Some(mrp)) => (DutyOutcome::Payable { amount: self.amount(rate, mrp, on) }, Some(mrp)),
            (None, None) => return Err(NoDuty::Mrp { year: on.year() }),
        };
        let citation = match mrp {
            Some(mrp) => format!("{}; {}", mrp.citation, rate.confidence),
            None => rate.confidence.clone(),
        };
        let mrp = mrp.map_or(Tiyn::ZERO, |mrp| Tiyn(mrp.tiyn));
        Ok(Duty { outcome, mrp, legal_basis: rate.citation.clone(), citation })
    }

    /// The period of the rate that counts on a day.
    pub(super) fn period(&self, service: &Service, reason: Reason, on: Date) -> Option<(Date, Option<Date>)> {
        let rate =
            self.rate.iter().find(|r| r.service == *service && r.reason == reason && period::covers(r.from, r.to, on));
        rate.map(|rate| (rate.from, rate.to))
    }

    /// The rule of rounding on a day, and where it is said.
    pub(super) fn rounding(&self, on: Date) -> Option<(&'static str, &str)> {
        let rule = self.rounding.iter().find(|r| period::covers(r.from, r.to, on))?;
        let word = match rule.rule {
            RoundingRule::None => "none: tiyn are kept",
            RoundingRule::WholeTenge => "to whole tenge, half a tenge rounds up",
        };
        Some((word, &rule.citation))
    }

    pub(super) fn between(
        &self,
        service: &Service,
        reason: Reason,
        filed: Date,
        now: Date,
    ) -> Result<Duty, DutyQuestion> {
        let at_filing = self.duty(service, reason, filed)?;
        let now = self.duty(service, reason, now)?;
        if at_filing.outcome == now.outcome {
            Ok(at_filing)
        } else {
            Err(DutyQuestion::Differs { at_filing: Box::new(at_filing), now: Box::new(now) })
        }
    }

    /// `check` has bounded both factors: the product stays far inside the type.
    fn amount(&self, rate: &Rate, mrp: &Mrp, on: Date) -> Tiyn {
        let exact = mrp.tiyn * rate.mrp_permille.unwrap_or(0) / 1000;
        let rounding = self.rounding.iter().find(|r| period::covers(r.from, r.to, on)).map(|r| r.rule);
        match rounding {
            Some(RoundingRule::WholeTenge) => Tiyn((exact + 50) / 100 * 100),
            Some(RoundingRule::None) | None => Tiyn(exact),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;
    use jiff::civil::date;

    const RENEWAL: Service = Service::ID_CARD_RENEWAL;

    fn amount(reason: Reason, on: Date) -> Result<i64, NoDuty> {
        Rules::built_in().duty(&RENEWAL, reason, on).map(|duty| duty.amount().0)
    }

    #[test]
    fn a3_15_duty_is_a_fifth_of_the_mrp_of_the_year() {
        assert_eq!(amount(Reason::Expiry, date(2023, 6, 1)), Ok(69_000));
        assert_eq!(amount(Reason::Expiry, date(2024, 6, 1)), Ok(73_840));
        assert_eq!(amount(Reason::Expiry, date(2025, 9, 2)), Ok(78_640));
        assert_eq!(amount(Reason::Loss, date(2026, 1, 1)), Ok(86_500));
        assert_eq!(Tiyn(78_640).to_string(), "786.40 ₸");
    }

    #[test]
    fn a3_15_replacement_on_expiry_is_free_from_2026() -> Result<(), NoDuty> {
        let free = Rules::built_in().duty(&RENEWAL, Reason::Expiry, date(2026, 1, 1))?;
        assert_eq!(free.outcome.label(), "free-by-ground");
        assert_eq!(free.amount(), Tiyn::ZERO);
        assert_eq!(amount(Reason::Expiry, date(2025, 12, 31)), Ok(78_640));
        Ok(())
    }

    #[test]
    fn a3_15_a_case_on_both_sides_of_a_change_is_a_question() {
        let between = |reason, filed, now| Rules::built_in().duty_between(&RENEWAL, reason, filed, now);
        let straddling = between(Reason::Expiry, date(2025, 12, 31), date(2026, 1, 1));
        assert_eq!(straddling.map_err(|question| question.label()), Err("duty-differs"));
        let raised = between(Reason::Loss, date(2025, 12, 31), date(2026, 1, 1));
        assert_eq!(raised.map_err(|question| question.label()), Err("duty-differs"));
        assert!(between(Reason::Expiry, date(2025, 9, 2), date(2025, 12, 31)).is_ok());
        // Free stays free in a year whose index is not known yet.
        assert!(between(Reason::Expiry, date(2026, 3, 31), date(2027, 1, 2)).is_ok());
    }

    #[test]
    fn a3_15_what_the_table_does_not_say_is_not_guessed() {
        assert_eq!(amount(Reason::Loss, date(2027, 1, 1)), Err(NoDuty::Mrp { year: 2027 }));
        assert!(amount(Reason::Expiry, date(2017, 12, 31)).is_err());
        let other = Rules::built_in().duty(&Service::new("passport"), Reason::Expiry, date(2025, 9, 2));
        assert!(other.is_err());
    }
}
