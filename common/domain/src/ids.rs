//! The numbers by which people and workers name a case: its id, our receipt, the register's coupon, the ticket.

use crate::text::{Malformed, text_shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// One person's application, from submission to closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CaseId(pub Uuid);

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for CaseId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Uuid::parse_str(text).map(Self).map_err(|_| Malformed { what: "case id", rule: "a UUID" })
    }
}

/// The case's counter, raised by every settle; a job is good for the one settle whose ticket it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Ticket(pub i64);

impl Ticket {
    /// The ticket after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Crockford's alphabet: no I, L, O, U, so that a receipt can be read out over the telephone.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RECEIPT_RULE: &str =
    "sixteen letters and digits in fours and a last check character, as in 0000-0000-0000-0000-0";

/// Our receipt, shown to the applicant from the first second: `XXXX-XXXX-XXXX-XXXX-C`.
///
/// The 80 low bits of the case id and a check character that notices every single wrong character and
/// every swap of two characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt(String);

impl Receipt {
    /// The receipt of a case; the same case always has the same receipt.
    #[must_use]
    pub fn of(case: CaseId) -> Self {
        let bits = case.0.as_u128();
        let mut digits = [0u8; 16];
        for (place, digit) in digits.iter_mut().enumerate() {
            *digit = ((bits >> (75 - 5 * place)) & 31) as u8;
        }
        Self::from_digits(&digits)
    }

    /// Reads what a person typed: case, hyphens and blanks do not matter; O is read as 0, I and L as 1.
    ///
    /// # Errors
    /// [`Malformed`] when the length, a character or the check character is wrong.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let wrong = Malformed { what: "receipt", rule: RECEIPT_RULE };
        let mut digits = Vec::with_capacity(17);
        for sign in text.bytes().filter(|b| !matches!(b, b'-' | b' ')) {
            let sign = match sign.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let digit = ALPHABET.iter().position(|known| *known == sign).ok_or(wrong)?;
            digits.push(u8::try_from(digit).map_err(|_| wrong)?);
        }
        let (check, body) = digits.split_last().ok_or(wrong)?;
        let body: &[u8; 16] = body.try_into().map_err(|_| wrong)?;
        if check_digit(body) == *check { Ok(Self::from_digits(body)) } else { Err(wrong) }
    }

    /// The receipt in its canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn from_digits(digits: &[u8; 16]) -> Self {
        let mut text = String::with_capacity(21);
        for (place, digit) in digits.iter().chain(std::iter::once(&check_digit(digits))).enumerate() {
            if place > 0 && place % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(*digit & 31)]));
        }
        Self(text)
    }

    fn as_text(&self) -> &str {
        &self.0
    }

    fn parse_text(text: &str) -> Result<Self, Malformed> {
        Self::parse(text)
    }
}

/// A weighted sum in the field of 32 elements (x⁵ + x² + 1) with sixteen different weights.
fn check_digit(digits: &[u8; 16]) -> u8 {
    // Horner with the generator: the weights are its powers 1..=16, all different in a field whose
    // generator has order 31, so neither one wrong character nor a swap can cancel out.
    digits.iter().fold(0, |sum, digit| {
        let mixed = sum ^ digit;
        let doubled = mixed << 1;
        if doubled & 0b10_0000 == 0 { doubled } else { doubled ^ 0b10_0101 }
    })
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of the registration coupon (A3.13, A11d): the register's, opaque to us, shown verbatim.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coupon(String);

impl Coupon {
    /// Takes a coupon as the register gave it: 1 to 64 characters, no control characters, no blank at an end.
    ///
    /// # Errors
    /// [`Malformed`] otherwise.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let length = text.chars().count();
        let fits = (1..=64).contains(&length) && text.trim() == text && !text.chars().any(char::is_control);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed { what: "coupon", rule: "1 to 64 characters, no control characters, no blank at either end" })
        }
    }

    /// The coupon, verbatim.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn as_text(&self) -> &str {
        &self.0
    }

    fn parse_text(text: &str) -> Result<Self, Malformed> {
        Self::parse(text)
    }
}

impl fmt::Display for Coupon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_shape!(
    Receipt,
    "^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}-[0-9A-HJKMNP-TV-Z]$",
    "our receipt, shown to the applicant"
);
text_shape!(Coupon, "^\\S(.{0,62}\\S)?$", "number of the registration coupon, verbatim");

#[cfg(test)]
mod tests;
