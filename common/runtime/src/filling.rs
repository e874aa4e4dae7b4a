//! Filling batches: each transaction costs the same few milliseconds however many turns it settles, so that a batch is
//! let fill while there is much to do. Where the last one was small, nobody waits.

use crate::engine::Limits;
use std::time::Duration;

/// The last batch from which on a stage counts as being under load.
const LOADED: usize = 12;

/// How one loop fills its batches.
pub(crate) struct Filling {
    most: usize,
    linger: Duration,
    last: usize,
}

impl Filling {
    /// At most `most` in a batch.
    pub(crate) fn new(limits: &Limits, most: usize) -> Self {
        Self { most, linger: Duration::from_millis(limits.linger_ms), last: 0 }
    }

    /// Adds what is there, and under load what comes within a moment.
    pub(crate) async fn fill<T>(&mut self, batch: &mut Vec<T>, mut next: impl FnMut() -> Option<T>) {
        self.take(batch, &mut next);
        if self.waits(batch.len()) {
            tokio::time::sleep(self.linger).await;
            self.take(batch, &mut next);
        }
        self.last = batch.len();
    }

    fn waits(&self, have: usize) -> bool {
        self.last >= LOADED && have < self.most && !self.linger.is_zero()
    }

    fn take<T>(&self, batch: &mut Vec<T>, next: &mut impl FnMut() -> Option<T>) {
        let room = self.most.saturating_sub(batch.len());
        batch.extend(std::iter::from_fn(next).take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_who_has_much_to_do_waits_and_no_batch_is_larger_than_the_most() {
        let mut filling = Filling::new(&Limits { linger_ms: 1, ..Limits::default() }, 20);
        let mut coming = 0..100;
        let mut batch = vec![1000];
        assert!(!filling.waits(1));
        filling.fill(&mut batch, || coming.next()).await;
        assert_eq!((batch.len(), coming.start), (20, 19));
        // the last one was large: one that is not full waits for more, one that is full does not
        assert!(filling.waits(3) && !filling.waits(20));
        // what comes meanwhile is taken along
        let mut looks = [Some(1), None, Some(2), None].into_iter();
        let mut late = Vec::new();
        filling.fill(&mut late, || looks.next().flatten()).await;
        assert_eq!(late, [1, 2]);
        // and that one was small again
        assert!(!filling.waits(3));
        let never = Filling { linger: Duration::ZERO, last: 100, ..filling };
        assert!(!never.waits(3));
    }
}
