//! The rules of an installation: those compiled in, and an operator's file that extends a legal basis (A0.3).
//!
//! The file is taken only where everything about it is in order: two persons of the Committee, each with an account
//! here that is not blocked, have each signed its exact bytes with a key of their own, valid now. Anything else stops
//! the start; there is no way to run on half of it. The accounts' numbers never leave this room.

use crate::commands::Told as _;
use crate::commands::open::verifier;
use crate::config::{Config, read_keys};
use crate::doors::auth::OFFICER;
use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use kezek_domain::rules::Extension;
use kezek_domain::{Iin, IinProfile, Role, Rules};
use kezek_gateway::eds::{Asked, Evidence, Reason, SignerRole, Verification, Verifier};
use kezek_stage::{Clock, ConfigError};
use kezek_store::{accounts, audit, clock, mint};
use serde_json::json;
use sqlx::PgPool;
use std::path::{Path, PathBuf};

/// The key that names the file.
const KEY: &str = "rules.extension_file";
/// Largest file and largest signature that are read, in bytes.
const LARGEST: u64 = 65_536;

/// Somebody who has signed an extension, as the installation knows him.
#[derive(Clone)]
pub struct Signatory {
    /// The account.
    pub account: String,
    /// What it may do.
    pub role: Option<Role>,
    /// The person behind it.
    pub iin: Option<Iin>,
    /// Whether it was blocked.
    pub blocked: bool,
}

impl std::fmt::Debug for Signatory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signatory({})", self.account)
    }
}

/// An extension that was found in order, with what shows it.
#[derive(Clone, Debug)]
pub struct Extended {
    /// What the file says.
    pub extension: Extension,
    /// Whose signatures, in the file's order.
    pub evidence: Vec<Evidence>,
}

/// The rules in force here: built in, extended where the configuration names a file.
///
/// # Errors
/// A file that is not wholly in order, by its key with what to do; the database.
pub async fn read(config: &Config, pool: &PgPool) -> Result<Rules> {
    Ok(read_with(config, pool).await?.0)
}

/// [`read`], with the extension that was taken.
///
/// # Errors
/// As [`read`].
pub async fn read_with(config: &Config, pool: &PgPool) -> Result<(Rules, Option<Extended>)> {
    let built_in = Rules::built_in();
    let file = &config.rules.extension_file;
    if file.as_os_str().is_empty() {
        return Ok((built_in.clone(), None));
    }
    let text = text(file)?;
    let extension = Extension::parse(&file.display().to_string(), &text).map_err(|e| wrong(e.to_string()))?;
    let signatories = signatories(config, pool).await?;
    let now = {
        let clock = Clock::system();
        clock.set_offset_ms(clock::offset_ms(pool).await.told("reading the business clock")?);
        clock.now()
    };
    let mut signatures = Vec::new();
    for account in &extension.signers {
        signatures.push(bytes(&signature_of(file, account))?);
    }
    let evidence = judge(&extension, text.as_bytes(), &signatures, &signatories, &verifier(config)?, now).await?;
    let rules = built_in.extended(&extension, &text).map_err(|e| wrong(format!("{}: {e}", file.display())))?;
    Ok((rules, Some(Extended { extension, evidence })))
}

/// Writes an extension that was taken into the audit trail, with whose signatures over which bytes bear it out.
///
/// # Errors
/// The database: a process does not start on an extension that it could not write down.
pub async fn write_down(pool: &PgPool, rules: &Rules, extended: &Extended) -> Result<()> {
    let Extended { extension, evidence } = extended;
    let shown: Vec<_> = evidence
        .iter()
        .zip(&extension.signers)
        .map(|(e, account)| {
            json!({ "account": account, "signature_sha256": e.evidence_sha256, "certificate": e.certificate_serial })
        })
        .collect();
    let entry = audit::Entry {
        account: "kezek",
        role: "system",
        act: "rules-extended",
        case_id: None,
        detail: json!({
            "rule_version": rules.version(), "service": extension.service, "from": extension.from, "to": extension.to,
            "act": extension.act, "reason": extension.reason, "signed": shown,
        }),
    };
    let mut tx = pool.begin().await.told("writing the extension down")?;
    audit::append(&mut mint(&mut tx), &entry).await.told("writing the extension down")?;
    tx.commit().await.told("writing the extension down")
}

/// Where the signature of an account over a file lies: beside it.
#[must_use]
pub fn signature_of(file: &Path, account: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{account}.p7s"));
    PathBuf::from(name)
}

