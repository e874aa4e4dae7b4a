//! How long each step may take.

use super::time::{almaty_date, almaty_day_end, almaty_day_start};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Terms of the steps. The day of the beginning is never counted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    #[serde(rename = "version")]
    _version: Date,
    /// Calendar days to pay (A3.15); ours.
    pub payment_days: u32,
    /// Calendar days before an unpaid order lapses on which the applicant is reminded (A3.15); ours.
    pub payment_reminder_days: u32,
    /// Working days for the reviewer (A11a); ours.
    pub review_working_days: u32,
    /// Working days for the production centre (A3.18); ours.
    pub production_working_days: u32,
    /// Calendar days a ready card waits before an operator is asked (A11d); ours.
    pub issuance_days: u32,
    /// Working days a question to a human may wait; ours.
    pub question_working_days: u32,
    /// Working days from application to card.
    pub total_working_days: u32,
    /// With so many working days of the whole term left, or fewer, a case is warned of (A4.2); ours.
    pub warning_working_days: u32,
    /// Years in which the refund may be claimed (A11c).
    pub refund_claim_years: u32,
    /// Working days in which the tax authority pays (A11c).
    pub refund_pay_working_days: u32,
    /// An outage of more minutes than this sends people to the service centre (A12).
    pub outage_minutes: u32,
    /// Minutes a consent is used where it does not say (A3.1); ours.
    pub consent_minutes: u32,
    why: BTreeMap<String, String>,
}

impl Terms {
    pub(super) fn check(&self) -> Result<(), String> {
        let all = self.entries();
        if let Some((name, value)) = all.iter().find(|(_, value)| !(1..=3650).contains(value)) {
            return Err(format!("{name} is {value}, must be from 1 to 3650"));
        }
        if let Some((name, _)) = all.iter().find(|(name, _)| self.why(name).is_none_or(str::is_empty)) {
            return Err(format!("why.{name} is missing: a term says where it comes from"));
        }
        if let Some(unknown) = self.why.keys().find(|key| all.iter().all(|(name, _)| name != key)) {
            return Err(format!("why.{unknown} explains no term"));
        }
        if self.payment_reminder_days >= self.payment_days {
            return Err("payment_reminder_days must be below payment_days".to_owned());
        }
        if self.warning_working_days >= self.total_working_days {
            return Err("warning_working_days must be below total_working_days".to_owned());
        }
        Ok(())
    }

    /// Every term by its name.
    #[must_use]
    pub const fn entries(&self) -> [(&'static str, u32); 12] {
        [
            ("payment_days", self.payment_days),
            ("payment_reminder_days", self.payment_reminder_days),
            ("review_working_days", self.review_working_days),
            ("production_working_days", self.production_working_days),
            ("issuance_days", self.issuance_days),
            ("question_working_days", self.question_working_days),
            ("total_working_days", self.total_working_days),
            ("warning_working_days", self.warning_working_days),
            ("refund_claim_years", self.refund_claim_years),
            ("refund_pay_working_days", self.refund_pay_working_days),
            ("outage_minutes", self.outage_minutes),
            ("consent_minutes", self.consent_minutes),
        ]
    }

    /// Where a term comes from.
    #[must_use]
    pub fn why(&self, name: &str) -> Option<&str> {
        self.why.get(name).map(String::as_str)
    }

    /// Until when a payment ordered at an instant is taken: the end of the last Almaty day of the term.
    #[must_use]
    pub fn payment_until(&self, ordered: Timestamp) -> Timestamp {
        almaty_day_end(almaty_date(ordered).saturating_add(i64::from(self.payment_days).days()))
    }

    /// When the applicant is reminded of an order that lapses at `until` (A3.15).
    #[must_use]
    pub fn reminded_at(&self, until: Timestamp) -> Timestamp {
        almaty_day_start(almaty_date(until).saturating_sub(i64::from(self.payment_reminder_days).days()))
    }

    /// Until when a ready card waits before an operator is asked.
    #[must_use]
    pub fn issuance_until(&self, ready: Timestamp) -> Timestamp {
        almaty_day_end(almaty_date(ready).saturating_add(i64::from(self.issuance_days).days()))
    }

    /// The last day on which a refund confirmed on a day may be claimed.
    #[must_use]
    pub fn claim_until(&self, confirmed: Date) -> Date {
        confirmed.saturating_add(i64::from(self.refund_claim_years).years())
    }

    /// A12: the outage beyond which the person goes to the service centre; equal is not beyond.
    #[must_use]
    pub fn outage(&self) -> Duration {
        Duration::from_secs(u64::from(self.outage_minutes) * 60)
    }

    /// How long a consent is used where it does not say.
    #[must_use]
    pub fn consent(&self) -> Duration {
        Duration::from_secs(u64::from(self.consent_minutes) * 60)
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::Rules;
    use jiff::civil::date;
    use std::time::Duration;

    #[test]
    fn a3_15_payment_is_taken_to_the_end_of_the_third_day() -> Result<(), jiff::Error> {
        let until = Rules::built_in().terms().payment_until("2025-09-02T10:00:00+05:00".parse()?);
        assert_eq!(until, "2025-09-06T00:00:00+05:00".parse()?);
        Ok(())
    }

    #[test]
    fn a3_15_the_reminder_comes_a_day_before_the_order_lapses() -> Result<(), jiff::Error> {
        let terms = Rules::built_in().terms();
        let until = terms.payment_until("2025-09-02T10:00:00+05:00".parse()?);
        assert_eq!(terms.reminded_at(until), "2025-09-05T00:00:00+05:00".parse()?);
        Ok(())
    }

    #[test]
    fn every_term_says_where_it_comes_from() {
        let terms = Rules::built_in().terms();
        for (name, _) in terms.entries() {
            assert!(terms.why(name).is_some_and(|why| !why.is_empty()), "{name}");
        }
    }

    #[test]
    fn a11c_the_claim_ends_after_three_years_leap_day_included() {
        let terms = Rules::built_in().terms();
        assert_eq!(terms.claim_until(date(2025, 9, 2)), date(2028, 9, 2));
        assert_eq!(terms.claim_until(date(2024, 2, 29)), date(2027, 2, 28));
    }

    #[test]
    fn a12_ten_minutes() {
        assert_eq!(Rules::built_in().terms().outage(), Duration::from_secs(600));
    }
}
