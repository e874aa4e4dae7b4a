//! Verification of electronic digital signatures (ЭЦҚ), A3.12 and A11a.
//!
//! A signature is verified only if every rule holds: detached, exactly one signer, its certificate
//! present, chained to a trusted authority and valid at the instant of signing, meant for signing
//! and for the role, the person's own, and the content equal byte for byte. Anything else, and
//! anything unknown, is "not verified" with a reason. Two adapters: OpenSSL for RSA and ECDSA, and
//! NCANode for the national algorithms.

mod cms;
pub mod der;
mod ncanode;
mod routed;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use kezek_domain::Iin;
use serde::{Deserialize, Serialize};

pub use cms::CmsVerifier;
pub use ncanode::{NcaNode, NcaNodeConfig};
pub use routed::Routed;

pub(crate) use ncanode::{Certificate, Unavailable, certificate_stands};

/// In which role somebody signs; it decides which keys fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerRole {
    /// The applicant signs with the key of a natural person.
    Applicant,
    /// An officer signs with a natural person's or an organisation employee's key.
    Officer,
}

/// Proof that a signature was verified; stored once and never computed again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Whose key signed; equals the person expected.
    pub signer_iin: Iin,
    /// Serial number of the certificate, hexadecimal.
    pub certificate_serial: String,
    /// SHA-256 of the signature's bytes, hexadecimal.
    pub evidence_sha256: String,
    /// Algorithm of the certificate's own signature, for example `ecdsa-with-SHA256`.
    pub signed_with: String,
    /// Name and version of the verifier.
    pub verifier: String,
    /// The verifier's own answer as it came (revocation, timestamp, time), where it is another system. It names the
    /// signer: kept sealed or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("certificate_serial", &self.certificate_serial)
            .field("evidence_sha256", &self.evidence_sha256)
            .field("signed_with", &self.signed_with)
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}

/// What the verifier says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// All rules hold.
    Verified(Evidence),
    /// At least one rule does not hold.
    NotVerified {
        /// The first rule that does not hold.
        reason: Reason,
    },
}

/// Why a signature is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The bytes are no CMS `SignedData`.
    Undecodable,
    /// The content is inside the signature; only detached signatures are accepted.
    NotDetached,
    /// Nobody signed.
    NoSigner,
    /// More than one signed.
    SeveralSigners,
    /// The signer's certificate is not in the signature.
    NoCertificate,
    /// The certificate does not lead to a trusted authority.
    NotTrusted,
    /// The certificate was not yet, or no longer, valid at that instant.
    OutOfValidity,
    /// The certificate is revoked.
    Revoked,
    /// Revocation could not be established.
    RevocationUnknown,
    /// A certificate for authentication, not for signing.
    NotForSigning,
    /// The key does not fit the signer's role.
    WrongRole,
    /// The certificate names no person.
    NoIin,
    /// The certificate is another person's.
    OtherPerson,
    /// The signature is not over these bytes.
    ContentDiffers,
    /// The timestamp in the signature is of something else.
    TimestampDiffers,
    /// The verifier is another system, and it cannot be asked just now.
    VerifierUnavailable,
}

impl Reason {
    /// A label for outcomes, metrics and messages.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::NotDetached => "not-detached",
            Self::NoSigner => "no-signer",
            Self::SeveralSigners => "several-signers",
            Self::NoCertificate => "no-certificate",
            Self::NotTrusted => "not-trusted",
            Self::OutOfValidity => "out-of-validity",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation-unknown",
            Self::NotForSigning => "not-for-signing",
            Self::WrongRole => "wrong-role",
            Self::NoIin => "no-iin",
            Self::OtherPerson => "other-person",
            Self::ContentDiffers => "content-differs",
            Self::TimestampDiffers => "timestamp-differs",
            Self::VerifierUnavailable => "verifier-unavailable",
        }
    }

    /// Whether nothing was found out: that tells nothing against the signer, and is asked again. Everything else is
    /// known and does not change.
    #[must_use]
    pub const fn is_undetermined(self) -> bool {
        matches!(self, Self::RevocationUnknown | Self::VerifierUnavailable)
    }
}

/// What is to be verified.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The exact bytes that must be signed.
    pub content: &'a [u8],
    /// The detached signature: CMS, DER.
    pub signature: &'a [u8],
    /// Whose it must be.
    pub expected: &'a Iin,
    /// In which role he signs.
    pub role: SignerRole,
    /// The instant of signing or filing, at which the certificate must be valid.
    pub at: Timestamp,
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("role", &self.role).field("at", &self.at).finish_non_exhaustive()
    }
}

/// A verdict on its way.
pub type Judging<'a> = Pin<Box<dyn Future<Output = Verification> + Send + 'a>>;

/// Verifies signatures. Never fails: what cannot be shown is not verified, and what could not be found out says so
/// ([`Reason::is_undetermined`]).
pub trait SignatureVerifier: Send + Sync {
    /// Is this a good detached signature of the person expected, in that role, over exactly these bytes, judged at
    /// that instant?
    fn judge<'a>(&'a self, asked: Asked<'a>) -> Judging<'a>;
}

/// The verifier that an installation uses. Cheap to clone.
#[derive(Clone)]
pub struct Verifier(Arc<dyn SignatureVerifier>);

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    /// The installation's verifier.
    pub fn new(verifier: impl SignatureVerifier + 'static) -> Self {
        Self(Arc::new(verifier))
    }

    /// As [`SignatureVerifier::judge`].
    pub async fn judge(&self, asked: Asked<'_>) -> Verification {
        self.0.judge(asked).await
    }
}
