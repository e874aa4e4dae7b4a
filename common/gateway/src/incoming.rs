//! Messages of the asynchronous channel that arrive at our own endpoint.
//!
//! The door parses, commits, and only then acknowledges; it dedupes by message id and again by what
//! the message itself names (payment number, order key).

use std::fmt;

use jiff::Timestamp;
use kezek_domain::Tiyn;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::envelope::{self, Body};
use crate::orders::amount;
use crate::service_ids;
use crate::stamp::sent_at;
use crate::xml::{Node, Problem};

/// Largest message that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// A message as it arrived. `Debug` shows the envelope alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The sender's id of this sending.
    pub message_id: String,
    /// What it answers, where it answers something.
    pub correlation_id: Option<String>,
    /// Which service's message it is.
    pub service_id: String,
    /// `REQUEST`, `RESPONSE`, `NOTIFICATION`.
    pub message_type: String,
    /// When it was sent, by its sender's clock.
    pub date: Option<Timestamp>,
    /// Who sent it.
    pub sender: Option<String>,
    password: Option<String>,
    data: Node,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("message_id", &self.message_id)
            .field("service_id", &self.service_id)
            .field("message_type", &self.message_type)
            .finish_non_exhaustive()
    }
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The applicant paid (A3.15).
    PaymentConfirmed(PaymentConfirmed),
    /// What the production centre made of an order (A3.18, A5.4).
    ProductionResult(ProductionResult),
    /// The applicant has claimed a refund at the tax authority (A11c).
    TaxClaimFiled(TaxClaimFiled),
    /// The tax authority has paid a refund (A11c).
    TaxRefundPaid(TaxRefundPaid),
}

/// A payment for an order. Unique by `number`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentConfirmed {
    /// The effect key of our order.
    pub order_key: String,
    /// The provider's number of the payment.
    pub number: String,
    /// How much, in tiyn.
    pub amount: Tiyn,
    /// When, business time.
    pub at: Timestamp,
}

/// What became of an order for a card. Unique by `order_key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductionResult {
    /// The effect key of our order.
    pub order_key: String,
    /// What became of it.
    pub result: CentreResult,
    /// When, business time.
    pub at: Option<Timestamp>,
}

/// What the production centre made of an order.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CentreResult {
    /// The card is made.
    Produced {
        /// Its number.
        card_number: String,
    },
    /// The card that was made is faulty.
    Defect {
        /// The centre's code.
        code: String,
    },
    /// Incoming control found fault with the order (A5.4).
    IncomingControlFailed {
        /// The centre's code.
        code: String,
    },
}

impl fmt::Debug for CentreResult {
    /// The card's number belongs to a person: it is never printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Produced { .. } => f.write_str("Produced(…)"),
            Self::Defect { code } => write!(f, "Defect({code})"),
            Self::IncomingControlFailed { code } => write!(f, "IncomingControlFailed({code})"),
        }
    }
}

/// A claim for a refund. Unique by `number`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxClaimFiled {
    /// The effect key of our confirmation.
    pub confirmation_key: String,
    /// When, business time: the tax authority's term begins.
    pub claimed_at: Timestamp,
    /// The tax authority's number of the claim.
    pub number: String,
}

/// A refund that was paid out. Unique by `number`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxRefundPaid {
    /// The effect key of our confirmation.
    pub confirmation_key: String,
    /// How much, in tiyn.
    pub amount: Tiyn,
    /// When, business time.
    pub paid_at: Timestamp,
    /// The tax authority's number of the payment.
    pub number: String,
}

