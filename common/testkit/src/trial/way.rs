//! The way to a stage: which citizen's case comes before it, and what officers do until then.

use crate::town::Town;
use anyhow::{Context as _, Result, bail};
use kezek_domain::CaseId;
use kezek_domain::dossier::CancelReason;
use kezek_sandbox::Plan;

/// How a case comes before a stage.
#[derive(Clone, Debug)]
pub(super) enum Reach {
    /// By the application itself: its notices are before the stage.
    Submitted,
    /// Through one of these plans, with officers who decide as planned.
    Plans(Vec<Plan>),
}

/// Citizens of whom one comes before any stage of the main line and of the way back.
pub(super) fn reach(stage: &str) -> Reach {
    let mut plans = vec![Plan::Issued, Plan::CancelledForPhoto];
    if stage == "refund" {
        // the short way first
        plans.reverse();
    }
    Reach::Plans(plans)
}

/// As [`reach`], with citizens whom nobody outside answers for: what is answered is the trial's.
pub(super) fn reach_unanswered(stage: &str) -> Reach {
    if stage == "payment" {
        return Reach::Plans(vec![Plan::Unpaid]);
    }
    reach(stage)
}

/// Brings so many cases of one plan before a closed stage.
pub(super) async fn bring(town: &Town, stage: &str, reach: &Reach, count: usize) -> Result<Vec<CaseId>> {
    let plans = match reach {
        Reach::Submitted => {
            let cases = submit(town, Plan::Issued, count).await?;
            town.rest().await?;
            return Ok(cases);
        }
        Reach::Plans(plans) => plans,
    };
    for plan in plans {
        let cases = submit(town, *plan, count).await?;
        if arrive(town, stage, *plan, &cases).await? {
            return Ok(cases);
        }
    }
    bail!("no citizen of {plans:?} comes before stage {stage}: name a plan of the sandbox that does in trial/way.rs")
}

async fn submit(town: &Town, plan: Plan, count: usize) -> Result<Vec<CaseId>> {
    let mut cases = Vec::with_capacity(count);
    for _ in 0..count {
        cases.push(town.citizen(plan)?.submits().await?.case);
    }
    Ok(cases)
}

/// Whether all of them came before the stage; `false` where they ended without it.
async fn arrive(town: &Town, stage: &str, plan: Plan, cases: &[CaseId]) -> Result<bool> {
    // each decision leads one stage on: no flow is longer
    for _ in 0..24 {
        town.rest().await?;
        let mut there = 0;
        let mut closed = 0;
        for case in cases {
            let standing = town.standing(*case).await?;
            match (standing.how, standing.stage.as_deref()) {
                ("moving", Some(at)) if at == stage => there += 1,
                ("closed", _) => closed += 1,
                ("held", Some(at)) => act(town, at, plan, *case).await?,
                (how, at) => bail!("case {case} is {how} at {at:?} on its way to {stage}"),
            }
        }
        if there == cases.len() {
            return Ok(true);
        }
        if closed == cases.len() {
            return Ok(false);
        }
    }
    bail!("the cases of {plan:?} come neither before {stage} nor to an end")
}

/// Whoever the case waits for acts.
async fn act(town: &Town, at: &str, plan: Plan, case: CaseId) -> Result<()> {
    let head = town.case(case).await?;
    match at {
        "review" => {
            let officer = town.officer(head.region)?;
            if plan == Plan::CancelledForPhoto {
                officer.cancels(case, CancelReason::PhotoQuality).await
            } else {
                officer.approves(case).await
            }
        }
        "issuance" => {
            let coupon = head.coupon.context("no coupon")?;
            town.issuer(head.region)?.hands_over(coupon.as_str()).await
        }
        // an outside system answers by itself
        _ => Ok(()),
    }
}
