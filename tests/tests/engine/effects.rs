//! An effect whose answer was lost, for each kind of receiver: one that dedupes by key, one that can be asked, one that
//! is neither. A stage of the test's own stands in the place of `exemption`, in the real engine.

use anyhow::{Context as _, Result};
use kezek_domain::System;
use kezek_runtime::Line;
use kezek_sandbox::Plan;
use kezek_stage::{
    Attempt, Case, ConfigError, Effect, EffectKey, Fault, File, Hold, Kit, NoAnswer, Outcome, Receiver, Shape, Stage,
    Turn,
};
use kezek_testkit::town::{Founding, Town};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Job {}

impl Shape for Job {
    const KIND: &'static str = "exemption.job";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        vec![Self {}]
    }
}

#[derive(Debug)]
struct Never;

impl Outcome for Never {
    fn label(&self) -> &'static str {
        "never"
    }
    fn samples() -> Vec<Self> {
        vec![Self]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Dedupes,
    Asked,
    Neither,
}

/// An outside system and what it has seen.
#[derive(Debug)]
struct Outside {
    kind: Kind,
    /// Whether the first request is carried out before its answer is lost.
    carries_out: bool,
    seen: Mutex<Seen>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    keys: Vec<String>,
    /// Keys whose effect was made; each once.
    made: Vec<String>,
    asked: u32,
    /// What the stage was given in the end.
    ends: Vec<&'static str>,
}

impl Outside {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// A request: a receiver that dedupes makes one effect per key, any other one per request.
    fn request(&self, key: &str) -> Result<String, Fault> {
        let mut seen = self.seen();
        let first = seen.keys.is_empty();
        seen.keys.push(key.to_owned());
        let again = self.kind == Kind::Dedupes && seen.made.iter().any(|k| k == key);
        if (!first || self.carries_out) && !again {
            seen.made.push(key.to_owned());
        }
        if first {
            return Err(
                Fault::transient("answer-lost", "the connection was cut").after(std::time::Duration::from_millis(1))
            );
        }
        Ok(key.to_owned())
    }
    fn ask(&self, key: &str) -> Option<String> {
        let mut seen = self.seen();
        seen.asked += 1;
        seen.made.iter().find(|k| *k == key).cloned()
    }
}

/// Makes one effect, and holds.
struct Asker(Arc<Outside>);

impl Stage for Asker {
    const NAME: &'static str = "exemption";
    type Subject = Case;
    type Config = ();
    type Job = Job;
    type Answer = NoAnswer;
    type Outcome = Never;

    fn open((): (), kit: Kit) -> Result<Self, ConfigError> {
        Ok(Self(kit.get::<Outside>()?))
    }

    async fn work(&self, _: &Job, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        let key = EffectKey::of("toy", file.case.id, "");
        let ask: kezek_stage::BoxFuture<'_, Result<Option<String>, Fault>> =
            Box::pin(async { Ok(self.0.ask(key.as_str())) });
        let receiver = match self.0.kind {
            Kind::Dedupes => Receiver::Dedupes,
            Kind::Asked => Receiver::Asked(ask),
            Kind::Neither => Receiver::Neither,
        };
        let call = async { self.0.request(key.as_str()) };
        let end = match attempt.effect(&key, receiver, System::Sik, "toy", call).await? {
            Effect::Done(answer) if answer == key.as_str() => "answered",
            Effect::Done(_) => "answered with something else",
            Effect::Doubtful => "doubtful",
        };
        self.0.seen().ends.push(end);
        Ok(Turn::Hold(Hold::open()))
    }
    async fn answer(&self, answer: &NoAnswer, _: &Job, _: &File<Self>, _: &Attempt) -> Result<Turn<Self>, Fault> {
        match *answer {}
    }
    async fn lapse(&self, _: &Job, _: &File<Self>, _: &Attempt) -> Result<Turn<Self>, Fault> {
        Ok(Turn::Hold(Hold::open()))
    }
}

/// One case meets the outside system; what that has seen, how often the case has tried, and what the database knows.
async fn meets(town: &Town, kind: Kind, carries_out: bool) -> Result<(Seen, i32, Option<bool>)> {
    let case = town.citizen(Plan::Issued)?.submits().await?.case;
    let outside = Arc::new(Outside { kind, carries_out, seen: Mutex::default() });
    let kit = Kit::new(town.engine.clock().clone(), town.engine.ids().clone()).with(Arc::clone(&outside));
    let room = Line::of::<Asker>().open(serde_json::Value::Null, &kit, &town.engine)?;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(room.run(stop.clone()));
    town.until_held_at(case, Asker::NAME).await?;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    let tries: i32 = sqlx::query_scalar(
        "SELECT count(*)::integer FROM journal WHERE case_id = $1 AND stage = 'exemption' AND move_label = 'retry'",
    )
    .bind(case.0)
    .fetch_one(&town.owner)
    .await?;
    let known: Option<bool> = sqlx::query_scalar("SELECT answered_at IS NOT NULL FROM effects WHERE key = $1")
        .bind(format!("toy/{case}"))
        .fetch_optional(&town.owner)
        .await?;
    let seen = outside.seen().clone();
    let keys = [format!("toy/{case}")];
    anyhow::ensure!(seen.keys.iter().all(|k| keys.contains(k)), "another key: {:?}", seen.keys);
    Ok((seen, tries, known))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_whose_answer_was_lost_is_made_once_by_each_kind_of_receiver() -> Result<()> {
    let town = Town::founded(Founding::default().seed(301).people(31 * 6).closed("exemption")).await?;

    // it is asked again under the same key, and knows it
    let (seen, _, known) = meets(&town, Kind::Dedupes, true).await?;
    assert_eq!((seen.keys.len(), seen.made.len(), seen.ends.as_slice()), (2, 1, &["answered"][..]));
    assert_eq!(known, None, "a receiver that dedupes needs no memory");

    // it says that it was done, and is not requested again; the retry has waited until it could not act any more
    let (seen, tries, known) = meets(&town, Kind::Asked, true).await?;
    assert_eq!((seen.keys.len(), seen.made.len(), seen.asked), (1, 1, 1));
    assert_eq!((seen.ends.as_slice(), known), (&["answered"][..], Some(true)));
    assert!(tries >= 2, "it was asked while the first request might still have been acted upon");

    // it says that nothing was done, and is requested once more
    let (seen, _, known) = meets(&town, Kind::Asked, false).await?;
    assert_eq!((seen.keys.len(), seen.made.len(), seen.asked), (2, 1, 1));
    assert_eq!((seen.ends.as_slice(), known), (&["answered"][..], Some(true)));

    // nobody can know: it is never requested again, whether or not it was done, and the stage is told of the doubt
    for carried_out in [true, false] {
        let (seen, _, known) = meets(&town, Kind::Neither, carried_out).await?;
        assert_eq!((seen.keys.len(), seen.made.len()), (1, usize::from(carried_out)));
        assert_eq!((seen.ends.as_slice(), known), (&["doubtful"][..], Some(false)));
    }
    let unanswered: i64 =
        sqlx::query_scalar("SELECT count(*) FROM effects WHERE key LIKE 'toy/%' AND answered_at IS NULL")
            .fetch_one(&town.owner)
            .await
            .context("the memory of effects")?;
    assert_eq!(unanswered, 2, "an operator sees what nobody can know");
    town.dissolve().await
}
