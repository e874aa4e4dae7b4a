//! The envelope: CloudEvents attribute names in headers; the body is exactly the job. No personal data.

use jiff::Timestamp;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Ordinary work.
    Job,
    /// The deadline of a hold has passed.
    Lapse,
}

impl Mode {
    /// The word in headers and rows.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Lapse => "lapse",
        }
    }
}

/// Whose ticket the message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A case's.
    Case,
    /// An arrival's.
    Arrival,
    /// A side message's.
    SideMessage,
}

impl Subject {
    /// The word in headers and rows.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Case => "case",
            Self::Arrival => "arrival",
            Self::SideMessage => "side-message",
        }
    }
    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "case" => Some(Self::Case),
            "arrival" => Some(Self::Arrival),
            "side-message" => Some(Self::SideMessage),
            _ => None,
        }
    }
}

/// What travels beside a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The message; the same for every publication of one outbox row.
    pub id: Uuid,
    /// Kind of the body.
    pub kind: String,
    /// Version of the body.
    pub version: u32,
    /// Whose ticket.
    pub subject: Subject,
    /// The subject's id.
    pub subject_id: Uuid,
    /// The case it belongs to.
    pub case: Option<Uuid>,
    /// The stage it is for.
    pub stage: String,
    /// The visit of that stage.
    pub visit: u32,
    /// The ticket it was issued with: good for one settle.
    pub ticket: i64,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Work or lapse.
    pub mode: Mode,
    /// Tried alone in its batch, after it had reached the delivery limit.
    pub alone: bool,
    /// When it was issued (real time).
    pub time: Timestamp,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

/// Why headers are not an envelope: names the header, never its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("header `{header}` is missing or not readable")]
pub struct NoEnvelope {
    /// The header.
    pub header: &'static str,
}

/// Headers as text, whatever their type was on the wire; nested values (such as `x-death`) are left out.
#[must_use]
pub fn texts(table: &FieldTable) -> BTreeMap<String, String> {
    table
        .inner()
        .iter()
        .filter_map(|(name, value)| {
            let text = match value {
                AMQPValue::LongString(s) => String::from_utf8_lossy(s.as_bytes()).into_owned(),
                AMQPValue::ShortString(s) => s.to_string(),
                AMQPValue::Boolean(b) => b.to_string(),
                AMQPValue::LongInt(n) => n.to_string(),
                AMQPValue::LongLongInt(n) => n.to_string(),
                AMQPValue::ShortInt(n) => n.to_string(),
                AMQPValue::LongUInt(n) => n.to_string(),
                _ => return None,
            };
            Some((name.to_string(), text))
        })
        .collect()
}

impl Envelope {
    /// The headers, as the outbox keeps them.
    #[must_use]
    pub fn headers(&self) -> Value {
        let mut map = Map::new();
        let mut put = |name: &str, value: String| map.insert(name.to_owned(), Value::String(value));
        put("specversion", "1.0".to_owned());
        put("id", self.id.to_string());
        put("source", "kezek".to_owned());
        put("type", self.kind.clone());
        put("dataschema", format!("kezek:{}:{}", self.kind, self.version));
        put("version", self.version.to_string());
        put("subject", self.subject.label().to_owned());
        put("subjectid", self.subject_id.to_string());
        if let Some(case) = self.case {
            put("case", case.to_string());
        }
        put("stage", self.stage.clone());
        put("visit", self.visit.to_string());
        put("ticket", self.ticket.to_string());
        put("attempt", self.attempt.to_string());
        put("mode", self.mode.label().to_owned());
        if self.alone {
            put("alone", "true".to_owned());
        }
        put("time", self.time.to_string());
        if let Some(trace) = &self.traceparent {
            put("traceparent", trace.clone());
        }
        Value::Object(map)
    }

    /// Reads headers.
    ///
    /// # Errors
    /// The first header that is missing or unreadable.
    pub fn read(headers: &BTreeMap<String, String>) -> Result<Self, NoEnvelope> {
        fn get<'h>(headers: &'h BTreeMap<String, String>, header: &'static str) -> Result<&'h str, NoEnvelope> {
            headers.get(header).map(String::as_str).ok_or(NoEnvelope { header })
        }
        fn num<T: std::str::FromStr>(h: &BTreeMap<String, String>, header: &'static str) -> Result<T, NoEnvelope> {
            get(h, header)?.parse().map_err(|_| NoEnvelope { header })
        }
        Ok(Self {
            id: num(headers, "id")?,
            kind: get(headers, "type")?.to_owned(),
            version: num(headers, "version")?,
            subject: Subject::parse(get(headers, "subject")?).ok_or(NoEnvelope { header: "subject" })?,
            subject_id: num(headers, "subjectid")?,
            case: match headers.get("case") {
                Some(text) => Some(text.parse().map_err(|_| NoEnvelope { header: "case" })?),
                None => None,
            },
            stage: get(headers, "stage")?.to_owned(),
            visit: num(headers, "visit")?,
            ticket: num(headers, "ticket")?,
            attempt: num(headers, "attempt")?,
            mode: match get(headers, "mode")? {
                "job" => Mode::Job,
                "lapse" => Mode::Lapse,
                _ => return Err(NoEnvelope { header: "mode" }),
            },
            alone: headers.contains_key("alone"),
            time: num(headers, "time")?,
            traceparent: headers.get("traceparent").filter(|t| valid_trace(t)).cloned(),
        })
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`.
fn valid_trace(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let hex = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| b.is_ascii_hexdigit());
    matches!(parts.as_slice(), [v, t, s, f] if hex(v, 2) && hex(t, 32) && hex(s, 16) && hex(f, 2))
}

/// A new trace, derived from the case so that the same case's story is one trace.
#[must_use]
pub fn trace_of(case: Uuid) -> String {
    let id = case.as_simple();
    format!("00-{id}-{}-01", &id.to_string()[16..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Envelope {
        Envelope {
            id: Uuid::from_u128(1),
            kind: "intake.job".to_owned(),
            version: 1,
            subject: Subject::Case,
            subject_id: Uuid::from_u128(2),
            case: Some(Uuid::from_u128(2)),
            stage: "intake".to_owned(),
            visit: 1,
            ticket: 7,
            attempt: 2,
            mode: Mode::Lapse,
            alone: true,
            time: Timestamp::from_second(1_756_800_000).unwrap(),
            traceparent: Some(trace_of(Uuid::from_u128(2))),
        }
    }

    fn texts(envelope: &Envelope) -> BTreeMap<String, String> {
        serde_json::from_value(envelope.headers()).unwrap()
    }

    #[test]
    fn headers_read_back_as_they_were_written() {
        assert_eq!(Envelope::read(&texts(&sample())).unwrap(), sample());
    }

    #[test]
    fn a_missing_or_broken_header_is_named() {
        for header in
            ["id", "type", "version", "subject", "subjectid", "stage", "visit", "ticket", "attempt", "mode", "time"]
        {
            let mut headers = texts(&sample());
            headers.remove(header);
            assert_eq!(Envelope::read(&headers).unwrap_err().header, header);
            if !matches!(header, "type" | "stage") {
                headers.insert(header.to_owned(), "rubbish".to_owned());
                assert_eq!(Envelope::read(&headers).unwrap_err().header, header);
            }
        }
    }
}
