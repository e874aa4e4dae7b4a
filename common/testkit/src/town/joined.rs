//! One more process of the town: an engine of its own with its own connections, breakers and housekeeping, on the same
//! broker, database and outside systems.

use super::{AtWork, Process, Town};
use anyhow::{Context as _, Result};
use kezek_runtime::{Engine, Limits, housekeeping};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio_util::sync::CancellationToken;

impl Town {
    /// Another process joins and runs these stages; it leaves with the town. `limits` changes the town's bounds.
    ///
    /// # Errors
    /// Where there is no such stage, or something cannot be opened.
    pub async fn joined(&self, stages: &[&str], limits: impl FnOnce(&mut Limits)) -> Result<Engine> {
        let number = self.processes.fetch_add(1, Ordering::SeqCst) + 1;
        let mut plan = self.plan.clone();
        // identifiers of its own
        plan.seed = plan.seed.wrapping_mul(1_000_003).wrapping_add(number);
        let (mut bounds, clock) = self.settings.clone();
        limits(&mut bounds);
        let process = Process::open(&plan, bounds, clock).await?;
        for stage in stages {
            let room =
                process.rooms.iter().find(|r| r.name() == *stage).with_context(|| format!("no stage {stage}"))?;
            let stop = CancellationToken::new();
            let task = self.tasks.spawn(Arc::clone(room).run(stop.clone()));
            self.workers.at_work().entry(room.name()).or_default().push(AtWork { stop, task });
        }
        self.tasks.spawn(housekeeping(process.engine.clone(), self.workers.leave.clone()));
        Ok(process.engine)
    }
}
