//! What the applicant is told: text messages and the personal cabinet.

use kezek_domain::{Iin, Phone, System};

use crate::xml::Node;
use crate::{Accepted, Gateway, GatewayFault, service_ids};

impl Gateway {
    /// Sends a text message. The receiver neither dedupes nor can be asked.
    ///
    /// # Errors
    /// A technical failure.
    pub async fn sms(&self, key: &str, phone: &Phone, text: &str) -> Result<Accepted, GatewayFault> {
        let data = Node::new("sms").field("key", key).field("phone", phone.expose()).field("text", text);
        self.ask(System::Sms, service_ids::SMS, Some(key), &data).await?.success().map(|_| Accepted)
    }

    /// Puts a message into the personal cabinet. The receiver dedupes by key.
    ///
    /// # Errors
    /// A technical failure.
    pub async fn cabinet(&self, key: &str, iin: &Iin, title: &str, text: &str) -> Result<Accepted, GatewayFault> {
        let data =
            Node::new("cabinet").field("key", key).field("iin", iin.expose()).field("title", title).field("text", text);
        self.ask(System::Cabinet, service_ids::CABINET, Some(key), &data).await?.success().map(|_| Accepted)
    }
}
