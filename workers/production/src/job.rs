//! The job: which making of the card this is.

use kezek_stage::Shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Have the card of a case made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// 0 for the first making, then the number of the remake.
    pub remake: u32,
}

impl Shape for Job {
    const KIND: &'static str = "production.job";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        vec![Self { remake: 0 }, Self { remake: 1 }]
    }
}
