//! On what a confirmation of non-performance rests: the Tax Code in force on the day it is made.

use jiff::civil::{Date, date};

/// First day of the Tax Code of 18 July 2025.
const NEW_CODE: Date = date(2026, 1, 1);

/// The article, as it is named to the tax authority.
pub fn legal_basis(on: Date) -> &'static str {
    if on < NEW_CODE {
        "Tax Code of 25 December 2017 No 120-VI, articles 101(1) and 108(3)"
    } else {
        "Tax Code of 18 July 2025 No 214-VIII, chapter on overpaid state duty; article to confirm"
    }
}
