//! One attempt at a job: the time it sees, the calls it makes, the effects it has.

use crate::clock::Clock;
use jiff::{Timestamp, civil::Date};
use kezek_domain::fault::Fault;
use kezek_domain::journal::CallRecord;
use kezek_domain::{CaseId, System};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

/// A boxed future, for the traits that the engine implements.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The stable name of an outside effect: the same for every attempt, replay and process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct EffectKey(String);

impl EffectKey {
    /// `verb/case[/part]`: charge keys name case and obligation, refund keys case and payment, never the visit.
    #[must_use]
    pub fn of(verb: &str, case: CaseId, part: &str) -> Self {
        Self(if part.is_empty() { format!("{verb}/{}", case.0) } else { format!("{verb}/{}/{part}", case.0) })
    }
    /// The key of a notice: `channel/case/kind.stage.visit`. It names the occasion and not the notice's row, which has
    /// another id where a database restored from a backup makes it again.
    #[must_use]
    pub fn of_notice(channel: &str, case: CaseId, kind: &str, stage: &str, visit: u32) -> Self {
        Self::of(channel, case, &format!("{kind}.{stage}.{visit}"))
    }
    /// The case that a key names, if it is one of ours.
    #[must_use]
    pub fn case_of(key: &str) -> Option<CaseId> {
        key.split('/').nth(1).and_then(|id| id.parse().ok()).map(CaseId)
    }
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the other side does with a repeated request.
pub enum Receiver<'a, T> {
    /// It does the thing once per key and repeats its answer.
    Dedupes,
    /// It can be asked whether it did the thing: `Some` is its answer, `None` means that it did not.
    Asked(BoxFuture<'a, Result<Option<T>, Fault>>),
    /// Neither: a lost answer leaves a doubt that only a human, or letting it be, can end.
    Neither,
}

impl<T> fmt::Debug for Receiver<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dedupes => "Dedupes",
            Self::Asked(_) => "Asked",
            Self::Neither => "Neither",
        })
    }
}

/// How an effect ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect<T> {
    /// It happened, and this was the answer.
    Done(T),
    /// An earlier attempt asked for it, no answer came back, and the receiver can neither dedupe nor be asked.
    Doubtful,
}

impl<T> Effect<T> {
    /// The answer of a receiver that dedupes or can be asked, which leaves no doubt.
    ///
    /// # Errors
    /// Permanent for a doubtful effect.
    pub fn sure(self) -> Result<T, Fault> {
        match self {
            Self::Done(answer) => Ok(answer),
            Self::Doubtful => Err(Fault::permanent("effect-doubtful", "an earlier request was never answered")),
        }
    }
}

/// What is known of a key before the call.
#[derive(Clone, Debug, PartialEq)]
pub enum Earlier {
    /// Nothing: the intent has just been committed.
    New,
    /// Intended before, never answered.
    Unanswered,
    /// Answered before, with this.
    Answered(Value),
}

/// The engine's memory of outside effects.
pub trait Effects: Send + Sync {
    /// Commits the intent before the call, or tells what is known of the key.
    fn intend<'a>(
        &'a self,
        key: &'a EffectKey,
        case: CaseId,
        stage: &'a str,
        system: System,
        operation: &'a str,
    ) -> BoxFuture<'a, Result<Earlier, Fault>>;
    /// Commits the answer; `stage` is whose call it answers.
    fn answered<'a>(&'a self, key: &'a EffectKey, stage: &'a str, answer: Value) -> BoxFuture<'a, Result<(), Fault>>;
    /// Takes an intent back: the call certainly had no effect (it was refused before it was made).
    fn forget<'a>(&'a self, key: &'a EffectKey) -> BoxFuture<'a, Result<(), Fault>>;
}

/// As what a call goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// The breaker was closed when the call began.
    Free,
    /// The one call that may close an open breaker.
    Probe,
}

/// One breaker per outside system, shared by all processes.
pub trait Breakers: Send + Sync {
    /// Whether a call may go out now, and as what; a transient fault with `retry_after` where it may not.
    ///
    /// # Errors
    /// Transient, cause `breaker-open`.
    fn allow(&self, system: System) -> Result<Pass, Fault>;
    /// What a call came to: `true` where the system answered at all.
    fn report(&self, system: System, pass: Pass, answered: bool);
    /// Since when (real time) the system's breaker has been open; `None` where it is closed. A12 counts from here.
    fn open_since(&self, system: System) -> Option<Timestamp>;
}

/// One attempt at a job.
pub struct Attempt {
    number: u32,
    at: Timestamp,
    case: CaseId,
    stage: &'static str,
    clock: Clock,
    effects: Arc<dyn Effects>,
    breakers: Arc<dyn Breakers>,
    calls: Mutex<Vec<CallRecord>>,
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attempt({} of {} at {})", self.number, self.stage, self.at)
    }
}

