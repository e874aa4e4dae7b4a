//! What is told to the world: the confirmations of non-performance, and the end of the registration.

use crate::coverage::Coverage;
use crate::{Refund, basis};
use kezek_domain::{Closing, Fault, System};
use kezek_gateway::{Claim, Gateway};
use kezek_stage::{Attempt, EffectKey, File, Receiver};

/// Confirms to the tax authority everything that is held, payment by payment (A11c); gives the newest one's key.
///
/// # Errors
/// What the calls meet; permanent where nothing is held.
pub async fn all(gateway: &Gateway, file: &File<Refund>, attempt: &Attempt) -> Result<EffectKey, Fault> {
    let mut newest = None;
    for part in Coverage::of(file)?.to_confirm() {
        let key = EffectKey::of("refund", file.case.id, &part.number);
        let claim = Claim {
            coupon: file.case.coupon.clone(),
            amount: part.amount,
            payments: vec![part.number],
            legal_basis: basis::legal_basis(attempt.today()).to_owned(),
        };
        let call = async { gateway.confirm_non_performance(key.as_str(), &claim).await.map(|_accepted| ()) };
        attempt.effect(&key, Receiver::Dedupes, System::TaxAuthority, "confirm-non-performance", call).await?.sure()?;
        newest.get_or_insert(key);
    }
    newest.ok_or_else(|| Fault::permanent("nothing-to-confirm", "the case holds no money"))
}

/// Cancels the registration of a case that ends without a card; a card that was handed over stays registered.
///
/// # Errors
/// What the call meets.
pub async fn cancel_registration(gateway: &Gateway, file: &File<Refund>, attempt: &Attempt) -> Result<(), Fault> {
    let (Some(coupon), Some(because)) = (&file.case.coupon, file.case.status.refunding()) else { return Ok(()) };
    if because.closing == Closing::Issued {
        return Ok(());
    }
    let key = EffectKey::of("cancel-registration", file.case.id, "");
    let call = async { gateway.cancel_registration(key.as_str(), coupon, &because.reason).await.map(|_answer| ()) };
    attempt.effect(&key, Receiver::Dedupes, System::RpDrn, "cancel-registration", call).await?.sure()
}
