//! Reads JSON field by field and keeps every error, so that a sender can repair all of them at once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is wrong with one field, where, and what to do about it. Never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldError {
    /// RFC 6901, such as `/consent/token`; empty for the whole document.
    pub pointer: String,
    /// What is wrong, in English.
    pub message_en: String,
    /// What to do about it, in English.
    pub remedy: String,
}

impl FieldError {
    /// An error at a place.
    #[must_use]
    pub fn at(pointer: &str, message_en: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), message_en: message_en.into(), remedy: remedy.into() }
    }
}

/// Parses bytes as JSON; the error says where, not what.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, FieldError> {
    serde_json::from_slice(bytes).map_err(|fault| {
        let place = format!("not JSON, line {} column {}", fault.line(), fault.column());
        FieldError::at("", place, "send one JSON object in UTF-8")
    })
}

/// Takes fields out of an object and remembers what was wrong.
pub(super) struct Reader<'v> {
    value: &'v Value,
    errors: Vec<FieldError>,
}

impl<'v> Reader<'v> {
    pub(super) fn new(value: &'v Value) -> Result<Self, Vec<FieldError>> {
        if value.is_object() {
            Ok(Self { value, errors: Vec::new() })
        } else {
            Err(vec![FieldError::at("", "not an object", "send one JSON object")])
        }
    }

    /// A text that must be there and pass `check`.
    pub(super) fn text<T>(
        &mut self,
        pointer: &str,
        remedy: &str,
        check: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        match self.value.pointer(pointer) {
            None | Some(Value::Null) => self.wrong(pointer, "missing", remedy),
            Some(Value::String(text)) => match check(text) {
                Ok(read) => Some(read),
                Err(message) => self.wrong(pointer, &message, remedy),
            },
            Some(_) => self.wrong(pointer, "not a string", remedy),
        }
    }

    /// A text that may be absent or null; the outer `None` is an error.
    pub(super) fn optional<T>(
        &mut self,
        pointer: &str,
        remedy: &str,
        check: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        match self.value.pointer(pointer) {
            None | Some(Value::Null) => Some(None),
            Some(_) => self.text(pointer, remedy, check).map(Some),
        }
    }

    /// A word of a closed set.
    pub(super) fn labelled<T: Copy>(
        &mut self,
        pointer: &str,
        parse: impl Fn(&str) -> Option<T>,
        all: &[T],
        label: impl Fn(T) -> &'static str,
    ) -> Option<T> {
        let words: Vec<&str> = all.iter().map(|known| label(*known)).collect();
        let remedy = format!("give one of {}", words.join(", "));
        self.text(pointer, &remedy, |text| parse(text).ok_or_else(|| "not a word of the closed set".to_owned()))
    }

    pub(super) fn finish<T>(self, read: Option<T>) -> Result<T, Vec<FieldError>> {
        match read {
            Some(read) if self.errors.is_empty() => Ok(read),
            Some(_) | None => Err(self.errors),
        }
    }

    fn wrong<T>(&mut self, pointer: &str, message: &str, remedy: &str) -> Option<T> {
        self.errors.push(FieldError::at(pointer, message, remedy));
        None
    }
}
