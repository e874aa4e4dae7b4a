//! Periods of effect: both ends count, an open end lasts.

use jiff::civil::Date;

/// Whether a day lies in a period.
pub(super) fn covers(from: Date, to: Option<Date>, day: Date) -> bool {
    from <= day && to.is_none_or(|to| day <= to)
}

/// Checks that periods of one key run forward and do not overlap.
pub(super) fn check(key: &str, periods: impl Iterator<Item = (Date, Option<Date>)>) -> Result<(), String> {
    let mut periods: Vec<_> = periods.collect();
    periods.sort();
    if let Some((from, _)) = periods.iter().find(|(from, to)| to.is_some_and(|to| to < *from)) {
        return Err(format!("{key}: the period from {from} ends before it begins"));
    }
    for pair in periods.windows(2) {
        if let [(first, to), (second, _)] = pair
            && to.is_none_or(|to| to >= *second)
        {
            return Err(format!("{key}: the periods from {first} and from {second} overlap"));
        }
    }
    Ok(())
}
