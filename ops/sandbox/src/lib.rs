//! Stand-ins for the systems of the state, for development, tests and demonstration.
//!
//! One HTTP server with the real envelope of the state gateway, both channels, in front of a
//! population whose planned ends only this crate and the judge know. It keeps its own ledger of what
//! it was asked to do, by key, so that "exactly once" is checked at the receiver, and takes faults on
//! command. Never linked into the product.

pub mod callback;
pub mod clock;
pub mod demo;
pub mod faults;
pub mod ledger;
pub mod names;
pub mod ncanode;
pub mod pictures;
pub mod plan;
pub mod population;
pub mod proxy;
pub mod random;
pub mod serve;
pub mod signer;
pub mod soap;
pub mod systems;
pub mod world;

pub use plan::{Expected, Outlook, Plan};
pub use population::{Person, Population};
pub use serve::{Options, Running, start};
pub use signer::{AUTHORITY_DN, Authority, GATEWAY_BIN, KeyKind, Signer};
