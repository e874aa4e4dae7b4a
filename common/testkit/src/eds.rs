//! Keys and signatures for tests: an authority, a person's key, a detached signature over exact bytes.

use jiff::{SignedDuration, Timestamp};
use kezek_domain::Iin;
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::stack::Stack;
use openssl::x509::extension::{AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage};
use openssl::x509::{CrlNumber, X509, X509Builder, X509CrlBuilder, X509NameBuilder};

/// Extended key usage of a natural person.
const NATURAL_PERSON: &str = "1.2.398.3.3.4.1.1";

/// An authority and the keys that it certifies, valid for a year around an instant.
pub struct Authority {
    around: Timestamp,
    key: PKey<Private>,
    certificate: X509,
}

/// A person's signing key.
pub struct Signer {
    key: PKey<Private>,
    certificate: X509,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}
impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Authority {
    /// A new authority.
    ///
    /// # Errors
    /// Where OpenSSL cannot make keys.
    pub fn new(around: Timestamp) -> Result<Self, ErrorStack> {
        let key = key()?;
        let mut builder = builder("demo authority", None, 1, &key, around)?;
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_nid(Nid::COMMONNAME, "demo authority")?;
        builder.set_issuer_name(&name.build())?;
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { around, certificate: builder.build(), key })
    }
    /// Its certificate in PEM, for the verifier.
    ///
    /// # Errors
    /// Where OpenSSL cannot write it.
    pub fn pem(&self) -> Result<Vec<u8>, ErrorStack> {
        self.certificate.to_pem()
    }
    /// Its list of revoked certificates in PEM, valid for a week around the instant: it names nobody.
    ///
    /// # Errors
    /// Where OpenSSL cannot make it.
    pub fn revocation_list(&self) -> Result<Vec<u8>, ErrorStack> {
        const DAY: i64 = 86_400;
        let at = self.around.as_second();
        let mut list = X509CrlBuilder::new()?;
        list.set_issuer_name(self.certificate.subject_name())?;
        list.set_last_update(&*Asn1Time::from_unix(at - DAY)?)?;
        list.set_next_update(&*Asn1Time::from_unix(at + 6 * DAY)?)?;
        let issued = X509::builder()?;
        let context = issued.x509v3_context(Some(&self.certificate), None);
        list.append_extension(AuthorityKeyIdentifier::new().issuer(true).build(&context)?)?;
        list.append_extension(CrlNumber::new(BigNum::from_u32(1)?)?.build()?)?;
        list.sign(&self.key, MessageDigest::sha256())?;
        list.build()?.to_pem()
    }
    /// A person's key for signing.
    ///
    /// # Errors
    /// Where OpenSSL cannot make keys.
    pub fn person(&self, iin: &Iin) -> Result<Signer, ErrorStack> {
        let key = key()?;
        let number = format!("IIN{}", iin.expose());
        let mut builder = builder("demo person", Some(&number), 2, &key, self.around)?;
        builder.set_issuer_name(self.certificate.subject_name())?;
        builder.append_extension(KeyUsage::new().critical().digital_signature().non_repudiation().build()?)?;
        builder.append_extension(ExtendedKeyUsage::new().email_protection().other(NATURAL_PERSON).build()?)?;
        builder.sign(&self.key, MessageDigest::sha256())?;
        Ok(Signer { certificate: builder.build(), key })
    }
}

impl Signer {
    /// A detached signature (CMS, DER) over exact bytes.
    ///
    /// # Errors
    /// Where OpenSSL cannot sign.
    pub fn sign(&self, content: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let others: Stack<X509> = Stack::new()?;
        let options = CMSOptions::BINARY | CMSOptions::DETACHED;
        CmsContentInfo::sign(Some(&self.certificate), Some(&self.key), Some(&others), Some(content), options)?.to_der()
    }
}

fn key() -> Result<PKey<Private>, ErrorStack> {
    PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?)
}

fn builder(
    name: &str,
    serial_field: Option<&str>,
    number: u32,
    key: &PKey<Private>,
    around: Timestamp,
) -> Result<X509Builder, ErrorStack> {
    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_nid(Nid::COMMONNAME, name)?;
    if let Some(field) = serial_field {
        subject.append_entry_by_nid(Nid::SERIALNUMBER, field)?;
    }
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_subject_name(&subject.build())?;
    let serial = Asn1Integer::from_bn(&*BigNum::from_u32(number)?)?;
    builder.set_serial_number(&serial)?;
    builder.set_pubkey(key)?;
    let half = SignedDuration::from_hours(24 * 183);
    let at = |t: Result<Timestamp, jiff::Error>| Asn1Time::from_unix(t.unwrap_or(around).as_second());
    let (begin, end) = (at(around.checked_sub(half))?, at(around.checked_add(half))?);
    builder.set_not_before(&begin)?;
    builder.set_not_after(&end)?;
    Ok(builder)
}
