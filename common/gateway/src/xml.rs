//! A small element tree for the messages of the state gateway.
//!
//! Reads tolerantly (any namespace prefix, CDATA or text, lists of none, one or many) and within
//! limits of size, depth and number of elements. A problem names the place and never the data:
//! what travels here is personal.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{self, TimeZone};
use quick_xml::Reader;
use quick_xml::escape::{escape, resolve_predefined_entity};
use quick_xml::events::Event;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 32;
/// Most elements that one message may have.
const MAX_ELEMENTS: usize = 20_000;

/// What is wrong with a message, and where. Holds no data of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Problem {
    /// Path of local names, for example `response/responseInfo/status/code`.
    pub place: String,
    /// For example `missing`.
    pub what: String,
}

impl Problem {
    /// A problem at a place.
    #[must_use]
    pub fn at(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

/// One element: its local name, its text and its children. `Debug` shows names alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Node {
    name: String,
    text: String,
    children: Vec<Self>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}> with {} children", self.name, self.children.len())
    }
}

impl Node {
    /// An element without text or children.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), text: String::new(), children: Vec::new() }
    }

    /// An element with text.
    #[must_use]
    pub fn leaf(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.to_owned(), text: text.into(), children: Vec::new() }
    }

    /// The same element with one more child that has text.
    #[must_use]
    pub fn field(mut self, name: &str, text: impl Into<String>) -> Self {
        self.children.push(Self::leaf(name, text));
        self
    }

    /// The same element with one more child, if there is a text for it.
    #[must_use]
    pub fn maybe(self, name: &str, text: Option<impl Into<String>>) -> Self {
        match text {
            Some(text) => self.field(name, text),
            None => self,
        }
    }

    /// The same element with one more child.
    #[must_use]
    pub fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// The element's local name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text at `path` (`a/b/c`, the element itself for the empty path), trimmed; `None` where
    /// the element is absent or empty.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.find(path).map(|node| node.text.trim()).filter(|text| !text.is_empty())
    }

    /// The first element at `path`.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Self> {
        path.split('/')
            .filter(|step| !step.is_empty())
            .try_fold(self, |node, step| node.children.iter().find(|child| child.name == step))
    }

    /// All children with this name: none, one or many.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// All children.
    #[must_use]
    pub fn children(&self) -> &[Self] {
        &self.children
    }

    fn missing(&self, path: &str) -> Problem {
        self.problem(path, "missing")
    }

    /// A problem at `path` under this element.
    #[must_use]
    pub fn problem(&self, path: &str, what: &str) -> Problem {
        let place = if path.is_empty() { self.name.clone() } else { format!("{}/{path}", self.name) };
        Problem::at(place, what)
    }

    /// The element at `path`.
    ///
    /// # Errors
    /// Where it is missing.
    pub fn need(&self, path: &str) -> Result<&Self, Problem> {
        self.find(path).ok_or_else(|| self.missing(path))
    }

    /// The text at `path`.
    ///
    /// # Errors
    /// Where it is missing or empty.
    pub fn need_text(&self, path: &str) -> Result<&str, Problem> {
        self.text(path).ok_or_else(|| self.missing(path))
    }

    /// The date at `path`, if there is one; a time and an offset behind it are ignored.
    ///
    /// # Errors
    /// Where the text is no date.
    pub fn date(&self, path: &str) -> Result<Option<Date>, Problem> {
        self.text(path).map(|text| read_date(text).ok_or_else(|| self.problem(path, "not a date"))).transpose()
    }

    /// The date at `path`.
    ///
    /// # Errors
    /// Where it is missing or no date.
    pub fn need_date(&self, path: &str) -> Result<Date, Problem> {
        self.date(path)?.ok_or_else(|| self.missing(path))
    }

    /// The instant at `path`, if there is one. A text without an offset is read as `+05:00`.
    ///
    /// # Errors
    /// Where the text is no instant.
    pub fn instant(&self, path: &str) -> Result<Option<Timestamp>, Problem> {
        self.text(path).map(|text| read_instant(text).ok_or_else(|| self.problem(path, "not an instant"))).transpose()
    }

    /// The instant at `path`.
    ///
    /// # Errors
    /// Where it is missing or no instant.
    pub fn need_instant(&self, path: &str) -> Result<Timestamp, Problem> {
        self.instant(path)?.ok_or_else(|| self.missing(path))
    }

    /// The whole number at `path`.
    ///
    /// # Errors
    /// Where it is missing or no whole number.
    pub fn need_number(&self, path: &str) -> Result<i64, Problem> {
        self.need_text(path)?.parse().map_err(|_| self.problem(path, "not a whole number"))
    }

    /// The bytes at `path`, written in base64 (line breaks allowed).
    ///
    /// # Errors
    /// Where they are missing or not base64.
    pub fn need_bytes(&self, path: &str) -> Result<Vec<u8>, Problem> {
        use base64::Engine as _;
        let text: String = self.need_text(path)?.split_whitespace().collect();
        base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| self.problem(path, "not base64"))
    }

    /// The element as XML text, without a declaration and without namespaces.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        out.push('<');
        out.push_str(&self.name);
        out.push('>');
        out.push_str(&escape(self.text.as_str()));
        for child in &self.children {
            child.write(out);
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

/// Bytes as base64 text.
#[must_use]
pub fn base64_text(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// An instant as the gateway writes it: milliseconds and the offset of the whole country, `+05:00`.
#[must_use]
pub fn instant_text(at: Timestamp) -> String {
    at.to_zoned(TimeZone::fixed(tz::offset(5))).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
}

fn read_date(text: &str) -> Option<Date> {
    text.get(..10).unwrap_or(text).parse().ok()
}

fn read_instant(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    civil.to_zoned(TimeZone::fixed(tz::offset(5))).ok().map(|zoned| zoned.timestamp())
}

/// Reads one XML document into its root element.
///
/// # Errors
/// Where it is larger than `max_bytes`, not UTF-8, not well-formed, too deep, carries a document
/// type, or has more than one root.
pub fn parse(bytes: &[u8], max_bytes: usize) -> Result<Node, Problem> {
    if bytes.len() > max_bytes {
        return Err(Problem::at("message", format!("larger than {max_bytes} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::at("message", "not UTF-8"))?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut open: Vec<Node> = Vec::new();
    let mut root: Option<Node> = None;
    let mut elements = 0_usize;
    loop {
        let event = reader.read_event().map_err(|_| malformed(&open))?;
        match event {
            Event::Start(ref start) | Event::Empty(ref start) => {
                elements += 1;
                if elements > MAX_ELEMENTS || open.len() >= MAX_DEPTH {
                    return Err(Problem::at(place(&open), "too many or too deep elements"));
                }
                if root.is_some() {
                    return Err(Problem::at("message", "more than one root"));
                }
                let name = start.local_name().into_inner().to_owned();
                open.push(Node::new(&name));
                if matches!(event, Event::Empty(_)) {
                    close(&mut open, &mut root);
                }
            }
            Event::End(_) => close(&mut open, &mut root),
            Event::Text(ref text) => add(&mut open, &text.xml10_content()),
            Event::CData(ref text) => add(&mut open, &text.xml10_content()),
            Event::GeneralRef(ref entity) => {
                if let Some(letter) = entity.resolve_char_ref().map_err(|_| malformed(&open))? {
                    add(&mut open, letter.encode_utf8(&mut [0; 4]));
                } else {
                    let name = entity.xml10_content();
                    let letter = resolve_predefined_entity(&name)
                        .ok_or_else(|| Problem::at(place(&open), "an entity that is not predefined"))?;
                    add(&mut open, letter);
                }
            }
            Event::DocType(_) => return Err(Problem::at("message", "a document type is not accepted")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    match (root, open.is_empty()) {
        (Some(root), true) => Ok(root),
        (_, false) => Err(Problem::at(place(&open), "not closed")),
        (None, true) => Err(Problem::at("message", "no element")),
    }
}

fn malformed(open: &[Node]) -> Problem {
    Problem::at(place(open), "not well-formed")
}

fn place(open: &[Node]) -> String {
    if open.is_empty() {
        return "message".to_owned();
    }
    open.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join("/")
}

fn add(open: &mut [Node], text: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(text);
    }
}

fn close(open: &mut Vec<Node>, root: &mut Option<Node>) {
    let Some(done) = open.pop() else { return };
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None => *root = Some(done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_cdata_and_leading_zeros() {
        let node = parse(b"<?xml version='1.0'?><a:x xmlns:a='u'><b:code>007</b:code><c><![CDATA[<d>1 &amp; 2</d>]]></c><e/>&#65;&lt;</a:x>", 1000).unwrap();
        assert_eq!(node.name(), "x");
        assert_eq!(node.text("code"), Some("007"));
        assert_eq!(node.text("c"), Some("<d>1 &amp; 2</d>"));
        assert_eq!(node.text("e"), None);
        assert_eq!(node.text(""), Some("A<"));
        assert_eq!(node.need_text("f/g").unwrap_err().to_string(), "x/f/g: missing");
    }

    #[test]
    fn refuses_what_is_hostile_or_broken() {
        for (text, what) in [
            ("<a>", "not closed"),
            ("", "no element"),
            ("<a></b>", "not well-formed"),
            ("<a/><b/>", "more than one root"),
            ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "a document type is not accepted"),
            ("<a>&b;</a>", "an entity that is not predefined"),
        ] {
            assert_eq!(parse(text.as_bytes(), 1000).unwrap_err().what, what, "{text}");
        }
        let deep = "<a>".repeat(40);
        assert!(parse(deep.as_bytes(), 1000).is_err());
        assert!(parse(&[0xff], 10).is_err());
        assert!(parse(b"<abcdefghijkl/>", 10).is_err());
    }

    #[test]
    fn dates_and_instants_of_all_ages() {
        let node = parse(
            b"<a><d>2025-09-02+06:00</d><t>2023-01-01T00:00:00.5+06:00</t><u>2025-09-02T10:00:00</u><n>x</n></a>",
            1000,
        )
        .unwrap();
        assert_eq!(node.need_date("d").unwrap().to_string(), "2025-09-02");
        assert_eq!(node.need_instant("t").unwrap().to_string(), "2022-12-31T18:00:00.5Z");
        assert_eq!(node.need_instant("u").unwrap().to_string(), "2025-09-02T05:00:00Z");
        assert_eq!(node.need_date("n").unwrap_err().what, "not a date");
        assert_eq!(instant_text("2025-09-02T05:00:00.25Z".parse().unwrap()), "2025-09-02T10:00:00.250+05:00");
    }

    #[test]
    fn written_text_reads_back() {
        let node = Node::new("a")
            .field("b", "1 < 2 & \"3\"")
            .child(Node::new("c").maybe("d", Some("0")).maybe("e", None::<String>));
        assert_eq!(parse(node.to_xml().as_bytes(), 1000).unwrap(), node);
    }
}
