//! The verifier on OpenSSL: detached CMS with RSA or ECDSA keys.
//!
//! Kazakh GOST keys need another adapter behind the same trait.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::error::ErrorStack;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkcs7::{Pkcs7, Pkcs7Flags};
use openssl::stack::Stack;
use openssl::x509::store::{File, X509Lookup, X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509PurposeId, X509Ref, X509StoreContext, X509VerifyResult};

use super::der::{extended_key_usages, one_detached};
use super::{Asked, Evidence, Judging, Reason, SignatureVerifier, SignerRole, Verification};
use crate::config::ConfigProblem;

/// Extended key usage of a natural person's key.
pub const NATURAL_PERSON: &str = "1.2.398.3.3.4.1.1";
/// Extended key usage of an organisation's key; its branches say whose in the organisation.
pub const ORGANISATION: &str = "1.2.398.3.3.4.1.2";

/// X509_V_ERR_CERT_NOT_YET_VALID, CERT_HAS_EXPIRED
const OUT_OF_VALIDITY: [i32; 2] = [9, 10];
/// X509_V_ERR_CERT_REVOKED
const REVOKED: i32 = 23;
/// X509_V_ERR_UNABLE_TO_GET_CRL, CRL_NOT_YET_VALID, CRL_HAS_EXPIRED, CRL_SIGNATURE_FAILURE
const REVOCATION_UNKNOWN: [i32; 4] = [3, 11, 12, 8];

/// Verifies with OpenSSL against the authorities it was given.
pub struct CmsVerifier {
    trusted: Vec<X509>,
    revocation_list: Option<PathBuf>,
}

impl CmsVerifier {
    /// A verifier that trusts these authorities (one or more certificates in PEM) and asks no
    /// revocation list.
    ///
    /// # Errors
    /// Where the text holds no certificate.
    pub fn new(trusted_ca_pem: &[u8]) -> Result<Self, ConfigProblem> {
        let trusted = X509::stack_from_pem(trusted_ca_pem)
            .map_err(|_| ConfigProblem::new("trusted_ca", "is not a list of certificates in PEM"))?;
        if trusted.is_empty() {
            return Err(ConfigProblem::new("trusted_ca", "holds no certificate"));
        }
        Ok(Self { trusted, revocation_list: None })
    }

    /// The same verifier, which also asks a revocation list: a PEM file that is read anew for each
    /// signature. A certificate whose issuer has no current list there is not accepted.
    ///
    /// # Errors
    /// Where the file cannot be read now.
    pub fn with_crl_file(mut self, path: &Path) -> Result<Self, ConfigProblem> {
        self.revocation_list = Some(path.to_owned());
        self.store(Timestamp::UNIX_EPOCH)
            .map_err(|_| ConfigProblem::new("crl_file", "cannot be read as a revocation list in PEM"))?;
        Ok(self)
    }

    fn store(&self, at: Timestamp) -> Result<X509Store, ErrorStack> {
        let mut builder = X509StoreBuilder::new()?;
        for authority in &self.trusted {
            builder.add_cert(authority.clone())?;
        }
        let mut rules = X509VerifyParam::new()?;
        rules.set_time(at.as_second());
        // the usage is judged below; OpenSSL's own purposes know nothing of the national ones
        rules.set_purpose(X509PurposeId::ANY)?;
        let mut flags = X509VerifyFlags::PARTIAL_CHAIN;
        if let Some(path) = &self.revocation_list {
            flags |= X509VerifyFlags::CRL_CHECK;
            let lookup = builder.add_lookup(X509Lookup::<File>::file())?;
            lookup.load_crl_file(path, openssl::ssl::SslFiletype::PEM)?;
        }
        rules.set_flags(flags)?;
        builder.set_param(&rules)?;
        Ok(builder.build())
    }

    /// Is the signature a good one of the person asked about, in that role, over exactly these bytes, judged at that
    /// instant?
    #[must_use]
    pub fn verify(&self, asked: &Asked<'_>) -> Verification {
        match self.examine(asked) {
            Ok(evidence) => Verification::Verified(evidence),
            Err(reason) => Verification::NotVerified { reason },
        }
    }

