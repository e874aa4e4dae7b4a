//! Signed envelopes, as NCANode makes and checks them, but over the bytes as they stand.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use openssl::sign::Verifier;
use openssl::x509::X509;
use sha2::{Digest as _, Sha256};

use crate::signer::Signer;

const CANONICAL: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const SECURITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const UTILITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";

/// The envelope with a signature over its body in its header.
///
/// # Errors
/// Where it is no envelope.
pub fn sign(xml: &str, key: &Signer) -> anyhow::Result<String> {
    let start = body(xml).context("no body")?;
    let (before, rest) = xml.split_at(start);
    let name_end = rest.find(['>', ' ', '/']).context("no body")?;
    let prefix = rest.get(1..name_end).and_then(|name| name.strip_suffix("Body")).context("no body")?;
    let (open, inside) = rest.split_at(name_end);
    let id = format!("id-{}", hex::encode(&Sha256::digest(rest)[..16]));
    let signed = format!("{open} xmlns:wsu=\"{UTILITY}\" wsu:Id=\"{id}\"{inside}");
    let whole = element(&signed, 0).context("the body is not closed")?;
    let info = format!(
        "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{CANONICAL}\"/><ds:SignatureMethod \
         Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256\"/><ds:Reference URI=\"#{id}\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{CANONICAL}\"/></ds:Transforms><ds:DigestMethod \
         Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue>{}</ds:DigestValue></ds:Reference>\
         </ds:SignedInfo>",
        STANDARD.encode(Sha256::digest(whole))
    );
    let header = format!(
        "<wsse:Security xmlns:wsse=\"{SECURITY}\"><ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">{info}\
         <ds:SignatureValue>{}</ds:SignatureValue><ds:KeyInfo><wsse:SecurityTokenReference><wsse:KeyIdentifier>{}\
         </wsse:KeyIdentifier></wsse:SecurityTokenReference></ds:KeyInfo></ds:Signature></wsse:Security>",
        STANDARD.encode(key.sign_raw(info.as_bytes())?),
        STANDARD.encode(key.certificate()?),
    );
    let empty = format!("<{prefix}Header/>");
    let before = before.strip_suffix(&empty).unwrap_or(before);
    Ok(format!("{before}<{prefix}Header>{header}</{prefix}Header>{signed}"))
}

/// The certificate named by the first `ds:Signature`, and whether the signature is over whatever element bears the id
/// that it names, wherever that stands; `None` where there is no signature.
#[must_use]
pub fn verify(xml: &str) -> Option<(X509, bool)> {
    let signature = element(xml, xml.find("<ds:Signature ")?)?;
    let text = |name: &str| {
        let open = format!("<{name}>");
        let from = signature.find(&open)? + open.len();
        signature.get(from..from + signature.get(from..)?.find("</")?)
    };
    let certificate = X509::from_der(&STANDARD.decode(text("wsse:KeyIdentifier")?.trim()).ok()?).ok()?;
    let over = || -> Option<bool> {
        let info = element(signature, signature.find("<ds:SignedInfo")?)?;
        let uri = info.find("URI=\"#").map(|at| at + 6)?;
        let id = info.get(uri..uri + info.get(uri..)?.find('"')?)?;
        let named = xml.find(&format!("Id=\"{id}\""))?;
        let target = element(xml, xml.get(..named)?.rfind('<')?)?;
        let same = text("ds:DigestValue")? == STANDARD.encode(Sha256::digest(target));
        let value = STANDARD.decode(text("ds:SignatureValue")?).ok()?;
        let key = certificate.public_key().ok()?;
        let mut verifier = Verifier::new(MessageDigest::sha256(), &key).ok()?;
        Some(same && verifier.verify_oneshot(&value, info.as_bytes()).ok()?)
    };
    let over = over().unwrap_or(false);
    Some((certificate, over))
}

/// Where the first element called `Body` begins, under whatever prefix.
fn body(xml: &str) -> Option<usize> {
    xml.match_indices('<').map(|(at, _)| at).find(|at| {
        let name = xml.get(at + 1..).unwrap_or_default();
        let name = name.split(['>', ' ', '/']).next().unwrap_or_default();
        name == "Body" || name.ends_with(":Body")
    })
}

/// The element that begins at a place, up to the first end of its name.
fn element(xml: &str, start: usize) -> Option<&str> {
    let rest = xml.get(start..)?;
    let name = rest.get(1..)?.split(['>', ' ', '/']).next()?;
    let close = format!("</{name}>");
    let end = rest.find(&close)? + close.len();
    rest.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signer::Authority;

    #[test]
    fn a_signed_envelope_verifies_until_a_byte_of_its_body_changes() -> anyhow::Result<()> {
        let key = Authority::new(3)?.gateway()?;
        for xml in [
            "<?xml version='1.0'?><S:Envelope xmlns:S=\"s\"><S:Header/><S:Body><a>1</a></S:Body></S:Envelope>",
            "<soap:Envelope xmlns:soap=\"s\"><soap:Body><a>1</a></soap:Body></soap:Envelope>",
        ] {
            let signed = sign(xml, &key)?;
            assert!(verify(&signed).context("signed")?.1, "{signed}");
            assert!(!verify(&signed.replace("<a>1", "<a>2")).context("signed")?.1);
            assert!(verify(xml).is_none());
        }
        Ok(())
    }
}
