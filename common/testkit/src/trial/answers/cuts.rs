//! Workers that are killed with an answer or a lapse in hand, after a hold that a stage was made to return, at the
//! door that keeps an answer, and in the housekeeping that issues a lapse.

use super::super::coverage::{Coverage, long};
use super::{Answered, Record};
use crate::town::mortal::{Act, Death, Errand};
use anyhow::{Context as _, Result};
use kezek_domain::CaseId;
use kezek_runtime::points::{Instead, Point};
use kezek_stage::Brought;
use uuid::Uuid;

/// Where a worker dies with an answer or a lapse in hand.
fn points() -> Vec<Point> {
    let mut points = vec![Point::AfterWork, Point::BeforeCommit, Point::Committed, Point::Confirmed, Point::Acked];
    if long() {
        points.extend([Point::Taken, Point::BeforeWork]);
    }
    points
}

pub(super) async fn killed(stage: &mut Answered<'_>, clean: &Record, coverage: &mut Coverage) -> Result<()> {
    after_a_hold(stage, clean, coverage).await.context("killed after a hold")?;
    at_the_door(stage, clean, coverage).await.context("killed at the door")?;
    with_an_answer(stage, clean, coverage).await.context("killed with an answer")?;
    let lapsed = lapse(stage).await.context("an undisturbed lapse")?;
    with_a_lapse(stage, &lapsed, coverage).await.context("killed with a lapse")?;
    issuing_a_lapse(stage, &lapsed, coverage).await.context("killed while a lapse is issued")
}

fn death(stage: &Answered<'_>, point: Point, whose: &str, case: CaseId) -> (Errand, Death) {
    let errand = Errand { stages: vec![stage.name().to_owned()], ..Errand::default() };
    (errand, Death { point, stage: Some(whose.to_owned()), subjects: vec![case.0], passing: 0 })
}

/// A stage that does not hold by itself is made to by the process that dies of it.
async fn after_a_hold(stage: &mut Answered<'_>, clean: &Record, coverage: &mut Coverage) -> Result<()> {
    if stage.holds {
        // its own work holds: every cut of a job after the commit is one after a Hold
        return Ok(());
    }
    for point in [Point::Committed, Point::Confirmed] {
        let case = stage.next()?;
        stage.town.closes(stage.name()).await?;
        let job = stage.job(case).await?;
        super::publish(stage.town, &[stage.town.engine.message(&job, None, false)]).await?;
        let (mut errand, death) = death(stage, point, stage.name(), case);
        errand.replaced = vec![(case.0, Instead::Hold)];
        stage.town.dies(errand, death).await?;
        stage.town.opens(stage.name())?;
        stage.town.until_held_at(case, stage.name()).await?;
        stage.bring(case).await?;
        stage.calm().await?;
        stage.ends_like(clean, case, &[]).await.with_context(|| format!("{point:?}"))?;
        coverage.stood(format!("{point:?} of Hold"));
    }
    Ok(())
}

/// Whoever brings an answer is not told, and brings it again.
async fn at_the_door(stage: &mut Answered<'_>, clean: &Record, coverage: &mut Coverage) -> Result<()> {
    for (point, wanted) in
        [(Point::BeforeCommit, Brought::Kept), (Point::Committed, Brought::Before), (Point::Confirmed, Brought::Before)]
    {
        let case = stage.held().await?;
        let bring = stage.answer(case).await?;
        stage.is_paid(&bring);
        let (mut errand, death) = death(stage, point, "door", case);
        errand.stages.clear();
        errand.act = Some(Act::Bring(bring.clone()));
        stage.town.dies(errand, death).await?;
        stage.brings(&bring, wanted).await?;
        stage.calm().await?;
        stage.ends_like(clean, case, &[]).await.with_context(|| format!("{point:?}"))?;
        coverage.stood(format!("{point:?} at the door"));
    }
    Ok(())
}

async fn with_an_answer(stage: &mut Answered<'_>, clean: &Record, coverage: &mut Coverage) -> Result<()> {
    let points = points();
    let cases = stage.all_held(points.len()).await?;
    stage.town.closes(stage.name()).await?;
    for (point, case) in points.iter().zip(&cases) {
        stage.bring(*case).await?;
        let (errand, death) = death(stage, *point, stage.name(), *case);
        stage.town.dies(errand, death).await?;
    }
    stage.town.opens(stage.name())?;
    stage.calm().await?;
    for (point, case) in points.iter().zip(&cases) {
        stage.ends_like(clean, *case, &[]).await.with_context(|| format!("{point:?}"))?;
        coverage.stood(format!("{point:?} with an answer"));
    }
    Ok(())
}

/// What an undisturbed lapse comes to.
async fn lapse(stage: &mut Answered<'_>) -> Result<Record> {
    let case = stage.held().await?;
    stage.calm().await?;
    let before = stage.town.case(case).await?.ticket;
    stage.is_due(case).await?;
    stage
        .town
        .until("the lapse to be settled", async || Ok((stage.town.case(case).await?.ticket > before).then_some(())))
        .await?;
    stage.calm().await?;
    Record::of(stage.town, case).await
}

async fn with_a_lapse(stage: &mut Answered<'_>, lapsed: &Record, coverage: &mut Coverage) -> Result<()> {
    let points = points();
    let cases = stage.all_held(points.len()).await?;
    stage.town.closes(stage.name()).await?;
    for (point, case) in points.iter().zip(&cases) {
        stage.is_due(*case).await?;
        stage.lapse_is_issued(*case).await?;
        let (errand, death) = death(stage, *point, stage.name(), *case);
        stage.town.dies(errand, death).await?;
    }
    stage.town.opens(stage.name())?;
    stage.calm().await?;
    for (point, case) in points.iter().zip(&cases) {
        stage.ends_like(lapsed, *case, &[]).await.with_context(|| format!("{point:?}"))?;
        coverage.stood(format!("{point:?} with a lapse"));
    }
    Ok(())
}

/// The process that issues the lapse dies before and after its commit, and after the publication.
async fn issuing_a_lapse(stage: &mut Answered<'_>, lapsed: &Record, coverage: &mut Coverage) -> Result<()> {
    let points = [Point::BeforeCommit, Point::Committed, Point::Confirmed];
    let cases = stage.all_held(points.len()).await?;
    for (point, case) in points.iter().zip(&cases) {
        stage.town.keeps_no_house().await?;
        stage.is_due(*case).await?;
        let death = Death { point: *point, stage: Some("lapses".to_owned()), subjects: vec![case.0], passing: 0 };
        let errand = Errand { housekeeping: true, ..Errand::default() };
        let told = stage.town.dies(errand, death).await;
        stage.town.keeps_house();
        told?;
    }
    stage
        .town
        .until("all to have lapsed", async || {
            let ids: Vec<Uuid> = cases.iter().map(|c| c.0).collect();
            let due: i64 =
                sqlx::query_scalar("SELECT count(*) FROM holds WHERE case_id = ANY ($1) AND until <= business_now()")
                    .bind(&ids)
                    .fetch_one(&stage.town.owner)
                    .await?;
            Ok((due == 0).then_some(()))
        })
        .await?;
    stage.calm().await?;
    for (point, case) in points.iter().zip(&cases) {
        stage.ends_like(lapsed, *case, &[]).await.with_context(|| format!("{point:?}"))?;
        coverage.stood(format!("{point:?} of issuing a lapse"));
    }
    Ok(())
}
