//! A7: 30 or fewer calendar days before expiry, or no more than 10 after it, counted at filing from the register's
//! own end date, which is never computed.

use crate::sheet::Verdict;
use jiff::civil::Date;
use kezek_domain::Service;
use kezek_domain::rules::{Refusal, Rules, Window};

/// Whether the day of filing lies in the service's window.
#[must_use]
pub fn judge(rules: &Rules, service: &Service, expires: Option<Date>, filed: Date) -> Verdict {
    let Some(rule) = rules.window(service) else { return Verdict::Passed("no-window") };
    let Some(expires) = expires else { return Verdict::Failed(Refusal::OutsideWindow, "expiry-unknown") };
    match rule.judge(expires, filed) {
        Window::Open => Verdict::Passed("open"),
        Window::TooEarly => Verdict::Failed(Refusal::OutsideWindow, "too-early"),
        Window::TooLate => Verdict::Failed(Refusal::OutsideWindow, "too-late"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a7_window_from_thirty_days_before_to_ten_days_after() {
        let judged = |expires| judge(Rules::built_in(), &Service::ID_CARD_RENEWAL, Some(expires), date(2025, 9, 2));
        assert_eq!(judged(date(2025, 10, 3)), Verdict::Failed(Refusal::OutsideWindow, "too-early"));
        assert_eq!(judged(date(2025, 10, 2)), Verdict::Passed("open"));
        assert_eq!(judged(date(2025, 9, 2)), Verdict::Passed("open"));
        assert_eq!(judged(date(2025, 8, 23)), Verdict::Passed("open"));
        assert_eq!(judged(date(2025, 8, 22)), Verdict::Failed(Refusal::OutsideWindow, "too-late"));
    }

    #[test]
    fn a7_a_card_without_an_end_date_goes_to_the_centre() {
        let verdict = judge(Rules::built_in(), &Service::ID_CARD_RENEWAL, None, date(2025, 9, 2));
        assert_eq!(verdict, Verdict::Failed(Refusal::OutsideWindow, "expiry-unknown"));
        assert!(Refusal::OutsideWindow.csc());
    }
}
