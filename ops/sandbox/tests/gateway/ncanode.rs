//! A3.12, A11a, A5.5: signatures and envelopes before an NCANode that has the weaknesses of the real one. Each forged
//! case is first shown to it: it must call it valid, otherwise nothing is proved.

use jiff::Timestamp;
use kezek_domain::Iin;
use kezek_gateway::eds::{
    Asked, CmsVerifier, NcaNode, NcaNodeConfig, Reason, Routed, SignerRole, Verification, Verifier,
};
use kezek_gateway::wsse::{Envelopes, SealFault};
use kezek_gateway::{Gateway, GatewayConfig, GatewayFault, OrderState};
use kezek_sandbox::ncanode::{Lie, wsse};
use kezek_sandbox::{AUTHORITY_DN, Authority, GATEWAY_BIN, KeyKind, Options, Running, start};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::town::Town;

const CONTENT: &[u8] = b"{\"decision\":\"approve\"}";

struct Node {
    sandbox: Running,
    http: reqwest::Client,
}

impl Node {
    async fn new() -> Self {
        let options = Options {
            port: 0,
            callback_url: "http://127.0.0.1:9/".to_owned(),
            seed: 3,
            population: 2,
            as_of: jiff::civil::date(2025, 9, 2),
        };
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { sandbox: start(&options).await.unwrap(), http }
    }

    fn url(&self) -> String {
        format!("http://{}/ncanode", self.sandbox.address)
    }

    fn config(&self) -> NcaNodeConfig {
        NcaNodeConfig { url: self.url(), issuers: vec![AUTHORITY_DN.to_owned()], timeout_ms: 5_000, crl_file: None }
    }

    fn anna(&self) -> &Iin {
        &self.sandbox.world.people.people()[0].iin
    }

    fn boris(&self) -> &Iin {
        &self.sandbox.world.people.people()[1].iin
    }

    fn sign(&self, who: &Iin, kind: KeyKind) -> Vec<u8> {
        self.sandbox.world.authority.signer(who, kind).unwrap().sign_detached(CONTENT).unwrap()
    }

