//! Keys to sign with: a demo authority, and a certificate for each person and officer, made when asked.
//!
//! All keys follow from the seed, so that every process with the same seed has the same authority.

use anyhow::Context as _;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use kezek_domain::Iin;
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, BigNumContext};
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::stack::Stack;
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder};

use crate::random::digest;

const FROM: Date = date(2020, 1, 1);
const TO: Date = date(2040, 1, 1);
const NATURAL_PERSON: &str = "1.2.398.3.3.4.1.1";
const EMPLOYEE: &str = "1.2.398.3.3.4.1.2.5";

/// For what a key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// A natural person's key for signing.
    Person,
    /// A natural person's key for signing in, which signs nothing (a wrong choice).
    PersonAuthentication,
    /// An organisation employee's key for signing: an officer.
    Officer,
}

/// The authority that everybody here trusts, and nobody elsewhere.
pub struct Authority {
    seed: u64,
    key: PKey<Private>,
    certificate: X509,
}

/// A key with its certificate.
pub struct Signer {
    key: PKey<Private>,
    certificate: X509,
}

impl Authority {
    /// The authority of a seed.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn new(seed: u64) -> anyhow::Result<Self> {
        let key = key(seed, "authority")?;
        let subject = authority_name()?;
        let mut builder = builder(&subject, &key, &digest(seed, "serial", b"authority"))?;
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { seed, key, certificate: builder.build() })
    }

    /// The authority's certificate, PEM.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn pem(&self) -> anyhow::Result<Vec<u8>> {
        Ok(self.certificate.to_pem()?)
    }

    /// A key and certificate for a person; the same key each time.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn signer(&self, iin: &Iin, kind: KeyKind) -> anyhow::Result<Signer> {
        let who = format!("{kind:?}/{}", iin.expose());
        let key = key(self.seed, &who)?;
        let mut subject = X509NameBuilder::new()?;
        subject.append_entry_by_nid(Nid::COMMONNAME, "DEMO PERSON")?;
        subject.append_entry_by_nid(Nid::SERIALNUMBER, &format!("IIN{}", iin.expose()))?;
        subject.append_entry_by_nid(Nid::COUNTRYNAME, "KZ")?;
        let mut builder = builder(&subject.build(), &key, &digest(self.seed, "serial", who.as_bytes()))?;
        let mut usage = KeyUsage::new();
        usage.critical().digital_signature();
        match kind {
            KeyKind::Person | KeyKind::Officer => usage.non_repudiation(),
            KeyKind::PersonAuthentication => usage.key_encipherment(),
        };
        builder.append_extension(usage.build()?)?;
        let extended = if kind == KeyKind::Officer { EMPLOYEE } else { NATURAL_PERSON };
        builder.append_extension(ExtendedKeyUsage::new().email_protection().other(extended).build()?)?;
        builder.sign(&self.key, MessageDigest::sha256())?;
        Ok(Signer { key, certificate: builder.build() })
    }
}

impl Signer {
    /// A detached signature over exactly these bytes: CMS, DER.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn sign_detached(&self, content: &[u8]) -> anyhow::Result<Vec<u8>> {
        let none: Stack<X509> = Stack::new()?;
        let options = CMSOptions::BINARY | CMSOptions::DETACHED | CMSOptions::NOSMIMECAP;
        let cms = CmsContentInfo::sign(Some(&self.certificate), Some(&self.key), Some(&none), Some(content), options)?;
        Ok(cms.to_der()?)
    }
}

fn authority_name() -> anyhow::Result<X509Name> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "KEZEK DEMO CA")?;
    name.append_entry_by_nid(Nid::COUNTRYNAME, "KZ")?;
    Ok(name.build())
}

fn key(seed: u64, who: &str) -> anyhow::Result<PKey<Private>> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let mut context = BigNumContext::new()?;
    let mut order = BigNum::new()?;
    group.order(&mut order, &mut context)?;
    // 1 ..= order - 1
    order.sub_word(1)?;
    let mut secret = BigNum::new()?;
    let wide = BigNum::from_slice(&digest(seed, "key", who.as_bytes()))?;
    secret.nnmod(&wide, &order, &mut context)?;
    secret.add_word(1)?;
    let mut public = EcPoint::new(&group)?;
    public.mul_generator2(&group, &secret, &mut context)?;
    Ok(PKey::from_ec_key(EcKey::from_private_components(&group, &secret, &public)?)?)
}

fn builder(subject: &X509Name, key: &PKey<Private>, serial: &[u8; 32]) -> anyhow::Result<X509Builder> {
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_subject_name(subject)?;
    let authority = authority_name()?;
    builder.set_issuer_name(&authority)?;
    builder.set_serial_number(&*Asn1Integer::from_bn(&*BigNum::from_slice(&serial[..16])?)?)?;
    builder.set_pubkey(key)?;
    for (day, from) in [(FROM, true), (TO, false)] {
        let at = day.to_zoned(TimeZone::UTC).context("date out of range")?.timestamp().as_second();
        let time = Asn1Time::from_unix(at)?;
        if from { builder.set_not_before(&time)? } else { builder.set_not_after(&time)? }
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Population;
    use kezek_gateway::eds::{CmsVerifier, Reason, SignatureVerifier as _, SignerRole, Verification};

    #[test]
    fn a3_12_what_a_person_signs_is_verified_by_any_process_with_the_seed() -> anyhow::Result<()> {
        let people = Population::new(9, 2, date(2025, 9, 2));
        let (anna, boris) = (&people.people()[0].iin, &people.people()[1].iin);
        let at = "2025-09-02T05:00:00Z".parse()?;
        let signature = Authority::new(9)?.signer(anna, KeyKind::Person)?.sign_detached(b"bytes\n")?;
        let verifier = CmsVerifier::new(&Authority::new(9)?.pem()?)?;
        let judge = |signature: &[u8], who, role| match verifier.verify(b"bytes\n", signature, who, role, at) {
            Verification::Verified(_) => None,
            Verification::NotVerified { reason } => Some(reason),
        };
        assert_eq!(judge(&signature, anna, SignerRole::Applicant), None);
        assert_eq!(judge(&signature, boris, SignerRole::Applicant), Some(Reason::OtherPerson));
        let authentication =
            Authority::new(9)?.signer(anna, KeyKind::PersonAuthentication)?.sign_detached(b"bytes\n")?;
        assert_eq!(judge(&authentication, anna, SignerRole::Applicant), Some(Reason::NotForSigning));
        let officer = Authority::new(9)?.signer(boris, KeyKind::Officer)?.sign_detached(b"bytes\n")?;
        assert_eq!(judge(&officer, boris, SignerRole::Officer), None);
        assert_eq!(judge(&officer, boris, SignerRole::Applicant), Some(Reason::WrongRole));
        let other = Authority::new(10)?.signer(anna, KeyKind::Person)?.sign_detached(b"bytes\n")?;
        assert_eq!(judge(&other, anna, SignerRole::Applicant), Some(Reason::NotTrusted));
        Ok(())
    }
}
