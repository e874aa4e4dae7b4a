//! THE list of stages. Queue, retry ladder, metrics, configuration section, doors, schemas, map and trial derive from
//! it. Adding a stage: one folder, one line here, and its arrow in each service's flow.

use kezek_exemption::Exemption;
use kezek_intake::Intake;
use kezek_issuance::Issuance;
use kezek_notice::Notice;
use kezek_payment::Payment;
use kezek_production::Production;
use kezek_recovery::Recovery;
use kezek_refund::Refund;
use kezek_review::Review;
use kezek_runtime::Line;
use kezek_runtime::topology::{StageShape, Topology, topology};

/// Every stage of the installation, in the order of the main line, then the dead-letter side.
pub const STAGES: &[Line] = &[
    Line::with_doors::<Intake>(),
    Line::of::<Exemption>(),
    Line::of::<Payment>(),
    Line::with_doors::<Review>().per_region(),
    Line::of::<Production>(),
    Line::with_doors::<Issuance>(),
    Line::of::<Refund>().for_cancelled(),
    Line::of::<Recovery>().for_parked(),
    Line::of::<Notice>().for_notices(),
];

/// The stages' names, in order.
#[must_use]
pub fn names() -> Vec<&'static str> {
    STAGES.iter().map(Line::name).collect()
}

/// The stages' shapes on the broker.
#[must_use]
pub fn shapes() -> Vec<StageShape> {
    STAGES.iter().map(Line::shape).collect()
}

/// The broker's whole shape.
#[must_use]
pub fn broker() -> Topology {
    topology(&shapes())
}

/// The stage that tells the applicant.
#[must_use]
pub fn tells() -> Option<&'static str> {
    STAGES.iter().find(|l| l.tells()).map(Line::name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_stage_is_listed_once_and_one_takes_each_kind_of_dead_letter() {
        let unique: BTreeSet<_> = names().into_iter().collect();
        assert_eq!(unique.len(), STAGES.len());
        assert_eq!(shapes().iter().filter(|s| s.for_cancelled).count(), 1);
        assert_eq!(shapes().iter().filter(|s| s.for_parked).count(), 1);
        assert_eq!(STAGES.iter().filter(|l| l.tells()).count(), 1);
    }

    #[test]
    fn every_flow_leads_only_into_stages_of_the_list() -> Result<(), Box<dyn std::error::Error>> {
        for flow in crate::services::all()? {
            let starts = [("start", "", flow.start()), ("refund", "", flow.refund())];
            for (from, outcome, step) in starts.into_iter().chain(flow.arrows()) {
                if let kezek_stage::Target::Stage { name, .. } = &step.target {
                    assert!(names().contains(&name.as_str()), "{from}/{outcome} leads to {name}");
                }
            }
        }
        Ok(())
    }
}
