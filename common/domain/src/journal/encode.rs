//! Bytes that mean one thing: tagged, length-prefixed, big-endian, map keys sorted.

use serde_json::Value;

/// A growing canonical encoding.
pub(super) struct Bytes(Vec<u8>);

impl Bytes {
    pub(super) fn new(version: u8) -> Self {
        Self(vec![version])
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn length(&mut self, length: usize) {
        self.0.extend_from_slice(&(length as u64).to_be_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn integer(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    pub(super) fn option(&mut self, text: Option<&str>) {
        match text {
            None => self.0.push(0),
            Some(text) => {
                self.0.push(1);
                self.text(text);
            }
        }
    }

    /// JSON by its meaning: the order of keys and the way a number is written do not matter, because a
    /// database may give both back differently.
    pub(super) fn json(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.push(b'n'),
            Value::Bool(truth) => self.0.extend_from_slice(&[b'b', u8::from(*truth)]),
            Value::Number(number) => {
                self.0.push(b'd');
                self.text(&plain_number(number));
            }
            Value::String(text) => {
                self.0.push(b's');
                self.text(text);
            }
            Value::Array(items) => {
                self.0.push(b'a');
                self.length(items.len());
                items.iter().for_each(|item| self.json(item));
            }
            Value::Object(fields) => {
                self.0.push(b'o');
                self.length(fields.len());
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
                for (key, field) in fields {
                    self.text(key);
                    self.json(field);
                }
            }
        }
    }
}

/// A whole number as an integer however it was written (`1e2`, `100.0`, `100`), anything else as it stands.
fn plain_number(number: &serde_json::Number) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
            // Below 2^53 the conversion is exact.
            (float as i64).to_string()
        }
        Some(_) | None => number.to_string(),
    }
}
