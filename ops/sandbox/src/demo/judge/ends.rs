//! One application's end, compared with its plan on both sides.

use std::collections::HashMap;

use jiff::civil::Date;
use kezek_domain::Purse;

use super::material::{Answer, CaseLine, Evidence, Sent};
use crate::ledger::{CardResult, Ledger};
use crate::plan::{Expected, Outlook, Plan};

/// What is known of each application's end, on both sides.
pub(super) struct Ends<'e> {
    as_of: Date,
    open: bool,
    cases: HashMap<&'e str, &'e CaseLine>,
    asked: &'e Ledger,
}

impl<'e> Ends<'e> {
    pub(super) fn of(evidence: &'e Evidence) -> Self {
        let cases = evidence.cases.iter().map(|case| (case.receipt.as_str(), case)).collect();
        Self { as_of: evidence.as_of, open: evidence.open, cases, asked: &evidence.asked }
    }

    /// Whether the application ended as planned; what came instead where it did not.
    pub(super) fn of_sent(&self, sent: &Sent) -> Result<(), String> {
        let outlook =
            if self.open { sent.plan.outlook(crate::plan::duty_on(self.as_of)) } else { Plan::outlook_closed() };
        match &sent.answer {
            Answer::RefusedAtBegin(code) => match outlook.end {
                Expected::RefusedAtDoor { refusal, .. } if refusal.code() == code => Ok(()),
                Expected::RefusedAtDoor { .. } | Expected::TurnedDown { .. } | Expected::Closed(_) => {
                    Err(format!("refused at begin for {code}"))
                }
            },
            Answer::Otherwise(what) => Err(what.clone()),
            Answer::Accepted(receipt) => match self.cases.get(receipt.as_str()) {
                Some(case) => self.of_case(case, &outlook),
                None => Err("accepted, and there is no case".to_owned()),
            },
        }
    }

    fn of_case(&self, case: &CaseLine, outlook: &Outlook) -> Result<(), String> {
        let Some(closing) = case.closing else {
            return Err(format!("{} at {}", case.how, case.stage.as_deref().unwrap_or("no stage")));
        };
        if closing != outlook.end.closing() {
            return Err(format!("closed as {closing}"));
        }
        let refusal = outlook.end.refusal().map(|refusal| refusal.code());
        if case.refusal.as_deref() != refusal {
            return Err(format!("closed as {closing} for {}", case.refusal.as_deref().unwrap_or("no refusal")));
        }
        if case.purse != outlook.purse {
            let Purse { received, earned, returned } = case.purse;
            return Err(format!("closed as {closing}, received {received}, earned {earned}, returned {returned}"));
        }
        let done = Done::of(self.asked, case.coupon.as_deref());
        if done != Done::planned(outlook) {
            return Err(format!("closed as {closing}, {done}"));
        }
        Ok(())
    }
}

/// What the systems outside did for one application.
#[derive(Debug, PartialEq, Eq)]
struct Done {
    registered: bool,
    payments: u32,
    refunds: u32,
    prints: u32,
    defects: u32,
}

impl Done {
    fn of(asked: &Ledger, coupon: Option<&str>) -> Self {
        let Some(coupon) = coupon else {
            return Self { registered: false, payments: 0, refunds: 0, prints: 0, defects: 0 };
        };
        let cards: Vec<_> = asked.cards.values().filter(|card| card.coupon == coupon).collect();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let of_coupon = |other: &Option<String>| other.as_deref() == Some(coupon);
        Self {
            registered: asked.registrations.values().any(|row| of_coupon(&row.coupon)),
            payments: number(asked.orders.values().filter(|o| o.coupon == coupon).map(|o| o.payments.len()).sum()),
            refunds: number(
                asked.confirmations.values().filter(|row| of_coupon(&row.coupon) && row.refund.is_some()).count(),
            ),
            prints: number(cards.len()),
            defects: number(cards.iter().filter(|card| matches!(card.result, CardResult::Defect { .. })).count()),
        }
    }

    const fn planned(outlook: &Outlook) -> Self {
        Self {
            registered: outlook.registered,
            payments: outlook.payments,
            refunds: outlook.refunds,
            prints: outlook.prints,
            defects: outlook.defects,
        }
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { registered, payments, refunds, prints, defects } = self;
        let word = if *registered { "registered" } else { "not registered" };
        write!(f, "{word}, payments {payments}, refunds {refunds}, prints {prints}, defects {defects}")
    }
}
