//! The production centre, over the asynchronous channel: the order now (A3.18), the result later as
//! an incoming message.

use std::fmt;

use jiff::civil::Date;
use kezek_domain::{Coupon, Iin, Region, System};

use crate::xml::{Node, base64_text};
use crate::{Accepted, Gateway, GatewayFault, service_ids};

/// A card to be made. Of the birthplace only the country is printed (A5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct CardOrder {
    /// The registration coupon.
    pub coupon: Coupon,
    /// The holder.
    pub iin: Iin,
    /// Surname.
    pub surname: String,
    /// Given name.
    pub name: String,
    /// Patronymic, where there is one.
    pub patronymic: Option<String>,
    /// Birth date.
    pub birth_date: Date,
    /// Country of birth, a code.
    pub birth_country: String,
    /// Region that hands the card over.
    pub region: Region,
    /// Point that hands the card over.
    pub registration_point: String,
    /// Photograph, JPEG.
    pub photo: Vec<u8>,
    /// Signature sample, PNG or JPEG.
    pub signature: Vec<u8>,
}

impl fmt::Debug for CardOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardOrder(…)")
    }
}

impl Gateway {
    /// Orders a card. The centre dedupes by key: a remake after a defect needs a new one.
    ///
    /// # Errors
    /// A technical failure.
    pub async fn order_card(&self, key: &str, order: &CardOrder) -> Result<Accepted, GatewayFault> {
        let data = Node::new("cardOrder")
            .field("orderKey", key)
            .field("coupon", order.coupon.as_str())
            .field("iin", order.iin.expose())
            .field("surname", order.surname.as_str())
            .field("name", order.name.as_str())
            .maybe("patronymic", order.patronymic.as_deref())
            .field("birthDate", order.birth_date.to_string())
            .field("birthCountry", order.birth_country.as_str())
            .field("region", order.region.as_str())
            .field("registrationPoint", order.registration_point.as_str())
            .field("photo", base64_text(&order.photo))
            .field("signature", base64_text(&order.signature));
        self.hand_over(System::ProductionCentre, service_ids::PRODUCTION_ORDER, key, &data).await
    }
}
