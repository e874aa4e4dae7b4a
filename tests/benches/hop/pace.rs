//! A constant arrival rate, whatever becomes of what was sent: the open loop of the latency runs.
//!
//! Every message carries the instant at which it was due, so that a sender that was held up does not make the wait
//! look shorter.

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// What goes before the figures are taken.
pub const WARM: Duration = Duration::from_secs(2);

/// How fast, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Applications per second.
    pub per_second: f64,
    /// After warming up.
    pub seconds: u64,
}

impl Pace {
    /// All applications of the run.
    pub fn total(&self) -> u64 {
        (self.per_second * (self.seconds + WARM.as_secs()) as f64).ceil() as u64
    }
    /// The length of the run.
    pub fn length(&self) -> Duration {
        Duration::from_secs(self.seconds) + WARM
    }

    /// Hands out the numbers 0.. with the instants at which they are due, in small groups.
    pub async fn run(
        &self,
        now: Timestamp,
        mut send: impl AsyncFnMut(Vec<(u64, Timestamp)>) -> Result<()>,
    ) -> Result<()> {
        let began = Instant::now();
        let total = self.total();
        let mut sent = 0;
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while sent < total {
            tick.tick().await;
            let due = ((began.elapsed().as_secs_f64() * self.per_second) as u64 + 1).min(total);
            if due > sent {
                let group =
                    (sent..due).map(|i| (i, now + SignedDuration::from_secs_f64(i as f64 / self.per_second))).collect();
                send(group).await?;
                sent = due;
            }
        }
        Ok(())
    }
}
