//! RP DRN, the register of documentation: registration of the application, its coupon (A3.13), and
//! its end. The receiver dedupes by the effect key.

use std::fmt;

use jiff::Timestamp;
use kezek_domain::{Coupon, Iin, Region, System};

use crate::answer::{Answer, SUCCESS};
use crate::xml::{Node, instant_text};
use crate::{Gateway, GatewayFault, service_ids};

/// What is registered.
#[derive(Clone, PartialEq, Eq)]
pub struct RegisterRequest {
    /// The applicant.
    pub iin: Iin,
    /// The region that the applicant chose (A10).
    pub region: Region,
    /// Code of the registration point.
    pub registration_point: String,
    /// The card to be replaced.
    pub document_number: String,
    /// SHA-256 of the photograph, hexadecimal.
    pub photo_sha256: String,
    /// SHA-256 of the signature sample, hexadecimal.
    pub signature_sha256: String,
    /// SHA-256 of the content that the applicant signed, hexadecimal.
    pub content_sha256: String,
    /// When the application was filed, business time.
    pub filed_at: Timestamp,
}

impl fmt::Debug for RegisterRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegisterRequest(…)")
    }
}

/// What the register says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterAnswer {
    /// Registered; the same key always gets the same coupon.
    Registered {
        /// The number of the registration coupon.
        coupon: Coupon,
        /// The documentation code given to the application (A4.1).
        documentation_code: String,
    },
    /// Registration is refused.
    Refused {
        /// The register's code.
        code: String,
        /// The reason in Kazakh.
        text_kk: String,
        /// The reason in Russian.
        text_ru: String,
    },
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationState {
    /// Registered and under way.
    Open {
        /// Its coupon.
        coupon: Coupon,
    },
    /// Cancelled.
    Cancelled {
        /// Its coupon.
        coupon: Coupon,
    },
    /// Closed: the card was issued.
    Closed {
        /// Its coupon.
        coupon: Coupon,
    },
    /// The key was never registered.
    Unknown,
}

/// What the register says to the end of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CouponAnswer {
    /// Done, now or before.
    Done,
    /// There is no such coupon.
    NotFound,
}

impl Gateway {
    /// Registers an application (A3.13).
    ///
    /// # Errors
    /// A technical failure.
    pub async fn register(&self, key: &str, request: &RegisterRequest) -> Result<RegisterAnswer, GatewayFault> {
        let question = Node::new("registerRequest")
            .field("key", key)
            .field("iin", request.iin.expose())
            .field("region", request.region.as_str())
            .field("registrationPoint", request.registration_point.as_str())
            .field("documentNumber", request.document_number.as_str())
            .field("photoSha256", request.photo_sha256.as_str())
            .field("signatureSha256", request.signature_sha256.as_str())
            .field("contentSha256", request.content_sha256.as_str())
            .field("filedAt", instant_text(request.filed_at));
        let answer = self.ask(System::RpDrn, service_ids::REGISTER, Some(key), &question).await?;
        match answer.code.as_str() {
            SUCCESS => Ok(RegisterAnswer::Registered {
                coupon: coupon(&answer, "coupon")?,
                documentation_code: text(&answer, "documentationCode")?,
            }),
            "demo-refused" => Ok(RegisterAnswer::Refused {
                code: text(&answer, "refusal/code")?,
                text_kk: text(&answer, "refusal/textKz")?,
                text_ru: text(&answer, "refusal/textRu")?,
            }),
            _ => Err(answer.unexpected()),
        }
    }

    /// Asks what became of a registration.
    ///
    /// # Errors
    /// A technical failure.
    pub async fn registration_state(&self, key: &str) -> Result<RegistrationState, GatewayFault> {
        let question = Node::new("stateRequest").field("key", key);
        let answer = self.ask(System::RpDrn, service_ids::REGISTRATION_STATE, Some(key), &question).await?;
        let state = answer.success()?.need_text("state").map_err(|problem| answer.bad(problem))?;
        match state {
            "open" => Ok(RegistrationState::Open { coupon: coupon(&answer, "coupon")? }),
            "cancelled" => Ok(RegistrationState::Cancelled { coupon: coupon(&answer, "coupon")? }),
            "closed" => Ok(RegistrationState::Closed { coupon: coupon(&answer, "coupon")? }),
            "unknown" => Ok(RegistrationState::Unknown),
            _ => Err(answer.odd("state")),
        }
    }

    /// Cancels a registration (A11b); `reason` is a label.
    ///
    /// # Errors
    /// A technical failure.
    pub async fn cancel_registration(
        &self,
        key: &str,
        coupon: &Coupon,
        reason: &str,
    ) -> Result<CouponAnswer, GatewayFault> {
        let question =
            Node::new("cancelRequest").field("key", key).field("coupon", coupon.as_str()).field("reason", reason);
        self.end(service_ids::CANCEL, key, &question).await
    }

    /// Closes a registration: the card was handed over (A11d).
    ///
    /// # Errors
    /// A technical failure.
    pub async fn close_registration(&self, key: &str, coupon: &Coupon) -> Result<CouponAnswer, GatewayFault> {
        let question = Node::new("closeRequest").field("key", key).field("coupon", coupon.as_str());
        self.end(service_ids::CLOSE, key, &question).await
    }

    async fn end(&self, service: &str, key: &str, question: &Node) -> Result<CouponAnswer, GatewayFault> {
        let answer = self.ask(System::RpDrn, service, Some(key), question).await?;
        match answer.code.as_str() {
            SUCCESS => Ok(CouponAnswer::Done),
            "demo-not-found" => Ok(CouponAnswer::NotFound),
            _ => Err(answer.unexpected()),
        }
    }
}

fn text(answer: &Answer, path: &str) -> Result<String, GatewayFault> {
    answer.data.need_text(path).map(str::to_owned).map_err(|problem| answer.bad(problem))
}

fn coupon(answer: &Answer, path: &str) -> Result<Coupon, GatewayFault> {
    Coupon::parse(&text(answer, path)?).map_err(|_| answer.bad(answer.data.problem(path, "not a coupon")))
}
