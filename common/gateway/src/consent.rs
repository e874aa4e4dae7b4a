//! KDP: the data subject's consent, which precedes every other question (A3.1).

use jiff::Timestamp;
use kezek_domain::{Iin, Phone, System};

use crate::answer::SUCCESS;
use crate::xml::{Node, instant_text};
use crate::{Gateway, GatewayFault, service_ids};

pub use kezek_domain::dossier::Consent;

/// What the data subject said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsentAnswer {
    /// The data subject agrees; the token goes with every question about him.
    Granted(Consent),
    /// The data subject does not agree, or did not answer.
    Denied,
}

impl Gateway {
    /// Asks the data subject for consent (A3.1). `purpose` is a label of the service; `at` the
    /// business instant of the request.
    ///
    /// # Errors
    /// A technical failure.
    pub async fn consent(
        &self,
        iin: &Iin,
        phone: &Phone,
        purpose: &str,
        at: Timestamp,
    ) -> Result<ConsentAnswer, GatewayFault> {
        let question = Node::new("consentRequest")
            .field("iin", iin.expose())
            .field("phone", phone.expose())
            .field("purpose", purpose)
            .field("requestedAt", instant_text(at));
        let answer = self.ask(System::Kdp, service_ids::CONSENT, None, &question).await?;
        match answer.code.as_str() {
            SUCCESS => {
                let read = || {
                    Ok(Consent {
                        token: answer.data.need_text("kdpToken")?.to_owned(),
                        public_key: answer.data.need_text("publicKey")?.to_owned(),
                        expires_at: answer.data.need_instant("expiresAt")?,
                    })
                };
                read().map(ConsentAnswer::Granted).map_err(|problem| answer.bad(problem))
            }
            "demo-denied" => Ok(ConsentAnswer::Denied),
            _ => Err(answer.unexpected()),
        }
    }
}
