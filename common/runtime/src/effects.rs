//! The memory of outside effects, in PostgreSQL.

use kezek_domain::fault::Fault;
use kezek_domain::{CaseId, System};
use kezek_stage::{BoxFuture, Earlier, EffectKey, Effects};
use kezek_store::effects::{self, Known};
use serde_json::Value;
use sqlx::PgPool;

/// Effects in the `effects` table.
#[derive(Clone, Debug)]
pub struct StoredEffects(pub PgPool);

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
            Ok(match effects::intend(&self.0, key.as_str(), case.0, stage, system.label(), operation).await? {
                Known::New => Earlier::New,
                Known::Unanswered => Earlier::Unanswered,
                Known::Answered(answer) => Earlier::Answered(answer),
            })
        })
    }
    fn answered<'a>(&'a self, key: &'a EffectKey, answer: Value) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { Ok(effects::answered(&self.0, key.as_str(), &answer).await?) })
    }
    fn forget<'a>(&'a self, key: &'a EffectKey) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move { Ok(effects::forget(&self.0, key.as_str()).await?) })
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
