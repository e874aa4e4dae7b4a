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
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::stack::Stack;
use openssl::x509::extension::{AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage};
use openssl::x509::{
    CrlNumber, X509, X509Builder, X509CrlBuilder, X509Name, X509NameBuilder, X509Ref, X509RevokedBuilder,
};

use crate::random::digest;

const FROM: Date = date(2020, 1, 1);
const TO: Date = date(2040, 1, 1);
const NATURAL_PERSON: &str = "1.2.398.3.3.4.1.1";
const EMPLOYEE: &str = "1.2.398.3.3.4.1.2.5";
const ORGANISATION: &str = "1.2.398.3.3.4.1.2";

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

/// The BIN in the certificate of the gateway's own key; nobody's.
pub const GATEWAY_BIN: &str = "000000000017";
/// The authority's distinguished name, as NCANode writes it.
pub const AUTHORITY_DN: &str = "C=KZ, CN=KEZEK DEMO CA";

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

impl Authority {
    /// The key with which the gateway signs its envelopes.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn gateway(&self) -> anyhow::Result<Signer> {
        let key = key(self.seed, "gateway")?;
        let mut subject = X509NameBuilder::new()?;
        subject.append_entry_by_nid(Nid::COMMONNAME, "DEMO GATEWAY")?;
        subject.append_entry_by_nid(Nid::ORGANIZATIONALUNITNAME, &format!("BIN{GATEWAY_BIN}"))?;
        subject.append_entry_by_nid(Nid::COUNTRYNAME, "KZ")?;
        let mut builder = builder(&subject.build(), &key, &digest(self.seed, "serial", b"gateway"))?;
        builder.append_extension(KeyUsage::new().critical().digital_signature().non_repudiation().build()?)?;
        builder.append_extension(ExtendedKeyUsage::new().email_protection().other(ORGANISATION).build()?)?;
        builder.sign(&self.key, MessageDigest::sha256())?;
        Ok(Signer { key, certificate: builder.build() })
    }

    /// Whether a certificate was signed by this authority.
    #[must_use]
    pub fn signed(&self, certificate: &X509Ref) -> bool {
        certificate.verify(&self.key).unwrap_or(false)
    }

    /// A list of revoked certificates with these signers on it, PEM.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn revocation_list(&self, revoked: &[&Signer]) -> anyhow::Result<Vec<u8>> {
        let mut list = X509CrlBuilder::new()?;
        list.set_issuer_name(self.certificate.subject_name())?;
        list.set_last_update(&*Asn1Time::from_unix(unix(FROM)?)?)?;
        list.set_next_update(&*Asn1Time::from_unix(unix(TO)?)?)?;
        for signer in revoked {
            let mut entry = X509RevokedBuilder::new()?;
            entry.set_serial_number(signer.certificate.serial_number())?;
            entry.set_revocation_date(&*Asn1Time::from_unix(unix(FROM)?)?)?;
            list.add_revoked(entry.build())?;
        }
        let issued = X509::builder()?;
        let context = issued.x509v3_context(Some(&self.certificate), None);
        list.append_extension(AuthorityKeyIdentifier::new().issuer(true).build(&context)?)?;
        list.append_extension(CrlNumber::new(BigNum::from_u32(1)?)?.build()?)?;
        list.sign(&self.key, MessageDigest::sha256())?;
        Ok(list.build()?.to_pem()?)
    }
}

impl Signer {
    /// The certificate, DER.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn certificate(&self) -> anyhow::Result<Vec<u8>> {
        Ok(self.certificate.to_der()?)
    }

    /// Key and certificate as PKCS#12, DER.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn pkcs12(&self, password: &str) -> anyhow::Result<Vec<u8>> {
        let store = Pkcs12::builder().name("demo").pkey(&self.key).cert(&self.certificate).build2(password)?;
        Ok(store.to_der()?)
    }

    /// The key of a PKCS#12 file.
    ///
    /// # Errors
    /// Where the password is another, or the file holds no key.
    pub fn from_pkcs12(der: &[u8], password: &str) -> anyhow::Result<Self> {
        let parsed = Pkcs12::from_der(der)?.parse2(password)?;
        let (key, certificate) = (parsed.pkey.context("no key")?, parsed.cert.context("no certificate")?);
        Ok(Self { key, certificate })
    }

    /// A bare signature with SHA-256.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn sign_raw(&self, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
        Ok(openssl::sign::Signer::new(MessageDigest::sha256(), &self.key)?.sign_oneshot_to_vec(bytes)?)
    }

    /// A signature that carries its content: CMS, DER (a wrong choice).
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn sign_attached(&self, content: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.cms(content, CMSOptions::BINARY | CMSOptions::NOSMIMECAP)
    }

    /// A detached signature without the signer's certificate: CMS, DER (a wrong choice).
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn sign_without_certificate(&self, content: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.cms(content, CMSOptions::BINARY | CMSOptions::DETACHED | CMSOptions::NOSMIMECAP | CMSOptions::CMS_NOCERTS)
    }

    fn cms(&self, content: &[u8], options: CMSOptions) -> anyhow::Result<Vec<u8>> {
        let none: Stack<X509> = Stack::new()?;
        let cms = CmsContentInfo::sign(Some(&self.certificate), Some(&self.key), Some(&none), Some(content), options)?;
        Ok(cms.to_der()?)
    }

    /// A detached signature over exactly these bytes: CMS, DER.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn sign_detached(&self, content: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.cms(content, CMSOptions::BINARY | CMSOptions::DETACHED | CMSOptions::NOSMIMECAP)
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

fn unix(day: Date) -> anyhow::Result<i64> {
    Ok(day.to_zoned(TimeZone::UTC).context("date out of range")?.timestamp().as_second())
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
        let time = Asn1Time::from_unix(unix(day)?)?;
        if from { builder.set_not_before(&time)? } else { builder.set_not_after(&time)? }
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::population::Population;
    use kezek_gateway::eds::{Asked, CmsVerifier, Reason, SignerRole, Verification};

    #[test]
    fn a3_12_what_a_person_signs_is_verified_by_any_process_with_the_seed() -> anyhow::Result<()> {
        let people = Population::new(9, 2, date(2025, 9, 2));
        let (anna, boris) = (&people.people()[0].iin, &people.people()[1].iin);
        let at = "2025-09-02T05:00:00Z".parse()?;
        let signature = Authority::new(9)?.signer(anna, KeyKind::Person)?.sign_detached(b"bytes\n")?;
        let verifier = CmsVerifier::new(&Authority::new(9)?.pem()?)?;
        let judge = |signature: &[u8], who, role| match verifier.verify(&Asked {
            content: b"bytes\n",
            signature,
            expected: who,
            role,
            at,
        }) {
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
