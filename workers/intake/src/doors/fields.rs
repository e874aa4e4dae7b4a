//! Reads a request's JSON field by field and keeps every error by its pointer; never repeats a value.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kezek_stage::DoorError;
use serde_json::Value;

/// A request that arrived whole.
pub fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, DoorError> {
    body.map_err(|rejection| {
        let status = rejection.status().as_u16();
        if status == 413 {
            DoorError::new(413, "too-large", "the request is larger than this door takes; send smaller pictures")
        } else {
            DoorError::new(status, "unreadable", "the request did not arrive whole; send it again")
        }
    })
}

/// Takes fields out of a JSON object and remembers what was wrong.
pub struct Fields {
    value: Value,
    errors: Vec<(String, String)>,
}

impl Fields {
    /// Reads an object whose members are all among `known`.
    pub fn of(body: &[u8], known: &[&str]) -> Result<Self, DoorError> {
        let value: Value = serde_json::from_slice(body).map_err(|e| {
            let place = format!("not JSON, line {} column {}; send one JSON object in UTF-8", e.line(), e.column());
            DoorError::invalid(vec![(String::new(), place)])
        })?;
        let Some(object) = value.as_object() else {
            return Err(DoorError::invalid(vec![(String::new(), "not an object; send one JSON object".to_owned())]));
        };
        // a member that nobody reads is a mistake of the sender's that would otherwise stay unseen
        let unknown = object.keys().filter(|key| !known.contains(&key.as_str()));
        let errors = unknown.map(|key| (pointer_of(key), format!("unknown; known are {}", known.join(", ")))).collect();
        Ok(Self { value, errors })
    }

    /// Remembers an error.
    pub fn wrong(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.errors.push((pointer.into(), message.into()));
    }

    /// A text that must be there and pass `check`.
    pub fn text<T>(&mut self, name: &str, check: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let read = match self.value.get(name) {
            None | Some(Value::Null) => Err("missing".to_owned()),
            Some(Value::String(text)) => check(text),
            Some(_) => Err("not a string".to_owned()),
        };
        match read {
            Ok(read) => Some(read),
            Err(message) => {
                self.wrong(format!("/{name}"), message);
                None
            }
        }
    }

    /// A text that may be absent or null; the outer `None` is an error.
    pub fn optional<T>(&mut self, name: &str, check: impl FnOnce(&str) -> Result<T, String>) -> Option<Option<T>> {
        match self.value.get(name) {
            None | Some(Value::Null) => Some(None),
            Some(_) => self.text(name, check).map(Some),
        }
    }

    /// Base64 of at most `most` bytes and at least one.
    pub fn bytes(&mut self, name: &str, most: usize) -> Option<Vec<u8>> {
        self.text(name, |text| {
            // judged before decoding: base64 makes three bytes four
            if text.len() / 4 * 3 > most + 2 {
                return Err(format!("more than {most} bytes"));
            }
            let bytes = STANDARD.decode(text).map_err(|_| "not standard base64 with padding".to_owned())?;
            match bytes.len() {
                0 => Err("empty".to_owned()),
                n if n > most => Err(format!("more than {most} bytes")),
                _ => Ok(bytes),
            }
        })
    }

    /// All fields, or all errors.
    pub fn finish<T>(self, read: Option<T>) -> Result<T, DoorError> {
        match read {
            Some(read) if self.errors.is_empty() => Ok(read),
            Some(_) | None => Err(DoorError::invalid(self.errors)),
        }
    }
}

/// The JSON pointer of a member (RFC 6901); a name too long to be meant is cut.
fn pointer_of(key: &str) -> String {
    let short: String = key.chars().take(40).collect();
    format!("/{}", short.replace('~', "~0").replace('/', "~1"))
}

/// A short printable text without blanks at its ends.
pub fn line(text: &str, most: usize) -> Result<String, String> {
    let length = text.chars().count();
    if length == 0 || length > most || text.trim() != text || text.chars().any(char::is_control) {
        Err(format!("give 1 to {most} printable characters, no blanks at the ends"))
    } else {
        Ok(text.to_owned())
    }
}

/// Exactly nine digits: the number of a card, zeros in front included.
pub fn nine_digits(text: &str) -> Result<String, String> {
    if text.len() == 9 && text.bytes().all(|b| b.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("give the nine digits of the card as a string".to_owned())
    }
}
