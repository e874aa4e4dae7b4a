//! One owner of a channel's acknowledgements. A batch acks the highest contiguous tag at once; what is finished
//! beyond a slow neighbour is acked alone, so that nobody waits for the slowest.

use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicRejectOptions};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The acknowledgements of one channel.
#[derive(Clone)]
pub struct Acks(Arc<Inner>);

struct Inner {
    channel: Channel,
    // tag -> finished
    open: Mutex<BTreeMap<u64, bool>>,
}

impl std::fmt::Debug for Acks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acks")
    }
}

/// What to acknowledge: everything up to a tag, and single tags beyond it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Due {
    up_to: Option<u64>,
    single: Vec<u64>,
}

fn due(open: &mut BTreeMap<u64, bool>, done: &[u64]) -> Due {
    for tag in done {
        if let Some(finished) = open.get_mut(tag) {
            *finished = true;
        }
    }
    let mut due = Due::default();
    while let Some(first) = open.first_entry() {
        if !*first.get() {
            break;
        }
        due.up_to = Some(first.remove_entry().0);
    }
    for tag in done {
        if open.remove(tag).is_some() {
            due.single.push(*tag);
        }
    }
    due
}

impl Acks {
    /// The acknowledgements of a channel.
    #[must_use]
    pub fn new(channel: Channel) -> Self {
        Self(Arc::new(Inner { channel, open: Mutex::default() }))
    }
    /// Whether both are of one channel.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
    /// A delivery was taken.
    pub fn taken(&self, tag: u64) {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).insert(tag, false);
    }
    /// Deliveries are settled and their successors confirmed: they may go. A channel that is gone takes no acks;
    /// its deliveries come again and are recognised by their tickets.
    pub async fn done(&self, tags: &[u64]) {
        let due = due(&mut self.0.open.lock().unwrap_or_else(PoisonError::into_inner), tags);
        if let Some(tag) = due.up_to {
            self.ack(tag, true).await;
        }
        for tag in due.single {
            self.ack(tag, false).await;
        }
    }
    /// Puts a delivery back; counts towards the delivery limit on every version (a nack does not on 4.3).
    pub async fn again(&self, tag: u64) {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&tag);
        let options = BasicRejectOptions { requeue: true };
        if let Err(error) = self.0.channel.basic_reject(tag, options).await {
            tracing::debug!(%error, "a delivery could not be put back: its channel is gone");
        }
    }
    async fn ack(&self, tag: u64, multiple: bool) {
        if let Err(error) = self.0.channel.basic_ack(tag, BasicAckOptions { multiple }).await {
            tracing::debug!(%error, "an ack could not be sent: its channel is gone");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contiguous_tags_go_together_and_the_rest_alone_and_none_twice() {
        let mut open: BTreeMap<u64, bool> = (1..=6).map(|t| (t, false)).collect();
        assert_eq!(due(&mut open, &[2, 4]), Due { up_to: None, single: vec![2, 4] });
        assert_eq!(due(&mut open, &[1, 3]), Due { up_to: Some(3), single: vec![] });
        assert_eq!(due(&mut open, &[6, 6]), Due { up_to: None, single: vec![6] });
        assert_eq!(due(&mut open, &[5]), Due { up_to: Some(5), single: vec![] });
        assert!(open.is_empty());
    }
}
