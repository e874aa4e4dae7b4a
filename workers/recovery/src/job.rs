//! The letter as a shape: what the engine knows of a message that left the main line, without its bytes.

use kezek_domain::{CaseId, Ticket};
use kezek_stage::Shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A message that left the main line. Its bytes and headers are kept untouched beside it, by `message_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// The message's own id; made from its bytes where it carried none, so that it is the same letter every time.
    pub message_id: String,
    /// Why it left: the fault's cause or the broker's reason, a label.
    pub cause: String,
    /// More, for people; never personal data.
    pub detail: String,
    /// The stage it was meant for, as far as known.
    pub stage: Option<String>,
    /// The case it names.
    pub case: Option<CaseId>,
    /// The ticket it carries.
    pub ticket: Option<Ticket>,
    /// The exchange it was last published to.
    pub exchange: String,
    /// Its routing key there.
    pub routing_key: String,
}

impl Shape for Job {
    const KIND: &'static str = "recovery.job";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        let parked = Self {
            message_id: "00000000-0000-5000-8000-000000000001".to_owned(),
            cause: "undecodable".to_owned(),
            detail: "intake.job does not decode at line 1, column 1: syntax".to_owned(),
            stage: Some("intake".to_owned()),
            case: Some(CaseId(uuid::Uuid::nil())),
            ticket: Some(Ticket(1)),
            exchange: "kezek.dead".to_owned(),
            routing_key: "parked.intake".to_owned(),
        };
        let unknown = Self {
            message_id: "sha256:00".to_owned(),
            cause: "unroutable".to_owned(),
            detail: String::new(),
            stage: None,
            case: None,
            ticket: None,
            exchange: "kezek.work".to_owned(),
            routing_key: "nowhere".to_owned(),
        };
        vec![parked, unknown]
    }
}
