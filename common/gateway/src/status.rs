//! SIK: the person's social statuses, which may exempt from the duty (A3.14).
//!
//! Statuses are sensitive: callers keep the ground and a digest, not this answer.

use std::fmt;

use jiff::civil::Date;
use kezek_domain::{Iin, System};

use crate::answer::SUCCESS;
use crate::xml::Node;
use crate::{Consent, Gateway, GatewayFault, service_ids};

/// What SIK says. A failure to answer is a fault and never "has none".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SikAnswer {
    /// The statuses that SIK holds; whether one holds on a day is the caller's to judge.
    Has(Vec<SocialStatus>),
    /// The person is known and has no status.
    HasNone,
    /// The person is not known.
    NotFound,
    /// The consent has expired: ask anew (A3.1).
    TokenExpired,
}

/// One status.
#[derive(Clone, PartialEq, Eq)]
pub struct SocialStatus {
    /// SIK's code; a dated table maps it to a ground of exemption.
    pub source_code: String,
    /// Its name in Kazakh.
    pub name_kk: String,
    /// Its name in Russian.
    pub name_ru: String,
    /// First day.
    pub valid_from: Date,
    /// Last day, where one is set.
    pub valid_to: Option<Date>,
}

impl SocialStatus {
    /// Whether it holds on this day; both ends are included.
    #[must_use]
    pub fn holds_on(&self, day: Date) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|end| day <= end)
    }
}

impl fmt::Debug for SocialStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SocialStatus(…)")
    }
}

impl Gateway {
    /// Asks for the statuses on a day (A3.14).
    ///
    /// # Errors
    /// A technical failure.
    pub async fn statuses(&self, iin: &Iin, consent: &Consent, on: Date) -> Result<SikAnswer, GatewayFault> {
        let question = Node::new("statusesRequest")
            .field("iin", iin.expose())
            .field("onDate", on.to_string())
            .field("kdpToken", consent.token.as_str())
            .field("publicKey", consent.public_key.as_str());
        let answer = self.ask(System::Sik, service_ids::STATUSES, None, &question).await?;
        match answer.code.as_str() {
            SUCCESS => {
                let list = answer.data.find("statuses").map_or(&[][..], Node::children);
                let statuses =
                    list.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(|problem| answer.bad(problem))?;
                Ok(if statuses.is_empty() { SikAnswer::HasNone } else { SikAnswer::Has(statuses) })
            }
            "demo-not-found" => Ok(SikAnswer::NotFound),
            "demo-token-expired" => Ok(SikAnswer::TokenExpired),
            _ => Err(answer.unexpected()),
        }
    }
}

fn read(node: &Node) -> Result<SocialStatus, crate::xml::Problem> {
    Ok(SocialStatus {
        source_code: node.need_text("code")?.to_owned(),
        name_kk: node.need_text("nameKz")?.to_owned(),
        name_ru: node.need_text("nameRu")?.to_owned(),
        valid_from: node.need_date("beginDate")?,
        valid_to: node.date("endDate")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a3_14_a_status_holds_from_its_first_to_its_last_day() {
        let day = |d| jiff::civil::date(2025, 9, d);
        let status = SocialStatus {
            source_code: String::new(),
            name_kk: String::new(),
            name_ru: String::new(),
            valid_from: day(2),
            valid_to: Some(day(4)),
        };
        assert_eq!([1, 2, 4, 5].map(|d| status.holds_on(day(d))), [false, true, true, false]);
        assert!(SocialStatus { valid_to: None, ..status }.holds_on(day(30)));
    }
}