    /// What it says itself.
    async fn says(&self, path: &str, body: Value) -> Value {
        let answer = self.http.post(format!("{}{path}", self.url())).json(&body).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// It calls this signature valid.
    async fn calls_valid(&self, signature: &[u8], content: &[u8]) {
        use base64::Engine as _;
        let code = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        let body = json!({ "revocationCheck": ["OCSP", "CRL"], "cms": code(signature), "data": code(content) });
        let said = self.says("/cms/verify", body).await;
        assert_eq!(said["valid"], true, "nothing is proved by what it refuses itself: {said}");
    }

    async fn judge(&self, config: NcaNodeConfig, signature: &[u8], role: SignerRole, at: Timestamp) -> Verification {
        let asked = Asked { content: CONTENT, signature, expected: self.anna(), role, at };
        Verifier::new(NcaNode::new(config).unwrap()).judge(asked).await
    }

    async fn refuses(&self, signature: &[u8]) -> Option<Reason> {
        reason(&self.judge(self.config(), signature, SignerRole::Applicant, today()).await)
    }
}

fn reason(verification: &Verification) -> Option<Reason> {
    match verification {
        Verification::Verified(_) => None,
        Verification::NotVerified { reason } => Some(*reason),
    }
}

fn today() -> Timestamp {
    "2025-09-02T05:00:00Z".parse().unwrap()
}

#[tokio::test]
async fn a3_12_a_good_signature_is_verified_and_the_evidence_is_whole() {
    let node = Node::new().await;
    let signature = node.sign(node.anna(), KeyKind::Person);
    let verified = node.judge(node.config(), &signature, SignerRole::Applicant, today()).await;
    let Verification::Verified(evidence) = verified else { panic!("{verified:?}") };
    assert_eq!((&evidence.signer_iin, evidence.verifier.as_str()), (node.anna(), "ncanode-rest 3"));
    assert!(!evidence.certificate_serial.is_empty() && evidence.evidence_sha256.len() == 64);
    let answer: Value = serde_json::from_str(evidence.answer.as_deref().unwrap()).unwrap();
    assert_eq!(answer["signers"][0]["certificates"][0]["revocations"].as_array().map(Vec::len), Some(2));
    assert!(!format!("{evidence:?}").contains(node.anna().expose()));
    // the other keys of the demonstration, in their roles
    let officer = node.sign(node.anna(), KeyKind::Officer);
    assert_eq!(reason(&node.judge(node.config(), &officer, SignerRole::Officer, today()).await), None);
}

#[tokio::test]
async fn a3_12_rule_1_exactly_one_signer_whose_certificate_is_there() {
    let node = Node::new().await;
    let signer = node.sandbox.world.authority.signer(node.anna(), KeyKind::Person).unwrap();
    // a signer whose certificate is nowhere: nothing lowers its `valid`
    let bare = signer.sign_without_certificate(CONTENT).unwrap();
    node.calls_valid(&bare, CONTENT).await;
    assert_eq!(node.refuses(&bare).await, Some(Reason::NoCertificate));
    // nobody at all: the last element of the signed data is an empty set
    let nobody = without_signers(&node.sign(node.anna(), KeyKind::Person));
    node.calls_valid(&nobody, CONTENT).await;
    assert_eq!(node.refuses(&nobody).await, Some(Reason::NoSigner));
    // and where it reports more than we count ourselves
    node.sandbox.world.lies(Lie::TwoSigners);
    let good = node.sign(node.anna(), KeyKind::Person);
    node.calls_valid(&good, CONTENT).await;
    assert_eq!(node.refuses(&good).await, Some(Reason::SeveralSigners));
}

#[tokio::test]
async fn a3_12_rule_2_the_content_is_what_was_asked_to_be_signed() {
    let node = Node::new().await;
    let signer = node.sandbox.world.authority.signer(node.anna(), KeyKind::Person).unwrap();
    // attached, over other bytes: the bytes that it is given are left aside
    let attached = signer.sign_attached(b"something else altogether").unwrap();
    node.calls_valid(&attached, CONTENT).await;
    assert_eq!(node.refuses(&attached).await, Some(Reason::NotDetached));
    let other = signer.sign_detached(b"something else altogether").unwrap();
    assert_eq!(node.refuses(&other).await, Some(Reason::ContentDiffers));
}

#[tokio::test]
async fn a3_12_rule_3_the_certificate_is_judged_at_the_instant_of_filing_and_not_now() {
    let node = Node::new().await;
    let signature = node.sign(node.anna(), KeyKind::Person);
    node.calls_valid(&signature, CONTENT).await;
    for at in ["2019-12-31T23:00:00Z", "2040-01-01T00:00:00Z"] {
        let verified = node.judge(node.config(), &signature, SignerRole::Applicant, at.parse().unwrap()).await;
        assert_eq!(reason(&verified), Some(Reason::OutOfValidity), "{at}");
    }
}

#[tokio::test]
async fn a3_12_rule_4_a_timestamp_of_another_signature_is_not_this_ones() {
    let node = Node::new().await;
    let signature = node.sign(node.anna(), KeyKind::Person);
    node.sandbox.world.lies(Lie::Timestamp { hash: "ab".repeat(32) });
    node.calls_valid(&signature, CONTENT).await;
    assert_eq!(node.refuses(&signature).await, Some(Reason::TimestampDiffers));
}

#[tokio::test]
async fn a3_12_rule_5_an_answer_of_ocsp_that_nobody_signed_does_not_clear_a_revoked_certificate() {
    let node = Node::new().await;
    let authority = &node.sandbox.world.authority;
    let (anna, boris) = (
        authority.signer(node.anna(), KeyKind::Person).unwrap(),
        authority.signer(node.boris(), KeyKind::Person).unwrap(),
    );
    let signature = anna.sign_detached(CONTENT).unwrap();
    node.calls_valid(&signature, CONTENT).await;
    let file = std::env::temp_dir().join(format!("kezek-ncanode-crl-{}.pem", std::process::id()));
    let config = NcaNodeConfig { crl_file: Some(file.clone()), ..node.config() };
    for (list, expected) in [
        (authority.revocation_list(&[&boris]).unwrap(), None),
        (authority.revocation_list(&[&boris, &anna]).unwrap(), Some(Reason::Revoked)),
        (Authority::new(4).unwrap().revocation_list(&[]).unwrap(), None),
        (b"no list".to_vec(), Some(Reason::RevocationUnknown)),
    ] {
        std::fs::write(&file, list).unwrap();
        let verified = node.judge(config.clone(), &signature, SignerRole::Applicant, today()).await;
        assert_eq!(reason(&verified), expected);
    }
    std::fs::remove_file(&file).unwrap();
    let verified = node.judge(config, &signature, SignerRole::Applicant, today()).await;
    assert_eq!(reason(&verified), Some(Reason::RevocationUnknown), "a list that is gone clears nobody");
}

#[tokio::test]
async fn a5_5_rule_6_a_signature_that_covers_another_body_than_the_one_that_is_read() {
    let node = Node::new().await;
    let envelopes = envelopes(&node, GATEWAY_BIN);
    let key = node.sandbox.world.authority.gateway().unwrap();
    let honest = "<S:Envelope xmlns:S=\"s\"><S:Body><amount>1</amount></S:Body></S:Envelope>";
    let signed = wsse::sign(honest, &key).unwrap();
    assert_eq!(envelopes.verify(signed.as_bytes(), today()).await, Ok(()));
    // the signed body is moved into the header and another takes its place
    let at = signed.find("<S:Body").unwrap();
    let (header, body) = signed.split_at(at);
    let body = body.trim_end_matches("</S:Envelope>");
    let header = header.trim_end_matches("</S:Header>");
    let forged = format!("{header}<x>{body}</x></S:Header><S:Body><amount>1000000</amount></S:Body></S:Envelope>");
    let said = node.says("/wsse/verify", json!({ "revocationCheck": ["OCSP", "CRL"], "xml": forged })).await;
    assert_eq!(said["valid"], true, "{said}");
    assert!(matches!(envelopes.verify(forged.as_bytes(), today()).await, Err(SealFault::NotVerified(_))));
    // unsigned, altered, and signed by somebody else of the same authority
    let stranger = node.sandbox.world.authority.signer(node.anna(), KeyKind::Officer).unwrap();
    for wrong in [honest.to_owned(), signed.replace("<amount>1<", "<amount>2<"), wsse::sign(honest, &stranger).unwrap()]
    {
        let verdict = envelopes.verify(wrong.as_bytes(), today()).await;
        assert!(matches!(verdict, Err(SealFault::NotVerified(_))), "{verdict:?}");
    }
    node.sandbox.world.lies(Lie::OcspLater);
    assert_eq!(envelopes.verify(signed.as_bytes(), today()).await, Err(SealFault::Later));
}

#[tokio::test]
async fn a3_12_rule_7_without_an_answer_on_revocation_nothing_is_known() {
    let node = Node::new().await;
    let signature = node.sign(node.anna(), KeyKind::Person);
    node.sandbox.world.lies(Lie::NothingAsked);
    node.calls_valid(&signature, CONTENT).await;
    let refused = node.refuses(&signature).await;
    assert_eq!(refused, Some(Reason::RevocationUnknown));
    assert!(refused.is_some_and(Reason::is_undetermined));
}

#[tokio::test]
async fn a3_12_rule_8_an_authority_that_we_did_not_name_does_not_count() {
    let node = Node::new().await;
    let signature = node.sign(node.anna(), KeyKind::Person);
    node.sandbox.world.lies(Lie::TrustsAnybody);
    node.calls_valid(&signature, CONTENT).await;
    let config = NcaNodeConfig { issuers: vec!["C=KZ, CN=ANOTHER CA".to_owned()], ..node.config() };
    let verified = node.judge(config, &signature, SignerRole::Applicant, today()).await;
    assert_eq!(reason(&verified), Some(Reason::NotTrusted));
}

#[tokio::test]
async fn a3_12_a11a_another_persons_key_one_for_signing_in_and_one_of_another_role_are_refused() {
    let node = Node::new().await;
    for (signature, expected) in [
        (node.sign(node.boris(), KeyKind::Person), Reason::OtherPerson),
        (node.sign(node.anna(), KeyKind::PersonAuthentication), Reason::NotForSigning),
        (node.sign(node.anna(), KeyKind::Officer), Reason::WrongRole),
        (b"rubbish".to_vec(), Reason::Undecodable),
    ] {
        if expected != Reason::Undecodable {
            node.calls_valid(&signature, CONTENT).await;
        }
        assert_eq!(node.refuses(&signature).await, Some(expected));
    }
}

#[tokio::test]
async fn a3_12_try_later_is_not_invalid_and_a_verifier_that_is_away_accepts_nobody() {
    let node = Node::new().await;
    let signature = node.sign(node.anna(), KeyKind::Person);
    for (lie, expected) in [(Lie::OcspLater, Reason::RevocationUnknown), (Lie::Fails, Reason::VerifierUnavailable)] {
        node.sandbox.world.lies(lie);
        let refused = node.refuses(&signature).await;
        assert_eq!(refused, Some(expected));
        assert!(expected.is_undetermined());
    }
    let config = NcaNodeConfig { url: "http://127.0.0.1:9".to_owned(), ..node.config() };
    let verified = node.judge(config, &signature, SignerRole::Applicant, today()).await;
    assert_eq!(reason(&verified), Some(Reason::VerifierUnavailable));
}

#[tokio::test]
async fn a3_12_national_keys_go_to_ncanode_and_all_others_are_judged_here() {
    let node = Node::new().await;
    let signature = node.sign(node.anna(), KeyKind::Person);
    node.sandbox.world.lies(Lie::Fails);
    let pem = node.sandbox.world.authority.pem().unwrap();
    let routed =
        |all| Verifier::new(Routed::new(CmsVerifier::new(&pem).unwrap(), NcaNode::new(node.config()).unwrap(), all));
    let asked = |signature| Asked {
        content: CONTENT,
        signature,
        expected: node.anna(),
        role: SignerRole::Applicant,
        at: today(),
    };
    assert_eq!(reason(&routed(false).judge(asked(&signature)).await), None, "ECDSA: NCANode was not needed");
    assert_eq!(reason(&routed(true).judge(asked(&signature)).await), Some(Reason::VerifierUnavailable));
    // the same signature with the name of a national algorithm on it
    let national = renamed(&signature);
    assert_eq!(reason(&routed(false).judge(asked(&national)).await), Some(Reason::VerifierUnavailable));
}

fn envelopes(node: &Node, peer: &str) -> Envelopes {
    use base64::Engine as _;
    let key = node.sandbox.world.authority.gateway().unwrap().pkcs12("demo").unwrap();
    let key = base64::engine::general_purpose::STANDARD.encode(key);
    let client = NcaNode::new(node.config()).unwrap();
    Envelopes::new(client, key, SecretString::from("demo".to_owned()), peer).unwrap()
}

#[tokio::test]
async fn a5_5_envelopes_are_signed_both_ways_and_an_unsigned_answer_is_not_believed() {
    let town = Town::new().await;
    let node = Node::new().await;
    let config = || GatewayConfig {
        url: node.sandbox.sync_url(),
        async_url: node.sandbox.async_url(),
        ..GatewayConfig::default()
    };
    let sealed = Gateway::sealed(config(), envelopes(&node, GATEWAY_BIN)).unwrap();
    assert_eq!(sealed.order_state("charge/x/duty").await, Ok(OrderState::NotFound));
    // the gateway's certificate is not the one agreed upon
    let other = Gateway::sealed(config(), envelopes(&node, "000000000018")).unwrap();
    let fault = other.order_state("charge/x/duty").await.unwrap_err();
    assert!(matches!(&fault, GatewayFault::GatewayError { code, .. } if code == "envelope-not-verified"), "{fault}");
    assert!(fault.is_transient());
    // a gateway that does not sign: the sandbox of the town answers, and its key is another authority's
    let unsigned = GatewayConfig { url: format!("http://{}/livez", town.sandbox.address), ..config() };
    let fault = Gateway::sealed(unsigned, envelopes(&node, GATEWAY_BIN)).unwrap().order_state("k").await.unwrap_err();
    assert!(!matches!(fault, GatewayFault::BadAnswer { .. }), "{fault}");
    // and one that the signature service cannot judge just now
    node.sandbox.world.lies(Lie::Fails);
    let fault = sealed.order_state("charge/x/duty").await.unwrap_err();
    assert!(matches!(fault, GatewayFault::Transport { .. }) && fault.is_transient(), "{fault}");
}

/// The CMS with an empty set of signers.
fn without_signers(cms: &[u8]) -> Vec<u8> {
    let (oid, parts) = taken_apart(cms);
    let kept: Vec<u8> = parts[..parts.len() - 1].concat();
    put_together(&oid, &[kept, vec![0x31, 0x00]].concat())
}

/// The CMS with the name of a national algorithm in place of its signature's.
fn renamed(cms: &[u8]) -> Vec<u8> {
    // ecdsa-with-SHA256, and 1.2.398.3.10.1.1.1 in as many bytes
    let own = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let national = [0x06, 0x08, 0x2a, 0x83, 0x0e, 0x03, 0x0a, 0x01, 0x01, 0x01];
    let at = cms.windows(own.len()).rposition(|part| part == own).unwrap();
    let mut out = cms.to_vec();
    out[at..at + national.len()].copy_from_slice(&national);
    out
}

fn taken_apart(cms: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let outer = inside(cms);
    let (oid, rest) = whole(outer);
    let mut signed = inside(inside(rest));
    let mut parts = Vec::new();
    while !signed.is_empty() {
        let (part, rest) = whole(signed);
        parts.push(part.to_vec());
        signed = rest;
    }
    (oid.to_vec(), parts)
}

fn put_together(oid: &[u8], parts: &[u8]) -> Vec<u8> {
    wrap(0x30, &[oid, &wrap(0xa0, &wrap(0x30, parts))].concat())
}

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, length[0], length[1]], content].concat()
}

fn whole(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (head, length) = head(bytes);
    bytes.split_at(head + length)
}

fn inside(element: &[u8]) -> &[u8] {
    &element[head(element).0..]
}

fn head(bytes: &[u8]) -> (usize, usize) {
    match bytes[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(bytes[2])),
        _ => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
    }
}
