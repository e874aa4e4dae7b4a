//! Who speaks to the town: citizens through the portal, officers and issuers at their desks, operators.

use super::Town;
use crate::desk::{account, ask, officer};
use anyhow::{Context as _, Result, ensure};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kezek_domain::dossier::{CancelReason, Form, Reason};
use kezek_domain::{CaseId, Iin, IinProfile, Region, Role, Service};
use kezek_sandbox::{KeyKind, Person, Plan};
use kezek_stage::Caller;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::PoisonError;

/// A citizen of the town.
#[derive(Clone, Debug)]
pub struct Citizen<'t> {
    town: &'t Town,
    /// The person, as the registers know him.
    pub person: Person,
}

/// What the portal was told of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The case.
    pub case: CaseId,
    /// Its receipt.
    pub receipt: String,
    /// The status of the answer.
    pub status: StatusCode,
}

/// Somebody who decides at a desk.
#[derive(Clone, Debug)]
pub struct Official<'t> {
    town: &'t Town,
    /// As whom the doors know him.
    pub caller: Caller,
}

impl Town {
    /// The next citizen with this plan who has not applied yet.
    ///
    /// # Errors
    /// Where there is none left.
    pub fn citizen(&self, plan: Plan) -> Result<Citizen<'_>> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let people = self.sandbox.world.people.people();
        let person = people.iter().find(|p| p.plan == plan && !served.contains(&p.index)).with_context(|| {
            format!("no citizen is left whose plan is `{}`: found the town with more", plan.label())
        })?;
        served.insert(person.index);
        Ok(Citizen { town: self, person: person.clone() })
    }

    /// An officer of a region's review.
    ///
    /// # Errors
    /// Never in practice: the officer's number is known.
    pub fn officer(&self, region: Region) -> Result<Official<'_>> {
        Ok(Official { town: self, caller: officer(Role::Reviewer, region, Some(officers_iin()?)) })
    }

    /// An officer of a region who hands cards over.
    ///
    /// # Errors
    /// As [`Town::officer`].
    pub fn issuer(&self, region: Region) -> Result<Official<'_>> {
        Ok(Official { town: self, caller: officer(Role::Issuer, region, Some(officers_iin()?)) })
    }

    /// Somebody of another role, in a region or of all of them.
    #[must_use]
    pub fn somebody(&self, role: Role, region: Option<Region>) -> Official<'_> {
        let caller = region.map_or_else(|| account(role), |region| officer(role, region, None));
        Official { town: self, caller }
    }

    /// The portal sends a body as it is.
    pub async fn portal(&self, path: &str, body: Value) -> (StatusCode, Value) {
        ask(self.doors(), &account(Role::Portal), "POST", path, Some(body)).await
    }
}

/// A number that belongs to nobody: born in 1880, admitted by the test profile alone.
fn officers_iin() -> Result<Iin> {
    let number = (0..10_000).find_map(|serial| {
        let eleven = format!("8001011{serial:04}");
        Iin::check_digit(&eleven).map(|check| format!("{eleven}{check}"))
    });
    Iin::parse(&number.context("no such number")?, IinProfile::Demo).context("an officer's number")
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Citizen<'_> {
    /// The application as the portal sends it, signed as the plan says.
    ///
    /// # Errors
    /// Where a picture or signature cannot be made.
    pub fn application(&self, request_id: &str) -> Result<Value> {
        let (world, person) = (&self.town.sandbox.world, &self.person);
        let now = self.town.engine.clock().now();
        let (photo, sample) = (person.photograph()?, person.signature()?);
        let form = Form {
            iin: person.iin.clone(),
            phone: person.phone.clone(),
            service: Service::ID_CARD_RENEWAL,
            reason: Reason::Expiry,
            region: person.region,
            registration_point: person.registration_point.clone(),
            document_number: person.card_number.clone(),
            document_expires: Some(person.card_end),
            consent: world.people.consent(&person.iin, now),
            digital_id_session: person.session.clone(),
            photo_sha256: sha256(&photo),
            signature_sha256: sha256(&sample),
            declared_exemption: None,
            language: person.language,
            filled_at: now,
        };
        let signed = serde_json::to_vec(&form)?;
        let other = world.people.people().iter().find(|p| p.index != person.index).map(|p| &p.iin);
        let key_of = other.filter(|_| person.plan == Plan::SignedByAnother).unwrap_or(&person.iin);
        let signature = world.authority.signer(key_of, KeyKind::Person)?.sign_detached(&signed)?;
        Ok(json!({
            "requestId": request_id, "service": form.service,
            "signedContent": STANDARD.encode(&signed), "signature": STANDARD.encode(&signature),
            "photo": STANDARD.encode(&photo), "photoMediaType": "image/jpeg",
            "signatureSample": STANDARD.encode(&sample),
        }))
    }

    /// Applies, through the portal.
    ///
    /// # Errors
    /// Where the door refuses.
    pub async fn submits(&self) -> Result<Sent> {
        let body = self.application(&format!("request-{}", self.person.index))?;
        self.sends(body).await
    }

    /// The portal sends an application that was made before.
    ///
    /// # Errors
    /// Where the door refuses.
    pub async fn sends(&self, body: Value) -> Result<Sent> {
        let (status, told) = self.town.portal("/v1/applications", body).await;
        ensure!(status.is_success(), "the application of {:?} was refused: {status} {told}", self.person);
        let case: uuid::Uuid = serde_json::from_value(told["case"].clone()).context("the answer names no case")?;
        Ok(Sent { case: CaseId(case), receipt: told["receipt"].as_str().unwrap_or_default().to_owned(), status })
    }
}

