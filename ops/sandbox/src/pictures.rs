//! Pictures one can look at: portraits (JPEG) and signature samples (PNG), drawn from a seed.
//!
//! A portrait of the same person always shows the same face; the variants are what the rules and the
//! officers are there to find. [`look`] is an officer's eye: it judges pixels, not plans.

mod canvas;
pub mod look;
mod portrait;
mod signature;

pub use portrait::{Face, Portrait};
pub use signature::Handwriting;

/// Width of a portrait in pixels; with [`PORTRAIT_HEIGHT`] 7:9, as 35×45 mm.
pub const PORTRAIT_WIDTH: u32 = 480;
/// Height of a portrait in pixels.
pub const PORTRAIT_HEIGHT: u32 = 617;
/// Width of a signature sample in pixels.
pub const SIGNATURE_WIDTH: u32 = 600;
/// Height of a signature sample in pixels.
pub const SIGNATURE_HEIGHT: u32 = 200;
