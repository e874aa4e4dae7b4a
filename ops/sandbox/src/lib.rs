//! Stand-ins for the systems of the state, for development, tests and demonstration.

pub mod names;
pub mod pictures;
pub mod plan;
pub mod population;
pub mod random;
pub mod signer;