    fn examine(&self, asked: &Asked<'_>) -> Result<Evidence, Reason> {
        let Asked { content, signature, expected, role, at } = *asked;
        one_detached(signature)?;
        let certificates = Pkcs7::from_der(signature).map_err(|_| Reason::Undecodable)?;
        let none = Stack::new().map_err(|_| Reason::Undecodable)?;
        let signers = certificates.signers(&none, Pkcs7Flags::empty()).map_err(|_| Reason::NoCertificate)?;
        let signer = signers.get(0).filter(|_| signers.len() == 1).ok_or(Reason::NoCertificate)?;

        self.chain(signer, &certificates, at)?;
        for_signing(signer)?;
        for_role(signer, role)?;
        let owner = owner(signer).ok_or(Reason::NoIin)?;
        if owner != expected.expose() {
            return Err(Reason::OtherPerson);
        }

        let mut cms = CmsContentInfo::from_der(signature).map_err(|_| Reason::Undecodable)?;
        // the chain has been judged above, with its reasons; here only the signature over the bytes
        cms.verify(None, None, Some(content), None, CMSOptions::BINARY | CMSOptions::NO_SIGNER_CERT_VERIFY)
            .map_err(|_| Reason::ContentDiffers)?;

        let fingerprint = hash(MessageDigest::sha256(), signature).map_err(|_| Reason::Undecodable)?;
        Ok(Evidence {
            signer_iin: expected.clone(),
            certificate_serial: serial(signer).ok_or(Reason::Undecodable)?,
            evidence_sha256: fingerprint.iter().map(|byte| format!("{byte:02x}")).collect(),
            signed_with: signer.signature_algorithm().object().to_string(),
            verifier: format!("openssl-cms {}", openssl::version::version()),
            answer: None,
        })
    }

    fn chain(&self, signer: &X509Ref, certificates: &Pkcs7, at: Timestamp) -> Result<(), Reason> {
        let store = self.store(at).map_err(|_| match self.revocation_list {
            Some(_) => Reason::RevocationUnknown,
            None => Reason::NotTrusted,
        })?;
        let none = Stack::new().map_err(|_| Reason::NotTrusted)?;
        let between = certificates.signed().and_then(|signed| signed.certificates()).unwrap_or(&none);
        let mut context = X509StoreContext::new().map_err(|_| Reason::NotTrusted)?;
        let result = context
            .init(&store, signer, between, |context| {
                context.verify_cert().map(|good| if good { X509VerifyResult::OK } else { context.error() })
            })
            .map_err(|_| Reason::NotTrusted)?;
        match result.as_raw() {
            0 => Ok(()),
            code if OUT_OF_VALIDITY.contains(&code) => Err(Reason::OutOfValidity),
            REVOKED => Err(Reason::Revoked),
            code if REVOCATION_UNKNOWN.contains(&code) => Err(Reason::RevocationUnknown),
            _ => Err(Reason::NotTrusted),
        }
    }
}

/// A signing certificate has `digitalSignature` and `nonRepudiation`; one for authentication has
/// `keyEncipherment` in place of the latter.
fn for_signing(signer: &X509Ref) -> Result<(), Reason> {
    use openssl::x509::X509KeyUsage;
    let wanted = X509KeyUsage::DIGITAL_SIGNATURE | X509KeyUsage::NON_REPUDIATION;
    match signer.key_usage() {
        Some(usage) if usage.contains(wanted) => Ok(()),
        _ => Err(Reason::NotForSigning),
    }
}

fn for_role(signer: &X509Ref, role: SignerRole) -> Result<(), Reason> {
    let bytes = signer.to_der().map_err(|_| Reason::Undecodable)?;
    let usages = extended_key_usages(&bytes).ok_or(Reason::Undecodable)?;
    let person = usages.iter().any(|usage| usage == NATURAL_PERSON);
    let organisation = usages
        .iter()
        .any(|usage| usage.strip_prefix(ORGANISATION).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
    let fits = match role {
        SignerRole::Applicant => person && !organisation,
        SignerRole::Officer => person || organisation,
    };
    if fits { Ok(()) } else { Err(Reason::WrongRole) }
}

/// The twelve digits of `SERIALNUMBER=IIN…`; nothing where there are several such fields.
fn owner(signer: &X509Ref) -> Option<String> {
    let mut fields = signer.subject_name().entries_by_nid(Nid::SERIALNUMBER);
    let field = fields.next()?;
    if fields.next().is_some() {
        return None;
    }
    let text = field.data().to_string().ok()?;
    text.strip_prefix("IIN").map(str::to_owned)
}

fn serial(signer: &X509Ref) -> Option<String> {
    let number = signer.serial_number().to_bn().ok()?;
    number.to_hex_str().ok().map(|text| text.to_lowercase())
}

impl SignatureVerifier for CmsVerifier {
    fn judge<'a>(&'a self, asked: Asked<'a>) -> Judging<'a> {
        Box::pin(std::future::ready(self.verify(&asked)))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
