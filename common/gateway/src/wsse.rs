//! Signed envelopes: what we send is signed and what comes is verified, through NCANode's WS-Security calls.
//!
//! NCANode takes the first element that is literally called `ds:Signature` and does not say what it covers. So the
//! envelope is read here first: one signature, over one reference, to the one body that is read afterwards.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::config::ConfigProblem;
use crate::eds::{Certificate, NcaNode, Unavailable, certificate_stands};

/// Exclusive canonicalisation, without comments: the only transformation that is accepted.
const CANONICAL: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// Most elements that an envelope may have.
const MAX_ELEMENTS: usize = 20_000;

/// Signs and verifies envelopes.
pub struct Envelopes {
    node: NcaNode,
    key: String,
    password: SecretString,
    peer: String,
}

impl fmt::Debug for Envelopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelopes").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// Why an envelope was not signed, or not accepted. Holds nothing of the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    /// NCANode cannot be asked, or could not find out.
    #[error("the signature service cannot say just now")]
    Later,
    /// NCANode does not sign with our key.
    #[error("the signature service does not sign with our key")]
    NotSigned,
    /// The envelope is not signed as agreed; what is wrong with it.
    #[error("the envelope's signature is not accepted: {0}")]
    NotVerified(&'static str),
}

#[derive(Deserialize)]
struct Signed {
    xml: String,
}

#[derive(Deserialize)]
struct Verified {
    #[serde(default)]
    valid: bool,
    #[serde(default)]
    signers: Vec<Certificate>,
}

impl Envelopes {
    /// With our key (PKCS#12, base64) and its password; `peer` is the BIN of the gateway's own certificate.
    ///
    /// # Errors
    /// An empty key, or a peer that is no twelve digits.
    pub fn new(node: NcaNode, key: String, password: SecretString, peer: &str) -> Result<Self, ConfigProblem> {
        if key.is_empty() {
            return Err(ConfigProblem::new("key_file", "holds no key"));
        }
        if peer.len() != 12 || !peer.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ConfigProblem::new("peer_bin", "is not the twelve digits of the gateway's BIN"));
        }
        Ok(Self { node, key, password, peer: peer.to_owned() })
    }

    /// The envelope with our signature over its body.
    ///
    /// # Errors
    /// NCANode does not answer, or does not sign.
    pub async fn sign(&self, xml: &str) -> Result<String, SealFault> {
        let body = serde_json::json!({ "xml": xml, "key": self.key, "password": self.password.expose_secret() });
        let (signed, _) = self.node.post::<Signed>("/wsse/sign", &body).await.map_err(|why| match why {
            Unavailable::Later => SealFault::Later,
            Unavailable::Refused => SealFault::NotSigned,
        })?;
        Ok(signed.xml)
    }

    /// Accepts an envelope whose one body is signed by the gateway's own certificate, valid at this instant.
    ///
    /// # Errors
    /// What is wrong with it; [`SealFault::Later`] where that could not be found out.
    pub async fn verify(&self, xml: &[u8], at: Timestamp) -> Result<(), SealFault> {
        let text = std::str::from_utf8(xml).map_err(|_| SealFault::NotVerified("not UTF-8"))?;
        covered(text).map_err(SealFault::NotVerified)?;
        let body = serde_json::json!({ "revocationCheck": NcaNode::sources(), "xml": text });
        let (answer, _) = self.node.post::<Verified>("/wsse/verify", &body).await.map_err(|why| match why {
            Unavailable::Later => SealFault::Later,
            Unavailable::Refused => SealFault::NotVerified("refused by the signature service"),
        })?;
        let [certificate] = answer.signers.as_slice() else {
            return Err(SealFault::NotVerified("not exactly one signer"));
        };
        match certificate_stands(certificate, self.node.issuers(), at) {
            Ok(()) => {}
            Err(reason) if reason.is_undetermined() => return Err(SealFault::Later),
            Err(reason) => return Err(SealFault::NotVerified(reason.label())),
        }
        let bin = certificate.subject.as_ref().and_then(|subject| subject.bin.as_deref());
        if bin != Some(self.peer.as_str()) {
            return Err(SealFault::NotVerified("another's certificate"));
        }
        if answer.valid { Ok(()) } else { Err(SealFault::NotVerified("the signature is not over this body")) }
    }
}

/// The one signature of an envelope covers its one body.
fn covered(xml: &str) -> Result<(), &'static str> {
    let mut found = Found::default();
    let mut reader = Reader::from_str(xml.trim_start_matches('\u{feff}'));
    let mut path: Vec<String> = Vec::new();
    let mut elements = 0_usize;
    loop {
        match reader.read_event().map_err(|_| "not well-formed")? {
            Event::Start(start) => {
                elements += 1;
                path.push(start.local_name().into_inner().to_owned());
                found.element(&path, &start)?;
            }
            Event::Empty(start) => {
                elements += 1;
                path.push(start.local_name().into_inner().to_owned());
                found.element(&path, &start)?;
                path.pop();
            }
            Event::End(_) => {
                path.pop();
            }
            Event::DocType(_) => return Err("a document type is not accepted"),
            Event::Eof => break,
            Event::Text(_)
            | Event::CData(_)
            | Event::GeneralRef(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::Comment(_) => {}
        }
        if elements > MAX_ELEMENTS {
            return Err("too many elements");
        }
    }
    found.verdict()
}

