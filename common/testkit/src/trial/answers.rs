//! Answers and deadlines of one stage: an answer before its hold, two at once, against a lapse; decisions; money for a
//! closed case. All of it with the stage's own sample answers, brought as any door would bring them.

mod cuts;
mod desk;

use super::coverage::Coverage;
use super::{Record, publish, waiting, way};
use crate::town::Town;
use crate::town::mortal::{Bring, SOURCE};
use anyhow::{Context as _, Result, bail, ensure};
use kezek_domain::ledger::PostingKind;
use kezek_domain::{CaseId, Tiyn};
use kezek_runtime::points::{Armed, Instead, Meeting, Point, Then, arm, disarm, replace};
use kezek_runtime::{Line, SampleAnswer};
use kezek_sandbox::ledger::{OrderState, Payment};
use kezek_stage::Brought;
use kezek_store::jobs::JobRow;
use serde_json::Value;
use std::collections::VecDeque;
use uuid::Uuid;

/// What lies open between two ways to the same end, where money alone may settle a case before it waits.
const BY_THE_WAY: &[&str] = &[
    "journal",
    "jobs",
    "dossier",
    "side_messages",
    "effects",
    "arrivals",
    "outside: sms",
    "outside: cabinet",
    "outside: orders",
    "outside: confirmations",
    "payment.orders",
];

/// One stage whose answers are tried, and the cases that wait before it.
struct Answered<'t> {
    town: &'t Town,
    line: &'t Line,
    /// Whether the stage's own work holds the case; otherwise a hold is put in its place.
    holds: bool,
    /// The sample answer that leads a held case on.
    go: SampleAnswer,
    cases: VecDeque<CaseId>,
    number: u32,
}

/// Tries the answers of a stage.
pub(super) async fn answered(town: Town, line: &Line) -> Result<(Town, Coverage)> {
    let mut coverage = Coverage::of(line.name());
    let samples = line.sample_answers();
    if samples.is_empty() {
        for scenario in SCENARIOS {
            coverage.cannot(*scenario, "nobody answers it (its answer is NoAnswer), so it never holds");
        }
        return Ok((town, coverage));
    }
    let reach = way::reach_unanswered(line.name());
    let brought = way::bring(&town, line.name(), &reach, 46).await?;
    town.vhost.purge_some(&line.shape().queues()).await?;
    // nobody outside answers by himself
    town.hears(false);
    town.opens(line.name())?;
    let (mut stage, clean) = led_on(&town, line, brought.into(), samples).await?;
    stage.early(&clean, &mut coverage).await.context("an answer before its hold")?;
    stage.two_at_once(&clean, &mut coverage).await.context("two answers at once")?;
    stage.against_a_lapse(&clean, &mut coverage).await.context("a lapse against an answer")?;
    desk::decided(&mut stage, &mut coverage).await.context("decisions")?;
    cuts::killed(&mut stage, &clean, &mut coverage).await.context("workers are killed")?;
    // last: it moves the clock, and with it every deadline that the others compare
    stage.after_closed(&mut coverage).await.context("payment after Closed")?;
    // whoever was not needed goes on like everybody
    let left: Vec<CaseId> = stage.cases.drain(..).collect();
    for case in left {
        stage.send(case).await?;
    }
    town.calm().await?;
    town.hears(true);
    town.rest().await?;
    super::no_conflicts(&town)?;
    Ok((town, coverage))
}

/// Days after which no wait of an applicant for his own payment is still open.
const PAST_EVERY_DEADLINE: i64 = 10;

/// What is tried here.
const SCENARIOS: &[&str] = &[
    "an answer before its hold",
    "two answers at once",
    "a lapse against an answer",
    "two decisions at once",
    "payment after Closed",
];

