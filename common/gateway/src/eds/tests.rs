//! A3.12, A11a: every rule of the verifier, with keys made on the spot.

use jiff::{Timestamp, ToSpan};
use kezek_domain::{Iin, IinProfile};
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::stack::Stack;
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use openssl::x509::{X509, X509Builder, X509NameBuilder};

use super::super::der::{CmsShape, cms_shape};
use super::*;

const ANNA: &str = "000101200032";
const BORIS: &str = "850101100012";
const CONTENT: &[u8] = b"line one\nline two\r\n";

struct Party {
    key: PKey<Private>,
    certificate: X509,
}

fn now() -> Timestamp {
    "2025-09-02T10:00:00+05:00".parse().unwrap()
}

fn iin(text: &str) -> Iin {
    Iin::parse(text, IinProfile::Demo).unwrap()
}

fn builder(name: &str, serial_field: Option<&str>, number: u32, key: &PKey<Private>, years: (i64, i64)) -> X509Builder {
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    if let Some(field) = serial_field {
        subject.append_entry_by_nid(Nid::SERIALNUMBER, field).unwrap();
    }
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&subject.build()).unwrap();
    builder.set_serial_number(&Asn1Integer::from_bn(&BigNum::from_u32(number).unwrap()).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    let at = |years: i64| now().checked_add((years * 365 * 24).hours()).unwrap().as_second();
    builder.set_not_before(&Asn1Time::from_unix(at(years.0)).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(at(years.1)).unwrap()).unwrap();
    builder
}

fn key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn authority() -> Party {
    let key = key();
    let mut builder = builder("demo CA", None, 1, &key, (-5, 5));
    let name = X509NameBuilder::new()
        .map(|mut name| name.append_entry_by_nid(Nid::COMMONNAME, "demo CA").map(|()| name.build()))
        .unwrap()
        .unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    Party { certificate: builder.build(), key }
}

fn person(ca: &Party, serial_field: Option<&str>, for_signing: bool, usage: &str, years: (i64, i64)) -> Party {
    let key = key();
    let mut builder = builder("demo person", serial_field, 2, &key, years);
    builder.set_issuer_name(ca.certificate.subject_name()).unwrap();
    let mut bits = KeyUsage::new();
    bits.critical().digital_signature();
    if for_signing {
        bits.non_repudiation()
    } else {
        bits.key_encipherment()
    };
    builder.append_extension(bits.build().unwrap()).unwrap();
    builder.append_extension(ExtendedKeyUsage::new().email_protection().other(usage).build().unwrap()).unwrap();
    builder.sign(&ca.key, MessageDigest::sha256()).unwrap();
    Party { certificate: builder.build(), key }
}

fn anna(ca: &Party) -> Party {
    person(ca, Some(&format!("IIN{ANNA}")), true, NATURAL_PERSON, (-1, 1))
}

fn sign(party: &Party, content: &[u8], options: CMSOptions) -> Vec<u8> {
    let none: Stack<X509> = Stack::new().unwrap();
    CmsContentInfo::sign(
        Some(&party.certificate),
        Some(&party.key),
        Some(&none),
        Some(content),
        CMSOptions::BINARY | options,
    )
    .unwrap()
    .to_der()
    .unwrap()
}

fn verifier(ca: &Party) -> CmsVerifier {
    CmsVerifier::new(&ca.certificate.to_pem().unwrap()).unwrap()
}

fn reason(verification: Verification) -> Option<Reason> {
    match verification {
        Verification::Verified(_) => None,
        Verification::NotVerified { reason } => Some(reason),
    }
}

fn judge(ca: &Party, signature: &[u8]) -> Option<Reason> {
    reason(verifier(ca).verify(&Asked {
        content: CONTENT,
        signature,
        expected: &iin(ANNA),
        role: SignerRole::Applicant,
        at: now(),
    }))
}

fn detached(party: &Party) -> Vec<u8> {
    sign(party, CONTENT, CMSOptions::DETACHED)
}

#[test]
fn a3_12_a_good_signature_gives_evidence() {
    let ca = authority();
    let signature = detached(&anna(&ca));
    let Verification::Verified(evidence) = verifier(&ca).verify(&Asked {
        content: CONTENT,
        signature: &signature,
        expected: &iin(ANNA),
        role: SignerRole::Applicant,
        at: now(),
    }) else {
        unreachable!("the signature is good")
    };
    assert_eq!(evidence.signer_iin, iin(ANNA));
    assert_eq!(evidence.certificate_serial, "02");
    assert_eq!(evidence.evidence_sha256.len(), 64);
    assert_eq!(evidence.signed_with, "ecdsa-with-SHA256");
    assert!(!format!("{evidence:?}").contains(ANNA));
}

