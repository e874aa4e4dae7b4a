//! The sandbox's business clock: real time and an offset in seconds that follows Kezek's.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::civil::Date;
use jiff::tz::{self, TimeZone};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// Real time: what messages are dated with, and what business time is counted from.
#[expect(clippy::disallowed_methods, reason = "the sandbox is its own world; this is its one clock")]
#[must_use]
pub fn real() -> Timestamp {
    Timestamp::now()
}

/// A new name for one sending.
#[expect(clippy::disallowed_methods, reason = "names one sending on the wire; everything else is named by its key")]
#[must_use]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// Business time.
#[derive(Debug, Default)]
pub struct Clock {
    offset: AtomicI64,
}

impl Clock {
    /// A clock that shows ten in the morning, Almaty time, of a day now.
    #[must_use]
    pub fn on(day: Date) -> Self {
        let ten =
            day.at(10, 0, 0, 0).to_zoned(TimeZone::fixed(tz::offset(5))).map_or_else(|_| real(), |at| at.timestamp());
        Self { offset: AtomicI64::new(ten.as_second() - real().as_second()) }
    }

    /// The business instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let now = real();
        now.checked_add(SignedDuration::from_secs(self.offset())).unwrap_or(now)
    }

    /// Seconds that are added to real time.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.offset.load(Ordering::SeqCst)
    }

    /// Sets the seconds that are added to real time.
    pub fn set_offset(&self, seconds: i64) {
        self.offset.store(seconds, Ordering::SeqCst);
    }
}
