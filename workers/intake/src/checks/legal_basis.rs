//! A0.3: the service rests on an act with a period; the day of filing decides, never the day of processing.

use crate::sheet::Verdict;
use jiff::civil::Date;
use kezek_domain::Service;
use kezek_domain::rules::{Refusal, Rules};

/// Whether the service was open on the day of filing.
#[must_use]
pub fn judge(rules: &Rules, service: &Service, filed: Date) -> Verdict {
    match rules.legal_basis(service, filed) {
        Some(_) => Verdict::Passed("in-force"),
        None => Verdict::Failed(Refusal::OutOfLegalBasis, "out-of-period"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a0_3_open_from_the_first_to_the_last_day_of_the_act() {
        let judged = |day| judge(Rules::built_in(), &Service::ID_CARD_RENEWAL, day);
        let closed = Verdict::Failed(Refusal::OutOfLegalBasis, "out-of-period");
        assert_eq!(judged(date(2025, 5, 27)), closed);
        assert_eq!(judged(date(2025, 5, 28)), Verdict::Passed("in-force"));
        assert_eq!(judged(date(2026, 3, 31)), Verdict::Passed("in-force"));
        assert_eq!(judged(date(2026, 4, 1)), closed);
    }

    #[test]
    fn a0_3_a_service_without_an_act_is_closed() {
        let judged = judge(Rules::built_in(), &Service::new("card-for-the-moon"), date(2025, 9, 2));
        assert_eq!(judged, Verdict::Failed(Refusal::OutOfLegalBasis, "out-of-period"));
    }
}
