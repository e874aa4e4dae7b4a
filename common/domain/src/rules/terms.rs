//! How long each step may take.

use super::time::{almaty_date, almaty_day_end};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use std::time::Duration;

/// Terms of the steps. The day of the beginning is never counted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    #[serde(rename = "version")]
    _version: Date,
    /// Calendar days to pay (A3.15); ours.
    pub payment_days: u32,
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
    /// Years in which the refund may be claimed (A11c).
    pub refund_claim_years: u32,
    /// Working days in which the tax authority pays (A11c).
    pub refund_pay_working_days: u32,
    /// An outage of more minutes than this sends people to the service centre (A12).
    pub outage_minutes: u32,
    /// Minutes a consent is used where it does not say (A3.1); ours.
    pub consent_minutes: u32,
}

impl Terms {
    pub(super) fn check(&self) -> Result<(), String> {
        let all = [
            ("payment_days", self.payment_days),
            ("review_working_days", self.review_working_days),
            ("production_working_days", self.production_working_days),
            ("issuance_days", self.issuance_days),
            ("question_working_days", self.question_working_days),
            ("total_working_days", self.total_working_days),
            ("refund_claim_years", self.refund_claim_years),
            ("refund_pay_working_days", self.refund_pay_working_days),
            ("outage_minutes", self.outage_minutes),
            ("consent_minutes", self.consent_minutes),
        ];
        match all.iter().find(|(_, value)| !(1..=3650).contains(value)) {
            Some((name, value)) => Err(format!("{name} is {value}, must be from 1 to 3650")),
            None => Ok(()),
        }
    }

    /// Until when a payment ordered at an instant is taken: the end of the last Almaty day of the term.
    #[must_use]
    pub fn payment_until(&self, ordered: Timestamp) -> Timestamp {
        almaty_day_end(almaty_date(ordered).saturating_add(i64::from(self.payment_days).days()))
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
