//! The message that the stage receives.

use kezek_stage::Shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An application asks to be reviewed. Everything else is in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Job {}

impl Shape for Job {
    const KIND: &'static str = "review.job";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        vec![Self {}]
    }
}
