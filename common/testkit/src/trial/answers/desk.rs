//! Decisions inside a request: two at once, and a process that dies while it settles one. The officer sends it again:
//! it is refused as stale exactly where it had become true.

use super::super::coverage::{Coverage, long};
use super::{Answered, Record};
use crate::town::mortal::{Act, Death, Decide, Errand};
use anyhow::{Context as _, Result, ensure};
use kezek_domain::CaseId;
use kezek_runtime::points::Point;
use kezek_stage::{Decided, DoorError};

pub(super) async fn decided(stage: &mut Answered<'_>, coverage: &mut Coverage) -> Result<()> {
    if stage.go.money.is_some() {
        coverage
            .cannot("two decisions at once", "its answer reports money: a provider brings it and nobody decides it");
        return Ok(());
    }
    let mut points = vec![Point::BeforeCommit, Point::Committed, Point::Confirmed];
    if long() {
        points.extend([Point::BeforeWork, Point::AfterWork]);
    }
    let cases = stage.all_held(points.len() + 2).await?;
    let (clean, rest) = cases.split_first().context("no case")?;
    let asked_once = asked(stage, *clean).await?;
    decide(stage, &asked_once).await.map_err(|e| anyhow::anyhow!("{e:?}"))?;
    stage.calm().await?;
    let record = Record::of(stage.town, *clean).await?;
    let (both, rest) = rest.split_first().context("no case")?;

    let asked_both = asked(stage, *both).await?;
    let (first, second) = tokio::join!(decide(stage, &asked_both), decide(stage, &asked_both));
    let (made, refused) = if first.is_ok() { (first, second) } else { (second, first) };
    ensure!(made.is_ok(), "none of two decisions was made: {made:?}");
    ensure!(is_stale(&refused), "the second of two decisions was not refused as stale: {refused:?}");
    stage.calm().await?;
    stage.ends_like(&record, *both, &[]).await?;
    coverage.stood("two decisions at once");

    for (point, case) in points.iter().zip(rest) {
        let told = format!("{point:?} of a decision");
        let asked = asked(stage, *case).await?;
        let errand = Errand { act: Some(Act::Decide(asked.clone())), ..Errand::default() };
        let death = Death { point: *point, stage: Some(stage.name().to_owned()), subjects: vec![case.0], passing: 0 };
        stage.town.dies(errand, death).await.with_context(|| told.clone())?;
        let again = decide(stage, &asked).await;
        if matches!(point, Point::Committed | Point::Confirmed) {
            ensure!(is_stale(&again), "{told}: it had become true, and was made again: {again:?}");
        } else {
            ensure!(again.is_ok(), "{told}: nothing had happened, and it was refused: {again:?}");
        }
        stage.calm().await?;
        stage.ends_like(&record, *case, &[]).await.with_context(|| told.clone())?;
        coverage.stood(told);
    }
    Ok(())
}

fn is_stale(told: &Result<Decided, DoorError>) -> bool {
    told.as_ref().is_err_and(|e| format!("{e:?}").contains("stale"))
}

async fn asked(stage: &mut Answered<'_>, case: CaseId) -> Result<Decide> {
    let head = stage.town.case(case).await?;
    let body = stage.answer(case).await?.body;
    Ok(Decide { case, stage: stage.name().to_owned(), ticket: head.ticket.0, body, region: head.region })
}

async fn decide(stage: &Answered<'_>, asked: &Decide) -> Result<Decided, DoorError> {
    stage.town.answers.decide(asked.decision()?).await
}
