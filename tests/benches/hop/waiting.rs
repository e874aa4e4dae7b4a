//! A worker's memory while messages wait: what a worker holds is bounded by its prefetch, not by its queue.

use crate::kezek::Works;
use crate::machine::Processes;
use crate::stages::work_takes;
use anyhow::Result;
use kezek_runtime::Limits;
use kezek_testkit::database::Servers;
use std::time::Duration;
use uuid::Uuid;

/// Rounds, the first of which counts for nothing.
const ROUNDS: u64 = 3;
/// Attempts at once.
const IN_FLIGHT: usize = 64;
/// How many of the queue's messages count as few.
const FEW: u64 = 1_000;
/// So that the head of the queue lasts.
const SLOW: Duration = Duration::from_secs(3);

/// One sample.
pub struct Sample {
    /// Messages that waited.
    pub waiting: u64,
    /// MiB resident of this process and of the broker: the most of some samples, a fifth of a second apart.
    pub resident: [f64; 2],
}

/// Memory with few and with `many` messages waiting for a worker that is at work.
pub async fn run(servers: &Servers, limits: Limits, many: u64, looks: u32) -> Result<Vec<Sample>> {
    let processes = Processes::from_environment()?;
    let works = Works::new(servers, Limits { in_flight: IN_FLIGHT, ..limits.clone() }).await?;
    let few = FEW.min(many);
    // real cases at the head of the queue: more than all rounds can take (a prefetch each, and what is worked on)
    let each = u64::from(limits.prefetch) + 3 * IN_FLIGHT as u64;
    works.open(0..ROUNDS * each, "KZ-75").await?;
    let mut samples = Vec::new();
    // a first round that counts for nothing: it brings code, pools and allocator to where they stay
    for (round, waiting) in [few, few, many].into_iter().enumerate() {
        works.vhost.purge().await?;
        publish(&works, waiting).await?;
        work_takes(SLOW);
        let mut running = works.start();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut most: [f64; 2] = [0.0; 2];
        for _ in 0..looks {
            for (most, now) in most.iter_mut().zip(processes.resident()) {
                *most = most.max(now);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        work_takes(Duration::ZERO);
        // nobody answers: what comes to a hold stays there
        while let Ok(Some(_)) = tokio::time::timeout(Duration::ZERO, running.heard()).await {}
        running.stop().await;
        if round > 0 {
            eprintln!("memory with {waiting} messages waiting: here {:.0} MiB, broker {:.0} MiB", most[0], most[1]);
            samples.push(Sample { waiting, resident: most });
        }
    }
    works.close().await?;
    Ok(samples)
}

/// The jobs of the cases that still move at the first stage, then messages that nobody reaches.
async fn publish(works: &Works, waiting: u64) -> Result<()> {
    let ids: Vec<Uuid> =
        sqlx::query_scalar("SELECT id FROM cases WHERE how = 'moving' AND stage = 'intake' ORDER BY id")
            .fetch_all(&works.pool)
            .await?;
    let mut jobs: Vec<_> = kezek_store::jobs::list(&works.pool, &ids).await?.into_values().collect();
    let sample = jobs.first().cloned();
    let mut left = waiting;
    while left > 0 {
        let mut rows = Vec::with_capacity(500);
        for _ in 0..left.min(500) {
            let job = match jobs.pop() {
                Some(job) => job,
                None => {
                    let mut job = sample.clone().ok_or_else(|| anyhow::anyhow!("no case moves at the first stage"))?;
                    job.subject_id = works.engine.ids().next();
                    job.case_id = Some(job.subject_id);
                    job
                }
            };
            rows.push(works.engine.message(&job, None, false));
        }
        left -= rows.len() as u64;
        let sent = works.engine.publisher().confirmed(&rows).await;
        anyhow::ensure!(sent.len() == rows.len(), "the broker did not take every message");
    }
    Ok(())
}
