//! Settling from outside: cases that wait for a system that has been down for longer than their stage waits (A12) are
//! worked on without their message. Their turn settles under the ticket like any other, so that the message, wherever
//! it is, becomes stale; what is not settled goes on waiting for it.

use crate::breakers::Outage;
use crate::item::{Errand, Finished, Ready};
use crate::room::StageRoom;
use futures_util::{StreamExt as _, stream};
use kezek_domain::Actor;
use kezek_domain::System;
use kezek_stage::{Stage, Subject as _, SubjectKind, Turn};
use kezek_store::{StoreError, bounded};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often it looks whether somebody has waited for too long.
const LOOKS: Duration = Duration::from_millis(500);
/// Between two rounds; in between the probe may go out.
const PAUSE: Duration = Duration::from_secs(3);
/// Longest round.
const ROUND: Duration = Duration::from_secs(10);
/// Cases read at once.
const AT_ONCE: i64 = 100;
/// Cases worked on side by side.
const SIDE_BY_SIDE: usize = 16;

impl<S: Stage> StageRoom<S> {
    /// Looks again and again, until `stop`, whether cases have waited for longer than the stage's patience.
    pub(crate) async fn settles_from_outside(self, stop: CancellationToken) {
        let patience = |system: &System| self.stage.patience(*system).map(|p| (*system, p));
        let bounds: Vec<(System, Duration)> = S::NEEDS.iter().filter_map(patience).collect();
        if bounds.is_empty() || S::Subject::KIND != SubjectKind::Case {
            return;
        }
        // cases that could not be settled must not hide the others: each round goes on where the last one ended
        let mut after = Uuid::nil();
        let mut not_before = Instant::now();
        while !stop.is_cancelled() {
            for (system, patience) in &bounds {
                let round = self.one_system(*system, *patience, &mut after, &mut not_before).await;
                if let Err(error) = round {
                    self.engine.breakers().unclaim(*system);
                    tracing::warn!(stage = S::NAME, error = error.tell(), "cannot settle from outside");
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOKS) => {}
            }
        }
        bounds.iter().for_each(|(system, _)| self.engine.breakers().unclaim(*system));
    }

    /// Settles who has waited for a system for too long, once this process has the right to send the probe: no attempt
    /// elsewhere finds the system up again while this one ends a case for it being down.
    async fn one_system(
        &self,
        system: System,
        patience: Duration,
        after: &mut Uuid,
        not_before: &mut Instant,
    ) -> Result<(), StoreError> {
        let breakers = self.engine.breakers();
        let overdue = breakers.outage(system).filter(|down| {
            let lasted = self.engine.clock().real().duration_since(down.since);
            lasted.is_positive() && lasted.unsigned_abs() > patience
        });
        let Some(down) = overdue else {
            breakers.unclaim(system);
            return Ok(());
        };
        if Instant::now() < *not_before {
            return Ok(());
        }
        if !self.anybody_waits().await? {
            // nobody to settle: a right that was asked for may go out as the probe
            breakers.unclaim(system);
            return Ok(());
        }
        if !breakers.claim(system) {
            return Ok(());
        }
        let began = Instant::now();
        loop {
            let moving = kezek_store::cases::list_moving_at(self.engine.pool(), S::NAME, *after, AT_ONCE);
            let ids = bounded(moving).await?;
            *after = ids.last().copied().unwrap_or_default();
            let more = !ids.is_empty();
            self.settle_without_messages(ids, system, down).await;
            if !more || began.elapsed() > ROUND || breakers.outage(system).is_none() {
                break;
            }
        }
        breakers.unclaim(system);
        *not_before = Instant::now() + PAUSE;
        Ok(())
    }

    async fn anybody_waits(&self) -> Result<bool, StoreError> {
        let first = kezek_store::cases::list_moving_at(self.engine.pool(), S::NAME, Uuid::nil(), 1);
        Ok(!bounded(first).await?.is_empty())
    }

    async fn settle_without_messages(&self, ids: Vec<Uuid>, system: System, down: Outage) {
        let attempts = stream::iter(ids.into_iter().map(|id| self.try_without_message(id, system, down)));
        let finished: Vec<Finished<S>> =
            attempts.buffer_unordered(SIDE_BY_SIDE).filter_map(std::future::ready).collect().await;
        if finished.is_empty() {
            return;
        }
        tracing::warn!(
            stage = S::NAME,
            system = system.label(),
            cases = finished.len(),
            "a system has been down for longer than cases wait for it: they are settled from outside"
        );
        for (_, settlement) in self.settle_patiently(finished).await {
            self.engine.send(&settlement.rows).await;
        }
    }

    /// One attempt at a case that moves at this stage; `None` where it comes to no turn, and its message decides.
    async fn try_without_message(&self, case: Uuid, system: System, down: Outage) -> Option<Finished<S>> {
        let (ticket, job, file) = match self.engine.read_moving::<S>(case).await {
            Ok(read) => read?,
            Err(fault) => {
                tracing::info!(stage = S::NAME, case.id = %case, cause = fault.cause(), "not read from outside");
                return None;
            }
        };
        let finished = self
            .attempt(Ready::<S> {
                item: None,
                errand: Errand::Job,
                actor: Actor::System,
                subject: case,
                ticket,
                revision: file.case.revision,
                job,
                answer: None,
                attempt: self.engine.attempt::<S>(1, &file.case),
                file,
                note: json!({
                    "without_message": system.label(),
                    "down_since": down.since.to_string(),
                    "down_since_business": down.since_business.map(|t| t.to_string()),
                }),
            })
            .await;
        matches!(finished.result, Ok(Turn::Done(_) | Turn::Hold(_))).then_some(finished)
    }
}