/// Finds out whether the stage holds by itself, and the first of its sample answers that leads a held case on; gives
/// that case's record: what an undisturbed answer comes to.
async fn led_on<'t>(
    town: &'t Town,
    line: &'t Line,
    cases: VecDeque<CaseId>,
    samples: Vec<SampleAnswer>,
) -> Result<(Answered<'t>, Record)> {
    let first = samples.first().cloned().context("no sample answer")?;
    let mut stage = Answered { town, line, holds: true, go: first, cases, number: 0 };
    let case = stage.next()?;
    stage.send(case).await?;
    stage.calm().await?;
    stage.holds = stage.is_held(case).await?;
    for sample in samples {
        let case = stage.held().await?;
        stage.go = sample;
        let bring = stage.bring(case).await?;
        stage.calm().await?;
        let gone: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM arrivals WHERE source = $1 AND reference = $2 AND state = 'taken')
                AND EXISTS (SELECT FROM journal WHERE case_id = $3 AND stage = $4 AND visit = 1
                            AND move_label IN ('enter', 'close') AND outcome IS NOT NULL)",
        )
        .bind(SOURCE)
        .bind(&bring.reference)
        .bind(case.0)
        .bind(line.name())
        .fetch_one(&town.owner)
        .await?;
        if gone {
            let clean = Record::of(town, case).await?;
            return Ok((stage, clean));
        }
    }
    bail!("no sample answer of {} leads a held case on: {}", line.name(), crate::town::told(town).await?)
}

