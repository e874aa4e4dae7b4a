//! A worker is killed at every point that a job passes: before its work, between its calls, after it, before and after
//! the commit, after the publication, after the ack; and after a Hold, an Again, a retry, a park. Another worker goes
//! on. In the end all rows, and what the outside systems did, are those of a case that nothing happened to.

use super::coverage::{Coverage, long};
use super::{Record, publish, waiting, way};
use crate::town::Town;
use crate::town::mortal::{Death, Errand};
use anyhow::{Context as _, Result, bail, ensure};
use kezek_domain::CaseId;
use kezek_runtime::points::{Armed, Instead, Point, Then, arm, disarm};
use kezek_runtime::{Line, desk};
use kezek_stage::SubjectKind;
use kezek_store::jobs::{self, JobRow};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use uuid::Uuid;

/// The points of a hop, in order.
pub(super) const HOP: [Point; 10] = [
    Point::Taken,
    Point::BeforeWork,
    Point::Intended,
    Point::AfterCall,
    Point::BeforeAnswer,
    Point::AfterWork,
    Point::BeforeCommit,
    Point::Committed,
    Point::Confirmed,
    Point::Acked,
];

/// One way to be killed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    point: Point,
    passing: usize,
    replaced: Option<Instead>,
}

impl Cut {
    fn told(self) -> String {
        let at = if self.passing == 0 { String::new() } else { format!("#{}", self.passing + 1) };
        let after = self.replaced.map(|r| format!(" of {r:?}")).unwrap_or_default();
        format!("{:?}{at}{after}", self.point)
    }
    /// Whether the settle has become true when it strikes.
    fn committed(self) -> bool {
        matches!(self.point, Point::Committed | Point::Confirmed | Point::Acked)
    }
}

/// How often an undisturbed run comes to each point.
pub(super) struct Passed(BTreeMap<Point, Arc<AtomicUsize>>, Vec<Uuid>);

impl Passed {
    /// Counts from now on what these subjects pass.
    pub(super) fn by(stage: &str, subjects: Vec<Uuid>) -> Self {
        let counts: BTreeMap<_, _> = HOP.into_iter().map(|point| (point, Arc::new(AtomicUsize::new(0)))).collect();
        for (point, count) in &counts {
            let then = Then::Tally(Arc::clone(count));
            arm(Armed { point: *point, stage: Some(stage.to_owned()), subjects: subjects.clone(), passing: 0, then });
        }
        Self(counts, subjects)
    }
    /// One count.
    fn of(&self, point: Point) -> Arc<AtomicUsize> {
        self.0.get(&point).cloned().unwrap_or_default()
    }
    /// Ends the counting.
    pub(super) fn counted(self) -> BTreeMap<Point, usize> {
        disarm(&self.1);
        self.0.into_iter().map(|(point, count)| (point, count.load(Ordering::Relaxed))).collect()
    }
}

/// The ways to be killed that a stage can meet; the others are told with their reason.
fn cuts(passed: &BTreeMap<Point, usize>, line: &Line, coverage: &mut Coverage) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for point in HOP {
        let times = passed.get(&point).copied().unwrap_or(0);
        let several = matches!(point, Point::Intended | Point::AfterCall | Point::BeforeAnswer);
        match times {
            0 => coverage.cannot(format!("{point:?}"), "an undisturbed run of the stage does not come to it"),
            // of several calls the first and the last; in the long form after each
            n if several && long() => cuts.extend((0..n).map(|passing| Cut { point, passing, replaced: None })),
            n if several && n > 1 => {
                cuts.extend([0, n - 1].map(|passing| Cut { point, passing, replaced: None }));
            }
            _ => cuts.push(Cut { point, passing: 0, replaced: None }),
        }
    }
    for instead in [Instead::Again, Instead::Transient, Instead::Permanent] {
        let mut points = vec![Point::Committed, Point::Confirmed];
        if long() {
            points.extend([Point::BeforeCommit, Point::Acked]);
        }
        cuts.extend(points.into_iter().map(|point| Cut { point, passing: 0, replaced: Some(instead) }));
    }
    if line.subject() == SubjectKind::SideMessage {
        coverage.cannot("Committed of Hold", "its subject is a side message, which never waits");
    }
    cuts
}

