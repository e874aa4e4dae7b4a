//! The engine's memories, kept in memory: outside effects and breakers.

use jiff::Timestamp;
use kezek_domain::{CaseId, Fault, System};
use kezek_stage::{BoxFuture, Breakers, Earlier, EffectKey, Effects, Pass};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is remembered of one effect.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectRecord {
    /// The case it was for; `None` where the test left the intent.
    pub case: Option<CaseId>,
    /// The system and operation, as `system/operation`.
    pub operation: String,
    /// The answer, once there was one.
    pub answer: Option<Value>,
}

/// Effects whose receiver does not dedupe, by key.
#[derive(Debug, Default)]
pub struct MemoryEffects(Mutex<BTreeMap<String, EffectRecord>>);

impl MemoryEffects {
    /// Everything remembered, by key.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, EffectRecord> {
        self.rows().clone()
    }
    /// Leaves an intent whose answer was lost.
    pub fn leave_unanswered(&self, key: &EffectKey) {
        let record = EffectRecord { case: None, operation: String::new(), answer: None };
        self.rows().insert(key.to_string(), record);
    }
    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, EffectRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Effects for MemoryEffects {
    fn intend<'a>(
        &'a self,
        key: &'a EffectKey,
        case: CaseId,
        _stage: &'a str,
        system: System,
        operation: &'a str,
    ) -> BoxFuture<'a, Result<Earlier, Fault>> {
        Box::pin(async move {
            let mut rows = self.rows();
            if let Some(earlier) = rows.get(key.as_str()) {
                return Ok(earlier.answer.clone().map_or(Earlier::Unanswered, Earlier::Answered));
            }
            let operation = format!("{system}/{operation}");
            rows.insert(key.to_string(), EffectRecord { case: Some(case), operation, answer: None });
            Ok(Earlier::New)
        })
    }
    fn answered<'a>(&'a self, key: &'a EffectKey, _: &'a str, answer: Value) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            match self.rows().get_mut(key.as_str()) {
                Some(record) => {
                    record.answer = Some(answer);
                    Ok(())
                }
                None => Err(Fault::permanent("contract-broken", "an answer without an intent")),
            }
        })
    }
    fn forget<'a>(&'a self, key: &'a EffectKey) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            self.rows().remove(key.as_str());
            Ok(())
        })
    }
}

/// Breakers that the test opens and closes.
#[derive(Debug, Default)]
pub struct MemoryBreakers {
    open: Mutex<HashMap<System, Timestamp>>,
    reports: Mutex<Vec<(System, bool)>>,
}

impl MemoryBreakers {
    /// The system has been out since an instant of real time (A12).
    pub fn open(&self, system: System, since: Timestamp) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(system, since);
    }
    /// The system is back.
    pub fn close(&self, system: System) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&system);
    }
    /// What calls came to: the system and whether it answered.
    #[must_use]
    pub fn reports(&self) -> Vec<(System, bool)> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Breakers for MemoryBreakers {
    fn allow(&self, system: System) -> Result<Pass, Fault> {
        match self.open_since(system) {
            None => Ok(Pass::Free),
            Some(_) => Err(Fault::transient("breaker-open", system.label()).from_system(system)),
        }
    }
    fn report(&self, system: System, _pass: Pass, answered: bool) {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).push((system, answered));
    }
    fn open_since(&self, system: System) -> Option<Timestamp> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&system).copied()
    }
}
