//! The verifier on NCANode's REST interface (version 3), for the national algorithms.
//!
//! NCANode's own `valid: true` is never enough: it is also said of a CMS without a signer, of one that carries other
//! bytes than those asked about, without any answer on revocation, and by whatever authority it happens to trust. The
//! rules here are judged on what it reports, and a rule that is not borne out is "not verified". Where it could not
//! find out ("try later"), that is told apart: nobody is refused for it, and nobody accepted.

mod answer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use kezek_domain::Iin;
use openssl::hash::{MessageDigest, hash};
use openssl::pkcs7::Pkcs7;
use openssl::x509::{CrlStatus, X509Crl};
use serde::de::DeserializeOwned;

pub(crate) use answer::Certificate;
use answer::{CmsAnswer, Tsp};

use super::der::{first_signer, one_detached};
use super::{Asked, Evidence, Judging, Reason, SignatureVerifier, SignerRole, Verification};
use crate::config::ConfigProblem;

/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 256 * 1024;
/// Both are asked for, always: with an empty list NCANode asks neither and calls it valid.
const SOURCES: [&str; 2] = ["OCSP", "CRL"];

/// Where NCANode is, and which authorities count.
#[derive(Debug, Clone)]
pub struct NcaNodeConfig {
    /// Its address, for example `http://127.0.0.1:14579`.
    pub url: String,
    /// Distinguished names of the authorities whose certificates are accepted, as NCANode writes them. NCANode's own
    /// list is not enough: by default it trusts authorities for which it has no revocation list.
    pub issuers: Vec<String>,
    /// Longest whole call, in milliseconds.
    pub timeout_ms: u64,
    /// Our own revocation lists, one PEM file, read anew for each signature. NCANode does not check who has signed an
    /// answer of OCSP, and without a list of its own it calls every certificate good.
    pub crl_file: Option<PathBuf>,
}

/// The client.
#[derive(Debug, Clone)]
pub struct NcaNode {
    config: NcaNodeConfig,
    http: reqwest::Client,
}

/// Why NCANode gave no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// It does not answer, or says that it cannot just now.
    Later,
    /// It refuses to read what it was given.
    Refused,
}

impl NcaNode {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// An address that is none, no authority, or a time-out out of range.
    pub fn new(config: NcaNodeConfig) -> Result<Self, ConfigProblem> {
        let url = reqwest::Url::parse(&config.url)
            .map_err(|_| ConfigProblem::new("ncanode_url", "is not an address; give http://host:port"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ConfigProblem::new("ncanode_url", "must begin with http:// or https://"));
        }
        if config.issuers.is_empty() || config.issuers.iter().any(|name| name.trim().is_empty()) {
            let what = "names no authority: give the distinguished names of those whose certificates are accepted";
            return Err(ConfigProblem::new("ncanode_issuers", what));
        }
        if !(1..=600_000).contains(&config.timeout_ms) {
            return Err(ConfigProblem::new("ncanode_timeout_ms", "must be between 1 and 600000 milliseconds"));
        }
        let limit = Duration::from_millis(config.timeout_ms);
        let http = reqwest::Client::builder()
            .connect_timeout(limit)
            .read_timeout(limit)
            .timeout(limit)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|_| ConfigProblem::new("ncanode_url", "no HTTP client can be made; is OpenSSL installed?"))?;
        Ok(Self { config, http })
    }

    /// The sources of revocation, as every request names them.
    pub(crate) const fn sources() -> [&'static str; 2] {
        SOURCES
    }

    /// The authorities that count.
    pub(crate) fn issuers(&self) -> &[String] {
        &self.config.issuers
    }

    /// One call: the answer, and its bytes as they came.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<(T, Vec<u8>), Unavailable> {
        let address = format!("{}{path}", self.config.url.trim_end_matches('/'));
        let mut response = self.http.post(address).json(body).send().await.map_err(|_| Unavailable::Later)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| Unavailable::Later)? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(Unavailable::Later);
            }
            bytes.extend_from_slice(&chunk);
        }
        match status.as_u16() {
            200..=299 => {}
            400 | 413 | 422 => return Err(Unavailable::Refused),
            // no such address, no right, too busy, or its own failure: an operator's matter, not the signer's
            _ => return Err(Unavailable::Later),
        }
        // something else answers under this address, or a version whose shapes are not known
        let read = serde_json::from_slice(&bytes).map_err(|_| Unavailable::Later)?;
        Ok((read, bytes))
    }

    async fn examine(&self, asked: &Asked<'_>) -> Result<Evidence, Reason> {
        // what needs no NCANode comes first, and is judged by our own reading of the bytes
        // (NCANode uses the content that it is given only where the CMS carries none of its own)
        one_detached(asked.signature)?;
        let signer = first_signer(asked.signature).ok_or(Reason::Undecodable)?;
        if let Some(file) = &self.config.crl_file {
            listed(file, asked.signature)?;
        }
        let body = serde_json::json!({
            "revocationCheck": SOURCES,
            "cms": STANDARD.encode(asked.signature),
            "data": STANDARD.encode(asked.content),
        });
        let (answer, bytes) = self.post::<CmsAnswer>("/cms/verify", &body).await.map_err(|why| match why {
            Unavailable::Later => Reason::VerifierUnavailable,
            Unavailable::Refused => Reason::Undecodable,
        })?;
        let mut signers = answer.signers.into_iter();
        let reported = match (signers.next(), signers.next()) {
            (Some(one), None) => one,
            (None, _) => return Err(Reason::NoSigner),
            (Some(_), Some(_)) => return Err(Reason::SeveralSigners),
        };
        let Some(first) = reported.certificates.first() else { return Err(Reason::NoCertificate) };
        for certificate in &reported.certificates {
            certificate_stands(certificate, self.issuers(), asked.at)?;
            for_role(certificate, asked.role)?;
            owned(certificate, asked.expected)?;
        }
        // its certificates stand, so what is left is the signature over the bytes
        if !answer.valid {
            return Err(Reason::ContentDiffers);
        }
        for tsp in &reported.tsp {
            stamped(tsp, &signer.value)?;
        }
        let text = String::from_utf8(bytes).map_err(|_| Reason::VerifierUnavailable)?;
        Ok(Evidence {
            signer_iin: asked.expected.clone(),
            certificate_serial: first.serial_number.to_lowercase(),
            evidence_sha256: hex(MessageDigest::sha256(), asked.signature).ok_or(Reason::Undecodable)?,
            signed_with: first.sign_alg.clone(),
            verifier: "ncanode-rest 3".to_owned(),
            answer: Some(text),
        })
    }
}

