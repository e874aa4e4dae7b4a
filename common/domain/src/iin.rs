//! The individual identification number (C2): twelve digits with a date, a century, a sex and a check digit.
//!
//! Which century digits are admitted is a profile: citizens have 3 to 6; 1 and 2 cannot belong to anyone
//! alive and are therefore what demonstrations and tests use.

use crate::label::labelled;
use crate::text::{masked, text_shape};
use jiff::civil::Date;

labelled! {
    /// Sex, as the registers know it.
    pub enum Sex {
        /// Code 1.
        Male = "male",
        /// Code 2.
        Female = "female",
    }
}

labelled! {
    /// Which century digits are admitted.
    pub enum IinProfile {
        /// 3 to 6: people born from 1900 on.
        Citizen = "citizen",
        /// 1 to 6: also the 1800s, in demonstrations and tests.
        Demo = "demo",
    }
}

/// The check that an IIN failed. Never contains the digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IinError {
    /// Not twelve characters.
    #[error("an IIN has exactly 12 digits")]
    Length,
    /// Something other than 0–9.
    #[error("an IIN has digits only")]
    Digit,
    /// The seventh digit is outside what the profile admits.
    #[error("the century digit (7th) of the IIN is not admitted")]
    Century,
    /// No such day in that century.
    #[error("the birth date (digits 1 to 6) of the IIN does not exist in its century")]
    BirthDate,
    /// Both passes give ten: such a number is never issued.
    #[error("an IIN with these first 11 digits is never issued")]
    NeverIssued,
    /// The twelfth digit is wrong.
    #[error("the check digit (12th) of the IIN is wrong")]
    CheckDigit,
}

/// An individual identification number that has passed every check. `Debug` hides it, there is no `Display`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Iin(String);

masked!(Iin);

const FIRST_PASS: [u32; 11] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const SECOND_PASS: [u32; 11] = [3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2];

impl Iin {
    /// Reads and checks an IIN.
    ///
    /// # Errors
    /// [`IinError`] names the check that failed, never the digits.
    pub fn parse(text: &str, profile: IinProfile) -> Result<Self, IinError> {
        if text.chars().count() != 12 {
            return Err(IinError::Length);
        }
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(IinError::Digit);
        }
        let digits: Vec<u32> = text.bytes().map(|b| u32::from(b - b'0')).collect();
        let admitted = match profile {
            IinProfile::Citizen => 3..=6,
            IinProfile::Demo => 1..=6,
        };
        if !admitted.contains(&digits[6]) {
            return Err(IinError::Century);
        }
        if date_of(&digits).is_none() {
            return Err(IinError::BirthDate);
        }
        match check_digit(&digits[..11]) {
            None => Err(IinError::NeverIssued),
            Some(check) if check == digits[11] => Ok(Self(text.to_owned())),
            Some(_) => Err(IinError::CheckDigit),
        }
    }

    /// The check digit for eleven leading digits; `None` where both passes give ten, or they are not eleven digits.
    #[must_use]
    pub fn check_digit(first_eleven: &str) -> Option<u8> {
        if first_eleven.len() != 11 || !first_eleven.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits: Vec<u32> = first_eleven.bytes().map(|b| u32::from(b - b'0')).collect();
        check_digit(&digits).and_then(|digit| u8::try_from(digit).ok())
    }

    /// The birth date in the number. The register's may legitimately differ.
    #[must_use]
    pub fn birth_date(&self) -> Date {
        let digits: Vec<u32> = self.0.bytes().map(|b| u32::from(b - b'0')).collect();
        date_of(&digits).unwrap_or(Date::ZERO)
    }

    /// The sex in the number.
    #[must_use]
    pub fn sex(&self) -> Sex {
        if self.0.as_bytes()[6] % 2 == 1 { Sex::Male } else { Sex::Female }
    }

    /// Whether the number can only be one made for demonstrations (born in the 1800s).
    #[must_use]
    pub fn is_demo(&self) -> bool {
        matches!(self.0.as_bytes()[6], b'1' | b'2')
    }

    /// The digits. For the call that needs them, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn as_text(&self) -> &str {
        &self.0
    }

    /// What was stored was admitted at the door; reading it back checks the arithmetic, not the profile.
    fn parse_text(text: &str) -> Result<Self, IinError> {
        Self::parse(text, IinProfile::Demo)
    }
}

fn date_of(digits: &[u32]) -> Option<Date> {
    let century = match digits[6] {
        1 | 2 => 1800,
        3 | 4 => 1900,
        5 | 6 => 2000,
        _ => return None,
    };
    let pair = |at: usize| i16::try_from(digits[at] * 10 + digits[at + 1]).ok();
    let month = i8::try_from(pair(2)?).ok()?;
    let day = i8::try_from(pair(4)?).ok()?;
    Date::new(century + pair(0)?, month, day).ok()
}

fn check_digit(digits: &[u32]) -> Option<u32> {
    let pass = |weights: &[u32; 11]| digits.iter().zip(weights).map(|(d, w)| d * w).sum::<u32>() % 11;
    [pass(&FIRST_PASS), pass(&SECOND_PASS)].into_iter().find(|remainder| *remainder < 10)
}

text_shape!(Iin, "^[0-9]{12}$", "individual identification number");

#[cfg(test)]
mod tests;
