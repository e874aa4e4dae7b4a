//! A12: after more than ten minutes without a register, counted in real time from the breaker, the application ends
//! with the advice to go to the service centre, wherever its message is.

use super::{apply, disturb, metric, number};
use anyhow::Result;
use kezek_domain::{CaseId, Closing, System};
use kezek_sandbox::Plan;
use kezek_sandbox::faults::Kind;
use kezek_stage::Clock;
use kezek_testkit::town::{Founding, Town};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Real time that a test moves.
fn moved(seconds: &Arc<AtomicI64>) -> Clock {
    let (machine, moved) = (Clock::system(), Arc::clone(seconds));
    Clock::of(move || {
        let real = machine.real();
        real.checked_add(jiff::SignedDuration::from_secs(moved.load(Ordering::SeqCst))).unwrap_or(real)
    })
}

async fn how(town: &Town, case: CaseId) -> Result<(&'static str, Option<Closing>)> {
    let standing = town.standing(case).await?;
    Ok((standing.how, standing.closing))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a12_after_ten_minutes_of_real_time_cases_are_settled_from_outside_and_their_messages_are_stale() -> Result<()>
{
    let seconds = Arc::new(AtomicI64::new(0));
    let founding = Founding { clock: moved(&seconds), ..Founding::default().seed(311).people(150) };
    let town = Town::founded(founding).await?;
    disturb(&town, System::DigitalId, Kind::Outage, None)?;
    let mut cases = apply(&town, 10).await?;
    town.until("the stage to be held back", async || {
        Ok((metric(&town.engine, "kezek_stage_held_back{stage=\"intake\"}")? > 0.0).then_some(()))
    })
    .await?;
    cases.extend(apply(&town, 3).await?);
    let probes = || metric(&town.engine, "kezek_probes_total{system=\"digital-id\"}");
    let began: kezek_store::SqlTime =
        sqlx::query_scalar("SELECT opened_at FROM breakers WHERE system = 'digital-id' AND state = 'open'")
            .fetch_one(&town.owner)
            .await?;

    // days of business time are nothing to A12, and neither are nine minutes and a half of real time
    town.clock_passes(2).await?;
    seconds.store(570, Ordering::SeqCst);
    let sent = probes()?;
    town.until("two more probes", async || Ok((probes()? >= sent + 2.0).then_some(()))).await?;
    for case in &cases {
        assert_eq!(how(&town, *case).await?, ("moving", None));
    }

    seconds.store(605, Ordering::SeqCst);
    for case in &cases {
        assert_eq!(town.until_closed(*case).await?, Closing::Redirected);
    }
    let decisions: Vec<Value> =
        sqlx::query_scalar("SELECT detail FROM journal WHERE stage = 'intake' AND outcome = 'redirected'")
            .fetch_all(&town.owner)
            .await?;
    assert_eq!(decisions.len(), cases.len());
    let outside: Vec<_> = decisions.iter().filter(|d| d["note"]["without_message"] == "digital-id").collect();
    assert!(outside.len() + 2 >= cases.len(), "at most a probe's own attempt may have been first: {decisions:?}");
    for decision in &outside {
        assert_eq!(decision["facts"]["law"], "A12");
        // both clocks: of the outage here, of the decision in the entry's own columns
        assert_eq!(decision["note"]["down_since"], began.to_jiff().to_string());
        assert!(decision["note"]["down_since_business"].as_str() < decision["note"]["down_since"].as_str());
    }
    let lasted = "SELECT count(*) FROM journal j, outages o WHERE j.stage = 'intake' AND j.outcome = 'redirected'
                  AND o.system = 'digital-id' AND j.recorded_at - o.began_at > interval '10 minutes'
                  AND j.recorded_at - o.began_at < interval '11 minutes' AND j.at < j.recorded_at";
    assert_eq!(number(&town, lasted).await?, i64::try_from(cases.len())?);

    // the system is back: what lies in the queue is stale, and the next application closes the breaker
    town.sandbox.world.faults().clear();
    let next = town.citizen(Plan::Issued)?.submits().await?.case;
    town.until_held_at(next, "review").await?;
    assert!(metric(&town.engine, "kezek_stale_total{stage=\"intake\"}")? >= 3.0);
    // the probe has closed it here at once, and for everybody by the next round of housekeeping
    let ended = "SELECT count(*) FROM outages WHERE ended_at IS NOT NULL";
    for _ in 0..200 {
        if number(&town, ended).await? == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(number(&town, ended).await?, 1);
    town.leave_waiting().await
}
