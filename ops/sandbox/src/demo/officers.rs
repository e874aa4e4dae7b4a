//! The scripted officers: each reads his list, opens a case, looks, decides, signs. They know what the doors show
//! them and nothing else. Whoever finds that somebody was faster goes to the next case.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kezek_domain::Iin;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::door::{Answer, Doors};
use super::eye;
use super::setup::{Account, Accounts};
use crate::signer::{KeyKind, Signer};
use crate::world::World;

/// How long an officer with nothing to do waits before he looks again, at first and at most.
const IDLE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(1500));

/// All officers at work; dropping it sends them home.
pub struct Officers {
    desks: JoinSet<anyhow::Result<()>>,
}

impl Officers {
    /// Sets everybody to work until `stop`.
    ///
    /// # Errors
    /// Where an officer's key cannot be made.
    pub fn start(
        accounts: &Accounts,
        doors: &Arc<Doors>,
        world: &World,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let mut desks = JoinSet::new();
        for account in &accounts.list {
            let work = match account.role {
                "reviewer" => {
                    let iin = account.iin.as_ref().context("a reviewer signs and needs an IIN")?;
                    Work::Review(Box::new(signer(world, iin)?))
                }
                "issuer" => Work::Issue,
                "head" => Work::Answer(&["exemption"]),
                "committee" => Work::Answer(&["intake", "exemption"]),
                "production" => Work::Answer(&["production"]),
                _ => continue,
            };
            let officer = Officer { account: account.clone(), doors: Arc::clone(doors), answered: HashMap::new() };
            desks.spawn(officer.sit(work, stop.clone()));
        }
        Ok(Self { desks })
    }

    /// The first fault that an officer met, if any has.
    pub fn fault(&mut self) -> Option<anyhow::Error> {
        while let Some(ended) = self.desks.try_join_next() {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Some(error),
                Err(error) => return Some(error.into()),
            }
        }
        None
    }
}

fn signer(world: &World, iin: &Iin) -> anyhow::Result<Signer> {
    world.authority.signer(iin, KeyKind::Officer)
}

enum Work {
    Review(Box<Signer>),
    Issue,
    Answer(&'static [&'static str]),
}

struct Officer {
    account: Account,
    doors: Arc<Doors>,
    answered: HashMap<String, u32>,
}

