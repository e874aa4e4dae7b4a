//! The job: everything else stands in the case's file.

use kezek_stage::Shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Collect the duty of a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Job {}

impl Shape for Job {
    const KIND: &'static str = "payment.job";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        vec![Self {}]
    }
}