impl Incoming {
    /// Reads a SOAP message of the asynchronous channel, whatever it says.
    ///
    /// # Errors
    /// Where it is no such message; the problem names the place and holds no data.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let message = match envelope::open(body, MAX_BYTES)? {
            Body::Message(message) => message,
            Body::Fault(_) => return Err(Problem::at("Envelope/Body", "a fault, not a sendMessage")),
        };
        if message.name() != "sendMessage" {
            return Err(Problem::at("Envelope/Body", "not a sendMessage"));
        }
        let request = message.need("request")?;
        let info = request.need("messageInfo")?;
        let data = request.need("messageData/data")?;
        let id = |path: &str| -> Result<String, Problem> {
            let text = info.need_text(path)?;
            if text.len() > 128 { Err(info.problem(path, "longer than 128 bytes")) } else { Ok(text.to_owned()) }
        };
        Ok(Self {
            message_id: id("messageId")?,
            correlation_id: info.text("correlationId").map(str::to_owned),
            service_id: id("serviceId")?,
            message_type: id("messageType")?,
            date: info.instant("messageDate")?,
            sender: info.text("sender/senderId").map(str::to_owned),
            password: info.text("sender/password").map(str::to_owned),
            data: envelope::read_data(data, MAX_BYTES)?.ok_or_else(|| request.problem("messageData/data", "empty"))?,
        })
    }

    /// Whether it carries this sender's id and password. Takes as long for a wrong password as for the right one.
    #[must_use]
    pub fn came_from(&self, sender_id: &str, password: &SecretString) -> bool {
        let digest = |text: &str| openssl::sha::sha256(text.as_bytes());
        let id = digest(self.sender.as_deref().unwrap_or_default());
        let given = digest(self.password.as_deref().unwrap_or_default());
        // both are compared whatever the first gives
        openssl::memcmp::eq(&id, &digest(sender_id)) & openssl::memcmp::eq(&given, &digest(password.expose_secret()))
    }

    /// What it says.
    ///
    /// # Errors
    /// Where the service is not one of ours or its data lacks something.
    pub fn message(&self) -> Result<Message, Problem> {
        match self.service_id.as_str() {
            service_ids::PAYMENT_CONFIRMED => self.payment_confirmed().map(Message::PaymentConfirmed),
            service_ids::PRODUCTION_RESULT => self.production_result().map(Message::ProductionResult),
            service_ids::TAX_CLAIM_FILED => self.tax_claim_filed().map(Message::TaxClaimFiled),
            service_ids::TAX_REFUND_PAID => self.tax_refund_paid().map(Message::TaxRefundPaid),
            _ => Err(Problem::at("messageInfo/serviceId", "not a service that we receive")),
        }
    }

    fn payment_confirmed(&self) -> Result<PaymentConfirmed, Problem> {
        let part = crate::orders::read(&self.data)?;
        Ok(PaymentConfirmed {
            order_key: key(&self.data, "orderKey")?,
            number: part.number,
            amount: part.amount,
            at: part.at,
        })
    }

    fn production_result(&self) -> Result<ProductionResult, Problem> {
        let code = || self.data.need_text("result/code").map(envelope::plain_code);
        let result = match self.data.need_text("result/kind")? {
            "produced" => CentreResult::Produced { card_number: self.data.need_text("result/cardNumber")?.to_owned() },
            "defect" => CentreResult::Defect { code: code()? },
            "incoming-control-failed" => CentreResult::IncomingControlFailed { code: code()? },
            _ => return Err(self.data.problem("result/kind", "has a value that is not known")),
        };
        Ok(ProductionResult { order_key: key(&self.data, "orderKey")?, result, at: self.data.instant("at")? })
    }

    fn tax_claim_filed(&self) -> Result<TaxClaimFiled, Problem> {
        Ok(TaxClaimFiled {
            confirmation_key: key(&self.data, "confirmationKey")?,
            claimed_at: self.data.need_instant("claimedAt")?,
            number: self.data.need_text("number")?.to_owned(),
        })
    }

    fn tax_refund_paid(&self) -> Result<TaxRefundPaid, Problem> {
        Ok(TaxRefundPaid {
            confirmation_key: key(&self.data, "confirmationKey")?,
            amount: amount(&self.data, "amountTiyn")?,
            paid_at: self.data.need_instant("paidAt")?,
            number: self.data.need_text("number")?.to_owned(),
        })
    }

    /// The acknowledgement to answer with, status 200, once the message is committed.
    #[must_use]
    pub fn acknowledgement(&self) -> String {
        envelope::async_acknowledgement(&self.message_id, sent_at())
    }
}

fn key(data: &Node, path: &str) -> Result<String, Problem> {
    let text = data.need_text(path)?;
    if text.len() > 200 { Err(data.problem(path, "longer than 200 bytes")) } else { Ok(text.to_owned()) }
}

