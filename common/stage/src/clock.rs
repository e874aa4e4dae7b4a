//! The business clock and the source of identifiers: injected, so that tests and the demo decide both.

use jiff::{Timestamp, civil::Date};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use uuid::Uuid;

/// Law, deadlines and holds use business time (real time plus an offset kept in PostgreSQL and shared by all
/// processes); retries, leases and time-outs use real time.
#[derive(Clone)]
pub struct Clock {
    offset_ms: Arc<AtomicI64>,
    real: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock(offset {} ms)", self.offset_ms())
    }
}

impl Clock {
    /// The machine's clock with an offset of zero.
    #[must_use]
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the real clock")]
        Self { offset_ms: Arc::default(), real: Arc::new(Timestamp::now) }
    }
    /// A clock whose real time is the given function: for tests.
    #[must_use]
    pub fn of(real: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { offset_ms: Arc::default(), real: Arc::new(real) }
    }
    /// Business time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let offset = jiff::SignedDuration::from_millis(self.offset_ms());
        let real = self.real();
        real.checked_add(offset).unwrap_or(real)
    }
    /// Today's date in Almaty on the business clock: the date that the law counts.
    #[must_use]
    pub fn today(&self) -> Date {
        kezek_domain::rules::almaty_date(self.now())
    }
    /// Real time now.
    #[must_use]
    pub fn real(&self) -> Timestamp {
        (self.real)()
    }
    /// The offset in milliseconds.
    #[must_use]
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }
    /// Takes the offset that the database holds.
    pub fn set_offset_ms(&self, offset: i64) {
        self.offset_ms.store(offset, Ordering::Relaxed);
    }
}

/// The source of identifiers.
#[derive(Clone, Debug)]
pub struct Ids(Source);

#[derive(Clone, Debug)]
enum Source {
    Real,
    Seeded { seed: u64, next: Arc<AtomicU64> },
}

impl Ids {
    /// Time-ordered identifiers (UUID v7).
    #[must_use]
    pub const fn real() -> Self {
        Self(Source::Real)
    }
    /// The same sequence for the same seed: for tests.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded { seed, next: Arc::default() })
    }
    /// The next identifier.
    #[must_use]
    pub fn next(&self) -> Uuid {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one place that makes identifiers")]
            Source::Real => Uuid::now_v7(),
            Source::Seeded { seed, next } => {
                let n = next.fetch_add(1, Ordering::Relaxed);
                Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("kezek/{seed}/{n}").as_bytes())
            }
        }
    }
}