#[test]
fn a3_12_other_bytes_or_another_person_do_not_pass() {
    let ca = authority();
    let signature = detached(&anna(&ca));
    let check = verifier(&ca);
    for content in [&b"line one\nline two\n"[..], b"", b"line one\r\nline two\r\n"] {
        assert_eq!(
            reason(check.verify(&Asked {
                content,
                signature: &signature,
                expected: &iin(ANNA),
                role: SignerRole::Applicant,
                at: now()
            })),
            Some(Reason::ContentDiffers)
        );
    }
    assert_eq!(
        reason(check.verify(&Asked {
            content: CONTENT,
            signature: &signature,
            expected: &iin(BORIS),
            role: SignerRole::Applicant,
            at: now()
        })),
        Some(Reason::OtherPerson)
    );
}

#[test]
fn validity_is_judged_at_the_instant_given_and_not_now() {
    let ca = authority();
    let signature = detached(&anna(&ca));
    let check = verifier(&ca);
    for hours in [-366 * 24_i64, 366 * 24] {
        let at = now().checked_add(hours.hours()).unwrap();
        assert_eq!(
            reason(check.verify(&Asked {
                content: CONTENT,
                signature: &signature,
                expected: &iin(ANNA),
                role: SignerRole::Applicant,
                at
            })),
            Some(Reason::OutOfValidity)
        );
    }
    let expired = person(&ca, Some(&format!("IIN{ANNA}")), true, NATURAL_PERSON, (-3, -2));
    assert_eq!(judge(&ca, &detached(&expired)), Some(Reason::OutOfValidity));
}

#[test]
fn keys_that_do_not_fit_are_refused() {
    let ca = authority();
    let field = format!("IIN{ANNA}");
    let auth = person(&ca, Some(&field), false, NATURAL_PERSON, (-1, 1));
    assert_eq!(judge(&ca, &detached(&auth)), Some(Reason::NotForSigning));
    let employee = person(&ca, Some(&field), true, "1.2.398.3.3.4.1.2.5", (-1, 1));
    assert_eq!(judge(&ca, &detached(&employee)), Some(Reason::WrongRole));
    assert_eq!(
        reason(verifier(&ca).verify(&Asked {
            content: CONTENT,
            signature: &detached(&employee),
            expected: &iin(ANNA),
            role: SignerRole::Officer,
            at: now()
        })),
        None
    );
    // 1.2.398.3.3.4.1.20 is no branch of 1.2.398.3.3.4.1.2
    let stranger = person(&ca, Some(&field), true, "1.2.398.3.3.4.1.20", (-1, 1));
    assert_eq!(
        reason(verifier(&ca).verify(&Asked {
            content: CONTENT,
            signature: &detached(&stranger),
            expected: &iin(ANNA),
            role: SignerRole::Officer,
            at: now()
        })),
        Some(Reason::WrongRole)
    );
    assert_eq!(judge(&ca, &detached(&person(&ca, None, true, NATURAL_PERSON, (-1, 1)))), Some(Reason::NoIin));
    assert_eq!(judge(&ca, &detached(&person(&ca, Some(ANNA), true, NATURAL_PERSON, (-1, 1)))), Some(Reason::NoIin));
}