/// The SOAP fault to answer with, status 500, for a message that cannot be read.
#[must_use]
pub fn refusal(problem: &Problem) -> String {
    envelope::fault("VAL-R-004", &problem.to_string(), sent_at())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cards_number_is_never_printed() {
        let made = CentreResult::Produced { card_number: "012345678".to_owned() };
        assert_eq!(format!("{made:?}"), "Produced(…)");
    }

    fn message(service: &str, data: &str) -> String {
        format!(
            "<s:Envelope xmlns:s='x'><s:Header/><s:Body><a:sendMessage xmlns:a='{}'><request><messageInfo><messageId>m1</messageId>\
<correlationId>c1</correlationId><serviceId>{service}</serviceId><messageType>NOTIFICATION</messageType><messageDate>2025-09-02T10:00:00+05:00</messageDate>\
<sender><senderId>demo</senderId></sender></messageInfo><messageData><data><![CDATA[{data}]]></data></messageData></request></a:sendMessage></s:Body></s:Envelope>",
            envelope::ASYNC_TYPES
        )
    }

    #[test]
    fn a_payment_is_read() {
        let text = message(
            service_ids::PAYMENT_CONFIRMED,
            "<payment><orderKey>k</orderKey><number>007</number><amountTiyn>78640</amountTiyn><at>2025-09-02T10:00:00+05:00</at></payment>",
        );
        let incoming = Incoming::parse(text.as_bytes()).unwrap();
        assert_eq!((incoming.message_id.as_str(), incoming.correlation_id.as_deref()), ("m1", Some("c1")));
        let expected = PaymentConfirmed {
            order_key: "k".to_owned(),
            number: "007".to_owned(),
            amount: Tiyn(78_640),
            at: "2025-09-02T05:00:00Z".parse().unwrap(),
        };
        assert_eq!(incoming.message().unwrap(), Message::PaymentConfirmed(expected));
        assert!(incoming.acknowledgement().contains("<messageId>m1</messageId>"));
    }

    #[test]
    fn a_sender_is_known_by_id_and_password() {
        let text = message(service_ids::TAX_REFUND_PAID, "<a/>");
        let with = |password: &str| text.replace("</senderId>", &format!("</senderId><password>{password}</password>"));
        let came = |text: &str, password: &str| {
            Incoming::parse(text.as_bytes()).unwrap().came_from("demo", &SecretString::from(password.to_owned()))
        };
        assert!(came(&with("right"), "right"));
        assert!(!came(&with("wrong"), "right"));
        assert!(!came(&text, "right"));
        let named = Incoming::parse(with("right").as_bytes()).unwrap();
        assert!(!named.came_from("other", &SecretString::from("right".to_owned())));
        assert!(!format!("{named:?}").contains("right"));
    }

    #[test]
    fn the_centres_three_results_are_read() {
        for (kind, more, expected) in [
            ("produced", "<cardNumber>045</cardNumber>", CentreResult::Produced { card_number: "045".to_owned() }),
            ("defect", "<code>D1</code>", CentreResult::Defect { code: "D1".to_owned() }),
            (
                "incoming-control-failed",
                "<code>C1</code>",
                CentreResult::IncomingControlFailed { code: "C1".to_owned() },
            ),
        ] {
            let text = message(
                service_ids::PRODUCTION_RESULT,
                &format!("<r><orderKey>k</orderKey><result><kind>{kind}</kind>{more}</result></r>"),
            );
            let read = Incoming::parse(text.as_bytes()).unwrap().message().unwrap();
            assert_eq!(
                read,
                Message::ProductionResult(ProductionResult { order_key: "k".to_owned(), result: expected, at: None })
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_never_repeated() {
        let wrong = |service, data: &str| {
            Incoming::parse(message(service, data).as_bytes())
                .and_then(|incoming| incoming.message())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(wrong("other", "<a/>"), "messageInfo/serviceId: not a service that we receive");
        assert_eq!(
            wrong(service_ids::PAYMENT_CONFIRMED, "<p><number>1</number><amountTiyn>-5</amountTiyn></p>"),
            "p/amountTiyn: not more than nothing"
        );
        assert_eq!(wrong(service_ids::TAX_REFUND_PAID, "secret"), "data/message: no element");
        assert_eq!(Incoming::parse(b"secret").unwrap_err().to_string(), "message: no element");
        assert!(!refusal(&Problem::at("a", "b")).contains("secret"));
    }
}