/// Whether an extension was signed as it must be: its exact bytes, by two persons of the Committee.
///
/// # Errors
/// The first thing that is not in order, with what to do.
pub async fn judge(
    extension: &Extension,
    bytes: &[u8],
    signatures: &[Vec<u8>],
    signatories: &[Signatory],
    verifier: &Verifier,
    at: Timestamp,
) -> Result<Vec<Evidence>, ConfigError> {
    // a signing certificate from a moment ago is as good as one from now; clocks differ by seconds
    let at = at.checked_add(SignedDuration::from_secs(1)).unwrap_or(at);
    let mut evidence: Vec<Evidence> = Vec::new();
    for (place, account) in extension.signers.iter().enumerate() {
        let known = signatories.iter().find(|s| s.account == *account);
        let who = known.ok_or_else(|| {
            wrong(format!("signer {account}: no such account; `kezek accounts list` shows them, the file names them"))
        })?;
        if who.blocked {
            return Err(wrong(format!("signer {account}: the account is blocked; another person signs anew")));
        }
        if who.role != Some(Role::Committee) {
            let role = who.role.map_or("unknown", Role::label);
            return Err(wrong(format!("signer {account}: is {role}; only the Committee extends a legal basis (A0.3)")));
        }
        let Some(iin) = &who.iin else {
            let what = "no person is known behind the account; create it with --iin-stdin";
            return Err(wrong(format!("signer {account}: {what}")));
        };
        let signature = signatures.get(place).ok_or_else(|| wrong(format!("signer {account}: has not signed")))?;
        let asked = Asked { content: bytes, signature, expected: iin, role: SignerRole::Officer, at };
        match verifier.judge(asked).await {
            Verification::Verified(shown) => evidence.push(shown),
            Verification::NotVerified { reason } => {
                return Err(wrong(format!("signer {account}: {}: {}", reason.label(), remedy(reason))));
            }
        }
    }
    match evidence.as_slice() {
        [first, second] if first.signer_iin != second.signer_iin => Ok(evidence),
        [_, _] => Err(wrong("both accounts are one person's; two different persons sign".to_owned())),
        _ => Err(wrong("two signatures are needed".to_owned())),
    }
}

fn wrong(what: String) -> ConfigError {
    ConfigError::at(KEY, format!("{what}; the process does not start with it (leave the key empty to run without)"))
}

const fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::Undecodable | Reason::NotDetached => "the file beside it must be a detached CMS signature (DER)",
        Reason::NoSigner | Reason::SeveralSigners => "sign once, with one key, one file for each signer",
        Reason::NoCertificate => "include the signer's certificate in the signature",
        Reason::NotTrusted => "sign with a key of an authority in signatures.trusted_ca_file",
        Reason::OutOfValidity | Reason::Revoked => "sign anew with a key whose certificate is valid today",
        Reason::RevocationUnknown => "bring signatures.crl_file up to date",
        Reason::VerifierUnavailable => "is NCANode up? see signatures.ncanode_url",
        Reason::TimestampDiffers => "sign anew: the timestamp in the signature is of another signature",
        Reason::NotForSigning => "sign with the key for signing, not the one for authentication",
        Reason::WrongRole | Reason::NoIin => "sign with a key of a person or of an organisation's employee",
        Reason::OtherPerson => "sign with the key of the person to whom the account belongs",
        Reason::ContentDiffers => "the file was changed after it was signed: sign exactly the bytes that lie there",
    }
}

async fn signatories(config: &Config, pool: &PgPool) -> Result<Vec<Signatory>> {
    let profile = if config.rules.profile.is_play() { IinProfile::Demo } else { IinProfile::Citizen };
    let keyring = read_keys(&config.keys.file)?;
    let rows = accounts::list(pool).await.told("reading the accounts")?;
    let person = |sealed: &[u8]| {
        let plain = keyring.open(OFFICER, sealed).ok()?;
        Iin::parse(std::str::from_utf8(&plain).ok()?, profile).ok()
    };
    Ok(rows
        .into_iter()
        .map(|row| Signatory {
            role: Role::parse(&row.role),
            iin: row.iin.as_deref().and_then(person),
            blocked: row.blocked,
            account: row.account,
        })
        .collect())
}

fn bytes(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let told =
        |what: &str| wrong(format!("{}: {what}; `kezek rules extend --help` says what lies there", path.display()));
    let about = std::fs::metadata(path).map_err(|e| told(&format!("cannot be read ({})", e.kind())))?;
    if about.len() > LARGEST {
        return Err(told(&format!("is larger than {LARGEST} bytes")));
    }
    std::fs::read(path).map_err(|e| told(&format!("cannot be read ({})", e.kind())))
}

