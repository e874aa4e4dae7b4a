//! Who is under work in this process: a subject is worked on once at a time, and its further deliveries wait for it.

use crate::envelope::Subject;
use crate::item::Item;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// Subjects under work, and the deliveries that wait for them.
#[derive(Default)]
pub(crate) struct Busy(Mutex<HashMap<Uuid, Vec<Item>>>);

impl Busy {
    fn subjects(&self) -> MutexGuard<'_, HashMap<Uuid, Vec<Item>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Takes the subject; where it is taken already, the delivery waits and `None` comes back.
    pub(crate) fn enter(&self, subject: Uuid, item: Item) -> Option<Item> {
        match self.subjects().entry(subject) {
            Entry::Occupied(mut waiting) => {
                waiting.get_mut().push(item);
                None
            }
            Entry::Vacant(free) => {
                free.insert(Vec::new());
                Some(item)
            }
        }
    }
    /// Leaves the subject; the deliveries that waited are to be read now.
    pub(crate) fn leave(&self, subject: Uuid) -> Vec<Item> {
        self.subjects().remove(&subject).unwrap_or_default()
    }
    /// Whether nobody is under work.
    pub(crate) fn is_empty(&self) -> bool {
        self.subjects().is_empty()
    }
}

/// The subject that a delivery occupies: the case for an answer, so that case and answer never run side by side.
pub(crate) fn occupies(item: &Item) -> Option<Uuid> {
    let envelope = item.envelope.as_ref()?;
    match envelope.subject {
        Subject::Arrival => envelope.case.or(Some(envelope.subject_id)),
        Subject::Case | Subject::SideMessage => Some(envelope.subject_id),
    }
}
