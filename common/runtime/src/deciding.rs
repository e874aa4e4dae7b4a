//! Decisions: an officer's answer settles within his request, under the ticket of the page he read. Decisions of one
//! moment are settled together; whoever made one waits for that commit.

use crate::gather::{Brought, Gather};
use crate::item::{Errand, Finished, Ready};
use crate::points::{self, Point};
use crate::room::StageRoom;
use crate::settle::{Fate, Settlement};
use kezek_domain::Ticket;
use kezek_domain::fault::Fault;
use kezek_stage::{Answer as _, CaseHead, Choice, Decided, Decision, DoorError, Question, Shape as _, Stage, decode};
use kezek_store::bounded;
use serde_json::{Value, json};
use std::sync::Arc;

/// The decisions of one stage and process that wait to be settled together.
pub(crate) type Deciding<S> = Arc<Gather<Finished<S>, Result<Fate, Fault>>>;

fn stale() -> DoorError {
    DoorError::conflict("stale", "the case has gone on since this page was read; load it again")
}

impl<S: Stage> StageRoom<S> {
    /// Two commits at once: while one waits for the disk, the next is gathered and weighed.
    pub(crate) fn deciding() -> Deciding<S> {
        Arc::new(Gather::new(64, 2))
    }

    pub(crate) async fn settle_decision(&self, d: Decision) -> Result<Decided, DoorError> {
        for _ in 0..3 {
            let Some((job, file)) = self.engine.read_held::<S>(d.case.0, d.ticket.0).await? else {
                return Err(stale());
            };
            self.may_decide(&d, &file.case)?;
            let (answer, note) = self.chosen(&d).await?;
            let attempt = self.engine.attempt::<S>(1, &file.case);
            let ready = Ready::<S> {
                item: None,
                errand: Errand::Decision,
                actor: d.caller.actor(),
                job,
                subject: d.case.0,
                ticket: d.ticket.0,
                revision: file.case.revision,
                answer: Some(answer),
                file,
                attempt,
                note,
            };
            let finished = self.attempt(ready).await;
            if let Err(fault) = &finished.result {
                // nothing is settled: the officer sees the fault and decides again
                return Err(fault.clone().into());
            }
            let room = self.clone();
            let told = self.deciding.bring(finished, move |batch| room.clone().settle_decisions(batch)).await;
            match told.ok_or_else(|| DoorError::unavailable("the decision could not be settled; try again"))?? {
                Fate::True { ticket, outcome } => return Ok(Decided { ticket: Ticket(ticket), outcome }),
                Fate::Redo => {}
                Fate::Stale | Fate::Lost | Fate::NotHeld => return Err(stale()),
            }
        }
        Err(DoorError::unavailable("the case is changing just now; try again"))
    }

    /// Settles decisions in one transaction; where that is refused, each by itself, so that one officer's decision
    /// never fails for another's.
    async fn settle_decisions(self, batch: Vec<Brought<Finished<S>, Result<Fate, Fault>>>) {
        let (decisions, tells): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let mut rest = Vec::new();
        match self.settle_some(&decisions).await {
            Ok(settled) => {
                for (fate, tell) in settled.fates.iter().zip(tells) {
                    // an officer who has left finds it on the page
                    let _ = tell.send(Ok(fate.clone()));
                }
                self.send_some(&decisions, &settled).await;
            }
            Err(fault) if decisions.len() == 1 => {
                for tell in tells {
                    let _ = tell.send(Err(fault.clone()));
                }
            }
            Err(_) => rest.extend(decisions.iter().zip(tells)),
        }
        for (decision, tell) in rest {
            let decision = std::slice::from_ref(decision);
            let alone = self.settle_some(decision).await;
            let fate = alone.as_ref().map(|settled| settled.fates.first().cloned().unwrap_or(Fate::Stale));
            let _ = tell.send(fate.map_err(Clone::clone));
            if let Ok(settled) = alone {
                self.send_some(decision, &settled).await;
            }
        }
    }

    async fn settle_some(&self, decisions: &[Finished<S>]) -> Result<Settlement, Fault> {
        let settled = bounded(self.engine.settle(&*self.stage, decisions)).await?;
        for fate in &settled.fates {
            if let Fate::True { outcome, .. } = fate {
                self.engine.metrics().settled.with_label_values(&[S::NAME, outcome]).inc();
            }
        }
        Ok(settled)
    }

    /// Publishes what follows. Nobody waits for it: the sweeper sends what a silent broker does not take now.
    async fn send_some(&self, decisions: &[Finished<S>], settled: &Settlement) {
        self.engine.send(&settled.rows).await;
        points::reached(Point::Confirmed, S::NAME, || decisions.iter().map(|f| f.subject).collect()).await;
    }

    fn may_decide(&self, d: &Decision, case: &CaseHead) -> Result<(), DoorError> {
        match &d.caller.region {
            Some(region) if *region != case.region => Err(DoorError::not_found("no such case in your region")),
            _ => Ok(()),
        }
    }

    /// The answer: the body that the door built, or the whole answer behind a question's choice.
    async fn chosen(&self, d: &Decision) -> Result<(S::Answer, Value), DoorError> {
        let Some(label) = &d.choice else {
            let answer = decode::<S::Answer>(S::Answer::VERSION, d.body.to_string().as_bytes()).map_err(Fault::from)?;
            let note = json!({ "answer": answer.label(), "reason": d.reason });
            return Ok((answer, note));
        };
        let held = kezek_store::holds::find(self.engine.pool(), d.case.0).await.map_err(Fault::from)?;
        let question = held.and_then(|(_, _, question)| question).ok_or_else(stale)?;
        let question: Question<S::Answer> = serde_json::from_value(question)
            .map_err(|_| DoorError::from(Fault::permanent("question-unreadable", S::NAME)))?;
        d.caller.needs(&[question.role])?;
        let labels: Vec<String> = question.choices.iter().map(|c| c.label.clone()).collect();
        let Some(Choice { answer, .. }) = question.choices.into_iter().find(|c| c.label == *label) else {
            return Err(DoorError::invalid(vec![(
                "/choice".to_owned(),
                format!("must be one of {}", labels.join(", ")),
            )]));
        };
        let note = json!({ "question": question.key, "choice": label, "reason": d.reason });
        Ok((answer, note))
    }
}