impl Official<'_> {
    /// Asks a door.
    pub async fn asks(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        ask(self.town.doors(), &self.caller, method, path, body).await
    }

    /// The page of a case that waits for review.
    ///
    /// # Errors
    /// Where the door refuses.
    pub async fn opens(&self, case: CaseId) -> Result<Value> {
        let (status, page) = self.asks("GET", &format!("/v1/review/cases/{case}"), None).await;
        ensure!(status == StatusCode::OK, "the page of {case} was refused: {status} {page}");
        Ok(page)
    }

    /// Signs and sends a decision as a page showed it.
    ///
    /// # Errors
    /// Where the page offers no such decision, or it cannot be signed.
    pub async fn decides(&self, page: &Value, cancel: Option<CancelReason>) -> Result<(StatusCode, Value)> {
        let (decision, reason) = (if cancel.is_some() { "cancel" } else { "approve" }, cancel.map(|r| r.label()));
        let offered = page["signing"].as_array().context("the page offers nothing to sign")?;
        let content = offered
            .iter()
            .find(|s| s["decision"] == decision && s["reason"].as_str() == reason)
            .and_then(|s| s["content"].as_str())
            .with_context(|| format!("the page does not offer {decision} {reason:?}: {offered:?}"))?;
        let iin = self.caller.iin.as_ref().context("this account names no person")?;
        let signer = self.town.sandbox.world.authority.signer(iin, KeyKind::Officer)?;
        let signature = STANDARD.encode(signer.sign_detached(&STANDARD.decode(content)?)?);
        let mut body = json!({
            "ticket": page["ticket"], "revision": page["revision"], "at": page["at"],
            "documentationCode": page["documentationCode"], "decision": decision, "signature": signature,
        });
        if let (Some(reason), Some(map)) = (reason, body.as_object_mut()) {
            map.insert("reason".to_owned(), json!(reason));
        }
        let case = page["case"].as_str().unwrap_or_default();
        Ok(self.asks("POST", &format!("/v1/review/cases/{case}/decision"), Some(body)).await)
    }

    /// Approves a case that waits for review.
    ///
    /// # Errors
    /// Where a door refuses.
    pub async fn approves(&self, case: CaseId) -> Result<()> {
        self.settles(case, None).await
    }

    /// Cancels a case that waits for review.
    ///
    /// # Errors
    /// Where a door refuses.
    pub async fn cancels(&self, case: CaseId, reason: CancelReason) -> Result<()> {
        self.settles(case, Some(reason)).await
    }

    async fn settles(&self, case: CaseId, cancel: Option<CancelReason>) -> Result<()> {
        let page = self.opens(case).await?;
        let (status, told) = self.decides(&page, cancel).await?;
        ensure!(status == StatusCode::OK, "the decision on {case} was refused: {status} {told}");
        Ok(())
    }

    /// Hands the card of a coupon over, in person, against the old one.
    ///
    /// # Errors
    /// Where a door refuses.
    pub async fn hands_over(&self, coupon: &str) -> Result<()> {
        let (status, page) = self.asks("GET", &format!("/v1/issuance/by-coupon/{coupon}"), None).await;
        ensure!(status == StatusCode::OK, "the coupon was refused: {status} {page}");
        let body = json!({
            "ticket": page["ticket"], "coupon": coupon, "identityChecked": true, "inPerson": true, "oldCard": "returned",
        });
        let case = page["case"].as_str().unwrap_or_default();
        let (status, told) = self.asks("POST", &format!("/v1/issuance/cases/{case}/handover"), Some(body)).await;
        ensure!(status == StatusCode::OK, "the handover was refused: {status} {told}");
        Ok(())
    }
}