#[test]
fn only_the_trusted_authority_counts() {
    let (ca, other) = (authority(), authority());
    assert_eq!(judge(&ca, &detached(&anna(&other))), Some(Reason::NotTrusted));
    let alone = Party { certificate: other.certificate.clone(), key: other.key.clone() };
    assert_eq!(judge(&ca, &detached(&alone)), Some(Reason::NotTrusted));
    assert!(CmsVerifier::new(b"").is_err());
    assert!(CmsVerifier::new(b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----").is_err());
}

#[test]
fn the_shape_must_be_one_signer_detached_with_its_certificate() {
    let ca = authority();
    let signer = anna(&ca);
    assert_eq!(judge(&ca, b"rubbish"), Some(Reason::Undecodable));
    assert_eq!(judge(&ca, &[]), Some(Reason::Undecodable));
    let good = detached(&signer);
    assert_eq!(judge(&ca, &good[..good.len() - 1]), Some(Reason::Undecodable));
    assert_eq!(judge(&ca, &[good.as_slice(), b"x"].concat()), Some(Reason::Undecodable));
    // an attached signature over these very bytes is still not what was asked for
    assert_eq!(judge(&ca, &sign(&signer, CONTENT, CMSOptions::empty())), Some(Reason::NotDetached));
    assert_eq!(
        judge(&ca, &sign(&signer, CONTENT, CMSOptions::DETACHED | CMSOptions::CMS_NOCERTS)),
        Some(Reason::NoCertificate)
    );
    let two = surgery::with_signers_of(&good, &[&good, &detached(&anna(&ca))]);
    assert_eq!(cms_shape(&two), Some(CmsShape { signers: 2, detached: true }));
    assert_eq!(judge(&ca, &two), Some(Reason::SeveralSigners));
    let nobody = surgery::with_signers_of(&good, &[]);
    assert_eq!(judge(&ca, &nobody), Some(Reason::NoSigner));
}

/// A revocation list of the authority: that of certificate number 3, or of number 2 as well.
fn revocation_list(ca: &Party, also_ours: bool) -> Vec<u8> {
    use openssl::x509::extension::AuthorityKeyIdentifier;
    use openssl::x509::{CrlNumber, X509CrlBuilder, X509RevokedBuilder};
    let day = |days: i64| Asn1Time::from_unix(now().checked_add((days * 24).hours()).unwrap().as_second()).unwrap();
    let mut list = X509CrlBuilder::new().unwrap();
    list.set_issuer_name(ca.certificate.subject_name()).unwrap();
    list.set_last_update(&day(-1)).unwrap();
    list.set_next_update(&day(7)).unwrap();
    for number in if also_ours { &[3_u32, 2][..] } else { &[3] } {
        let mut revoked = X509RevokedBuilder::new().unwrap();
        revoked.set_serial_number(&Asn1Integer::from_bn(&BigNum::from_u32(*number).unwrap()).unwrap()).unwrap();
        revoked.set_revocation_date(&day(-1)).unwrap();
        list.add_revoked(revoked.build()).unwrap();
    }
    let issued = X509::builder().unwrap();
    let context = issued.x509v3_context(Some(&ca.certificate), None);
    list.append_extension(AuthorityKeyIdentifier::new().issuer(true).build(&context).unwrap()).unwrap();
    list.append_extension(CrlNumber::new(BigNum::from_u32(1).unwrap()).unwrap().build().unwrap()).unwrap();
    list.sign(&ca.key, MessageDigest::sha256()).unwrap();
    list.build().unwrap().to_pem().unwrap()
}

#[test]
fn a_revoked_certificate_does_not_sign_and_a_stale_list_says_nothing() {
    let ca = authority();
    let signature = detached(&anna(&ca));
    let path = std::env::temp_dir().join(format!("kezek-crl-{}.pem", std::process::id()));
    let judge_with = |list: &[u8], at: Timestamp| {
        std::fs::write(&path, list).unwrap();
        let check = verifier(&ca).with_crl_file(&path).unwrap();
        reason(check.verify(&Asked {
            content: CONTENT,
            signature: &signature,
            expected: &iin(ANNA),
            role: SignerRole::Applicant,
            at,
        }))
    };
    assert_eq!(judge_with(&revocation_list(&ca, false), now()), None);
    assert_eq!(judge_with(&revocation_list(&ca, true), now()), Some(Reason::Revoked));
    let later = now().checked_add((9 * 24).hours()).unwrap();
    assert_eq!(judge_with(&revocation_list(&ca, false), later), Some(Reason::RevocationUnknown));
    assert_eq!(judge_with(&revocation_list(&authority(), false), now()), Some(Reason::RevocationUnknown));
    std::fs::remove_file(&path).unwrap();
    assert!(verifier(&ca).with_crl_file(&path).is_err());
}

/// Takes a CMS apart and puts the signers of others into it.
mod surgery {
    fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82, length[0], length[1]], content].concat()
    }

    /// One element with its head, and what follows.
    fn whole(bytes: &[u8]) -> (&[u8], &[u8]) {
        let (head, length) = match bytes[1] {
            short @ 0..=0x7f => (2, usize::from(short)),
            0x81 => (3, usize::from(bytes[2])),
            _ => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
        };
        bytes.split_at(head + length)
    }

    fn inside(element: &[u8]) -> &[u8] {
        let head = match element[1] {
            0..=0x7f => 2,
            0x81 => 3,
            _ => 4,
        };
        &element[head..]
    }

    fn parts(cms: &[u8]) -> (Vec<&[u8]>, Vec<&[u8]>) {
        let mut outer = inside(cms);
        let (oid, rest) = whole(outer);
        outer = rest;
        let mut signed = inside(inside(outer));
        let mut parts = Vec::new();
        while !signed.is_empty() {
            let (part, rest) = whole(signed);
            parts.push(part);
            signed = rest;
        }
        (vec![oid], parts)
    }

    pub fn with_signers_of(base: &[u8], others: &[&[u8]]) -> Vec<u8> {
        let (oid, mut all) = parts(base);
        all.pop();
        let signers: Vec<u8> =
            others.iter().flat_map(|other| inside(parts(other).1.last().unwrap()).to_vec()).collect();
        let signers = wrap(0x31, &signers);
        all.push(&signers);
        let signed = wrap(0x30, &all.concat());
        let explicit = wrap(0xa0, &signed);
        wrap(0x30, &[oid[0], &explicit].concat())
    }
}
