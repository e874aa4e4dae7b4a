//! Online renewal of an expiring ID card (order A): where each outcome leads, and what the applicant is told.
//!
//! ```text
//! intake → exemption → payment → review → production → issuance → issued
//!              └── nothing to pay ──┘         ↺ defect
//! ```
//!
//! A closing while money is held opens `refund` by the law itself; the closings that `refund` names here stand in
//! for the one that was decided before it. Notices of a wait (pay, in review, ready …) are the stages' own.

use kezek_domain::rules::NoticeKind;
use kezek_domain::{Closing, Service};
use kezek_exemption::Exemption;
use kezek_intake::Intake;
use kezek_issuance::Issuance;
use kezek_notice::Notice;
use kezek_payment::Payment;
use kezek_production::Production;
use kezek_recovery::Recovery;
use kezek_refund::Refund;
use kezek_review::Review;
use kezek_stage::{Flow, FlowError, Step};

/// The version that new cases are opened with. A case keeps the version it was opened with, so arrows of a version
/// with open cases are never changed: a new version is added beside it.
pub const VERSION: u32 = 1;

/// The flow.
///
/// # Errors
/// Where a stage is routed twice.
pub fn flow() -> Result<Flow, FlowError> {
    let start = Step::to::<Intake>(&kezek_intake::Job::default()).notify(NoticeKind::Received);
    let refund = Step::to::<Refund>(&kezek_refund::Job::default());
    Flow::new(Service::ID_CARD_RENEWAL, VERSION, start, refund)
        .on::<Intake>(after_intake)?
        .on::<Exemption>(after_exemption)?
        .on::<Payment>(after_payment)?
        .on::<Review>(after_review)?
        .on::<Production>(after_production)?
        .on::<Issuance>(after_issuance)?
        .on::<Refund>(after_refund)?
        .on::<Notice>(after_notice)?
        .on::<Recovery>(after_recovery)
}

fn after_intake(outcome: &kezek_intake::Outcome) -> Step {
    use kezek_intake::Outcome;
    match outcome {
        Outcome::Registered(_) => {
            Step::to::<Exemption>(&kezek_exemption::Job::default()).notify(NoticeKind::Registered)
        }
        Outcome::Refused(down) => Step::close(Closing::Refused, down.refusal.label()).notify(NoticeKind::Refused),
        Outcome::Redirected(down) => Step::close(Closing::Redirected, down.refusal.label()).notify(NoticeKind::Refused),
    }
}

/// A3.14, A3.15: whoever has nothing to pay goes past payment.
fn after_exemption(outcome: &kezek_exemption::Outcome) -> Step {
    use kezek_exemption::Outcome;
    match outcome {
        Outcome::Payable(_) => Step::to::<Payment>(&kezek_payment::Job::default()),
        Outcome::FreeByGround(_) | Outcome::Exempt(_) => to_review().notify(NoticeKind::Exempt),
    }
}

fn after_payment(outcome: &kezek_payment::Outcome) -> Step {
    use kezek_payment::Outcome;
    match outcome {
        Outcome::Paid { .. } => to_review().notify(NoticeKind::Paid),
        Outcome::Lapsed { .. } => Step::close(Closing::Unpaid, "not-paid-in-time").notify(NoticeKind::Unpaid),
    }
}

/// A10, A3.17: to the region that the applicant chose.
fn to_review() -> Step {
    Step::to::<Review>(&kezek_review::Job::default())
}

/// A11a, A11b.
fn after_review(outcome: &kezek_review::Outcome) -> Step {
    use kezek_review::Outcome;
    match outcome {
        Outcome::Approved(_) => {
            Step::to::<Production>(&kezek_production::Job { remake: 0 }).notify(NoticeKind::Approved)
        }
        Outcome::Cancelled(reason, _) => Step::close(Closing::Cancelled, reason.label()).notify(NoticeKind::Cancelled),
    }
}

/// A3.18, A5.4: a defect is made again, with nothing asked of the applicant.
fn after_production(outcome: &kezek_production::Outcome) -> Step {
    use kezek_production::Outcome;
    match outcome {
        Outcome::Produced { .. } => Step::to::<Issuance>(&kezek_issuance::Job::default()),
        Outcome::Defective { next, .. } => Step::to::<Production>(&kezek_production::Job { remake: *next }),
        Outcome::Cancelled { reason } => Step::close(Closing::Cancelled, reason.label()).notify(NoticeKind::Cancelled),
    }
}