impl Answered<'_> {
    fn name(&self) -> &'static str {
        self.line.name()
    }

    fn next(&mut self) -> Result<CaseId> {
        self.cases.pop_front().context("no case is left: bring more")
    }

    /// Nothing is under way but what waits to be tried.
    async fn calm(&self) -> Result<()> {
        let waiting: Vec<Uuid> = self.cases.iter().map(|c| c.0).collect();
        self.town.calm_besides(&waiting).await
    }

    async fn job(&self, case: CaseId) -> Result<JobRow> {
        waiting(self.town, self.line, case).await?.into_iter().next().context("no job")
    }

    /// The case's message comes; a stage that would not hold by itself is made to, once.
    async fn send(&self, case: CaseId) -> Result<()> {
        let job = self.job(case).await?;
        if !self.holds {
            replace(case.0, Instead::Hold);
        }
        publish(self.town, &[self.town.engine.message(&job, None, false)]).await
    }

    async fn is_held(&self, case: CaseId) -> Result<bool> {
        let standing = self.town.standing(case).await?;
        Ok(standing.how == "held" && standing.stage.as_deref() == Some(self.name()))
    }

    /// The next case, held at the stage.
    async fn held(&mut self) -> Result<CaseId> {
        let case = self.next()?;
        self.send(case).await?;
        self.town.until_held_at(case, self.name()).await?;
        Ok(case)
    }

    /// So many cases, held at the stage.
    async fn all_held(&mut self, count: usize) -> Result<Vec<CaseId>> {
        let mut cases = Vec::new();
        for _ in 0..count {
            let case = self.next()?;
            self.send(case).await?;
            cases.push(case);
        }
        for case in &cases {
            self.town.until_held_at(*case, self.name()).await?;
        }
        self.calm().await?;
        Ok(cases)
    }

    /// The sample answer as if it were meant for this case: its identifiers are the case's, its numbers its own.
    async fn answer(&mut self, case: CaseId) -> Result<Bring> {
        self.number += 1;
        let coupon = self.town.case(case).await?.coupon.map(|c| c.as_str().to_owned());
        let mut text = self.go.body.to_string().replace(SAMPLE_CASE, &case.to_string());
        if let Some(coupon) = coupon {
            text = text.replace(SAMPLE_COUPON, &coupon);
        }
        let money = self.go.money.as_ref().map(|money| {
            let number = format!("{}-{case}", money.number);
            text = text.replace(&format!("\"{}\"", money.number), &format!("\"{number}\""));
            (money.provider.clone(), number, money.kind.label().to_owned(), money.amount.0)
        });
        let body: Value = serde_json::from_str(&text)?;
        Ok(Bring {
            reference: format!("{}-{}", self.name(), self.number),
            case,
            stage: self.name().to_owned(),
            shape: (self.go.kind.to_owned(), self.go.version),
            body,
            money,
        })
    }

    /// The provider whose money an answer reports knows of it himself.
    fn is_paid(&self, bring: &Bring) {
        let Some((_, number, kind, tiyn)) = bring.money.clone() else { return };
        let mut ledger = self.town.sandbox.world.ledger();
        let order = ledger.orders.get_mut(&format!("charge/{}/duty", bring.case));
        if let (Some(order), true) = (order, kind == PostingKind::Received.label()) {
            let (at, amount) = (self.town.engine.clock().now(), Tiyn(tiyn));
            order.payments.push(Payment { number, amount, at, confirmations: 1 });
            if order.state == OrderState::Open && order.paid() >= order.amount {
                order.state = OrderState::Paid;
            }
        }
    }

    async fn bring(&mut self, case: CaseId) -> Result<Bring> {
        let bring = self.answer(case).await?;
        self.is_paid(&bring);
        self.brings(&bring, Brought::Kept).await?;
        Ok(bring)
    }

    async fn brings(&self, bring: &Bring, wanted: Brought) -> Result<()> {
        let told = match bring.arrival() {
            Ok(arrival) => self.town.answers.bring(arrival).await,
            Err(error) => Err(error),
        };
        match told {
            Ok(brought) if brought == wanted => Ok(()),
            other => bail!("the arrival was told {other:?}, not {wanted:?}"),
        }
    }

    async fn ends_like(&self, clean: &Record, case: CaseId, without: &[&str]) -> Result<()> {
        let record = Record::of(self.town, case).await?.asked().without(without);
        let clean = clean.asked().without(without);
        ensure!(record == clean, "it ends otherwise than undisturbed:\n{}", clean.difference(&record));
        Ok(())
    }

    /// The state of an arrival of the trial.
    async fn state(&self, bring: &Bring) -> Result<String> {
        Ok(sqlx::query_scalar("SELECT state FROM arrivals WHERE source = $1 AND reference = $2")
            .bind(SOURCE)
            .bind(&bring.reference)
            .fetch_one(&self.town.owner)
            .await?)
    }

    /// The deadline of a held case passes, whatever it was.
    async fn is_due(&self, case: CaseId) -> Result<()> {
        let mut tx = self.town.owner.begin().await?;
        for statement in [
            "UPDATE holds SET until = business_now() - interval '1 second' WHERE case_id = $1",
            "UPDATE cases SET held_until = (SELECT until FROM holds WHERE case_id = $1) WHERE id = $1",
        ] {
            let done = sqlx::query(statement).bind(case.0).execute(&mut *tx).await?;
            ensure!(done.rows_affected() == 1, "no held case: {statement}");
        }
        Ok(tx.commit().await?)
    }

    /// The lapse of a due case is on its way.
    async fn lapse_is_issued(&self, case: CaseId) -> Result<()> {
        self.town
            .until("the lapse to be issued", async || {
                let issued: Option<i64> = sqlx::query_scalar("SELECT lapse_ticket FROM holds WHERE case_id = $1")
                    .bind(case.0)
                    .fetch_one(&self.town.owner)
                    .await?;
                let left: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE subject_id = $1")
                    .bind(case.0)
                    .fetch_one(&self.town.owner)
                    .await?;
                Ok((issued.is_some() && left == 0).then_some(()))
            })
            .await
    }

    /// An answer is faster than the hold that it answers.
    async fn early(&mut self, clean: &Record, coverage: &mut Coverage) -> Result<()> {
        let case = self.next()?;
        let bring = self.bring(case).await?;
        self.town
            .until("the answer to wait", async || Ok((self.state(&bring).await? == "waiting").then_some(())))
            .await?;
        self.send(case).await?;
        self.calm().await?;
        if bring.money.is_some() {
            // the money alone may settle it before it waits
            self.ends_like(clean, case, BY_THE_WAY).await?;
            let state = self.state(&bring).await?;
            ensure!(matches!(state.as_str(), "taken" | "waiting" | "unwanted"), "the answer is {state}");
        } else {
            self.ends_like(clean, case, &[]).await?;
        }
        coverage.stood("an answer before its hold");
        Ok(())
    }

    /// Two workers weigh two answers of the same case at the same time: one becomes true.
    async fn two_at_once(&mut self, clean: &Record, coverage: &mut Coverage) -> Result<()> {
        let stage = self.name();
        self.town.opens(stage)?;
        let town = self.town;
        town.until("two workers to take", async || Ok((town.consumers(stage).await? >= 2).then_some(()))).await?;
        let case = self.held().await?;
        self.calm().await?;
        let meeting = Meeting::of(2);
        let then = Then::Meet(meeting.clone());
        let at = Point::AfterWork;
        arm(Armed { point: at, stage: Some(stage.to_owned()), subjects: vec![case.0], passing: 0, then });
        let first = self.bring(case).await?;
        let second = Bring { reference: format!("{}-again", first.reference), ..first.clone() };
        self.brings(&second, Brought::Kept).await?;
        let met = town.until("both to be weighed at once", async || Ok((meeting.come() >= 2).then_some(()))).await;
        disarm(&[case.0]);
        met?;
        self.calm().await?;
        self.ends_like(clean, case, &["arrivals", "jobs"]).await?;
        let mut states = [self.state(&first).await?, self.state(&second).await?];
        states.sort();
        ensure!(
            states[0] == "taken" && matches!(states[1].as_str(), "unwanted" | "waiting"),
            "one of two answers is taken: {states:?}"
        );
        town.closes(stage).await?;
        town.opens(stage)?;
        coverage.stood("two answers at once");
        Ok(())
    }

    /// Lapse and answer are both there when the stage comes to look: the answer goes first, whichever was earlier.
    async fn against_a_lapse(&mut self, clean: &Record, coverage: &mut Coverage) -> Result<()> {
        for lapse_first in [true, false] {
            let case = self.held().await?;
            self.calm().await?;
            self.town.closes(self.name()).await?;
            if lapse_first {
                self.is_due(case).await?;
                self.lapse_is_issued(case).await?;
            }
            let bring = self.bring(case).await?;
            if !lapse_first {
                self.is_due(case).await?;
            }
            self.town.opens(self.name())?;
            self.calm().await?;
            ensure!(self.state(&bring).await? == "taken", "the lapse has taken the answer's place");
            // whoever is answered after the term makes sure with the receiver first, and remembers what it said
            self.ends_like(clean, case, &["effects"]).await?;
            let order = if lapse_first { "a lapse before an answer" } else { "an answer before a lapse" };
            coverage.stood(order);
        }
        Ok(())
    }

    /// Money that comes for a closed case is a fact: posted once, and given back.
    async fn after_closed(&mut self, coverage: &mut Coverage) -> Result<()> {
        let pays = self.go.money.as_ref().is_some_and(|m| m.kind == PostingKind::Received);
        if !pays {
            coverage.cannot("payment after Closed", "its answers report no payment");
            return Ok(());
        }
        let case = self.held().await?;
        // past every deadline of the wait: the first of several may only remind
        self.town.clock_passes(PAST_EVERY_DEADLINE).await?;
        self.town.until_closed(case).await?;
        let first = self.answer(case).await?;
        let (_, _, _, tiyn) = first.money.clone().context("no money")?;
        self.is_paid(&first);
        let second = Bring { reference: format!("{}-again", first.reference), ..first.clone() };
        self.brings(&first, Brought::Kept).await?;
        self.brings(&second, Brought::Kept).await?;
        self.calm().await?;
        let head = self.town.case(case).await?;
        ensure!(head.purse.received.0 == tiyn, "{} tiyn were posted, not {tiyn}", head.purse.received.0);
        ensure!(head.status.refunding().is_some(), "the money is not given back: {:?}", head.status);
        let unwanted = [self.state(&first).await?, self.state(&second).await?];
        ensure!(unwanted.iter().all(|s| s == "unwanted" || s == "waiting"), "a closed case took it: {unwanted:?}");
        coverage.stood("payment after Closed");
        Ok(())
    }
}

/// The case and the coupon that samples name.
const SAMPLE_CASE: &str = "01990000-0000-7000-8000-000000000001";
const SAMPLE_COUPON: &str = "DEMO-2025-000001";
