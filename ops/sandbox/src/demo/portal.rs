//! The portal: fills in the form with each person, asks at `begin`, signs, submits, and keeps its own list of what
//! was accepted. It repeats a request until it hears an answer, always with the same request id.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use kezek_domain::Service;
use kezek_domain::dossier::{Consent, Form, Reason};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::door::Doors;
use super::judge::{Answer, Sent};
use crate::plan::{Expected, Plan};
use crate::population::Person;
use crate::signer::KeyKind;
use crate::world::World;

/// How many people apply at once.
const AT_ONCE: usize = 16;

/// The portal.
pub struct Portal {
    world: Arc<World>,
    doors: Arc<Doors>,
    token: String,
    open: bool,
    answered: AtomicUsize,
}

impl Portal {
    /// A portal with its token; `open`: whether the service can be asked for on that day at all.
    #[must_use]
    pub fn new(world: Arc<World>, doors: Arc<Doors>, token: String, open: bool) -> Self {
        Self { world, doors, token, open, answered: AtomicUsize::new(0) }
    }

    /// How many people have heard an answer.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Lets people apply, by their places in the population; gives the sender's own list, in order, and writes it to
    /// a file.
    ///
    /// # Errors
    /// Where a door does not answer for long, a picture cannot be drawn, or the file cannot be written.
    pub async fn send_some(self: Arc<Self>, some: std::ops::Range<usize>, list: PathBuf) -> anyhow::Result<Vec<Sent>> {
        let count = some.len();
        let mut results = futures_util::stream::iter(some)
            .map(|index| {
                let portal = Arc::clone(&self);
                async move { portal.one(index).await }
            })
            .buffered(AT_ONCE);
        let mut sent = Vec::with_capacity(count);
        while let Some(result) = results.next().await {
            sent.push(result?);
        }
        let lines: String = sent
            .iter()
            .filter_map(|s: &Sent| match &s.answer {
                Answer::Accepted(receipt) => Some(format!("{receipt}\n")),
                Answer::RefusedAtBegin(_) | Answer::Otherwise(_) => None,
            })
            .collect();
        std::fs::write(&list, lines).with_context(|| format!("{} cannot be written", list.display()))?;
        Ok(sent)
    }

    async fn one(&self, index: usize) -> anyhow::Result<Sent> {
        let person = self.world.people.get(index).context("nobody has this place")?;
        let answer = self.apply(person).await.with_context(|| format!("person {index}"))?;
        self.answered.fetch_add(1, Ordering::Relaxed);
        Ok(Sent { plan: person.plan, answer })
    }

    async fn apply(&self, person: &Person) -> anyhow::Result<Answer> {
        let mut consent = self.world.people.consent(&person.iin, self.world.clock.now());
        if asks_first(person, self.open) {
            let told = self.begin(person).await?;
            match told["verdict"].as_str() {
                Some("may-apply") => consent = granted(&told).unwrap_or(consent),
                Some("refused" | "redirected") => {
                    let code = told["refusal"]["code"].as_str().unwrap_or("no code");
                    return Ok(Answer::RefusedAtBegin(code.to_owned()));
                }
                _ => return Ok(Answer::Otherwise("begin gives no verdict".to_owned())),
            }
        }
        let body = self.submission(person, consent).await?;
        let first = self.submit(body.clone()).await?;
        if person.plan != Plan::SubmittedTwice {
            return Ok(first);
        }
        // the person presses the button again; the portal knows it by its request id
        let second = self.submit(body).await?;
        Ok(if first == second { first } else { Answer::Otherwise("submitted twice, answered differently".to_owned()) })
    }

    async fn begin(&self, person: &Person) -> anyhow::Result<Value> {
        let body = json!({
            "iin": person.iin.expose(),
            "phone": person.phone.expose(),
            "service": Service::ID_CARD_RENEWAL,
            "digitalIdSession": person.session,
            "documentNumber": person.card_number,
        });
        let body = serde_json::to_vec(&body)?;
        let answer = self.doors.ask(Method::POST, "/v1/applications/begin", &self.token, Some(body)).await?;
        anyhow::ensure!(answer.status == 200, "begin answers {}", answer.told());
        Ok(answer.json())
    }

    async fn submit(&self, body: Vec<u8>) -> anyhow::Result<Answer> {
        let answer = self.doors.ask(Method::POST, "/v1/applications", &self.token, Some(body)).await?;
        let told = answer.json();
        Ok(match (answer.status, told["receipt"].as_str()) {
            (200 | 201, Some(receipt)) => Answer::Accepted(receipt.to_owned()),
            _ => Answer::Otherwise(format!("submit answers {}", answer.told())),
        })
    }

    /// The whole request, its bytes the same for every repetition.
    async fn submission(&self, person: &Person, consent: Consent) -> anyhow::Result<Vec<u8>> {
        let (world, person) = (Arc::clone(&self.world), person.clone());
        // drawing takes a while: not on the threads that wait for answers
        tokio::task::spawn_blocking(move || {
            let (photo, sample) = (person.photograph()?, person.signature()?);
            let form = form(&world, &person, consent, &photo, &sample);
            let signed = serde_json::to_vec(&form)?;
            let another = world.people.people().iter().find(|other| other.index != person.index);
            let key_of = another.filter(|_| person.plan == Plan::SignedByAnother).unwrap_or(&person);
            let eds = world.authority.signer(&key_of.iin, KeyKind::Person)?.sign_detached(&signed)?;
            let body = json!({
                "requestId": format!("demo-{:05}", person.index),
                "service": Service::ID_CARD_RENEWAL,
                "signedContent": STANDARD.encode(&signed),
                "signature": STANDARD.encode(eds),
                "photo": STANDARD.encode(photo),
                "photoMediaType": "image/jpeg",
                "signatureSample": STANDARD.encode(sample),
            });
            Ok(serde_json::to_vec(&body)?)
        })
        .await?
    }
}

/// Whether this person's portal asks at `begin`: where that would refuse, every second portal skips it, so that the
/// case itself must be turned down.
fn asks_first(person: &Person, open: bool) -> bool {
    let outlook = if open { person.plan.outlook(kezek_domain::Tiyn::ZERO) } else { Plan::outlook_closed() };
    match outlook.end {
        Expected::RefusedAtDoor { .. } => person.index.is_multiple_of(2),
        Expected::TurnedDown { .. } | Expected::Closed(_) => true,
    }
}

fn granted(told: &Value) -> Option<Consent> {
    let consent = &told["consent"];
    Some(Consent {
        token: consent["token"].as_str()?.to_owned(),
        public_key: consent["publicKey"].as_str()?.to_owned(),
        expires_at: consent["expiresAt"].as_str()?.parse().ok()?,
    })
}

fn form(world: &World, person: &Person, consent: Consent, photo: &[u8], sample: &[u8]) -> Form {
    let sha256 = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    Form {
        iin: person.iin.clone(),
        phone: person.phone.clone(),
        service: Service::ID_CARD_RENEWAL,
        reason: Reason::Expiry,
        region: person.region,
        registration_point: person.registration_point.clone(),
        document_number: person.card_number.clone(),
        document_expires: Some(person.card_end),
        consent,
        digital_id_session: person.session.clone(),
        photo_sha256: sha256(photo),
        signature_sha256: sha256(sample),
        declared_exemption: None,
        language: person.language,
        filled_at: world.clock.now(),
    }
}
