//! A room: one stage running. Read ▸ work ▸ settle ▸ publish ▸ ack, each overlapped with the next batch.

use crate::brake::Brake;
use crate::busy::{Busy, occupies};
use crate::consume::Taking;
use crate::deciding::Deciding;
use crate::engine::Engine;
use crate::filling::Filling;
use crate::item::{Errand, Finished, Item, Read, Ready};
use crate::points::{self, Point};
use crate::settle::{Fate, Settlement};
use crate::topology::StageShape;
use futures_util::FutureExt as _;
use kezek_domain::fault::Fault;
use kezek_stage::{Stage, Subject as _, SubjectKind, Turn};
use kezek_store::{Class, StoreError, bounded};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// One stage of a process.
pub(crate) struct StageRoom<S: Stage> {
    pub stage: Arc<S>,
    pub engine: Engine,
    pub shape: StageShape,
    pub brake: Arc<Brake>,
    pub deciding: Deciding<S>,
}

impl<S: Stage> Clone for StageRoom<S> {
    fn clone(&self) -> Self {
        Self {
            stage: Arc::clone(&self.stage),
            engine: self.engine.clone(),
            shape: self.shape,
            brake: Arc::clone(&self.brake),
            deciding: Arc::clone(&self.deciding),
        }
    }
}

