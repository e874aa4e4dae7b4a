//! What a scripted officer makes of what his page shows: pictures, codes, marked differences. Pure, and without any
//! knowledge of plans.

use kezek_domain::dossier::CancelReason;
use serde_json::Value;

use crate::pictures::look;

/// The code by which RP DRN asks for additional verification (A4.1).
const VERIFY: &str = "demo-expiry-verify";

/// A reviewer's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// To production.
    Approve,
    /// Cancelled.
    Cancel(CancelReason),
}

impl Verdict {
    /// `approve` or `cancel`.
    #[must_use]
    pub const fn decision(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Cancel(_) => "cancel",
        }
    }
    /// Why, for a cancellation.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Approve => None,
            Self::Cancel(reason) => Some(reason.label()),
        }
    }
}

/// Decides a case by its page, its photograph and its signature sample (A11a, A11b).
///
/// # Errors
/// Where a picture cannot be looked at.
pub fn decide(page: &Value, photo: &[u8], signature: &[u8]) -> anyhow::Result<Verdict> {
    let differs = |line: &Value| line["differs"].as_bool() == Some(true);
    let lines = page["lines"].as_array().map_or(&[][..], Vec::as_slice);
    let code = page["registration"]["documentation_code"].as_str();
    Ok(if look::wears_dark_glasses(photo)? {
        Verdict::Cancel(CancelReason::PhotoQuality)
    } else if look::is_blotted(signature)? {
        Verdict::Cancel(CancelReason::SignatureQuality)
    } else if code == Some(VERIFY) || lines.iter().any(differs) {
        Verdict::Cancel(CancelReason::AdditionalVerification)
    } else {
        Verdict::Approve
    })
}

/// Choices in the order in which a careful officer takes them: first what finds out more, then what is usual.
const PREFERRED: [&str; 8] =
    ["ask-again", "check-again", "go-on", "remake", "duty-at-filing", "pay", "exempt", "cancel"];

/// How often an officer has something asked again before he decides himself.
const PATIENCE: u32 = 2;

/// Chooses an answer to a question by rule; `before` is how often this case's question was answered already.
#[must_use]
pub fn choose<'c>(choices: &[&'c str], before: u32) -> Option<&'c str> {
    let finds_out = |choice: &str| choice.ends_with("-again");
    let ordered = PREFERRED.iter().filter_map(|wanted| choices.iter().find(|choice| *choice == wanted));
    let may = |choice: &&&str| before < PATIENCE || !finds_out(choice);
    ordered.filter(may).chain(choices.iter().filter(may)).chain(choices).next().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::population::Population;
    use serde_json::json;

    fn page(code: &str, differs: bool) -> Value {
        json!({
            "registration": { "documentation_code": code },
            "lines": [{ "field": "region", "differs": false }, { "field": "document-number", "differs": differs }],
        })
    }

    #[test]
    fn a11b_each_reason_is_seen_in_what_the_page_shows() -> anyhow::Result<()> {
        let all = Population::new(5, 31, jiff::civil::date(2025, 9, 2));
        let pictures = |plan| -> anyhow::Result<_> {
            let person = all.people().iter().find(|person| person.plan == plan);
            let person = person.ok_or_else(|| anyhow::anyhow!("nobody has this plan"))?;
            Ok((person.photograph()?, person.signature()?))
        };
        let decided = |plan, page: &Value| -> anyhow::Result<_> {
            let (photo, signature) = pictures(plan)?;
            decide(page, &photo, &signature)
        };
        let plain = page("demo-expiry", false);
        assert_eq!(decided(Plan::Issued, &plain)?, Verdict::Approve);
        assert_eq!(decided(Plan::CancelledForPhoto, &plain)?, Verdict::Cancel(CancelReason::PhotoQuality));
        assert_eq!(decided(Plan::CancelledForSignature, &plain)?, Verdict::Cancel(CancelReason::SignatureQuality));
        let verify = Verdict::Cancel(CancelReason::AdditionalVerification);
        assert_eq!(decided(Plan::Issued, &page(VERIFY, false))?, verify);
        assert_eq!(decided(Plan::Issued, &page("demo-expiry", true))?, verify);
        Ok(())
    }

    #[test]
    fn a_question_is_asked_again_a_few_times_and_then_decided() {
        let choices = ["pay", "exempt", "ask-again"];
        assert_eq!(choose(&choices, 0), Some("ask-again"));
        assert_eq!(choose(&choices, 2), Some("pay"));
        assert_eq!(choose(&["something-else"], 9), Some("something-else"));
        assert_eq!(choose(&[], 0), None);
    }
}
