//! The tax authority, over the asynchronous channel: we confirm that a paid-for action was not
//! performed (A11c); that it paid the money back is its message to us, never our own conclusion.

use kezek_domain::{Coupon, System, Tiyn};

use crate::xml::Node;
use crate::{Accepted, Gateway, GatewayFault, service_ids};

/// A confirmation of non-performance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The application's coupon, where it got that far.
    pub coupon: Option<Coupon>,
    /// How much is to be given back, in tiyn.
    pub amount: Tiyn,
    /// The numbers of the payments it was paid with.
    pub payments: Vec<String>,
    /// The article it rests on.
    pub legal_basis: String,
}

impl Gateway {
    /// Confirms to the tax authority that the service was not performed. It dedupes by key.
    ///
    /// # Errors
    /// A technical failure.
    pub async fn confirm_non_performance(&self, key: &str, claim: &Claim) -> Result<Accepted, GatewayFault> {
        let payments =
            claim.payments.iter().fold(Node::new("payments"), |list, number| list.field("number", number.as_str()));
        let data = Node::new("nonPerformance")
            .field("confirmationKey", key)
            .maybe("coupon", claim.coupon.as_ref().map(Coupon::as_str))
            .field("amountTiyn", claim.amount.0.to_string())
            .child(payments)
            .field("legalBasis", claim.legal_basis.as_str());
        self.hand_over(System::TaxAuthority, service_ids::NON_PERFORMANCE, key, &data).await
    }
}
