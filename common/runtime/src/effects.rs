//! The memory of outside effects, in PostgreSQL.

use crate::gather::{self, Gather};
use crate::points::{self, Point};
use kezek_domain::fault::Fault;
use kezek_domain::{CaseId, System};
use kezek_stage::{BoxFuture, Earlier, EffectKey, Effects};
use kezek_store::effects::{self, Intent, Known};
use kezek_store::warm::Warm;
use kezek_store::{Class, StoreError, bounded};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Effects in the `effects` table. Intents and answers of one moment are committed together.
#[derive(Clone)]
pub struct StoredEffects(Arc<Inner>);

struct Inner {
    warm: Warm,
    may_act: Duration,
    intents: Gather<Intent, Result<Known, Fault>>,
    answers: Gather<Answered, Result<(), Fault>>,
}

impl std::fmt::Debug for StoredEffects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredEffects")
    }
}

impl StoredEffects {
    /// Effects that lie in the database of `warm`, at most `most` of them in one commit. `may_act`: how long a receiver may still act
    /// on a request; before that, an unanswered one is not judged.
    #[must_use]
    pub fn new(warm: Warm, may_act: Duration, most: usize) -> Self {
        Self(Arc::new(Inner { warm, may_act, intents: Gather::new(most, 2), answers: Gather::new(most, 2) }))
    }
}

fn not_committed() -> Fault {
    Fault::transient("database-away", "the effect's row could not be committed")
}

/// What may be committed together with others of its kind.
trait Committed: Clone + Send + Sync {
    type Done: Send;
    fn together(warm: &Warm, items: &[Self]) -> impl Future<Output = Result<Vec<Self::Done>, StoreError>> + Send;
}

impl Committed for Intent {
    type Done = Known;
    async fn together(warm: &Warm, intents: &[Self]) -> Result<Vec<Known>, StoreError> {
        let mut lease = warm.take().await?;
        let known = effects::intend(&mut lease, intents).await?;
        lease.finished();
        Ok(known)
    }
}

/// An effect's key, and what its receiver answered.
type Answered = (String, Value);

impl Committed for Answered {
    type Done = ();
    async fn together(warm: &Warm, answers: &[Self]) -> Result<Vec<()>, StoreError> {
        let mut lease = warm.take().await?;
        effects::answered(&mut lease, answers).await?;
        lease.finished();
        Ok(answers.iter().map(|_| ()).collect())
    }
}

/// Commits a batch; where its data is refused, each alone, so that one bad row is nobody else's fault.
async fn commit<T: Committed>(warm: Warm, batch: Vec<gather::Brought<T, Result<T::Done, Fault>>>) {
    let items: Vec<T> = batch.iter().map(|(item, _)| item.clone()).collect();
    match bounded(T::together(&warm, &items)).await {
        Ok(done) => {
            for ((_, tell), done) in batch.into_iter().zip(done) {
                let _ = tell.send(Ok(done));
            }
        }
        Err(error) if error.class() == Class::Again || batch.len() == 1 => {
            let fault = Fault::from(error);
            for (_, tell) in batch {
                let _ = tell.send(Err(fault.clone()));
            }
        }
        Err(_) => {
            for (item, tell) in batch {
                let alone = bounded(T::together(&warm, std::slice::from_ref(&item))).await;
                let one = alone.map_err(Fault::from).and_then(|done| done.into_iter().next().ok_or_else(not_committed));
                let _ = tell.send(one);
            }
        }
    }
}

impl Effects for StoredEffects {
    fn intend<'a>(
        &'a self,
        key: &'a EffectKey,
        case: CaseId,
        stage: &'a str,
        system: System,
        operation: &'a str,
    ) -> BoxFuture<'a, Result<Earlier, Fault>> {
        Box::pin(async move {
            let intent = Intent {
                key: key.as_str().to_owned(),
                case_id: case.0,
                stage: stage.to_owned(),
                system: system.label().to_owned(),
                operation: operation.to_owned(),
            };
            let warm = self.0.warm.clone();
            let told = self.0.intents.bring(intent, move |batch| commit(warm.clone(), batch));
            Ok(match told.await.unwrap_or_else(|| Err(not_committed()))? {
                Known::New => {
                    points::reached(Point::Intended, stage, || points::ids_in(key.as_str())).await;
                    Earlier::New
                }
                // another worker's call may be under way this very moment, or a slow receiver still at it
                Known::Unanswered(age) if age < self.0.may_act.as_secs_f64() => {
                    let rest = Duration::from_secs_f64((self.0.may_act.as_secs_f64() - age).max(0.0));
                    return Err(Fault::transient("effect-under-way", key.to_string()).after(rest));
                }
                Known::Unanswered(_) => Earlier::Unanswered,
                Known::Answered(answer) => Earlier::Answered(answer),
            })
        })
    }
    fn answered<'a>(&'a self, key: &'a EffectKey, stage: &'a str, answer: Value) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            points::reached(Point::BeforeAnswer, stage, || points::ids_in(key.as_str())).await;
            let warm = self.0.warm.clone();
            let answered = (key.as_str().to_owned(), answer);
            let told = self.0.answers.bring(answered, move |batch| commit(warm.clone(), batch));
            told.await.unwrap_or_else(|| Err(not_committed()))
        })
    }
    fn forget<'a>(&'a self, key: &'a EffectKey) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            let mut lease = self.0.warm.take().await?;
            effects::forget(&mut lease, key.as_str()).await?;
            lease.finished();
            Ok(())
        })
    }
}

/// For questions that a door asks before a case exists: no effect may be made.
#[derive(Clone, Copy, Debug)]
pub struct NoEffects;

impl Effects for NoEffects {
    fn intend<'a>(
        &'a self,
        key: &'a EffectKey,
        _: CaseId,
        _: &'a str,
        _: System,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Earlier, Fault>> {
        Box::pin(async move { Err(Fault::permanent("effect-without-case", key.to_string())) })
    }
    fn answered<'a>(&'a self, key: &'a EffectKey, _: &'a str, _: Value) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { Err(Fault::permanent("effect-without-case", key.to_string())) })
    }
    fn forget<'a>(&'a self, _: &'a EffectKey) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { Ok(()) })
    }
}
