//! What tests are written with.
//!
//! [`bench`]: one stage, without broker and database; [`paper`]: the papers of a sample case. The bench gives a
//! stage exactly what the engine would give it and rejects what the engine would not accept.

pub mod bench;
pub mod paper;

pub use bench::Bench;