/// A11d.
fn after_issuance(outcome: &kezek_issuance::Outcome) -> Step {
    use kezek_issuance::Outcome;
    match outcome {
        Outcome::HandedOver { .. } => Step::close(Closing::Issued, "handed-over").notify(NoticeKind::Issued),
    }
}

/// A11c: only the tax authority's own report says that money went back.
fn after_refund(outcome: &kezek_refund::Outcome) -> Step {
    use kezek_refund::Outcome;
    match outcome {
        Outcome::Refunded { .. } => Step::close(Closing::Cancelled, "refunded").notify(NoticeKind::RefundPaid),
        Outcome::ClaimLapsed { .. } => Step::close(Closing::Cancelled, "claim-lapsed"),
        Outcome::NothingHeld => Step::close(Closing::Cancelled, "nothing-held"),
    }
}

fn after_notice(outcome: &kezek_notice::Outcome) -> Step {
    use kezek_notice::Outcome;
    match outcome {
        Outcome::Sent(_) | Outcome::SentInDoubt(_) | Outcome::Undeliverable(_) => Step::end(),
    }
}

fn after_recovery(outcome: &kezek_recovery::Outcome) -> Step {
    use kezek_recovery::Outcome;
    match outcome {
        Outcome::Stored(_) | Outcome::TriedAlone(_) | Outcome::Stale(_) => Step::end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kezek_stage::Target;

    /// The arrows as text: `stage/outcome → where [notices]`.
    fn drawn() -> Vec<String> {
        let flow = flow().expect("every stage is routed once");
        let mut lines: Vec<_> = flow
            .arrows()
            .map(|(stage, outcome, step)| {
                let target = match &step.target {
                    Target::Stage { name, body, .. } => format!("{name} {body}"),
                    Target::Close { closing, reason } => format!("close {closing} {reason}"),
                    Target::End => "end".to_owned(),
                };
                let told: Vec<_> = step.notices.iter().map(|n| n.label()).collect();
                format!("{stage}/{outcome} → {target} [{}]", told.join(" "))
            })
            .collect();
        lines.dedup();
        lines
    }

    #[test]
    fn the_flow_carries_a_case_to_every_end() -> Result<(), FlowError> {
        flow()?.check()
    }

    #[test]
    fn a3_14_to_a3_19_a11d_every_outcome_leads_where_the_order_says() {
        let drawn = drawn();
        let expected = [
            "intake/registered → exemption {} [registered]",
            "intake/refused → close refused not-identified [refused]",
            "intake/redirected → close redirected no-permanent-registration [refused]",
            "exemption/payable → payment {} []",
            "exemption/free-by-ground → review {} [exempt]",
            "exemption/exempt → review {} [exempt]",
            "payment/paid → review {} [paid]",
            "payment/lapsed → close unpaid not-paid-in-time [unpaid]",
            "review/approved → production {\"remake\":0} [approved]",
            "review/cancelled → close cancelled photo-quality [cancelled]",
            "review/cancelled → close cancelled signature-quality [cancelled]",
            "review/cancelled → close cancelled additional-verification [cancelled]",
            "production/produced → issuance {} []",
            "production/defective → production {\"remake\":1} []",
            "issuance/handed-over → close issued handed-over [issued]",
            "refund/refunded → close cancelled refunded [refund-paid]",
            "refund/claim-lapsed → close cancelled claim-lapsed []",
            "refund/nothing-held → close cancelled nothing-held []",
            "notice/sent → end []",
            "recovery/stored → end []",
        ];
        for line in expected {
            assert!(drawn.iter().any(|d| d == line), "missing: {line}\ndrawn: {drawn:#?}");
        }
    }

    #[test]
    fn a11c_money_always_has_a_way_back() {
        let flow = flow().expect("every stage is routed once");
        assert_eq!(flow.refund_stage().map(kezek_domain::StageName::as_str), Some("refund"));
    }

    #[test]
    fn a3_16_no_arrow_before_production_promises_a_card() {
        let early = ["intake", "exemption", "payment"];
        let flow = flow().expect("every stage is routed once");
        for (stage, outcome, step) in flow.arrows().filter(|(stage, ..)| early.contains(stage)) {
            let promise = [NoticeKind::Ready, NoticeKind::InProduction, NoticeKind::Issued, NoticeKind::Approved];
            assert!(step.notices.iter().all(|n| !promise.contains(n)), "{stage}/{outcome}");
        }
    }
}
