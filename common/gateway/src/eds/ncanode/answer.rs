//! NCANode's answers, read tolerantly: its documentation and its code do not agree on what is a list, and fields come
//! and go between versions. What is missing is nothing, and nothing fulfils no rule.

use std::fmt;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// `POST /cms/verify`.
#[derive(Deserialize)]
pub(super) struct CmsAnswer {
    #[serde(default)]
    pub valid: bool,
    #[serde(default, deserialize_with = "some_or_many")]
    pub signers: Vec<Signer>,
}

/// One signer of a CMS.
#[derive(Deserialize)]
pub(super) struct Signer {
    #[serde(default, deserialize_with = "some_or_many")]
    pub certificates: Vec<Certificate>,
    #[serde(default, deserialize_with = "some_or_many")]
    pub tsp: Vec<Tsp>,
}

/// One certificate, as NCANode reports it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Certificate {
    #[serde(default)]
    pub valid: bool,
    #[serde(default, deserialize_with = "some_or_many")]
    pub revocations: Vec<Revocation>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    #[serde(default)]
    pub key_usage: Option<String>,
    #[serde(default)]
    pub serial_number: String,
    #[serde(default)]
    pub sign_alg: String,
    #[serde(default, deserialize_with = "some_or_many")]
    pub key_user: Vec<String>,
    #[serde(default)]
    pub subject: Option<Name>,
    #[serde(default)]
    pub issuer: Option<Name>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("valid", &self.valid).finish_non_exhaustive()
    }
}

/// What one source says of revocation.
#[derive(Deserialize)]
pub(crate) struct Revocation {
    #[serde(default)]
    pub revoked: bool,
    #[serde(default)]
    pub by: String,
    #[serde(default)]
    pub reason: Option<String>,
}

/// A distinguished name and what it says.
#[derive(Deserialize)]
pub(crate) struct Name {
    #[serde(default)]
    pub iin: Option<String>,
    #[serde(default)]
    pub bin: Option<String>,
    #[serde(default)]
    pub dn: Option<String>,
}

/// The timestamp within a signature.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tsp {
    #[serde(default)]
    pub tsp_hash_algorithm: Option<String>,
    #[serde(default)]
    pub hash: Option<String>,
}

/// Nothing, one, or a list.
pub(super) fn some_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    let many = match value {
        serde_json::Value::Null => Vec::new(),
        serde_json::Value::Array(many) => many,
        one => vec![one],
    };
    many.into_iter().map(|one| serde_json::from_value(one).map_err(serde::de::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = r#"{"valid":true,"revocations":[{"revoked":false,"by":"CRL","revocationTime":null,
        "reason":null}],"notBefore":"2024-05-01T06:00:00.000+00:00","notAfter":"2026-05-01T06:00:00.000+00:00",
        "keyUsage":"SIGN","serialNumber":"1f","signAlg":"ECGOST3410-2015-512","keyUser":["INDIVIDUAL"],
        "publicKey":"x","signature":"x","subject":{"iin":"000101200032","dn":"CN=A"},"issuer":{"dn":"CN=CA"}}"#;

    #[test]
    fn lists_objects_and_nothing_are_all_read() {
        for (text, certificates, stamps) in [
            (format!(r#"{{"valid":true,"signers":[{{"certificates":[{CERTIFICATE}],"tsp":{{"hash":"00"}}}}]}}"#), 1, 1),
            (format!(r#"{{"valid":true,"signers":{{"certificates":{CERTIFICATE},"tsp":null}}}}"#), 1, 0),
            (r#"{"valid":true,"signers":[{}]}"#.to_owned(), 0, 0),
        ] {
            let answer: CmsAnswer = serde_json::from_str(&text).unwrap();
            assert!(answer.valid);
            assert_eq!((answer.signers[0].certificates.len(), answer.signers[0].tsp.len()), (certificates, stamps));
        }
        let none: CmsAnswer = serde_json::from_str(r#"{"status":200}"#).unwrap();
        assert!(!none.valid && none.signers.is_empty());
        // a date is no guess: without one there is no certificate
        assert!(serde_json::from_str::<CmsAnswer>(r#"{"signers":[{"certificates":[{"valid":true}]}]}"#).is_err());
    }
}