#[derive(Default)]
struct Found {
    bodies: usize,
    body_id: Option<String>,
    signatures: usize,
    tokens: usize,
    references: Vec<String>,
    ids: BTreeMap<String, usize>,
}

impl Found {
    fn element(&mut self, path: &[String], start: &BytesStart<'_>) -> Result<(), &'static str> {
        let at: Vec<&str> = path.iter().map(String::as_str).collect();
        let mut own = None;
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| "not well-formed")?;
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .map_err(|_| "not well-formed")?
                .into_owned();
            match attribute.key.local_name().into_inner() {
                "Id" | "ID" | "id" => {
                    *self.ids.entry(value.clone()).or_default() += 1;
                    own = Some(value);
                }
                "URI" if at.last() == Some(&"Reference") && at.contains(&"SignedInfo") => self.references.push(value),
                "Algorithm" if at.last() == Some(&"Transform") && value != CANONICAL => {
                    return Err("a transformation other than exclusive canonicalisation");
                }
                "Algorithm" if at.last() == Some(&"DigestMethod") && weak(&value) => return Err("a weak digest"),
                _ => {}
            }
        }
        match at.as_slice() {
            ["Envelope", "Body"] => {
                self.bodies += 1;
                self.body_id = own;
            }
            [.., "Body"] => return Err("a body in another place"),
            ["Envelope", "Header", "Security", "Signature"] => self.signatures += 1,
            [.., "Signature"] => return Err("a signature in another place"),
            [.., "SecurityTokenReference"] => self.tokens += 1,
            _ => {}
        }
        Ok(())
    }

    fn verdict(self) -> Result<(), &'static str> {
        if self.bodies != 1 {
            return Err("not exactly one body");
        }
        if self.signatures != 1 || self.tokens != 1 {
            return Err("not exactly one signature");
        }
        if self.ids.values().any(|times| *times > 1) {
            return Err("an id that stands twice");
        }
        let [reference] = self.references.as_slice() else { return Err("not exactly one reference") };
        match (reference.strip_prefix('#'), self.body_id) {
            (Some(named), Some(id)) if named == id => Ok(()),
            _ => Err("the signature does not cover the body"),
        }
    }
}

fn weak(algorithm: &str) -> bool {
    algorithm.ends_with("#sha1") || algorithm.ends_with("#md5")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(header: &str, body: &str) -> String {
        format!(
            "<soap:Envelope xmlns:soap=\"s\" xmlns:wsu=\"u\" xmlns:ds=\"d\" xmlns:wsse=\"w\"><soap:Header>{header}\
             </soap:Header>{body}</soap:Envelope>"
        )
    }

    fn security(uri: &str, transform: &str) -> String {
        format!(
            "<wsse:Security><ds:Signature><ds:SignedInfo><ds:Reference URI=\"{uri}\"><ds:Transforms><ds:Transform \
             Algorithm=\"{transform}\"/></ds:Transforms><ds:DigestMethod Algorithm=\"x#sha256\"/></ds:Reference>\
             </ds:SignedInfo><ds:KeyInfo><wsse:SecurityTokenReference/></ds:KeyInfo></ds:Signature></wsse:Security>"
        )
    }

    const BODY: &str = "<soap:Body wsu:Id=\"id-1\"><a/></soap:Body>";

    #[test]
    fn a5_5_one_signature_covers_the_one_body_that_is_read() {
        let good = security("#id-1", CANONICAL);
        assert_eq!(covered(&envelope(&good, BODY)), Ok(()));
        let wrapped = "<x><soap:Body wsu:Id=\"id-1\"><a/></soap:Body></x>";
        let other = "<soap:Body wsu:Id=\"id-2\"><forged/></soap:Body>";
        for (what, text) in [
            ("no signature", envelope("", BODY)),
            ("two signatures", envelope(&format!("{good}{good}"), BODY)),
            (
                "the signed body was moved aside and another put in its place",
                envelope(&format!("{good}{wrapped}"), other),
            ),
            ("the signature is over something else", envelope(&security("#id-2", CANONICAL), BODY)),
            ("over everything but what it says", envelope(&security("", CANONICAL), BODY)),
            ("two bodies", envelope(&good, &format!("{BODY}{other}"))),
            ("an id that stands twice", envelope(&format!("{good}<x Id=\"id-1\"/>"), BODY)),
            ("a transformation that leaves something out", envelope(&security("#id-1", "x#xpath"), BODY)),
            ("a signature under another prefix first", envelope(&format!("<e:Signature/>{good}"), BODY)),
            ("a document type", format!("<!DOCTYPE a [<!ENTITY b 'c'>]>{}", envelope(&good, BODY))),
            ("no XML", "<a".to_owned()),
        ] {
            assert!(covered(&text).is_err(), "{what}");
        }
    }
}