impl Officer {
    async fn sit(mut self, work: Work, stop: CancellationToken) -> anyhow::Result<()> {
        let mut pause = IDLE.0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
            let done = match &work {
                Work::Review(signer) => self.review(signer).await,
                Work::Issue => self.issue().await,
                Work::Answer(stages) => self.answer(stages).await,
            };
            let done = match done {
                Err(_) if stop.is_cancelled() => return Ok(()),
                done => done.with_context(|| format!("officer {}", self.account.name))?,
            };
            pause = if done > 0 { IDLE.0 } else { (pause * 2).min(IDLE.1) };
        }
    }

    async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.doors.ask(Method::GET, path, &self.account.token, None).await
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.doors.ask(Method::POST, path, &self.account.token, Some(serde_json::to_vec(body)?)).await
    }

    async fn list(&self, path: &str, name: &str) -> anyhow::Result<Vec<Value>> {
        let answer = self.get(path).await?;
        anyhow::ensure!(answer.status == 200, "{path} answers {}", answer.told());
        Ok(answer.json()[name].as_array().cloned().unwrap_or_default())
    }

    /// What was open; `None` where it is not any more.
    async fn open(&self, path: &str) -> anyhow::Result<Option<Answer>> {
        let answer = self.get(path).await?;
        match answer.status {
            200 => Ok(Some(answer)),
            404 | 409 => Ok(None),
            _ => anyhow::bail!("a case cannot be opened: {}", answer.told()),
        }
    }

    /// Whether the decision was taken by this request or somebody else's (this one's earlier sending, perhaps).
    fn taken(answer: &Answer) -> anyhow::Result<()> {
        match answer.status {
            200 | 404 | 409 => Ok(()),
            _ => anyhow::bail!("a decision is not taken: {} {}", answer.told(), answer.json()["errors"]),
        }
    }

    /// A11a, A11b.
    async fn review(&self, signer: &Signer) -> anyhow::Result<usize> {
        let tasks = self.list("/v1/review/tasks?limit=50", "tasks").await?;
        let mut done = 0;
        for task in &tasks {
            let case = task["case"].as_str().context("a task without a case")?;
            let Some(page) = self.open(&format!("/v1/review/cases/{case}")).await? else { continue };
            let page = page.json();
            // decided, and about to take effect
            if page["pending"]["state"] == "cooling" {
                continue;
            }
            done += 1;
            let picture = async |which: &str| {
                let path = page["pictures"][which].as_str().context("a page without its pictures")?;
                self.open(path).await
            };
            let (Some(photo), Some(sample)) = (picture("photo").await?, picture("signature").await?) else { continue };
            let (seen, photo, sample) = (page.clone(), photo.body, sample.body);
            let verdict = tokio::task::spawn_blocking(move || eye::decide(&seen, &photo, &sample)).await??;
            let content = to_sign(&page, verdict).context("the page does not offer the decision for signing")?;
            let mut body = json!({
                "ticket": page["ticket"],
                "revision": page["revision"],
                "at": page["at"],
                "documentationCode": page["documentationCode"],
                "decision": verdict.decision(),
                "signature": STANDARD.encode(signer.sign_detached(&content)?),
            });
            if let Some(reason) = verdict.reason() {
                body["reason"] = reason.into();
            }
            Self::taken(&self.post(&format!("/v1/review/cases/{case}/decision"), &body).await?)?;
        }
        Ok(done)
    }

    /// A4.3, A11d: the person comes with the coupon; the officer compares the face and hands the card over.
    async fn issue(&self) -> anyhow::Result<usize> {
        let tasks = self.list("/v1/issuance/tasks?limit=50", "tasks").await?;
        for task in &tasks {
            let coupon = task["coupon"].as_str().context("a card without a coupon")?;
            let Some(page) = self.open(&format!("/v1/issuance/by-coupon/{coupon}")).await? else { continue };
            let page = page.json();
            let case = page["case"].as_str().context("a page without a case")?;
            let photo = page["person"]["photo"].as_str().context("a page without the photograph")?;
            if self.open(photo).await?.is_none() {
                continue;
            }
            let body = json!({
                "ticket": page["ticket"],
                "coupon": coupon,
                "identityChecked": true,
                "inPerson": true,
                "oldCard": "returned",
            });
            Self::taken(&self.post(&format!("/v1/issuance/cases/{case}/handover"), &body).await?)?;
        }
        Ok(tasks.len())
    }

    /// Whatever a machine may not decide.
    async fn answer(&mut self, stages: &[&str]) -> anyhow::Result<usize> {
        let mut done = 0;
        for stage in stages {
            let questions = self.list(&format!("/v1/questions?stage={stage}&limit=50"), "questions").await?;
            done += questions.len();
            for question in questions {
                let case = question["case"].as_str().context("a question without a case")?;
                let choices: Vec<&str> = question["choices"]
                    .as_array()
                    .map_or(&[][..], Vec::as_slice)
                    .iter()
                    .filter_map(Value::as_str)
                    .collect();
                let before = self.answered.get(case).copied().unwrap_or(0);
                let choice = eye::choose(&choices, before).context("a question without choices")?;
                let body = json!({
                    "stage": stage,
                    "ticket": question["ticket"],
                    "choice": choice,
                    "reason": "decided by rule in a demonstration",
                });
                Self::taken(&self.post(&format!("/v1/questions/{case}"), &body).await?)?;
                *self.answered.entry(case.to_owned()).or_default() += 1;
            }
        }
        Ok(done)
    }
}

/// The exact bytes that the page offers for this decision.
fn to_sign(page: &Value, verdict: eye::Verdict) -> Option<Vec<u8>> {
    let offers = page["signing"].as_array()?;
    let fits = |offer: &&Value| {
        offer["decision"].as_str() == Some(verdict.decision()) && offer["reason"].as_str() == verdict.reason()
    };
    STANDARD.decode(offers.iter().find(fits)?["content"].as_str()?).ok()
}
