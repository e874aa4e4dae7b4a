//! The spine's SQL, one file per table, and the permit to write.
//!
//! Reads take any executor; writes take a [`Permit`], which only the engine and the operator's commands can mint.
//! Every write checks its row count. Nothing here decides anything.

pub mod accounts;
pub mod arrivals;
pub mod attachments;
pub mod audit;
pub mod breakers;
pub mod cases;
pub mod checks;
pub mod clock;
pub mod crypt;
pub mod dead_letters;
pub mod dossier;
pub mod effects;
mod error;
pub mod holds;
pub mod jobs;
pub mod journal;
pub mod ledger;
pub mod outages;
pub mod outbox;
pub mod pauses;
mod permit;
mod pool;
pub mod reconcile;
pub mod reports;
pub mod rotation;
pub mod seals;
pub mod side_messages;
pub mod spine;
pub mod story;
pub mod terms;
pub mod trail;
pub mod unseen;
pub mod warm;

pub use error::{Class, StoreError};
pub use permit::{Permit, mint};
pub use pool::{MIGRATIONS, Plans, bounded, bounded_by, connect, connect_for, migrate, pending};

pub use jiff_sqlx::{Timestamp as SqlTime, ToSqlx};
