//! The two things that the envelope needs from outside: when a message is sent, real time, and a new
//! name for the sending. Neither reaches a decision: business instants are always the caller's.

use jiff::Timestamp;
use uuid::Uuid;

/// Real time, for `messageDate` and its like.
#[expect(clippy::disallowed_methods, reason = "the envelope's date of sending; no decision reads it")]
pub(crate) fn sent_at() -> Timestamp {
    Timestamp::now()
}

/// A new name for one sending.
#[expect(clippy::disallowed_methods, reason = "names one sending on the wire; effects are named by their keys")]
pub(crate) fn message_id() -> Uuid {
    Uuid::now_v7()
}