impl<S: Stage> StageRoom<S> {
    /// Runs the stage until `stop`, then finishes what is in hand.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let limits = self.engine.limits().clone();
        let (taken, items) = mpsc::channel::<Item>(usize::from(limits.prefetch).max(1));
        let tracker = TaskTracker::new();
        let taking = Taking {
            engine: self.engine.clone(),
            stage: S::NAME,
            queues: self.shape.queues(),
            needs: S::NEEDS,
            into: taken,
            stop: stop.clone(),
        };
        let taking = tracker.spawn(taking.run());
        tracker.spawn(self.clone().settles_from_outside(stop.clone()));
        if S::Subject::KIND == SubjectKind::Letter {
            self.clone().letters(items, stop).await;
        } else {
            self.clone().hops(items, &tracker).await;
        }
        let _ = taking.await;
        tracker.close();
        tracker.wait().await;
    }

    async fn hops(self, mut items: mpsc::Receiver<Item>, tracker: &TaskTracker) {
        let limits = self.engine.limits().clone();
        let busy = Arc::new(Busy::default());
        let places = Arc::new(Semaphore::new(limits.in_flight));
        let (done, finished) = mpsc::channel::<Finished<S>>(limits.in_flight.max(limits.batch));
        let (back, mut redone) = mpsc::unbounded_channel::<Item>();
        // pictures are megabytes: no more files are opened than are worked on soon
        let most = if S::ATTACHMENTS.is_empty() { limits.batch } else { limits.batch.min(16) };
        let mut filling = Filling::new(&limits, most);
        let settling = tracker.spawn(self.clone().settling(finished, Arc::clone(&busy), back.clone(), tracker.clone()));
        let mut open = true;
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                item = items.recv(), if open => match item {
                    Some(item) => batch.push(item),
                    None => open = false,
                },
                Some(item) = redone.recv() => batch.push(item),
                // stopping: nothing comes any more; leave once nothing is under way
                () = tokio::time::sleep(Duration::from_millis(20)), if !open => {
                    if places.available_permits() == limits.in_flight && busy.is_empty() {
                        break;
                    }
                }
            }
            filling.fill(&mut batch, || redone.try_recv().or_else(|_| items.try_recv()).ok()).await;
            if !batch.is_empty() {
                self.begin(batch, &busy, &places, &done, &back, tracker).await;
            }
        }
        drop(done);
        let _ = settling.await;
    }

    /// Reads a batch and starts its attempts.
    async fn begin(
        &self,
        batch: Vec<Item>,
        busy: &Arc<Busy>,
        places: &Arc<Semaphore>,
        done: &mpsc::Sender<Finished<S>>,
        back: &mpsc::UnboundedSender<Item>,
        tracker: &TaskTracker,
    ) {
        if self.engine.is_paused(S::NAME) {
            // not begun and not acked: the consumer closes its channel, and they come again
            batch.iter().for_each(|item| item.acks.give_up());
            return;
        }
        points::reached(Point::Taken, S::NAME, || batch.iter().filter_map(occupies).collect()).await;
        let mut free = Vec::with_capacity(batch.len());
        for item in batch {
            match occupies(&item) {
                Some(subject) => free.extend(busy.enter(subject, item)),
                None => free.push(item),
            }
        }
        let read = self.read_patiently(free).await;
        let mut gone = Vec::new();
        let mut strange = Vec::new();
        let mut early = Vec::new();
        for read in read {
            match read {
                Read::Ready(ready) => {
                    // a message that took its worker down before is tried with nothing beside it
                    let alone = ready.item.as_ref().and_then(|i| i.envelope.as_ref()).is_some_and(|e| e.alone);
                    let all = u32::try_from(self.engine.limits().in_flight).unwrap_or(u32::MAX);
                    let wanted = if alone { all } else { 1 };
                    let Ok(place) = Arc::clone(places).acquire_many_owned(wanted).await else { return };
                    let (room, done) = (self.clone(), done.clone());
                    tracker.spawn(async move {
                        let finished = room.attempt(*ready).await;
                        drop(place);
                        let _ = done.send(finished).await;
                    });
                }
                Read::Faulty(finished) => {
                    let _ = done.send(*finished).await;
                }
                Read::Stale(item) => {
                    self.engine.metrics().stale.with_label_values(&[S::NAME]).inc();
                    gone.push(item);
                }
                Read::Strange(item, cause, detail) => strange.push((item, cause, detail)),
                Read::Early(item) => early.push(item),
            }
        }
        for (item, cause, detail) in strange {
            if self.keep_strange(&item, cause, &detail).await {
                points::reached(Point::Confirmed, S::NAME, || occupies(&item).into_iter().collect()).await;
                gone.push(item);
            } else {
                // the broker would not take the letter: the delivery itself goes back to its queue
                self.release(&item, busy, back);
                item.acks.again(item.tag).await;
            }
        }
        gone.extend(self.keep_early(early, busy, back).await);
        for item in &gone {
            self.release(item, busy, back);
        }
        if !gone.is_empty() {
            tracker.spawn(async move { ack(gone.iter()).await });
        }
    }

    /// Reads with all patience: a database that is away is waited for.
    async fn read_patiently(&self, items: Vec<Item>) -> Vec<Read<S>> {
        if items.is_empty() {
            return Vec::new();
        }
        let mut waits = crate::retry::Waits::default();
        loop {
            match bounded(self.engine.read::<S>(items.clone())).await {
                Ok(read) => return read,
                Err(error) => {
                    let wait = waits.next_wait();
                    tracing::warn!(
                        stage = S::NAME,
                        error = error.tell(),
                        retry_in_ms = wait.as_millis(),
                        "cannot read case files"
                    );
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn keep_early(&self, early: Vec<Item>, busy: &Busy, back: &mpsc::UnboundedSender<Item>) -> Vec<Item> {
        let named: Vec<(Uuid, i64, Uuid)> = early
            .iter()
            .filter_map(|i| i.envelope.as_ref())
            .map(|e| (e.subject_id, e.ticket, e.case.unwrap_or(e.subject_id)))
            .collect();
        if named.is_empty() {
            return Vec::new();
        }
        let mut waits = crate::retry::Waits::default();
        let again = loop {
            match bounded(self.engine.settle_early(S::NAME, &named)).await {
                Ok(again) => break again,
                Err(error) => {
                    tracing::warn!(stage = S::NAME, error = error.tell(), "cannot put answers to wait");
                    tokio::time::sleep(waits.next_wait()).await;
                }
            }
        };
        let mut gone = Vec::new();
        for (item, again) in early.into_iter().zip(again) {
            if again {
                self.release(&item, busy, back);
                let _ = back.send(item);
            } else {
                gone.push(item);
            }
        }
        gone
    }

    /// Frees the delivery's subject; deliveries that waited for it are read next.
    fn release(&self, item: &Item, busy: &Busy, back: &mpsc::UnboundedSender<Item>) {
        if let Some(subject) = occupies(item) {
            for waiting in busy.leave(subject) {
                let _ = back.send(waiting);
            }
        }
    }

    /// One attempt: the stage talks to the world; a panic is this case's fault alone.
    pub(crate) async fn attempt(&self, ready: Ready<S>) -> Finished<S> {
        let Ready { item, errand, actor, job, answer, file, attempt, subject, ticket, revision, note } = ready;
        let began = tokio::time::Instant::now();
        points::reached(Point::BeforeWork, S::NAME, || vec![subject]).await;
        let work = async {
            if let Some(instead) = points::instead::<S>(subject) {
                return instead;
            }
            match (&errand, &answer) {
                (Errand::Lapse, _) => self.stage.lapse(&job, &file, &attempt).await,
                (_, Some(answer)) => self.stage.answer(answer, &job, &file, &attempt).await,
                (_, None) => self.stage.work(&job, &file, &attempt).await,
            }
        };
        let within = Duration::from_secs(self.engine.limits().work_seconds);
        let result: Result<Turn<S>, Fault> =
            match tokio::time::timeout(within, AssertUnwindSafe(work).catch_unwind()).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(Fault::permanent("panic", "the stage panicked; the process log has the place")),
                Err(_) => Err(Fault::transient("work-timeout", format!("no result within {} s", within.as_secs()))),
            };
        let metrics = self.engine.metrics();
        metrics.work_seconds.with_label_values(&[S::NAME]).observe(began.elapsed().as_secs_f64());
        let calls = attempt.take_calls();
        for call in &calls {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of one call")]
            metrics.calls_seconds.with_label_values(&[call.system.label()]).observe(call.millis as f64 / 1000.0);
        }
        if let Err(fault) = &result {
            metrics.faults.with_label_values(&[S::NAME, fault.label(), fault.cause()]).inc();
            tracing::info!(stage = S::NAME, case.id = %file.case.id.0, fault = fault.label(), cause = fault.cause(),
                detail = fault.detail(), attempt = attempt.number(), "fault");
        }
        let visit = file.visit;
        points::reached(Point::AfterWork, S::NAME, || vec![subject]).await;
        Finished { item, errand, actor, head: file.case, subject, ticket, revision, visit, result, calls, note }
    }

    /// Gathers finished attempts and settles them; publishes and acks while the next batch is settled.
    async fn settling(
        self,
        mut finished: mpsc::Receiver<Finished<S>>,
        busy: Arc<Busy>,
        back: mpsc::UnboundedSender<Item>,
        tracker: TaskTracker,
    ) {
        // so many batches may wait for their confirms at once
        let publishing = Arc::new(Semaphore::new(4));
        let mut filling = Filling::new(self.engine.limits(), self.engine.limits().batch);
        while let Some(first) = finished.recv().await {
            let mut batch = vec![first];
            filling.fill(&mut batch, || finished.try_recv().ok()).await;
            for (batch, settlement) in self.settle_patiently(batch).await {
                let Ok(turn) = Arc::clone(&publishing).acquire_owned().await else { return };
                let (room, busy, back) = (self.clone(), Arc::clone(&busy), back.clone());
                let mut gone = Vec::new();
                for (f, fate) in batch.into_iter().zip(&settlement.fates) {
                    let Some(item) = f.item else { continue };
                    room.release(&item, &busy, &back);
                    if *fate == Fate::Redo {
                        let _ = back.send(item);
                    } else {
                        gone.push(item);
                    }
                }
                tracker.spawn(async move {
                    room.engine.send(&settlement.rows).await;
                    let named = || gone.iter().filter_map(occupies).collect();
                    points::reached(Point::Confirmed, S::NAME, named).await;
                    drop(turn);
                    // acked after commit and confirm; an unconfirmed row is the sweeper's from now on
                    ack(gone.iter()).await;
                    room.engine.metrics().count_hops(&gone, room.engine.clock().real());
                    points::reached(Point::Acked, S::NAME, named).await;
                });
            }
        }
    }

    /// Settles with all patience: the whole again while the database is away, halves while a row's data is bad,
    /// until the culprit stands alone and is parked.
    pub(crate) async fn settle_patiently(&self, batch: Vec<Finished<S>>) -> Vec<(Vec<Finished<S>>, Settlement)> {
        let mut todo = vec![batch];
        let mut done = Vec::new();
        let mut waits = crate::retry::Waits::default();
        while let Some(mut batch) = todo.pop() {
            let began = tokio::time::Instant::now();
            match bounded(self.engine.settle(&*self.stage, &batch)).await {
                Ok(settlement) => {
                    waits.reset();
                    if self.count(&batch, &settlement, began.elapsed()) {
                        self.pull_the_brake().await;
                    }
                    done.push((batch, settlement));
                }
                Err(error) if error.class() == Class::Again => {
                    let wait = waits.next_wait();
                    tracing::warn!(
                        stage = S::NAME,
                        error = error.tell(),
                        retry_in_ms = wait.as_millis(),
                        "cannot settle"
                    );
                    tokio::time::sleep(wait).await;
                    todo.push(batch);
                }
                Err(error) if batch.len() > 1 => {
                    tracing::warn!(
                        stage = S::NAME,
                        error = error.tell(),
                        turns = batch.len(),
                        "settle split to find the bad row"
                    );
                    let rest = batch.split_off(batch.len() / 2);
                    todo.push(rest);
                    todo.push(batch);
                }
                Err(error) => match self.park_alone(&mut batch, &error) {
                    true => todo.push(batch),
                    false => {
                        // even parking does not commit: it is read again after a while, and holds up nobody else
                        tracing::error!(
                            stage = S::NAME,
                            error = error.tell(),
                            "a turn can be neither settled nor parked"
                        );
                        tokio::time::sleep(waits.next_wait()).await;
                        done.push((batch, Settlement { rows: Vec::new(), fates: vec![Fate::Redo] }));
                    }
                },
            }
        }
        done
    }

    /// Turns the only turn of a batch into a permanent fault; `false` where it already is one.
    fn park_alone(&self, batch: &mut [Finished<S>], error: &StoreError) -> bool {
        let Some(f) = batch.first_mut() else { return false };
        if matches!(f.result, Err(Fault::Permanent { cause: "database-data" | "database", .. })) {
            return false;
        }
        let fault = match error.class() {
            Class::Data => Fault::permanent("database-data", error.tell()),
            Class::Again | Class::Broken => Fault::permanent("database", error.tell()),
        };
        tracing::error!(stage = S::NAME, case.id = %f.head.id.0, error = error.tell(), "a turn cannot be settled: parking it");
        f.result = Err(fault);
        true
    }

    async fn pull_the_brake(&self) {
        let reason = "most of a minute's turns were parked: look at the dead letters, then `kezek stage resume`";
        tracing::error!(stage = S::NAME, "the storm brake pauses this stage");
        self.engine.pause_here(S::NAME);
        if let Err(error) = kezek_store::pauses::pause(self.engine.pool(), S::NAME, "storm-brake", reason).await {
            // this process has stopped taking all the same, until its next look at the database
            tracing::error!(stage = S::NAME, error = error.tell(), "the pause could not be written");
        }
    }

    /// Counts what was settled; `true` where the storm brake is to be pulled.
    fn count(&self, batch: &[Finished<S>], settlement: &Settlement, took: Duration) -> bool {
        let metrics = self.engine.metrics();
        #[expect(clippy::cast_precision_loss, reason = "a batch has at most some hundreds of turns")]
        metrics.batch_size.with_label_values(&[S::NAME]).observe(batch.len() as f64);
        metrics.settle_seconds.with_label_values(&[S::NAME]).observe(took.as_secs_f64());
        for fate in &settlement.fates {
            match fate {
                Fate::True { outcome, .. } => metrics.settled.with_label_values(&[S::NAME, outcome]).inc(),
                Fate::Stale | Fate::Lost | Fate::NotHeld => metrics.stale.with_label_values(&[S::NAME]).inc(),
                Fate::Redo => {}
            }
        }
        let parked = settlement.fates.iter().filter(|f| matches!(f, Fate::True { outcome, .. } if outcome == "parked"));
        let parked = parked.count();
        self.brake.note(tokio::time::Instant::now(), parked, batch.len() - parked)
    }
}

/// Acks deliveries, channel by channel.
pub(crate) async fn ack<'i>(items: impl Iterator<Item = &'i Item>) {
    let mut channels: Vec<(&crate::acks::Acks, Vec<u64>)> = Vec::new();
    for item in items {
        match channels.iter_mut().find(|(acks, _)| acks.same(&item.acks)) {
            Some((_, tags)) => tags.push(item.tag),
            None => channels.push((&item.acks, vec![item.tag])),
        }
    }
    for (acks, tags) in channels {
        acks.done(&tags).await;
    }
}