struct Killed {
    cut: Cut,
    case: CaseId,
    jobs: Vec<JobRow>,
}

/// Kills workers of a stage whose subject is a case or a side message.
pub(super) async fn jobs_killed(town: Town, line: &Line, reach: &way::Reach) -> Result<(Town, Coverage)> {
    let stage = line.name();
    let mut coverage = Coverage::of(stage);
    let clean = *way::bring(&town, stage, reach, 1).await?.first().context("no case")?;
    let jobs = waiting(&town, line, clean).await?;
    let passed = undisturbed(&town, line, clean, &jobs).await?;

    let cuts = cuts(&passed, line, &mut coverage);
    let cases = way::bring(&town, stage, reach, cuts.len()).await?;
    let mut killed = Vec::new();
    for (cut, case) in cuts.into_iter().zip(cases) {
        killed.push(Killed { cut, case, jobs: waiting(&town, line, case).await? });
    }
    town.vhost.purge_some(&line.shape().queues()).await?;
    // nobody outside answers before the next worker has gone on: an answer that is faster is a trial of its own
    town.hears(false);
    for one in &killed {
        kill(&town, stage, one).await.with_context(|| format!("killed at {}", one.cut.told()))?;
    }
    for one in &killed {
        send(&town, one.jobs.get(1..).unwrap_or_default()).await?;
    }
    town.opens(stage)?;
    replay_all(&town).await?;
    town.hears(true);
    town.rest().await?;
    let clean = Record::of(&town, clean).await?;
    sweeping(&town, line, reach, &clean, &mut coverage).await.context("killed while it sweeps the outbox")?;
    by_delivery_limit(&town, line, reach, &clean).await.context("a letter by delivery limit")?;
    coverage.stood("a letter by delivery limit");
    for one in &killed {
        compare(&town, &clean, one).await.with_context(|| format!("killed at {}", one.cut.told()))?;
        coverage.stood(one.cut.told());
    }
    super::no_conflicts(&town)?;
    Ok((town, coverage))
}

/// One case goes through the stage with nothing happening to it; counts what its first message passes.
async fn undisturbed(town: &Town, line: &Line, case: CaseId, jobs: &[JobRow]) -> Result<BTreeMap<Point, usize>> {
    let stage = line.name();
    town.vhost.purge_some(&line.shape().queues()).await?;
    let (first, rest) = jobs.split_at(1);
    let passed = Passed::by(stage, subjects(case, first));
    town.hears(false);
    town.opens(stage)?;
    send(town, first).await?;
    let acked = passed.of(Point::Acked);
    town.until("the first message to be acked", async || Ok((acked.load(Ordering::Relaxed) > 0).then_some(()))).await?;
    let passed = passed.counted();
    send(town, rest).await?;
    town.calm().await?;
    town.hears(true);
    town.rest().await?;
    town.closes(stage).await?;
    Ok(passed)
}

async fn send(town: &Town, jobs: &[JobRow]) -> Result<()> {
    let rows: Vec<_> = jobs.iter().map(|job| town.engine.message(job, None, false)).collect();
    publish(town, &rows).await
}

/// Whom a message moves: the case, or the notice of a case.
fn subjects(case: CaseId, jobs: &[JobRow]) -> Vec<Uuid> {
    let mut all: Vec<Uuid> = jobs.iter().map(|j| j.subject_id).collect();
    all.push(case.0);
    all.dedup();
    all
}

