//! The stage on the bench, with the registers on loopback.

use crate::checks::digests::sha256_hex;
use crate::picture::testing::{Stroke, portrait, signature};
use crate::{Answer, Config, Doubt, Intake, Job, Outcome};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use kezek_domain::dossier::{CheckOutcome, Document, Findings, Form, Identity, Questions, Registration};
use kezek_domain::rules::{NoticeKind, Refusal};
use kezek_domain::{IinProfile, Receipt, Role, System};
use kezek_gateway::eds::{CmsVerifier, Verifier};
use kezek_gateway::service_ids;
use kezek_gateway::xml::Node;
use kezek_stage::{Attachment, Hold, Outcome as _, Turn};
use kezek_testkit::desk::{Counter, HeldCase, account, ask};
use kezek_testkit::eds::Authority;
use kezek_testkit::register::Register;
use kezek_testkit::{Bench, bench, paper};
use serde_json::{Value, json};
use std::error::Error;
use std::sync::Arc;

mod disputed;
mod doors;
mod doubts;
mod papers;
mod registers;
mod window;

type Tested = Result<(), Box<dyn Error>>;

struct Case {
    register: Register,
    bench: Bench<Intake>,
    form: Form,
    papers: [(Attachment, Vec<u8>); 4],
}

/// The person as GBDFL tells it, with a change.
fn person(change: impl FnOnce(Node) -> Node) -> Node {
    let (identity, card) = (paper::identity(), paper::document());
    let address =
        Node::new("regAddress").field("status", "1").field("region", "demo-75").field("beginDate", "2015-01-01");
    let document = Node::new("document")
        .field("type", "002")
        .field("number", card.number)
        .field("beginDate", card.begins.to_string())
        .maybe("endDate", card.ends.map(|d| d.to_string()))
        .field("status", "00");
    let base = Node::new("person")
        .field("iin", paper::iin().expose())
        .field("surname", identity.surname)
        .field("name", identity.given_name)
        .field("birthDate", identity.birth_date.to_string())
        .field("gender", "1")
        .field("citizenship", "398")
        .field("lifeStatus", "0")
        .child(Node::new("birthPlace").field("country", "398"))
        .child(address)
        .child(Node::new("documents").child(document));
    Node::new("response").child(Node::new("persons").child(change(base)))
}

fn result(word: &str) -> Node {
    Node::new("answer").field("result", word)
}

/// Everything as the law wants it.
async fn case() -> Result<Case, Box<dyn Error>> {
    case_with(|_| {}).await
}

async fn case_with(change: impl FnOnce(&mut Form)) -> Result<Case, Box<dyn Error>> {
    let register = Register::open().await?;
    register.answers(service_ids::PERSON, person(|p| p));
    register.answers(service_ids::PHONE, Node::new("answer").field("bound", "true"));
    register.answers(service_ids::SESSION, result("matched"));
    register.answers(service_ids::FACE, result("matched"));
    register.answers(
        service_ids::REGISTER,
        Node::new("answer").field("coupon", paper::coupon().as_str()).field("documentationCode", "demo-75-01"),
    );
    register.answers(service_ids::REGISTRATION_STATE, Node::new("answer").field("state", "unknown"));
    let consent = Node::new("answer")
        .field("kdpToken", "new-token")
        .field("publicKey", "new-key")
        .field("expiresAt", "2025-09-02T06:00:00Z");
    register.answers(service_ids::CONSENT, consent);

    let (photo, sample) = (portrait(490, 630), signature(600, 200, Stroke::Written));
    let mut form = paper::form();
    form.photo_sha256 = sha256_hex(&photo);
    form.signature_sha256 = sha256_hex(&sample);
    change(&mut form);
    let signed = serde_json::to_vec(&form)?;
    let authority = Authority::new(paper::filed_at())?;
    let eds = authority.person(&paper::iin())?.sign(&signed)?;
    let papers = [
        (Attachment::Photo, photo),
        (Attachment::Signature, sample),
        (Attachment::SignedContent, signed),
        (Attachment::Eds, eds),
    ];
    let kit = bench::kit(paper::filed_at())
        .with(Arc::new(register.gateway()?))
        .with(Arc::new(Verifier::new(CmsVerifier::new(&authority.pem()?)?)));
    let config = Config { iin_profile: IinProfile::Demo, ..Config::default() };
    let mut bench = Bench::open(config, kit)?.filing(&form);
    for (which, bytes) in &papers {
        bench = bench.attaching(*which, bytes.clone());
    }
    Ok(Case { register, bench, form, papers })
}

impl Case {
    /// Works and gives the refusal with its deciding detail.
    async fn refused(&mut self) -> Result<(Refusal, String), Box<dyn Error>> {
        let turn = self.bench.work(&Job {}).await?;
        let Turn::Done(outcome) = turn else { return Err(format!("{turn:?}").into()) };
        let detail = outcome.facts()["detail"].as_str().unwrap_or_default().to_owned();
        match outcome {
            Outcome::Refused(down) | Outcome::Redirected(down) => Ok((down.refusal, detail)),
            Outcome::Registered(_) => Err("registered".into()),
        }
    }
    async fn held(&mut self) -> Result<Hold<Answer>, Box<dyn Error>> {
        held(self.bench.work(&Job {}).await?)
    }
    fn services(&self) -> Vec<String> {
        self.register.asked().into_iter().map(|a| a.service).collect()
    }
}

fn held(turn: Turn<Intake>) -> Result<Hold<Answer>, Box<dyn Error>> {
    match turn {
        Turn::Hold(hold) => Ok(hold),
        other @ (Turn::Done(_) | Turn::Again(_)) => Err(format!("not held: {other:?}").into()),
    }
}
