//! The envelope: CloudEvents attribute names in headers; the body is exactly the job. No personal data.

use jiff::Timestamp;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Map, Value};
use std::borrow::Cow;
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

/// A header as text, whatever its type was on the wire; `None` for nested values (such as `x-death`).
#[must_use]
pub fn text(value: &AMQPValue) -> Option<Cow<'_, str>> {
    Some(match value {
        AMQPValue::LongString(s) => String::from_utf8_lossy(s.as_bytes()),
        AMQPValue::ShortString(s) => Cow::Borrowed(s.as_str()),
        AMQPValue::Boolean(b) => b.to_string().into(),
        AMQPValue::LongInt(n) => n.to_string().into(),
        AMQPValue::LongLongInt(n) => n.to_string().into(),
        AMQPValue::ShortInt(n) => n.to_string().into(),
        AMQPValue::LongUInt(n) => n.to_string().into(),
        _ => return None,
    })
}

/// All headers that are text.
#[must_use]
pub fn texts(table: &FieldTable) -> BTreeMap<String, String> {
    table.inner().iter().filter_map(|(name, value)| Some((name.to_string(), text(value)?.into_owned()))).collect()
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
    pub fn read(headers: &FieldTable) -> Result<Self, NoEnvelope> {
        let find = |header: &str| headers.inner().get(header).and_then(text);
        let get = |header: &'static str| find(header).ok_or(NoEnvelope { header });
        fn num<T: std::str::FromStr>(text: &str, header: &'static str) -> Result<T, NoEnvelope> {
            text.parse().map_err(|_| NoEnvelope { header })
        }
        Ok(Self {
            id: num(&get("id")?, "id")?,
            kind: get("type")?.into_owned(),
            version: num(&get("version")?, "version")?,
            subject: Subject::parse(&get("subject")?).ok_or(NoEnvelope { header: "subject" })?,
            subject_id: num(&get("subjectid")?, "subjectid")?,
            case: find("case").map(|case| num(&case, "case")).transpose()?,
            stage: get("stage")?.into_owned(),
            visit: num(&get("visit")?, "visit")?,
            ticket: num(&get("ticket")?, "ticket")?,
            attempt: num(&get("attempt")?, "attempt")?,
            mode: match &*get("mode")? {
                "job" => Mode::Job,
                "lapse" => Mode::Lapse,
                _ => return Err(NoEnvelope { header: "mode" }),
            },
            alone: find("alone").is_some(),
            time: num(&get("time")?, "time")?,
            traceparent: find("traceparent").filter(|t| valid_trace(t)).map(Cow::into_owned),
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

    fn table(envelope: &Envelope) -> FieldTable {
        let texts: BTreeMap<String, String> = serde_json::from_value(envelope.headers()).unwrap();
        let mut table = FieldTable::default();
        for (name, value) in texts {
            table.insert(name.as_str().into(), AMQPValue::LongString(value.as_str().into()));
        }
        table
    }

    fn without(header: &str) -> FieldTable {
        let whole = table(&sample());
        let mut rest = FieldTable::default();
        for (name, value) in whole.inner().iter().filter(|(name, _)| name.as_str() != header) {
            rest.insert(name.clone(), value.clone());
        }
        rest
    }

    #[test]
    fn headers_read_back_as_they_were_written() {
        assert_eq!(Envelope::read(&table(&sample())).unwrap(), sample());
    }

    #[test]
    fn a_missing_or_broken_header_is_named() {
        for header in
            ["id", "type", "version", "subject", "subjectid", "stage", "visit", "ticket", "attempt", "mode", "time"]
        {
            let mut headers = without(header);
            assert_eq!(Envelope::read(&headers).unwrap_err().header, header);
            if !matches!(header, "type" | "stage") {
                headers.insert(header.into(), AMQPValue::LongString("rubbish".into()));
                assert_eq!(Envelope::read(&headers).unwrap_err().header, header);
            }
        }
    }
}