impl SignatureVerifier for NcaNode {
    fn judge<'a>(&'a self, asked: Asked<'a>) -> Judging<'a> {
        Box::pin(async move {
            match self.examine(&asked).await {
                Ok(evidence) => Verification::Verified(evidence),
                Err(reason) => Verification::NotVerified { reason },
            }
        })
    }
}

/// Whether our own list names one of the certificates of a CMS as revoked. Only its entries are read: who signed the
/// list was judged when the operator fetched it.
fn listed(file: &Path, signature: &[u8]) -> Result<(), Reason> {
    const BEGIN: &str = "-----BEGIN X509 CRL-----";
    let text = std::fs::read_to_string(file).map_err(|_| Reason::RevocationUnknown)?;
    let mut lists = Vec::new();
    for one in text.split(BEGIN).skip(1) {
        let list = X509Crl::from_pem(format!("{BEGIN}{one}").as_bytes());
        lists.push(list.map_err(|_| Reason::RevocationUnknown)?);
    }
    if lists.is_empty() {
        return Err(Reason::RevocationUnknown);
    }
    let cms = Pkcs7::from_der(signature).map_err(|_| Reason::Undecodable)?;
    let certificates = cms.signed().and_then(|signed| signed.certificates()).ok_or(Reason::NoCertificate)?;
    for certificate in certificates {
        let mut own = false;
        for list in &lists {
            let same = list.issuer_name().try_cmp(certificate.issuer_name()).is_ok_and(std::cmp::Ordering::is_eq);
            own |= same;
            if same && matches!(list.get_by_serial(certificate.serial_number()), CrlStatus::Revoked(_)) {
                return Err(Reason::Revoked);
            }
        }
        if !own {
            return Err(Reason::RevocationUnknown);
        }
    }
    Ok(())
}

/// The authority counts, the certificate was valid at that instant, every source of revocation has answered, and
/// NCANode has nothing else against it.
pub(crate) fn certificate_stands(certificate: &Certificate, issuers: &[String], at: Timestamp) -> Result<(), Reason> {
    let issuer = certificate.issuer.as_ref().and_then(|issuer| issuer.dn.as_deref()).unwrap_or_default();
    if !issuers.iter().any(|known| known == issuer) {
        return Err(Reason::NotTrusted);
    }
    if certificate.revocations.iter().any(|source| source.revoked) {
        return Err(Reason::Revoked);
    }
    // NCANode judges validity at its own now: a year later it would say something else of the same signature
    if at < certificate.not_before || at >= certificate.not_after {
        return Err(Reason::OutOfValidity);
    }
    for wanted in SOURCES {
        // of OCSP, "OK" alone is an answer: anything else is the text of what went wrong
        let answered = |source: &&answer::Revocation| source.by == wanted;
        let sure = |source: &answer::Revocation| wanted != "OCSP" || source.reason.as_deref() == Some("OK");
        let mut said = certificate.revocations.iter().filter(answered).peekable();
        if said.peek().is_none() || !said.all(sure) {
            return Err(Reason::RevocationUnknown);
        }
    }
    if !certificate.valid {
        // valid at the instant and not revoked: it ran out since, or its authority did. NCANode folds that into one
        // word with the signature itself, so neither can be shown any more: a matter for people
        return Err(Reason::VerifierUnavailable);
    }
    Ok(())
}

