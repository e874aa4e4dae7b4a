//! The order for a card, and the end of the registration where no card will come.

use crate::{CancelReason, Job, Production};
use kezek_domain::dossier::Identity;
use kezek_domain::{CaseId, Coupon, Fault, System};
use kezek_gateway::{CardOrder, Gateway};
use kezek_stage::{Attachment, Attempt, EffectKey, File, Receiver};

/// The key of a making: the centre makes one card per key, so only a remake has another.
pub fn key(case: CaseId, job: &Job) -> EffectKey {
    EffectKey::of("print", case, &job.remake.to_string())
}

/// Orders the card (A3.18). Of the birthplace the country alone is sent (A0.2, A5.4).
pub async fn order(gateway: &Gateway, job: &Job, file: &File<Production>, attempt: &Attempt) -> Result<(), Fault> {
    let form = file.form()?;
    let identity = file.get::<Identity>()?;
    let order = CardOrder {
        coupon: coupon(file)?.clone(),
        iin: form.iin,
        surname: identity.surname,
        name: identity.given_name,
        patronymic: identity.patronymic,
        birth_date: identity.birth_date,
        birth_country: identity.birth_country,
        region: file.case.region,
        registration_point: form.registration_point,
        photo: file.attachment(Attachment::Photo)?.to_vec(),
        signature: file.attachment(Attachment::Signature)?.to_vec(),
    };
    let key = key(file.case.id, job);
    let call = async { gateway.order_card(key.as_str(), &order).await.map(|_accepted| ()) };
    attempt.effect(&key, Receiver::Dedupes, System::ProductionCentre, "order-card", call).await?.sure()
}

/// Cancels the registration; one that is not there is cancelled enough.
pub async fn cancel_registration(
    gateway: &Gateway,
    file: &File<Production>,
    attempt: &Attempt,
    reason: CancelReason,
) -> Result<(), Fault> {
    let key = EffectKey::of("cancel-registration", file.case.id, "");
    let coupon = coupon(file)?;
    let call = async { gateway.cancel_registration(key.as_str(), coupon, reason.label()).await.map(|_answer| ()) };
    attempt.effect(&key, Receiver::Dedupes, System::RpDrn, "cancel-registration", call).await?.sure()
}

fn coupon(file: &File<Production>) -> Result<&Coupon, Fault> {
    let missing = || Fault::permanent("no-coupon", "a card is made for a registered application only (A3.13, A3.18)");
    file.case.coupon.as_ref().ok_or_else(missing)
}
