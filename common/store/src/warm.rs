//! Connections that somebody has just finished with, the last one first. A pool examines each connection that comes
//! back, which costs a small transaction two round trips; work that ended as it should leaves nothing to examine.

use crate::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A connection that nobody used for so long goes back to the pool, which examines it.
const WARM: Duration = Duration::from_secs(1);
/// A connection goes back to the pool at the latest after so long, which replaces old ones.
const KEPT: Duration = Duration::from_secs(60);

/// A few connections of a pool, kept warm. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Warm {
    pool: PgPool,
    kept: Arc<Mutex<Vec<Kept>>>,
    most: usize,
}

#[derive(Debug)]
struct Kept {
    connection: PoolConnection<Postgres>,
    taken: Instant,
    used: Instant,
}

/// A connection for one piece of work. Say [`finished`](Self::finished) when it has ended as it should; otherwise the
/// pool examines the connection.
#[derive(Debug)]
pub struct Lease {
    connection: PoolConnection<Postgres>,
    taken: Instant,
    home: Warm,
}

impl Warm {
    /// Keeps at most `most` connections of the pool.
    #[must_use]
    pub fn new(pool: PgPool, most: usize) -> Self {
        Self { pool, kept: Arc::default(), most }
    }

    /// The connection that was finished with last, or one of the pool.
    ///
    /// # Errors
    /// Where the pool gives none in time.
    pub async fn take(&self) -> Result<Lease, StoreError> {
        let warm = self.still_warm().pop();
        let (connection, taken) = match warm {
            Some(kept) => (kept.connection, kept.taken),
            None => (self.pool.acquire().await?, Instant::now()),
        };
        Ok(Lease { connection, taken, home: self.clone() })
    }

    /// Gives connections that are not used any more back to the pool.
    pub fn release_cold(&self) {
        drop(self.still_warm());
    }

    fn still_warm(&self) -> MutexGuard<'_, Vec<Kept>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        kept.retain(|k| now.duration_since(k.used) < WARM && now.duration_since(k.taken) < KEPT);
        kept
    }
}

impl Lease {
    /// The work has ended as it should: no transaction is open, no answer outstanding.
    pub fn finished(self) {
        let Self { connection, taken, home } = self;
        let mut kept = home.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < home.most {
            kept.push(Kept { connection, taken, used: Instant::now() });
        }
    }
}

impl std::ops::Deref for Lease {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl std::ops::DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
