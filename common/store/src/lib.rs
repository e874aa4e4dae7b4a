//! The spine's SQL, one file per table, and the permit to write.

mod permit;

pub use permit::{Permit, mint};
