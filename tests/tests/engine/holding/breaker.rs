//! One breaker per outside system, shared by all processes: while it is open, stages that need the system do not take,
//! and one call at a time goes out in the whole installation.

use super::{apply, disturb, metric, number, waiting};
use anyhow::{Result, ensure};
use kezek_domain::System;
use kezek_runtime::{Limits, Metrics, SharedBreakers};
use kezek_sandbox::faults::Kind;
use kezek_stage::{Breakers, Clock, Pass};
use kezek_testkit::database::Database;
use kezek_testkit::town::{Founding, Town};
use std::time::{Duration, Instant};

const RETRIES: &str = "SELECT count(*) FROM journal WHERE stage = 'exemption' AND move_label = 'retry'";

/// How many calls the sandbox has spoilt.
fn spoilt(town: &Town) -> u64 {
    town.sandbox.world.faults().list().iter().map(|(_, spoilt)| u64::from(*spoilt)).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_system_is_down_two_processes_take_nothing_but_the_probe() -> Result<()> {
    let limits = Limits { batch: 4, in_flight: 4, prefetch: 8, ..Founding::default().limits };
    let town =
        Town::founded(Founding { limits, ..Founding::default().seed(301).people(150).closed("exemption") }).await?;
    let cases = apply(&town, 24).await?;
    town.rest().await?;
    // a fault of the gateway: a question whose answer is lost would be asked twice in one attempt
    disturb(&town, System::Sik, Kind::Error { code: "FAULT-015".to_owned() }, None)?;
    town.opens("exemption")?;
    let other = town.joined(&["exemption"], |_| {}).await?;
    let both = |series: &str| Ok::<_, anyhow::Error>(metric(&town.engine, series)? + metric(&other, series)?);
    town.until("both processes to hold the stage back", async || {
        Ok((both("kezek_stage_held_back{stage=\"exemption\"}")? > 1.0).then_some(()))
    })
    .await?;
    // what was in hand has left as Again by the time that the first probe is back
    let probes = || both("kezek_probes_total{system=\"sik\"}");
    town.until("the first probe to fail", async || Ok((probes()? >= 1.0).then_some(()))).await?;
    town.until("its case to be put off", async || {
        let open = number(&town, "SELECT count(*) FROM breakers WHERE state = 'open' AND probe_until IS NULL").await?;
        Ok((open == 1).then_some(()))
    })
    .await?;
    let (asked, sent, retried) = (spoilt(&town), probes()?, number(&town, RETRIES).await?);
    town.until("three more probes", async || Ok((probes()? >= sent + 3.0).then_some(()))).await?;
    town.until("every call since to have been a probe, and every retry a probe's", async || {
        let since = probes()? - sent;
        #[expect(clippy::cast_precision_loss, reason = "a handful of calls")]
        let (calls, retries) = ((spoilt(&town) - asked) as f64, (number(&town, RETRIES).await? - retried) as f64);
        ensure!(calls <= since + 1.0 && retries <= since, "{calls} calls and {retries} retries, {since} probes");
        Ok(((calls - since).abs() < 0.5 && (retries - since).abs() < 0.5).then_some(()))
    })
    .await?;
    // everybody else simply waits in the queue, none of them parked, none of them on the ladder again and again
    assert!(waiting(&town, "exemption").await?);
    assert_eq!(number(&town, "SELECT count(*) FROM dead_letters").await?, 0);
    assert_eq!(number(&town, "SELECT count(*) FROM outages WHERE system = 'sik' AND ended_at IS NULL").await?, 1);

    town.sandbox.world.faults().clear();
    for case in &cases {
        town.until_held_at(*case, "review").await?;
    }
    town.until("both processes to take", async || {
        Ok((both("kezek_stage_held_back{stage=\"exemption\"}")? < 1.0).then_some(()))
    })
    .await?;
    let both_clocks = "SELECT count(*) FROM outages WHERE system = 'sik' AND ended_at > began_at
                       AND ended_business > began_business AND began_business < began_at";
    assert_eq!(number(&town, both_clocks).await?, 1);
    town.leave_waiting().await
}

/// Looks of two processes in turn, until one of them may send the probe.
async fn who_may_ask(both: [&SharedBreakers; 2], pool: &sqlx::PgPool) -> Result<usize> {
    let began = Instant::now();
    loop {
        for one in both {
            one.round(pool).await?;
        }
        let passes = both.map(|b| b.allow(System::Sik).is_ok_and(|pass| pass == Pass::Probe));
        match passes {
            [true, true] => anyhow::bail!("both may ask"),
            [true, false] => return Ok(0),
            [false, true] => return Ok(1),
            [false, false] => ensure!(began.elapsed() < Duration::from_secs(30), "nobody may ask"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_right_to_ask_belongs_to_one_process_until_its_probe_is_back() -> Result<()> {
    let database = Database::new().await?;
    let (one_pool, other_pool) = (database.engine().await?, database.engine().await?);
    let make = || -> Result<SharedBreakers> {
        Ok(SharedBreakers::new(Metrics::new(&["exemption"], &["sik"])?, Clock::system(), Duration::from_secs(20)))
    };
    let both = [&make()?, &make()?];
    for _ in 0..8 {
        let pass = both[0].allow(System::Sik)?;
        assert_eq!(pass, Pass::Free);
        both[0].report(System::Sik, pass, false);
    }
    both[0].round(&one_pool).await?;
    both[1].round(&other_pool).await?;
    assert_eq!(both[0].open_since(System::Sik), both[1].open_since(System::Sik));
    assert!(both.iter().all(|b| b.allow(System::Sik).is_err()), "a probe before its time");

    for answered in [false, true] {
        let who = who_may_ask(both, &one_pool).await?;
        // while it is out, rounds of either give nobody else the right, and late answers of earlier calls do nothing
        for _ in 0..30 {
            both[1 - who].report(System::Sik, Pass::Free, false);
            both[who].report(System::Sik, Pass::Free, true);
            for one in both {
                one.round(&other_pool).await?;
                assert!(one.allow(System::Sik).is_err(), "a second probe while one is out");
            }
        }
        both[who].report(System::Sik, Pass::Probe, answered);
    }
    for one in both {
        one.round(&one_pool).await?;
    }
    both[0].round(&one_pool).await?;
    assert!(
        both.iter().all(|b| matches!(b.allow(System::Sik), Ok(Pass::Free))),
        "the probe's answer closes it for all"
    );
    Ok(())
}
