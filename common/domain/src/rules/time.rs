//! Civil time of the Republic. Legal dates are Asia/Almaty dates.
//!
//! The offsets are written out instead of being taken from the machine's zone data: data older than
//! 2024a still says +06:00 and would give the wrong legal date for an hour before midnight.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

/// UTC+5 in the whole country from 00:00 (+06:00) on 1 March 2024: Government decree of 19 January 2024
/// amending No 1749 of 23 November 2000. Before that Almaty had +06:00.
const ONE_ZONE_SINCE: Timestamp = Timestamp::constant(1_709_229_600, 0);

/// The Almaty wall clock at an instant.
#[must_use]
pub fn almaty_time(instant: Timestamp) -> DateTime {
    let offset = if instant < ONE_ZONE_SINCE { 6 } else { 5 };
    Offset::constant(offset).to_datetime(instant)
}

/// The Almaty date at an instant: the day that counts for windows, duties and terms.
#[must_use]
pub fn almaty_date(instant: Timestamp) -> Date {
    almaty_time(instant).date()
}

/// The first instant of an Almaty day; the last possible instant for a day at the end of time.
#[must_use]
pub fn almaty_day_start(day: Date) -> Timestamp {
    let midnight = day.to_datetime(jiff::civil::Time::midnight());
    let at = |hours| Offset::constant(hours).to_timestamp(midnight).unwrap_or(Timestamp::MAX);
    let now = at(5);
    let before = at(6);
    if before < ONE_ZONE_SINCE { before } else { now }
}

/// The first instant after an Almaty day: a term that includes the day ends here.
#[must_use]
pub fn almaty_day_end(day: Date) -> Timestamp {
    day.tomorrow().map_or(Timestamp::MAX, almaty_day_start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn the_legal_date_is_almatys() -> Result<(), jiff::Error> {
        assert_eq!(almaty_date("2025-09-01T18:59:59Z".parse()?), date(2025, 9, 1));
        assert_eq!(almaty_date("2025-09-01T19:00:00Z".parse()?), date(2025, 9, 2));
        Ok(())
    }

    #[test]
    fn before_march_2024_the_day_began_an_hour_earlier() -> Result<(), jiff::Error> {
        assert_eq!(almaty_date("2024-02-28T18:00:00Z".parse()?), date(2024, 2, 29));
        // The hour from 23:00 to 24:00 of 29 February was lived twice.
        assert_eq!(almaty_date("2024-02-29T17:59:59Z".parse()?), date(2024, 2, 29));
        assert_eq!(almaty_date("2024-02-29T18:00:00Z".parse()?), date(2024, 2, 29));
        assert_eq!(almaty_date("2024-02-29T19:00:00Z".parse()?), date(2024, 3, 1));
        Ok(())
    }

    #[test]
    fn a_day_starts_and_ends_at_its_own_midnights() {
        for day in [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2025, 12, 31)] {
            let start = almaty_day_start(day);
            assert_eq!(almaty_date(start), day);
            assert_eq!(almaty_date(almaty_day_end(day)), day.tomorrow().unwrap_or(day));
            assert!(almaty_day_end(day) > start);
        }
        assert_eq!(almaty_day_start(date(2025, 9, 2)).to_string(), "2025-09-01T19:00:00Z");
    }
}
