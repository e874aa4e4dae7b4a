//! What tests are written with.
//!
//! [`bench`]: one stage, without broker and database; [`paper`]: the papers of a sample case; [`desk`]: its doors;
//! [`register`]: the state gateway on loopback; [`eds`]: keys and signatures. The bench gives a stage exactly what
//! the engine would give it and rejects what the engine would not accept.
//!
//! With the feature `servers`, on a real PostgreSQL and RabbitMQ: `database` and `vhosts`, of a test's own. With the
//! feature `town` besides: `stack`, whole servers of its own; `town`: all of it in one process; `heard`: what it
//! logged; `trial`: what every stage must stand before it may run.

pub mod bench;
#[cfg(feature = "servers")]
pub mod database;
pub mod desk;
pub mod eds;
#[cfg(feature = "town")]
pub mod heard;
pub mod paper;
pub mod register;
#[cfg(feature = "town")]
pub mod stack;
#[cfg(feature = "town")]
pub mod town;
#[cfg(feature = "town")]
pub mod trial;
#[cfg(feature = "servers")]
pub mod vhosts;

pub use bench::Bench;
