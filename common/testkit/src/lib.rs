//! What tests are written with.
//!
//! [`bench`]: one stage, without broker and database; [`paper`]: the papers of a sample case; [`desk`]: its doors;
//! [`register`]: the state gateway on loopback; [`eds`]: keys and signatures. The bench gives a stage exactly what
//! the engine would give it and rejects what the engine would not accept.

pub mod bench;
pub mod desk;
pub mod eds;
pub mod paper;
pub mod register;

pub use bench::Bench;
