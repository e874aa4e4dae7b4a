//! Gathering: what several callers bring within one moment is committed together, and each waits for that commit.
//! Nobody waits for company: while fewer commits are under way than may be, the next begins at once; what comes
//! meanwhile is the next batch.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, oneshot};

/// One thing brought, and the way to tell its caller what became of it.
pub(crate) type Brought<T, R> = (T, oneshot::Sender<R>);

/// So many full commits may wait; beyond, nothing is taken.
const CROWD: usize = 20;

/// What waits to be committed together.
pub(crate) struct Gather<T, R> {
    waiting: Arc<Mutex<VecDeque<Brought<T, R>>>>,
    turns: Arc<Semaphore>,
    most: usize,
}

impl<T: Send + 'static, R: Send + 'static> Gather<T, R> {
    /// At most `most` (1 or more) in one commit, and `side_by_side` (1 or more) commits at once.
    pub(crate) fn new(most: usize, side_by_side: usize) -> Self {
        Self { waiting: Arc::default(), turns: Arc::new(Semaphore::new(side_by_side.max(1))), most: most.max(1) }
    }

    /// Brings one thing and waits until it is told what became of it; `None` where it was not taken (too many wait
    /// already: the database is away or slow, and whoever tries again must not pile up here) or the commit told nobody
    /// (it panicked). A caller that goes away takes nothing back: what it brought is committed with the others.
    pub(crate) async fn bring<F, C>(&self, item: T, commit: F) -> Option<R>
    where
        F: Fn(Vec<Brought<T, R>>) -> C + Send + 'static,
        C: Future<Output = ()> + Send,
    {
        let (tell, mut told) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= self.most * CROWD {
                return None;
            }
            waiting.push_back((item, tell));
        }
        let turn = tokio::select! {
            biased;
            answer = &mut told => return answer.ok(),
            turn = Arc::clone(&self.turns).acquire_owned() => turn.ok(),
        };
        let (waiting, most) = (Arc::clone(&self.waiting), self.most);
        #[expect(
            clippy::disallowed_methods,
            reason = "the caller that goes away must not take the others' commit along"
        )]
        tokio::spawn(async move {
            loop {
                let batch: Vec<_> = {
                    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    let n = waiting.len().min(most);
                    waiting.drain(..n).collect()
                };
                if batch.is_empty() {
                    break;
                }
                commit(batch).await;
            }
            drop(turn);
        });
        told.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Notify;

    #[tokio::test]
    async fn what_comes_during_a_commit_is_the_next_batch_and_everybody_is_told() {
        let gather = Arc::new(Gather::<u32, (u32, usize)>::new(3, 1));
        let gate = Arc::new(Notify::new());
        let commit = {
            let gate = Arc::clone(&gate);
            move |batch: Vec<Brought<u32, (u32, usize)>>| {
                let gate = Arc::clone(&gate);
                async move {
                    gate.notified().await;
                    let n = batch.len();
                    for (item, tell) in batch {
                        let _ = tell.send((item * 2, n));
                    }
                }
            }
        };
        let bring = |i: u32| {
            let (gather, commit) = (Arc::clone(&gather), commit.clone());
            #[expect(clippy::disallowed_methods, reason = "a test's own task")]
            tokio::spawn(async move { gather.bring(i, commit).await })
        };
        let first = bring(1);
        // the first commit is under way before the others come
        while gather.turns.available_permits() > 0 || !gather.waiting.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let rest: Vec<_> = (2..=6).map(bring).collect();
        while gather.waiting.lock().unwrap().len() < 5 {
            tokio::task::yield_now().await;
        }
        // one whose caller goes away is committed all the same
        rest[1].abort();
        let mut sizes = Vec::new();
        gate.notify_one();
        sizes.push(first.await.unwrap());
        for (i, task) in rest.into_iter().enumerate() {
            gate.notify_one();
            tokio::task::yield_now().await;
            match task.await {
                Ok(told) => sizes.push(told),
                Err(gone) => assert!(i == 1 && gone.is_cancelled()),
            }
        }
        assert_eq!(sizes, [Some((2, 1)), Some((4, 3)), Some((8, 3)), Some((10, 2)), Some((12, 2))]);
        assert_eq!(gather.turns.available_permits(), 1);
    }

    #[tokio::test]
    async fn beyond_a_crowd_nothing_is_taken() {
        let gather = Gather::<u32, ()>::new(1, 1);
        let (tell, _told) = oneshot::channel();
        let mut tells = vec![tell];
        while tells.len() < CROWD {
            tells.push(oneshot::channel().0);
        }
        gather.waiting.lock().unwrap().extend(tells.into_iter().map(|tell| (0, tell)));
        let told = gather.bring(1, |_| async { panic!("nothing may be committed") }).await;
        assert_eq!(told, None);
        assert_eq!(gather.waiting.lock().unwrap().len(), CROWD);
    }

    #[tokio::test]
    async fn a_commit_that_panics_tells_nobody_and_gives_its_turn_back() {
        let gather = Gather::<u32, ()>::new(8, 1);
        let told = gather.bring(1, |_| async { panic!("planned") }).await;
        assert_eq!(told, None);
        let told = gather
            .bring(2, |batch| async move {
                for (_, tell) in batch {
                    let _ = tell.send(());
                }
            })
            .await;
        assert_eq!(told, Some(()));
    }
}
