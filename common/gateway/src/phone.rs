//! BMG, the base of citizens' mobile numbers: is this number this person's? (A3.2)

use kezek_domain::{Iin, Phone, System};

use crate::answer::SUCCESS;
use crate::xml::Node;
use crate::{Gateway, GatewayFault, service_ids};

/// What the base says of a pair of IIN and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneAnswer {
    /// The number is the person's.
    Bound,
    /// The number is somebody else's.
    NotBound,
    /// The base does not know the number: the person registers it first.
    NotInBase,
}

impl Gateway {
    /// Asks the base about a pair (A3.2).
    ///
    /// # Errors
    /// A technical failure.
    pub async fn phone_bound(&self, iin: &Iin, phone: &Phone) -> Result<PhoneAnswer, GatewayFault> {
        let question = Node::new("bindingRequest").field("iin", iin.expose()).field("phone", phone.expose());
        let answer = self.ask(System::Bmg, service_ids::PHONE, None, &question).await?;
        match answer.code.as_str() {
            SUCCESS => match answer.data.need_text("bound").map_err(|problem| answer.bad(problem))? {
                "true" => Ok(PhoneAnswer::Bound),
                "false" => Ok(PhoneAnswer::NotBound),
                _ => Err(answer.odd("bound")),
            },
            "demo-not-in-base" => Ok(PhoneAnswer::NotInBase),
            _ => Err(answer.unexpected()),
        }
    }
}
