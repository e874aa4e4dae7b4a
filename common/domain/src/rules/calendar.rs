//! Working days. Beyond the years that are written down only weekends are known: dates are provisional there.

use jiff::civil::{Date, Weekday};
use serde::Deserialize;
use std::collections::BTreeSet;

/// A date computed in working days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The last day of the term.
    pub date: Date,
    /// Whether the count touched a year without a calendar.
    pub provisional: bool,
}

/// The working calendar, five-day week.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    version: Date,
    year: Vec<Year>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Year {
    year: i16,
    off: BTreeSet<Date>,
    working: BTreeSet<Date>,
    source: String,
    confidence: String,
}

impl Calendar {
    pub(super) fn check(&self) -> Result<(), String> {
        for year in &self.year {
            if self.year.iter().filter(|other| other.year == year.year).count() > 1 {
                return Err(format!("{} is listed twice", year.year));
            }
            if let Some(day) = year.off.iter().chain(&year.working).find(|day| day.year() != year.year) {
                return Err(format!("{day} is listed under {}", year.year));
            }
            if let Some(day) = year.off.iter().find(|day| is_weekend(**day)) {
                return Err(format!("{day} is a weekend day and needs no mention in `off`"));
            }
            if let Some(day) = year.working.iter().find(|day| !is_weekend(**day)) {
                return Err(format!("{day} is no weekend day and needs no mention in `working`"));
            }
        }
        Ok(())
    }

    /// The date of this version of the calendar.
    #[must_use]
    pub const fn version(&self) -> Date {
        self.version
    }

    /// Where a year's days come from; `None` for a year that is not written down.
    #[must_use]
    pub fn source(&self, year: i16) -> Option<&str> {
        self.of(year).map(|year| year.source.as_str())
    }

    /// How sure a year's days are; `None` for a year that is not written down.
    #[must_use]
    pub fn confidence(&self, year: i16) -> Option<&str> {
        self.of(year).map(|year| year.confidence.as_str())
    }

    /// Whether a day is a working day, as far as is known.
    #[must_use]
    pub fn is_working(&self, day: Date) -> bool {
        match self.of(day.year()) {
            Some(year) if is_weekend(day) => year.working.contains(&day),
            Some(year) => !year.off.contains(&day),
            None => !is_weekend(day),
        }
    }

    /// Whether the year of a day is not written down.
    #[must_use]
    pub fn is_provisional(&self, day: Date) -> bool {
        self.of(day.year()).is_none()
    }

    /// The n-th working day after a day, which itself is not counted; with 0 the day itself.
    #[must_use]
    pub fn add_working_days(&self, day: Date, n: u32) -> (Date, bool) {
        let due = self.due(day, n);
        (due.date, due.provisional)
    }

    /// [`Calendar::add_working_days`] with names.
    #[must_use]
    pub fn due(&self, day: Date, n: u32) -> Due {
        let mut due = Due { date: day, provisional: self.is_provisional(day) };
        let mut left = n;
        while left > 0 {
            // The end of time is an end of every term.
            let Ok(next) = due.date.tomorrow() else { break };
            due.date = next;
            due.provisional |= self.is_provisional(next);
            if self.is_working(next) {
                left -= 1;
            }
        }
        due
    }

    /// How many of the days after `from`, up to and with `to`, are working days.
    #[must_use]
    pub fn working_days_between(&self, from: Date, to: Date) -> u32 {
        let mut days = 0;
        let mut day = from;
        while day < to {
            let Ok(next) = day.tomorrow() else { break };
            day = next;
            days += u32::from(self.is_working(day));
        }
        days
    }

    fn of(&self, year: i16) -> Option<&Year> {
        self.year.iter().find(|listed| listed.year == year)
    }
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;
    use jiff::civil::date;

    fn calendar() -> &'static Calendar {
        Rules::built_in().calendar()
    }

    #[test]
    fn a_swapped_sunday_is_worked_and_its_friday_is_not() {
        assert!(calendar().is_working(date(2025, 1, 5)));
        assert!(!calendar().is_working(date(2025, 1, 3)));
        assert!(!calendar().is_working(date(2025, 1, 4)));
    }

    #[test]
    fn constitution_day_moved() {
        assert!(!calendar().is_working(date(2025, 9, 1)));
        assert!(calendar().is_working(date(2026, 8, 31)));
        assert!(!calendar().is_working(date(2027, 3, 15)));
    }

    #[test]
    fn moved_holidays_are_off_and_unmoved_ones_cost_no_working_day() {
        for off in [date(2025, 3, 10), date(2026, 5, 11), date(2026, 10, 26), date(2027, 5, 3)] {
            assert!(!calendar().is_working(off), "{off}");
        }
        // Kurban Ait 2027 falls on a Sunday and is not moved.
        assert!(calendar().is_working(date(2027, 5, 17)));
    }

    #[test]
    fn e5_the_first_day_is_not_counted() {
        assert_eq!(calendar().add_working_days(date(2025, 9, 2), 0), (date(2025, 9, 2), false));
        assert_eq!(calendar().add_working_days(date(2025, 9, 2), 1), (date(2025, 9, 3), false));
        // Friday, then weekend, then the day off for 30 August.
        assert_eq!(calendar().add_working_days(date(2025, 8, 29), 1), (date(2025, 9, 2), false));
        assert_eq!(calendar().add_working_days(date(2025, 9, 2), 15), (date(2025, 9, 23), false));
    }

    #[test]
    fn beyond_the_last_year_dates_are_provisional() {
        let (day, provisional) = calendar().add_working_days(date(2027, 12, 31), 1);
        assert_eq!((day, provisional), (date(2028, 1, 3), true));
        assert!(!calendar().add_working_days(date(2027, 12, 30), 1).1);
    }
}