impl Attempt {
    /// Made by the engine and the bench.
    #[must_use]
    pub fn new(
        number: u32,
        case: CaseId,
        stage: &'static str,
        clock: Clock,
        effects: Arc<dyn Effects>,
        breakers: Arc<dyn Breakers>,
    ) -> Self {
        Self { number, at: clock.now(), case, stage, clock, effects, breakers, calls: Mutex::default() }
    }
    /// 1 for the first attempt at this job.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }
    /// Business time at the start of the attempt: the same for the whole attempt.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.at
    }
    /// Almaty's date at the start of the attempt.
    #[must_use]
    pub fn today(&self) -> Date {
        kezek_domain::rules::almaty_date(self.at)
    }
    /// How long a system has been out, in real time (A12).
    #[must_use]
    pub fn outage(&self, system: System) -> Option<jiff::SignedDuration> {
        self.breakers.open_since(system).map(|since| self.clock.real().duration_since(since))
    }
    /// The calls made so far, for the journal.
    #[must_use]
    pub fn take_calls(&self) -> Vec<CallRecord> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One question to an outside system that changes nothing there: breaker, record, fault taxonomy.
    ///
    /// # Errors
    /// What the call's error becomes as a [`Fault`]; transient while the system's breaker is open.
    pub async fn call<T, E: Into<Fault>>(
        &self,
        system: System,
        operation: &'static str,
        call: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, Fault> {
        let pass = self.breakers.allow(system)?;
        self.allowed(pass, system, operation, call).await
    }

    /// A call that the breaker has let through.
    async fn allowed<T, E: Into<Fault>>(
        &self,
        pass: Pass,
        system: System,
        operation: &'static str,
        call: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, Fault> {
        let began = self.clock.real();
        let result = call.await.map_err(|e| e.into().from_system(system));
        let millis = self.clock.real().duration_since(began).as_millis();
        // a permanent fault is an answer: the system is up, our question is wrong
        let answered = !matches!(result, Err(Fault::Transient { .. }));
        self.breakers.report(system, pass, answered);
        let record = CallRecord {
            system,
            operation: operation.to_owned(),
            result: match &result {
                Ok(_) => "answered".to_owned(),
                Err(fault) => fault.cause().to_owned(),
            },
            millis: u64::try_from(millis).unwrap_or(0),
        };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(record);
        result
    }

    /// One request that changes something outside, under a stable key. For receivers that do not dedupe, the
    /// intent is committed before the call and the answer after it, so that a repeated attempt knows.
    ///
    /// # Errors
    /// As [`Attempt::call`], and what the memory of effects meets.
    pub async fn effect<T, E>(
        &self,
        key: &EffectKey,
        receiver: Receiver<'_, T>,
        system: System,
        operation: &'static str,
        call: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<Effect<T>, Fault>
    where
        T: Serialize + DeserializeOwned + Send,
        E: Into<Fault>,
    {
        let ask = match receiver {
            Receiver::Dedupes => return self.call(system, operation, call).await.map(Effect::Done),
            Receiver::Asked(ask) => Some(ask),
            Receiver::Neither => None,
        };
        // an open breaker is met before the intent: an intent means that a call may have gone out
        let pass = self.breakers.allow(system)?;
        let earlier = self.effects.intend(key, self.case, self.stage, system, operation).await;
        if pass == Pass::Probe
            && !matches!((&earlier, &ask), (Ok(Earlier::New), _) | (Ok(Earlier::Unanswered), Some(_)))
        {
            // no call goes out: the next one is the probe, and does not wait until this one is given up
            self.breakers.report(system, pass, false);
        }
        match earlier? {
            Earlier::Answered(answer) => {
                return serde_json::from_value(answer)
                    .map(Effect::Done)
                    .map_err(|_| Fault::permanent("effect-unreadable", key.to_string()));
            }
            Earlier::Unanswered => match ask {
                None => return Ok(Effect::Doubtful),
                Some(ask) => {
                    if let Some(answer) = self.allowed(pass, system, "ask", ask).await? {
                        self.remember(key, &answer).await?;
                        return Ok(Effect::Done(answer));
                    }
                }
            },
            Earlier::New => {}
        }
        // the breaker was asked once, before the intent: asked again it would take its own probe for somebody else's
        let answer = match self.allowed(pass, system, operation, call).await {
            Ok(answer) => answer,
            Err(fault) => {
                // a permanent fault is the receiver's own "no": nothing happened there
                if matches!(fault, Fault::Permanent { .. }) {
                    self.effects.forget(key).await?;
                }
                return Err(fault);
            }
        };
        self.remember(key, &answer).await?;
        Ok(Effect::Done(answer))
    }

    async fn remember<T: Serialize>(&self, key: &EffectKey, answer: &T) -> Result<(), Fault> {
        let answer =
            serde_json::to_value(answer).map_err(|_| Fault::permanent("effect-unwritable", key.to_string()))?;
        self.effects.answered(key, self.stage, answer).await
    }
}
