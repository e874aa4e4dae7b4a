//! Which verifier judges which signature: the national algorithms are NCANode's, all others are judged in the process.

use super::der::first_signer;
use super::{Asked, CmsVerifier, Judging, NcaNode, SignatureVerifier};

/// Every national algorithm lies under this arc (GOST 34.310-2004, GOST 2015).
const NATIONAL: &str = "1.2.398.3.10.";

/// Two verifiers, by the algorithm of the signature.
pub struct Routed {
    native: CmsVerifier,
    national: NcaNode,
    all: bool,
}

impl Routed {
    /// National algorithms to NCANode, the others to OpenSSL; with `all`, everything to NCANode.
    #[must_use]
    pub const fn new(native: CmsVerifier, national: NcaNode, all: bool) -> Self {
        Self { native, national, all }
    }
}

impl SignatureVerifier for Routed {
    fn judge<'a>(&'a self, asked: Asked<'a>) -> Judging<'a> {
        let national = first_signer(asked.signature).is_some_and(|signer| signer.algorithm.starts_with(NATIONAL));
        if national || self.all { self.national.judge(asked) } else { self.native.judge(asked) }
    }
}
