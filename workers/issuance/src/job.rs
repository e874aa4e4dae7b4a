//! The message that the stage receives.

use kezek_stage::Shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A card lies ready at its registration point. Everything else is in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Job {}

impl Shape for Job {
    const KIND: &'static str = "issuance.job";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        vec![Self {}]
    }
}
