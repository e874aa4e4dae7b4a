//! A3.13: RP DRN registers the application under a key that never changes, and gives the coupon.

use crate::checks::digests::sha256_hex;
use crate::examination::Papers;
use kezek_domain::dossier::Registration;
use kezek_domain::{CaseId, Coupon, System};
use kezek_gateway::{Gateway, GatewayFault, RegisterAnswer, RegisterRequest, RegistrationState};
use kezek_stage::{Attempt, EffectKey, Fault, Receiver};
use serde::{Deserialize, Serialize};

/// What the register made of the application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Registered {
    /// It has a coupon.
    Yes {
        /// The coupon.
        coupon: Coupon,
        /// The documentation code (A4.1).
        documentation_code: String,
    },
    /// The register refuses it.
    No,
}

fn key(case: CaseId) -> EffectKey {
    EffectKey::of("register", case, "")
}

/// Registers the application. The register dedupes by the key: a repeated attempt gets the same coupon.
///
/// # Errors
/// A technical failure. A12 does not apply: the request may have been heard, so it is repeated until answered.
pub async fn register(
    gateway: &Gateway,
    case: CaseId,
    papers: &Papers<'_>,
    attempt: &Attempt,
) -> Result<Option<Registration>, Fault> {
    let form = papers.form;
    let request = RegisterRequest {
        iin: form.iin.clone(),
        region: form.region,
        registration_point: form.registration_point.clone(),
        document_number: form.document_number.clone(),
        photo_sha256: form.photo_sha256.clone(),
        signature_sha256: form.signature_sha256.clone(),
        content_sha256: sha256_hex(papers.signed),
        filed_at: papers.filed_at,
    };
    let key = key(case);
    let call = async {
        Ok::<_, GatewayFault>(match gateway.register(key.as_str(), &request).await? {
            RegisterAnswer::Registered { coupon, documentation_code } => Registered::Yes { coupon, documentation_code },
            // the register's own words may name the person; its refusal is told in ours
            RegisterAnswer::Refused { .. } => Registered::No,
        })
    };
    match attempt.effect(&key, Receiver::Dedupes, System::RpDrn, "register", call).await?.sure()? {
        Registered::Yes { coupon, documentation_code } => {
            Ok(Some(Registration { coupon, registered_at: attempt.now(), documentation_code }))
        }
        Registered::No => Ok(None),
    }
}

/// Takes back a registration that an earlier attempt made and never heard of: between two attempts a register may
/// change its mind about the applicant, and a refused application must not stay registered.
///
/// # Errors
/// A technical failure.
pub async fn undo(gateway: &Gateway, case: CaseId, attempt: &Attempt) -> Result<(), Fault> {
    let registered = key(case);
    let asked = gateway.registration_state(registered.as_str());
    match attempt.call(System::RpDrn, "registration-state", asked).await? {
        RegistrationState::Unknown | RegistrationState::Cancelled { .. } | RegistrationState::Closed { .. } => Ok(()),
        RegistrationState::Open { coupon } => {
            let cancel = EffectKey::of("cancel-registration", case, "");
            let call = async { gateway.cancel_registration(cancel.as_str(), &coupon, "refused").await.map(|_| ()) };
            attempt.effect(&cancel, Receiver::Dedupes, System::RpDrn, "cancel-registration", call).await?.sure()
        }
    }
}
