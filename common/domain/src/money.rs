//! Money in tiyn. There is no other unit anywhere and no floating point.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount in tiyn (1 ₸ = 100 tiyn). May be negative in sums, never in a posting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Tiyn(pub i64);

impl Tiyn {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// A whole number of tenge.
    #[must_use]
    pub const fn from_tenge(tenge: i32) -> Self {
        Self(tenge as i64 * 100)
    }

    /// The sum, or `None` beyond the range of the type.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or `None` beyond the range of the type.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// More than nothing.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }
}

/// As tenge with two decimals: `786.40 ₸`.
impl fmt::Display for Tiyn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let whole = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02} ₸", whole / 100, whole % 100)
    }
}
