//! Shapes that outlive a process: jobs and answers, with their kind, version and way up from older versions.

use crate::turn::{Answer, Money};
use kezek_domain::fault::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A typed message body that may lie in a queue, a row or a dead letter for years.
pub trait Shape: Serialize + DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static {
    /// Stable kind, e.g. `intake.job`; never renamed.
    const KIND: &'static str;
    /// The version written today; readers lift older ones.
    const VERSION: u32;

    /// Lifts a body of version `from` (below [`Self::VERSION`]) to today's.
    ///
    /// # Errors
    /// Where no way up exists from that version.
    fn upgrade(from: u32, _body: Value) -> Result<Value, DecodeError> {
        Err(DecodeError::NoWayUp { kind: Self::KIND, from, to: Self::VERSION })
    }

    /// Examples: validated against the schema, used by the trial and the route map.
    fn samples() -> Vec<Self>;
}

/// Why bytes did not become a shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer worker; read as `Again`.
    #[error("{kind} has version {version}; this worker reads up to {known}: start a newer worker")]
    TooNew {
        /// The shape's kind.
        kind: &'static str,
        /// The version that came.
        version: u32,
        /// The newest version known here.
        known: u32,
    },
    /// No path from an older version.
    #[error("{kind} of version {from} cannot be lifted to {to}: the path was removed")]
    NoWayUp {
        /// The shape's kind.
        kind: &'static str,
        /// The version that came.
        from: u32,
        /// Today's version.
        to: u32,
    },
    /// Not JSON, or not this shape. The text names the place, never the value.
    #[error("{kind} does not decode at line {line}, column {column}: {what}")]
    Invalid {
        /// The shape's kind.
        kind: &'static str,
        /// Line of the fault.
        line: usize,
        /// Column of the fault.
        column: usize,
        /// `syntax`, `data`, `end of input` or `io`.
        what: &'static str,
    },
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        match error {
            // A newer worker is coming: deploy readers before writers and nothing is lost.
            DecodeError::TooNew { .. } => Self::transient("newer-message", error.to_string()),
            DecodeError::NoWayUp { .. } => Self::permanent("too-old-message", error.to_string()),
            DecodeError::Invalid { .. } => Self::permanent("undecodable", error.to_string()),
        }
    }
}

fn invalid<S: Shape>(error: &serde_json::Error) -> DecodeError {
    DecodeError::Invalid {
        kind: S::KIND,
        line: error.line(),
        column: error.column(),
        // serde_json's own text may quote a value, so only its category is kept
        what: match error.classify() {
            serde_json::error::Category::Io => "io",
            serde_json::error::Category::Syntax => "syntax",
            serde_json::error::Category::Data => "data",
            serde_json::error::Category::Eof => "end of input",
        },
    }
}

/// Decodes a body of the given version, lifting older ones through [`Shape::upgrade`].
///
/// # Errors
/// [`DecodeError`], which never repeats the body.
pub fn decode<S: Shape>(version: u32, body: &[u8]) -> Result<S, DecodeError> {
    if version > S::VERSION {
        return Err(DecodeError::TooNew { kind: S::KIND, version, known: S::VERSION });
    }
    if version == S::VERSION {
        return serde_json::from_slice(body).map_err(|e| invalid::<S>(&e));
    }
    let old: Value = serde_json::from_slice(body).map_err(|e| invalid::<S>(&e))?;
    serde_json::from_value(S::upgrade(version, old)?).map_err(|e| invalid::<S>(&e))
}

/// The answer of a stage that nobody answers. No value of it exists.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub enum NoAnswer {}

impl Shape for NoAnswer {
    const KIND: &'static str = "no-answer";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        Vec::new()
    }
}

impl Answer for NoAnswer {
    fn label(&self) -> &'static str {
        match *self {}
    }
    fn money(&self) -> Option<Money> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Version 2 of a body whose first version called its number `n`.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Lifted {
        number: u32,
    }

    impl Shape for Lifted {
        const KIND: &'static str = "test.lifted";
        const VERSION: u32 = 3;
        fn upgrade(from: u32, body: Value) -> Result<Value, DecodeError> {
            match from {
                1 => Ok(json!({ "number": body["n"] })),
                // a way up that leads nowhere: a mistake that must be told, not swallowed
                2 => Ok(json!({ "number": "rubbish" })),
                _ => Err(DecodeError::NoWayUp { kind: Self::KIND, from, to: Self::VERSION }),
            }
        }
        fn samples() -> Vec<Self> {
            vec![Self { number: 7 }]
        }
    }

    #[test]
    fn an_older_body_is_lifted_and_a_present_one_is_read() {
        assert_eq!(decode::<Lifted>(3, br#"{"number":7}"#), Ok(Lifted { number: 7 }));
        assert_eq!(decode::<Lifted>(1, br#"{"n":7}"#), Ok(Lifted { number: 7 }));
    }

    #[test]
    fn a_body_that_cannot_be_lifted_is_told_by_cause_and_never_repeated() {
        assert_eq!(decode::<Lifted>(0, b"{}"), Err(DecodeError::NoWayUp { kind: "test.lifted", from: 0, to: 3 }));
        assert_eq!(decode::<Lifted>(4, b"{}"), Err(DecodeError::TooNew { kind: "test.lifted", version: 4, known: 3 }));
        let rubbish = decode::<Lifted>(2, br#"{"n":"secret"}"#);
        assert!(matches!(rubbish, Err(DecodeError::Invalid { what: "data", .. })), "{rubbish:?}");
        let broken = decode::<Lifted>(3, br#"{"number":"secret"}"#).map_err(|e| e.to_string());
        assert!(broken.as_ref().is_err_and(|e| !e.contains("secret")), "{broken:?}");
    }
}
