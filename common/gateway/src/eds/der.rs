//! The few questions to DER that OpenSSL's safe interface does not answer: how many signers a CMS
//! has, whether it carries its content, and which extended key usages a certificate names.
//!
//! Reads definite lengths only (DER), within the bytes given; anything else is `None`.

use super::Reason;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const OCTETS: u8 = 0x04;
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_3: u8 = 0xa3;
/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 2.5.29.37
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];

/// Reads one element: its tag, its content and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 || rest.len() < count {
            return None;
        }
        let (digits, rest) = rest.split_at(count);
        (digits.iter().fold(0_usize, |sum, digit| (sum << 8) | usize::from(*digit)), rest)
    };
    (rest.len() >= length).then(|| {
        let (content, rest) = rest.split_at(length);
        (tag, content, rest)
    })
}

/// Reads one element that must have this tag: its content and what follows it.
fn expect(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    element(bytes).and_then(|(tag, content, rest)| (tag == wanted).then_some((content, rest)))
}

/// All elements in a row.
fn elements(mut bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (tag, content, rest) = element(bytes)?;
        all.push((tag, content));
        bytes = rest;
    }
    Some(all)
}

/// How a CMS `SignedData` is made.
#[derive(Debug, PartialEq, Eq)]
pub struct CmsShape {
    /// How many have signed.
    pub signers: usize,
    /// Whether the content is elsewhere.
    pub detached: bool,
}

/// What the first signer of a CMS has put down.
#[derive(Debug, PartialEq, Eq)]
pub struct SignerInfo {
    /// The algorithm of the signature, dotted.
    pub algorithm: String,
    /// The signature itself.
    pub value: Vec<u8>,
}

/// The first signer of a CMS; `None` where there is none or it cannot be read.
#[must_use]
pub fn first_signer(bytes: &[u8]) -> Option<SignerInfo> {
    cms_shape(bytes)?;
    let (info, _) = expect(bytes, SEQUENCE)?;
    let (_, rest) = expect(info, OID)?;
    let (explicit, _) = expect(rest, CONTEXT_0)?;
    let (signed, _) = expect(explicit, SEQUENCE)?;
    let parts = elements(signed)?;
    let (_, signer_infos) = parts.last()?;
    let (signer, _) = expect(signer_infos, SEQUENCE)?;
    // version, sid, digestAlgorithm, [0] signedAttrs?, signatureAlgorithm, signature, [1] unsignedAttrs?
    let parts = elements(signer)?;
    let place = parts.iter().position(|(tag, _)| *tag == OCTETS)?;
    let (tag, algorithm) = parts.get(place.checked_sub(1)?)?;
    if *tag != SEQUENCE {
        return None;
    }
    let (id, _) = expect(algorithm, OID)?;
    Some(SignerInfo { algorithm: dotted(id)?, value: parts.get(place)?.1.to_vec() })
}

/// That a CMS has exactly one signer and carries no content of its own: what every verifier of ours takes.
///
/// # Errors
/// The first reason for which it is not.
pub fn one_detached(signature: &[u8]) -> Result<(), Reason> {
    let shape = cms_shape(signature).ok_or(Reason::Undecodable)?;
    match shape.signers {
        0 => Err(Reason::NoSigner),
        1 if shape.detached => Ok(()),
        1 => Err(Reason::NotDetached),
        _ => Err(Reason::SeveralSigners),
    }
}

/// The shape of a CMS; `None` where the bytes are not one whole `SignedData` in DER.
#[must_use]
pub fn cms_shape(bytes: &[u8]) -> Option<CmsShape> {
    let (info, after) = expect(bytes, SEQUENCE)?;
    if !after.is_empty() {
        return None;
    }
    let (kind, rest) = expect(info, OID)?;
    if kind != SIGNED_DATA {
        return None;
    }
    let (explicit, _) = expect(rest, CONTEXT_0)?;
    let (signed, _) = expect(explicit, SEQUENCE)?;
    // version, digestAlgorithms, encapContentInfo, [0] certificates?, [1] crls?, signerInfos
    let parts = elements(signed)?;
    let (tag, encapsulated) = parts.get(2)?;
    let (last_tag, signer_infos) = parts.last()?;
    if *tag != SEQUENCE || *last_tag != SET || parts.len() < 4 {
        return None;
    }
    Some(CmsShape { signers: elements(signer_infos)?.len(), detached: elements(encapsulated)?.len() == 1 })
}

/// The extended key usages that a certificate names, dotted; empty where it names none.
#[must_use]
pub fn extended_key_usages(certificate: &[u8]) -> Option<Vec<String>> {
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (to_be_signed, _) = expect(certificate, SEQUENCE)?;
    let Some((_, wrapped)) = elements(to_be_signed)?.into_iter().find(|(tag, _)| *tag == CONTEXT_3) else {
        return Some(Vec::new());
    };
    let (extensions, _) = expect(wrapped, SEQUENCE)?;
    for (_, extension) in elements(extensions)? {
        let parts = elements(extension)?;
        if parts.first().is_some_and(|(tag, id)| *tag == OID && *id == EXTENDED_KEY_USAGE) {
            let (tag, value) = parts.last()?;
            if *tag != OCTETS {
                return None;
            }
            let (usages, _) = expect(value, SEQUENCE)?;
            return elements(usages)?.into_iter().map(|(tag, id)| (tag == OID).then(|| dotted(id)).flatten()).collect();
        }
    }
    Some(Vec::new())
}

fn dotted(id: &[u8]) -> Option<String> {
    let mut arcs: Vec<u64> = Vec::new();
    let mut value = 0_u64;
    for byte in id {
        value = value.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            if arcs.is_empty() {
                let top = (value / 40).min(2);
                arcs.extend([top, value - top * 40]);
            } else {
                arcs.push(value);
            }
            value = 0;
        }
    }
    Some(arcs.iter().map(u64::to_string).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_ids_are_dotted() {
        assert_eq!(dotted(&[0x2a, 0x83, 0x0e, 0x03, 0x03, 0x04, 0x01, 0x01]).as_deref(), Some("1.2.398.3.3.4.1.1"));
        assert_eq!(dotted(EXTENDED_KEY_USAGE).as_deref(), Some("2.5.29.37"));
    }

    #[test]
    fn cut_or_wild_bytes_are_nothing() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 0x05, 0x01],
            &[0x30, 0x80, 0x00, 0x00],
            &[0x30, 0x85, 1, 1, 1, 1, 1],
            &[0xff; 40],
        ] {
            assert_eq!(cms_shape(bytes), None);
            assert_eq!(extended_key_usages(bytes), None);
        }
    }
}
