//! The applicant's telephone number, which A3.2 ties to the IIN.

use crate::text::{Malformed, masked, text_shape};

/// A Kazakhstan number in E.164: `+7` and ten digits. `Debug` hides it and there is no `Display`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(String);

masked!(Phone);

impl Phone {
    /// Reads `+7` and ten digits; blanks, hyphens and brackets between them are dropped.
    ///
    /// # Errors
    /// [`Malformed`], which does not repeat the number.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let wrong = Malformed { what: "telephone number", rule: "+7 and ten digits" };
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')')).collect();
        let number = digits.strip_prefix("+7").ok_or(wrong)?;
        if number.len() == 10 && number.bytes().all(|b| b.is_ascii_digit()) { Ok(Self(digits)) } else { Err(wrong) }
    }

    /// The number itself. For the call that needs it, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn as_text(&self) -> &str {
        &self.0
    }

    fn parse_text(text: &str) -> Result<Self, Malformed> {
        Self::parse(text)
    }
}

text_shape!(Phone, "^\\+7[0-9]{10}$", "telephone number, E.164");
