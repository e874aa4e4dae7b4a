//! Statements: what a receiver says it has done for us, by the key that we gave it, and what it has told us of it.
//! Asked by an operator after a restore, when the receivers know more than the database does.

use kezek_domain::System;

use crate::answer::Answer;
use crate::incoming::{CentreResult, Message, PaymentConfirmed, ProductionResult, TaxRefundPaid};
use crate::orders::{amount, read};
use crate::xml::{Node, Problem};
use crate::{Gateway, GatewayFault, envelope, service_ids};

/// Receivers that state what they have done. A text message's receiver does not: it cannot be asked.
pub const STATING: [System; 4] = [System::RpDrn, System::ProductionCentre, System::TaxAuthority, System::Cabinet];

/// One thing that a receiver has done for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The effect key under which it was asked for.
    pub key: String,
    /// What it is, and how it stands there.
    pub what: Did,
    /// What the receiver has told us of it, in its own messages.
    pub told: Vec<Message>,
}

/// What a receiver has done, and how it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// Registered an application; it is under way.
    Registered,
    /// Refused to register an application.
    RefusedToRegister,
    /// Registered an application that was cancelled since.
    Cancelled,
    /// Registered an application that was closed since: the card was handed over.
    Closed,
    /// Created an order for the duty that stands, paid or not.
    Ordered,
    /// Created an order for the duty that was withdrawn since.
    Withdrawn,
    /// Taken an order for a card.
    TookCardOrder,
    /// Taken a confirmation of non-performance.
    TookConfirmation,
    /// Put a message into the applicant's cabinet.
    Notified,
}

impl Did {
    /// Its word.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::RefusedToRegister => "refused-to-register",
            Self::Cancelled => "cancelled",
            Self::Closed => "closed",
            Self::Ordered => "ordered",
            Self::Withdrawn => "withdrawn",
            Self::TookCardOrder => "took-card-order",
            Self::TookConfirmation => "took-confirmation",
            Self::Notified => "notified",
        }
    }

    const ALL: [Self; 9] = [
        Self::Registered,
        Self::RefusedToRegister,
        Self::Cancelled,
        Self::Closed,
        Self::Ordered,
        Self::Withdrawn,
        Self::TookCardOrder,
        Self::TookConfirmation,
        Self::Notified,
    ];
}

impl Gateway {
    /// A page of a receiver's statement, in the order of keys, beginning after `after`; empty at the end.
    ///
    /// # Errors
    /// A technical failure; a system that states nothing.
    pub async fn statement(&self, system: System, after: &str) -> Result<Vec<Stated>, GatewayFault> {
        let service = match system {
            System::RpDrn => service_ids::RP_DRN_STATEMENT,
            System::ProductionCentre => service_ids::PRODUCTION_STATEMENT,
            System::TaxAuthority => service_ids::TAX_STATEMENT,
            System::Cabinet => service_ids::CABINET_STATEMENT,
            System::Kdp
            | System::Gbdfl
            | System::Bmg
            | System::DigitalId
            | System::ZagsIs
            | System::Sik
            | System::Sms => return Err(GatewayFault::DataNotFound { system }),
        };
        let question = Node::new("statementRequest").field("after", after);
        let answer = self.ask(system, service, None, &question).await?;
        let list = answer.success()?.find("rows").map_or(&[][..], Node::children);
        list.iter().map(|row| stated(&answer, row)).collect()
    }
}

fn stated(answer: &Answer, row: &Node) -> Result<Stated, GatewayFault> {
    let text = |path: &str| row.need_text(path).map(str::to_owned).map_err(|problem| answer.bad(problem));
    let (key, state) = (text("key")?, text("state")?);
    let what = Did::ALL.into_iter().find(|did| did.label() == state).ok_or_else(|| answer.odd("rows/row/state"))?;
    let told = told(row, &key).map_err(|problem| answer.bad(problem))?;
    Ok(Stated { key, what, told })
}

fn told(row: &Node, key: &str) -> Result<Vec<Message>, Problem> {
    let mut told = Vec::new();
    for payment in row.find("payments").map_or(&[][..], Node::children) {
        let part = read(payment)?;
        told.push(Message::PaymentConfirmed(PaymentConfirmed {
            order_key: key.to_owned(),
            number: part.number,
            amount: part.amount,
            at: part.at,
        }));
    }
    if let Some(result) = row.find("result") {
        let code = || result.need_text("code").map(envelope::plain_code);
        let result = match result.need_text("kind")? {
            "produced" => CentreResult::Produced { card_number: result.need_text("cardNumber")?.to_owned() },
            "defect" => CentreResult::Defect { code: code()? },
            "incoming-control-failed" => CentreResult::IncomingControlFailed { code: code()? },
            _ => return Err(result.problem("kind", "has a value that is not known")),
        };
        told.push(Message::ProductionResult(ProductionResult { order_key: key.to_owned(), result, at: None }));
    }
    if let Some(refund) = row.find("refund") {
        told.push(Message::TaxRefundPaid(TaxRefundPaid {
            confirmation_key: key.to_owned(),
            amount: amount(refund, "amountTiyn")?,
            paid_at: refund.need_instant("paidAt")?,
            number: refund.need_text("number")?.to_owned(),
        }));
    }
    Ok(told)
}