async fn kill(town: &Town, stage: &str, one: &Killed) -> Result<()> {
    let Killed { cut, case, jobs } = one;
    let before = jobs.get(..1).unwrap_or_default();
    send(town, before).await?;
    let replaced = cut.replaced.map(|instead| before.iter().map(|j| (j.subject_id, instead)).collect());
    let errand = Errand { stages: vec![stage.to_owned()], replaced: replaced.unwrap_or_default(), ..Errand::default() };
    let death = Death {
        point: cut.point,
        stage: Some(stage.to_owned()),
        subjects: subjects(*case, before),
        passing: cut.passing,
    };
    town.dies(errand, death).await?;

    let ids: Vec<Uuid> = before.iter().map(|j| j.subject_id).collect();
    let now = jobs::list(&town.owner, &ids).await?;
    let raised = before.iter().filter(|b| now.get(&b.subject_id).is_some_and(|n| n.ticket > b.ticket)).count();
    if cut.committed() {
        ensure!(raised > 0, "it died after the commit, and no ticket was raised");
    } else {
        ensure!(raised == 0, "it died before the commit, and the ticket was raised");
    }
    let wanted = match cut.replaced {
        Some(Instead::Again) => "again",
        Some(Instead::Transient) => "retry",
        Some(Instead::Permanent) => "park",
        _ => return Ok(()),
    };
    if before.iter().all(|j| j.subject == "case") && cut.committed() {
        let moved: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM journal WHERE case_id = $1 AND stage = $2 AND move_label = $3)",
        )
        .bind(case.0)
        .bind(stage)
        .bind(wanted)
        .fetch_one(&town.owner)
        .await?;
        ensure!(moved, "the journal knows no `{wanted}`");
    }
    Ok(())
}

/// An operator replays what the trial has had parked, until nothing of it is left.
pub(super) async fn replay_all(town: &Town) -> Result<()> {
    for _ in 0..6 {
        town.calm().await?;
        let letters: Vec<(Uuid, String)> =
            sqlx::query_as("SELECT id, cause FROM dead_letters WHERE state = 'open'").fetch_all(&town.owner).await?;
        if letters.is_empty() {
            return Ok(());
        }
        for (id, cause) in letters {
            ensure!(cause == "trial", "a letter that nobody wanted: {cause}; {}", crate::town::told(town).await?);
            desk::replay(&town.engine, id, "trial", "the trial goes on").await?;
        }
    }
    bail!("what is replayed is parked again and again")
}

/// The worker dies between commit and publication, and so does the one that sweeps up after it: before it publishes,
/// after it has published, and before it forgets that it had to.
async fn sweeping(town: &Town, line: &Line, reach: &way::Reach, clean: &Record, coverage: &mut Coverage) -> Result<()> {
    let stage = line.name();
    let points = [Point::Taken, Point::Confirmed, Point::BeforeCommit];
    town.closes(stage).await?;
    let cases = way::bring(town, stage, reach, points.len()).await?;
    town.vhost.purge_some(&line.shape().queues()).await?;
    town.hears(false);
    town.keeps_no_house().await?;
    let mut left = Vec::new();
    for (point, case) in points.iter().zip(&cases) {
        let jobs = waiting(town, line, *case).await?;
        let (first, rest) = jobs.split_at(1);
        send(town, first).await?;
        let errand = Errand { stages: vec![stage.to_owned()], ..Errand::default() };
        let death = Death {
            point: Point::Committed,
            stage: Some(stage.to_owned()),
            subjects: subjects(*case, first),
            passing: 0,
        };
        town.dies(errand, death).await?;
        left.extend(rest.to_vec());
        let rows: Vec<Uuid> = sqlx::query_scalar(
            "SELECT o.subject_id FROM outbox o JOIN jobs j ON j.subject_id = o.subject_id WHERE j.case_id = $1",
        )
        .bind(case.0)
        .fetch_all(&town.owner)
        .await?;
        if rows.is_empty() {
            coverage.cannot(format!("{point:?} of sweeping the outbox"), "its settle sends nothing");
            continue;
        }
        let errand = Errand { housekeeping: true, ..Errand::default() };
        let death = Death { point: *point, stage: Some("outbox".to_owned()), subjects: rows, passing: 0 };
        town.dies(errand, death).await.with_context(|| format!("{point:?}"))?;
        coverage.stood(format!("{point:?} of sweeping the outbox"));
    }
    town.keeps_house();
    send(town, &left).await?;
    town.opens(stage)?;
    town.calm().await?;
    town.hears(true);
    town.rest().await?;
    for (point, case) in points.iter().zip(&cases) {
        let record = Record::of(town, *case).await?;
        ensure!(record == *clean, "{point:?}: it ends otherwise than a clean run:\n{}", clean.difference(&record));
    }
    Ok(())
}

