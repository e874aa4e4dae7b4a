//! One owner of a channel's acknowledgements. A batch acks the highest contiguous tag at once; what is finished
//! beyond a slow neighbour waits for it for a moment, and is then acked alone.
//!
//! What is due is worked out and sent in one turn: an ack of everything up to a tag that overtook another's single ack
//! would take that tag with it, and the broker closes a channel that names a tag it does not know.

use kezek_stage::BoxFuture;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicRejectOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The acknowledgements of one channel.
#[derive(Clone)]
pub struct Acks(Arc<Inner>);

struct Inner {
    wire: Box<dyn Wire>,
    open: Mutex<Open>,
    // held while what is due is worked out and sent
    turn: tokio::sync::Mutex<()>,
    given_up: AtomicBool,
}

/// Where acknowledgements go. A channel that is gone takes none.
trait Wire: Send + Sync {
    fn ack(&self, tag: u64, multiple: bool) -> BoxFuture<'_, ()>;
    fn put_back(&self, tag: u64) -> BoxFuture<'_, ()>;
}

impl Wire for Channel {
    fn ack(&self, tag: u64, multiple: bool) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Err(error) = self.basic_ack(tag, BasicAckOptions { multiple }).await {
                tracing::debug!(%error, "an ack could not be sent: its channel is gone");
            }
        })
    }
    fn put_back(&self, tag: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Err(error) = self.basic_reject(tag, BasicRejectOptions { requeue: true }).await {
                tracing::debug!(%error, "a delivery could not be put back: its channel is gone");
            }
        })
    }
}

impl std::fmt::Debug for Acks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acks")
    }
}

/// How long a tag beyond a slow neighbour waits for the neighbour's ack to take it along. A quorum queue pays for each
/// acknowledgement with an entry of its log, however many deliveries it covers.
const LINGER: Duration = Duration::from_millis(20);

/// The deliveries of one channel that wait for their ack.
#[derive(Debug, Default)]
struct Open {
    /// Tag, and whether it is finished.
    tags: BTreeMap<u64, bool>,
    /// Every tag up to here has been taken. A channel with several consumers hands its tags out of order, and an ack
    /// of everything up to a tag would take along what nobody has seen yet.
    whole: u64,
    /// Taken beyond that.
    beyond: BTreeSet<u64>,
}

impl Open {
    fn taken(&mut self, tag: u64) {
        self.tags.insert(tag, false);
        self.beyond.insert(tag);
        while self.beyond.first() == Some(&(self.whole + 1)) {
            self.beyond.pop_first();
            self.whole += 1;
        }
    }
    /// Marks tags as finished and takes out the contiguous ones: the highest of them, if any.
    fn up_to(&mut self, done: &[u64]) -> Option<u64> {
        for tag in done {
            if let Some(finished) = self.tags.get_mut(tag) {
                *finished = true;
            }
        }
        let mut highest = None;
        while let Some(first) = self.tags.first_entry() {
            if !*first.get() || *first.key() > self.whole {
                break;
            }
            highest = Some(first.remove_entry().0);
        }
        highest
    }
    /// Takes out those of `done` that nobody has acked yet.
    fn left(&mut self, done: &[u64]) -> Vec<u64> {
        done.iter().copied().filter(|tag| self.tags.remove(tag).is_some()).collect()
    }
}