fn text(path: &Path) -> Result<String, ConfigError> {
    String::from_utf8(bytes(path)?).map_err(|_| wrong(format!("{}: is not UTF-8", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled<T>(judging: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a thread").block_on(judging)
    }
    use jiff::civil::date;
    use kezek_domain::Service;
    use kezek_gateway::eds::CmsVerifier;
    use kezek_testkit::eds::{Authority, Signer};
    use kezek_testkit::paper;

    struct Signed {
        extension: Extension,
        text: String,
        signatures: Vec<Vec<u8>>,
        signatories: Vec<Signatory>,
        verifier: Verifier,
        keys: Vec<Signer>,
        other: Signer,
    }

    fn at() -> Timestamp {
        paper::filed_at()
    }

    fn person(serial: u32) -> Iin {
        (0..10)
            .find_map(|digit| Iin::parse(&format!("0001011{serial:04}{digit}"), IinProfile::Demo).ok())
            .expect("one of ten digits checks")
    }

    /// Two persons of the Committee have signed.
    fn signed() -> Signed {
        let authority = Authority::new(at()).expect("keys");
        let extension = Extension {
            format: 1,
            service: Service::ID_CARD_RENEWAL,
            from: date(2026, 4, 1),
            to: date(2026, 12, 31),
            act: "an order".to_owned(),
            citation: "paragraph 1".to_owned(),
            reason: "a test".to_owned(),
            signers: ["first".to_owned(), "second".to_owned()],
        };
        let text = extension.text().expect("TOML");
        let people = [person(1), person(2)];
        let keys: Vec<_> = people.iter().map(|iin| authority.person(iin).expect("a key")).collect();
        let signatures = keys.iter().map(|key| key.sign(text.as_bytes()).expect("a signature")).collect();
        let signatory = |(account, iin): (&str, &Iin)| Signatory {
            account: account.to_owned(),
            role: Some(Role::Committee),
            iin: Some(iin.clone()),
            blocked: false,
        };
        let signatories = ["first", "second"].into_iter().zip(&people).map(signatory).collect();
        let verifier = Verifier::new(CmsVerifier::new(&authority.pem().expect("PEM")).expect("a verifier"));
        let other = authority.person(&person(3)).expect("a key");
        Signed { extension, text, signatures, signatories, verifier, keys, other }
    }

    fn told(change: impl FnOnce(&mut Signed)) -> String {
        let mut s = signed();
        change(&mut s);
        let judged = settled(judge(&s.extension, s.text.as_bytes(), &s.signatures, &s.signatories, &s.verifier, at()));
        judged.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a0_3_two_persons_of_the_committee_extend_a_legal_basis() {
        let s = signed();
        let shown = settled(judge(&s.extension, s.text.as_bytes(), &s.signatures, &s.signatories, &s.verifier, at()));
        let shown = shown.expect("in order");
        assert_eq!(shown.len(), 2);
        assert_ne!(shown[0].certificate_serial.len(), 0);
    }

    #[test]
    fn a0_3_an_extension_that_is_not_wholly_in_order_stops_the_start() {
        assert_eq!(told(|_| ()), "");
        // the bytes: changed by one after the signing
        assert!(told(|s| s.text.push('\n')).contains("first: content-differs"));
        // the signatures: one only, one twice, another person's, no signature at all
        assert!(told(|s| s.signatures.truncate(1)).contains("second: has not signed"));
        assert!(told(|s| s.signatures[1] = s.signatures[0].clone()).contains("second: other-person"));
        assert!(told(|s| s.signatures[0] = s.other.sign(s.text.as_bytes()).expect("a signature")).contains("first"));
        assert!(told(|s| s.signatures[0] = b"no signature".to_vec()).contains("first: undecodable"));
        // the authority: nobody's
        let stranger = told(|s| {
            let other = Authority::new(at()).expect("keys");
            s.verifier = Verifier::new(CmsVerifier::new(&other.pem().expect("PEM")).expect("a verifier"));
        });
        assert!(stranger.contains("first: not-trusted"), "{stranger}");
        // the accounts: unknown, blocked, of another role, nobody behind it
        assert!(told(|s| s.signatories.truncate(1)).contains("second: no such account"));
        assert!(told(|s| s.signatories[1].blocked = true).contains("second: the account is blocked"));
        assert!(told(|s| s.signatories[0].role = Some(Role::Operator)).contains("first: is operator"));
        assert!(told(|s| s.signatories[0].iin = None).contains("first: no person"));
        // the persons: one, behind two accounts, who signs twice
        let one = told(|s| {
            s.signatories[1].iin = s.signatories[0].iin.clone();
            s.signatures[1] = s.keys[0].sign(s.text.as_bytes()).expect("a signature");
        });
        assert!(one.contains("two different persons"), "{one}");
    }

    #[test]
    fn a0_3_no_error_tells_who_the_persons_are() {
        let error = told(|s| s.text.push('\n'));
        assert!(!error.contains("0001011"), "{error}");
        assert!(error.contains("rules.extension_file") && error.contains("does not start"), "{error}");
    }

    #[test]
    fn a_signature_lies_beside_its_file() {
        let path = signature_of(Path::new("/etc/kezek/extension.toml"), "first");
        assert_eq!(path, Path::new("/etc/kezek/extension.toml.first.p7s"));
    }
}