/// The broker gives up on a message that takes its worker down again and again: it is tried once more, alone, and goes
/// on as if nothing had happened.
async fn by_delivery_limit(town: &Town, line: &Line, reach: &way::Reach, clean: &Record) -> Result<()> {
    let stage = line.name();
    town.closes(stage).await?;
    let case = *way::bring(town, stage, reach, 1).await?.first().context("no case")?;
    let jobs = waiting(town, line, case).await?;
    town.vhost.purge_some(&line.shape().queues()).await?;
    let (first, rest) = jobs.split_at(1);
    send(town, first).await?;
    town.vhost.limit_deliveries(&line.shape().queues(), 1).await?;
    town.hears(false);
    for _ in 0..2 {
        let errand = Errand { stages: vec![stage.to_owned()], ..Errand::default() };
        let death =
            Death { point: Point::Taken, stage: Some(stage.to_owned()), subjects: subjects(case, first), passing: 0 };
        town.dies(errand, death).await?;
    }
    let queues = line.shape().queues();
    town.until("the message to come back, to be tried alone", async || {
        let left = town.vhost.left().await?;
        Ok(left.iter().any(|(queue, headers)| queues.contains(queue) && headers["alone"] == "true").then_some(()))
    })
    .await?;
    town.vhost.limit_no_deliveries().await?;
    send(town, rest).await?;
    town.opens(stage)?;
    town.calm().await?;
    town.hears(true);
    town.rest().await?;
    let record = Record::of(town, case).await?;
    ensure!(record == *clean, "it ends otherwise than a clean run:\n{}", clean.difference(&record));
    Ok(())
}

/// The end is that of the clean case. Where a receiver neither dedupes nor can be asked, and its answer was lost, the
/// request is not repeated and the subject's own end says so: at most once, and nothing else differs.
async fn compare(town: &Town, clean: &Record, one: &Killed) -> Result<()> {
    let record = Record::of(town, one.case).await?;
    let doubtful: Vec<String> =
        sqlx::query_scalar("SELECT key FROM effects WHERE case_id = $1 AND answered_at IS NULL")
            .bind(one.case.0)
            .fetch_all(&town.owner)
            .await?;
    let near_a_call = matches!(one.cut.point, Point::Intended | Point::BeforeAnswer);
    if doubtful.is_empty() && !near_a_call {
        ensure!(record == *clean, "it ends otherwise than a clean run:\n{}", clean.difference(&record));
        return Ok(());
    }
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM side_messages WHERE case_id = $1 AND state <> 'ended'")
        .bind(one.case.0)
        .fetch_one(&town.owner)
        .await?;
    ensure!(open == 0, "a notice whose text message is in doubt has not ended");
    {
        let ledger = town.sandbox.world.ledger();
        // the workers that died after it may have had it in hand too: never twice
        for key in &doubtful {
            let calls = ledger.sms.get(key).map_or(0, |n| n.calls);
            ensure!(calls <= 1, "{key} was asked for {calls} times");
        }
        // one of them is its own, by where it died: a notice's key names its case, kind and place
        let calls: Vec<u32> = doubtful.iter().map(|key| ledger.sms.get(key).map_or(0, |n| n.calls)).collect();
        match one.cut.point {
            Point::Intended => ensure!(calls.contains(&0), "an intent without a call is in doubt, not {calls:?}"),
            Point::BeforeAnswer => {
                ensure!(calls.contains(&1), "a call whose answer was lost is in doubt, not {calls:?}")
            }
            _ => {}
        }
    }
    let (ours, theirs) = (record.without(DOUBTFUL), clean.without(DOUBTFUL));
    ensure!(ours == theirs, "more than the doubtful notice differs:\n{}", theirs.difference(&ours));
    Ok(())
}

/// What says of a notice in doubt that it is.
const DOUBTFUL: &[&str] = &["effects", "side_messages", "outside: sms"];