impl Acks {
    /// The acknowledgements of a channel.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self::on(Box::new(channel))
    }
    fn on(wire: Box<dyn Wire>) -> Self {
        Self(Arc::new(Inner {
            wire,
            open: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            given_up: AtomicBool::new(false),
        }))
    }
    /// Whether both are of one channel.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
    /// A delivery was taken.
    pub fn taken(&self, tag: u64) {
        self.open(|open| open.taken(tag));
    }
    /// Whether no delivery waits for its acknowledgement.
    #[must_use]
    pub fn idle(&self) -> bool {
        self.open(|open| open.tags.is_empty())
    }
    /// Deliveries of this channel were left aside without an answer: whoever consumes on it closes it, and they come
    /// again.
    pub fn give_up(&self) {
        self.0.given_up.store(true, Ordering::Relaxed);
    }
    /// Whether the channel is to be closed.
    #[must_use]
    pub fn given_up(&self) -> bool {
        self.0.given_up.load(Ordering::Relaxed)
    }
    /// Deliveries are settled and their successors confirmed: they may go. A channel that is gone takes no acks;
    /// its deliveries come again and are recognised by their tickets.
    pub async fn done(&self, tags: &[u64]) {
        let waits = {
            let _turn = self.0.turn.lock().await;
            if let Some(tag) = self.open(|open| open.up_to(tags)) {
                self.0.wire.ack(tag, true).await;
            }
            self.open(|open| tags.iter().any(|tag| open.tags.contains_key(tag)))
        };
        if !waits {
            return;
        }
        tokio::time::sleep(LINGER).await;
        let _turn = self.0.turn.lock().await;
        for tag in self.open(|open| open.left(tags)) {
            self.0.wire.ack(tag, false).await;
        }
    }
    fn open<T>(&self, look: impl FnOnce(&mut Open) -> T) -> T {
        look(&mut self.0.open.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// Puts a delivery back; counts towards the delivery limit on every version (a nack does not on 4.3).
    pub async fn again(&self, tag: u64) {
        let _turn = self.0.turn.lock().await;
        self.open(|open| open.tags.remove(&tag));
        self.0.wire.put_back(tag).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contiguous_tags_go_together_and_the_rest_alone_and_none_twice() {
        let mut open = Open::default();
        (1..=6).for_each(|tag| open.taken(tag));
        assert_eq!(open.up_to(&[2, 4]), None);
        // 2 and 4 wait for their neighbours; 1 and 3 take them along
        assert_eq!(open.up_to(&[1, 3]), Some(4));
        assert_eq!(open.left(&[2, 4]), [0; 0]);
        assert_eq!(open.up_to(&[6, 6]), None);
        assert_eq!(open.left(&[6, 6]), [6]);
        assert_eq!(open.up_to(&[5]), Some(5));
        assert!(open.tags.is_empty());
    }

    #[test]
    fn an_ack_of_everything_up_to_a_tag_never_takes_along_what_nobody_has_taken_yet() {
        let mut open = Open::default();
        // two consumers on one channel: one was sent 1 to 3, the other 4 to 6
        [1, 4, 2, 5].into_iter().for_each(|tag| open.taken(tag));
        assert_eq!(open.up_to(&[1, 2, 4, 5]), Some(2));
        assert_eq!(open.left(&[1, 2, 4, 5]), [4, 5]);
        [3, 6].into_iter().for_each(|tag| open.taken(tag));
        assert_eq!(open.up_to(&[3, 6]), Some(6));
        assert!(open.tags.is_empty() && open.beyond.is_empty());
    }

    /// A broker's side of one channel: what it still waits for, and how often it was told of a tag that it does not.
    #[derive(Default)]
    struct Unacked {
        tags: Mutex<std::collections::BTreeSet<u64>>,
        put_back: Mutex<Vec<u64>>,
        unknown: std::sync::atomic::AtomicU32,
    }

    impl Unacked {
        async fn heard(&self, tag: u64, multiple: bool, put_back: bool) {
            // on its way for a while, a different one for each
            for _ in 0..tag * 7 % 5 {
                tokio::task::yield_now().await;
            }
            let mut tags = self.tags.lock().unwrap();
            if !tags.contains(&tag) {
                self.unknown.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
            tags.retain(|t| if multiple { *t > tag } else { *t != tag });
            if put_back {
                self.put_back.lock().unwrap().push(tag);
            }
        }
    }

    impl Wire for Arc<Unacked> {
        fn ack(&self, tag: u64, multiple: bool) -> BoxFuture<'_, ()> {
            Box::pin(self.heard(tag, multiple, false))
        }
        fn put_back(&self, tag: u64) -> BoxFuture<'_, ()> {
            Box::pin(self.heard(tag, false, true))
        }
    }

    #[tokio::test]
    async fn batches_that_are_acked_side_by_side_name_no_tag_twice() {
        let broker = Arc::new(Unacked::default());
        let acks = Acks::on(Box::new(Arc::clone(&broker)));
        for tag in 1..=300 {
            broker.tags.lock().unwrap().insert(tag);
            acks.taken(tag);
        }
        // each batch has every sixth tag: the single acks of one lie below the cumulative ack of another
        let batches = (0..6).map(|batch| {
            let acks = acks.clone();
            async move {
                for some in (1..=300).filter(|tag| tag % 6 == batch).collect::<Vec<u64>>().chunks(3) {
                    match some {
                        [93, ..] => acks.again(93).await,
                        some => acks.done(some).await,
                    }
                }
            }
        });
        futures_util::future::join_all(batches).await;
        assert_eq!(broker.unknown.load(std::sync::atomic::Ordering::Relaxed), 0);
        assert_eq!(*broker.put_back.lock().unwrap(), [93]);
        // the rest of its batch was given up with it
        assert_eq!(broker.tags.lock().unwrap().len(), 2);
    }
}