/// Meant for signing, and by whom this role asks for.
fn for_role(certificate: &Certificate, role: SignerRole) -> Result<(), Reason> {
    if certificate.key_usage.as_deref() != Some("SIGN") {
        return Err(Reason::NotForSigning);
    }
    let is = |wanted: &[&str]| certificate.key_user.iter().any(|user| wanted.contains(&user.as_str()));
    let person = is(&["INDIVIDUAL"]);
    let organisation = is(&["ORGANIZATION", "CEO", "CAN_SIGN", "CAN_SIGN_FINANCIAL", "HR", "EMPLOYEE"]);
    let fits = match role {
        SignerRole::Applicant => person && !organisation,
        SignerRole::Officer => person || organisation,
    };
    if fits { Ok(()) } else { Err(Reason::WrongRole) }
}

fn owned(certificate: &Certificate, expected: &Iin) -> Result<(), Reason> {
    match certificate.subject.as_ref().and_then(|subject| subject.iin.as_deref()) {
        None | Some("") => Err(Reason::NoIin),
        Some(iin) if iin == expected.expose() => Ok(()),
        Some(_) => Err(Reason::OtherPerson),
    }
}

/// The timestamp's imprint is of this signature; NCANode reports it and compares nothing. A national digest cannot be
/// calculated here: such a timestamp is left aside, and nothing rests on it.
fn stamped(tsp: &Tsp, value: &[u8]) -> Result<(), Reason> {
    let name = tsp.tsp_hash_algorithm.as_deref().unwrap_or_default().to_uppercase().replace('-', "");
    let digest = match name.as_str() {
        "SHA256" => MessageDigest::sha256(),
        "SHA384" => MessageDigest::sha384(),
        "SHA512" => MessageDigest::sha512(),
        _ => return Ok(()),
    };
    let imprint = tsp.hash.as_deref().unwrap_or_default();
    if hex(digest, value).is_some_and(|own| own.eq_ignore_ascii_case(imprint)) {
        Ok(())
    } else {
        Err(Reason::TimestampDiffers)
    }
}

fn hex(digest: MessageDigest, bytes: &[u8]) -> Option<String> {
    hash(digest, bytes).ok().map(|digest| digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_without_authorities_trusts_nobody_and_is_refused() {
        let config = |url: &str, issuers: &[&str], timeout_ms| NcaNodeConfig {
            url: url.to_owned(),
            issuers: issuers.iter().map(|name| (*name).to_owned()).collect(),
            timeout_ms,
            crl_file: None,
        };
        for (key, wrong) in [
            ("ncanode_url", config("nowhere", &["CN=A"], 1000)),
            ("ncanode_url", config("ftp://a", &["CN=A"], 1000)),
            ("ncanode_issuers", config("http://a", &[], 1000)),
            ("ncanode_issuers", config("http://a", &[" "], 1000)),
            ("ncanode_timeout_ms", config("http://a", &["CN=A"], 0)),
        ] {
            assert_eq!(NcaNode::new(wrong).unwrap_err().key, key);
        }
        assert!(NcaNode::new(config("http://127.0.0.1:14579", &["CN=A"], 1000)).is_ok());
    }

    #[test]
    fn a3_12_a_timestamp_of_a_national_digest_is_left_aside_and_any_other_is_compared() {
        let tsp = |algorithm: &str, hash: &str| Tsp {
            tsp_hash_algorithm: Some(algorithm.to_owned()),
            hash: Some(hash.to_owned()),
        };
        let own = hex(MessageDigest::sha256(), b"value").unwrap();
        assert_eq!(stamped(&tsp("SHA-256", &own.to_uppercase()), b"value"), Ok(()));
        assert_eq!(stamped(&tsp("SHA256", &own), b"other"), Err(Reason::TimestampDiffers));
        assert_eq!(stamped(&tsp("SHA512", &own), b"value"), Err(Reason::TimestampDiffers));
        assert_eq!(stamped(&tsp("GOST34311", "00"), b"value"), Ok(()));
    }
}
