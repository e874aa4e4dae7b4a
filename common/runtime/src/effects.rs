//! The memory of outside effects, in PostgreSQL.

use kezek_domain::fault::Fault;
use kezek_domain::{CaseId, System};
use kezek_stage::{BoxFuture, Earlier, EffectKey, Effects};
use kezek_store::effects::{self, Known};
use serde_json::Value;
use sqlx::PgPool;
use std::time::Duration;

/// Effects in the `effects` table.
#[derive(Clone, Debug)]
pub struct StoredEffects {
    /// Where they lie.
    pub pool: PgPool,
    /// How long a receiver may still act on a request: before that, an unanswered one is not judged.
    pub may_act: Duration,
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
            Ok(match effects::intend(&self.pool, key.as_str(), case.0, stage, system.label(), operation).await? {
                Known::New => Earlier::New,
                // another worker's call may be under way this very moment, or a slow receiver still at it
                Known::Unanswered(age) if age < self.may_act.as_secs_f64() => {
                    let rest = Duration::from_secs_f64((self.may_act.as_secs_f64() - age).max(0.0));
                    return Err(Fault::transient("effect-under-way", key.to_string()).after(rest));
                }
                Known::Unanswered(_) => Earlier::Unanswered,
                Known::Answered(answer) => Earlier::Answered(answer),
            })
        })
    }
    fn answered<'a>(&'a self, key: &'a EffectKey, answer: Value) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { Ok(effects::answered(&self.pool, key.as_str(), &answer).await?) })
    }
    fn forget<'a>(&'a self, key: &'a EffectKey) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { Ok(effects::forget(&self.pool, key.as_str()).await?) })
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
    fn answered<'a>(&'a self, key: &'a EffectKey, _: Value) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { Err(Fault::permanent("effect-without-case", key.to_string())) })
    }
    fn forget<'a>(&'a self, _: &'a EffectKey) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { Ok(()) })
    }
}
