//! Why a letter left the main line: a closed list, and a stable fingerprint by which an operator sees that a hundred
//! letters are one problem.

use sha2::{Digest as _, Sha256};

/// Who let the letter go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The engine, in a settle that parked the subject: the letter is the operator's handle and always kept.
    Engine,
    /// The broker, by itself: the subject may have gone on long ago.
    Broker,
}

/// A cause that the operator's desk has words and remedies for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Bytes that are not the shape they claim to be.
    Undecodable,
    /// A body so old that the way up was removed.
    TooOld,
    /// Bytes that name no known case.
    UnknownCase,
    /// A ticket above the case's: the database is behind the broker.
    AheadOfDatabase,
    /// A permanent fault of the stage's work.
    Permanent,
    /// Transient faults until the ladder's end.
    Exhausted,
    /// A panic in the stage.
    Bug,
    /// The broker gave up redelivering: the message takes its consumer down with it.
    DeliveryLimit,
    /// The queue was full or the message rejected.
    Rejected,
    /// No queue is bound to its key.
    Unroutable,
    /// It outlived its time on a queue.
    Expired,
    /// Not on this list: a fault's own cause.
    Other,
}

impl Cause {
    /// Every cause, in the order of declaration.
    pub const ALL: [Self; 12] = [
        Self::Undecodable,
        Self::TooOld,
        Self::UnknownCase,
        Self::AheadOfDatabase,
        Self::Permanent,
        Self::Exhausted,
        Self::Bug,
        Self::DeliveryLimit,
        Self::Rejected,
        Self::Unroutable,
        Self::Expired,
        Self::Other,
    ];

    /// The stable word: metric label and row.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::TooOld => "too-old-message",
            Self::UnknownCase => "unknown-case",
            Self::AheadOfDatabase => "ahead-of-database",
            Self::Permanent => "permanent",
            Self::Exhausted => "exhausted",
            Self::Bug => "panic",
            Self::DeliveryLimit => "delivery-limit",
            Self::Rejected => "rejected",
            Self::Unroutable => "unroutable",
            Self::Expired => "expired",
            Self::Other => "other",
        }
    }

    /// Reads a letter's cause: our labels, and the broker's own spellings (`delivery_limit`, `maxlen`).
    #[must_use]
    pub fn read(cause: &str) -> Self {
        let cause = cause.replace('_', "-");
        match cause.as_str() {
            "maxlen" => return Self::Rejected,
            "newer-message" => return Self::Exhausted,
            _ => {}
        }
        Self::ALL.into_iter().find(|known| known.label() == cause).unwrap_or(Self::Other)
    }

    /// Who let the letter go.
    #[must_use]
    pub const fn origin(self) -> Origin {
        match self {
            Self::DeliveryLimit | Self::Rejected | Self::Unroutable | Self::Expired => Origin::Broker,
            Self::Undecodable
            | Self::TooOld
            | Self::UnknownCase
            | Self::AheadOfDatabase
            | Self::Permanent
            | Self::Exhausted
            | Self::Bug
            | Self::Other => Origin::Engine,
        }
    }

    /// What an operator does about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Undecodable => "find the sender of these bytes; discard them, or re-issue with `kezek repair resend`",
            Self::TooOld => {
                "replay with a worker that still reads this version, or re-issue with `kezek repair resend`"
            }
            Self::UnknownCase => "no case is known for it: find the sender; discard it",
            Self::AheadOfDatabase => "the database is behind the broker: was it restored? See the restore runbook",
            Self::Permanent | Self::Other => "read the detail, repair what it names, replay",
            Self::Exhausted => "see that the outside system is up again, then replay",
            Self::Bug => "a mistake in the program: keep it, report it with the worker's version, replay after the fix",
            Self::DeliveryLimit => "it takes its worker down: keep it, look at the worker's log, replay alone",
            Self::Rejected => "a queue was full: see its length, then replay",
            Self::Unroutable => "no queue is bound to this key: `kezek topology apply`, then replay",
            Self::Expired => "it lay too long: are the stage's workers running? Replay",
        }
    }
}

/// The same word for the same problem at the same stage: twelve hexadecimal digits of a digest, stable for ever.
#[must_use]
pub fn fingerprint(stage: Option<&str>, cause: &str) -> String {
    let mut digest = Sha256::new();
    // a length before each part: ("ab", "c") and ("a", "bc") are two problems
    for part in [stage.unwrap_or(""), cause] {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part.as_bytes());
    }
    hex::encode(&digest.finalize()[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_never_change() {
        assert_eq!(fingerprint(Some("intake"), "undecodable"), fingerprint(Some("intake"), "undecodable"));
        assert_ne!(fingerprint(Some("intake"), "undecodable"), fingerprint(Some("payment"), "undecodable"));
        assert_ne!(fingerprint(Some("ab"), "c"), fingerprint(Some("a"), "bc"));
        assert_eq!(fingerprint(Some("intake"), "undecodable").len(), 12);
    }

    #[test]
    fn every_label_reads_back_and_the_brokers_spellings_too() {
        for cause in Cause::ALL {
            assert_eq!(Cause::read(cause.label()), cause);
            assert!(!cause.remedy().is_empty());
        }
        assert_eq!(Cause::read("delivery_limit"), Cause::DeliveryLimit);
        assert_eq!(Cause::read("maxlen"), Cause::Rejected);
        assert_eq!(Cause::read("coupon-unknown"), Cause::Other);
    }
}
