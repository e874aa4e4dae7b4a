//! A3.2: GBDFL knows exactly one living person under the IIN.

use crate::doubt::Doubt;
use crate::sheet::Verdict;
use kezek_domain::rules::Refusal;
use kezek_gateway::{PersonAnswer, PersonRecord};

/// Whether exactly one person was found. Not for an expired token: that is asked anew first.
#[must_use]
pub const fn judge(answer: &PersonAnswer) -> Verdict {
    match answer {
        PersonAnswer::Found(_) => Verdict::Passed("found"),
        PersonAnswer::NotFound => Verdict::Failed(Refusal::PersonNotFound, "not-found"),
        PersonAnswer::Several => Verdict::Unsure(Doubt::SeveralPersons, "several"),
        PersonAnswer::TokenExpired => Verdict::Failed(Refusal::NoConsent, "token-refused"),
    }
}

/// Whether the record is of a living person.
#[must_use]
pub fn living(record: &PersonRecord) -> Verdict {
    if record.removed {
        Verdict::Failed(Refusal::DeadOrRemoved, "removed")
    } else if record.is_alive() {
        Verdict::Passed("alive")
    } else {
        Verdict::Failed(Refusal::DeadOrRemoved, "dead")
    }
}

/// Whether the register's birth date is the one in the IIN. It need not be: a corrected date seldom brings a new
/// number, so a difference is for a human and never a refusal.
#[must_use]
pub fn birth_date(record: &PersonRecord) -> Verdict {
    if record.birth_date == record.iin.birth_date() {
        Verdict::Passed("birth-date-equal")
    } else {
        Verdict::Unsure(Doubt::BirthDateDiffers, "birth-date-differs")
    }
}

/// Whether the country of birth is known: it alone is printed (A0.2, A5.4).
#[must_use]
pub fn birth_country(record: &PersonRecord) -> Verdict {
    match record.birth_country.as_deref() {
        Some(country) if !country.is_empty() => Verdict::Passed("birth-country-known"),
        Some(_) | None => Verdict::Noted("birth-country-unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;
    use jiff::civil::date;

    #[test]
    fn a3_2_exactly_one_person_must_be_found() {
        assert_eq!(judge(&PersonAnswer::Found(Box::new(record()))), Verdict::Passed("found"));
        assert_eq!(judge(&PersonAnswer::NotFound), Verdict::Failed(Refusal::PersonNotFound, "not-found"));
        assert_eq!(judge(&PersonAnswer::Several), Verdict::Unsure(Doubt::SeveralPersons, "several"));
    }

    #[test]
    fn a3_2_the_dead_and_the_removed_are_not_served() {
        assert_eq!(living(&record()), Verdict::Passed("alive"));
        let mut dead = record();
        dead.death_date = Some(date(2025, 1, 1));
        assert_eq!(living(&dead), Verdict::Failed(Refusal::DeadOrRemoved, "dead"));
        let mut removed = record();
        removed.removed = true;
        assert_eq!(living(&removed), Verdict::Failed(Refusal::DeadOrRemoved, "removed"));
    }

    #[test]
    fn a3_2_another_birth_date_is_for_a_human_and_no_refusal() {
        assert_eq!(birth_date(&record()), Verdict::Passed("birth-date-equal"));
        let mut other = record();
        other.birth_date = date(1885, 2, 1);
        assert_eq!(birth_date(&other), Verdict::Unsure(Doubt::BirthDateDiffers, "birth-date-differs"));
    }
}
