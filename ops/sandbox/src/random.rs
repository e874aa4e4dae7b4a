//! Chance that repeats: every use has its own stream, named by what it is for and for whom, so that
//! adding one use changes no other.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest as _, Sha256};

/// The stream of one use (`what`) for one person or thing (`who`).
#[must_use]
pub fn stream(seed: u64, what: &str, who: u64) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(digest(seed, what, &who.to_be_bytes()))
}

/// A digest of the seed, a purpose and some bytes: for names that must be the same in every process.
#[must_use]
pub fn digest(seed: u64, what: &str, bytes: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"kezek-sandbox/1\0");
    hasher.update(seed.to_be_bytes());
    hasher.update(what.as_bytes());
    hasher.update(b"\0");
    hasher.update(bytes);
    hasher.finalize().into()
}

/// The first half of [`digest`], hexadecimal.
#[must_use]
pub fn name(seed: u64, what: &str, bytes: &[u8]) -> String {
    hex::encode(&digest(seed, what, bytes)[..16])
}
