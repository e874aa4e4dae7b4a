//! The job of exemption: everything it needs is in the case's file.

use kezek_stage::Shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Assess whether duty is due.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Job {}

impl Shape for Job {
    const KIND: &'static str = "exemption.job";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        vec![Self {}]
    }
}
