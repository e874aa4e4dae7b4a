//! The message that the stage receives.

use kezek_domain::rules::NoticeKind;
use kezek_stage::Shape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The applicant is to be told something. Whom and in which words is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// Which notice.
    pub notice: NoticeKind,
}

impl Shape for Job {
    const KIND: &'static str = "notice.job";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        NoticeKind::ALL.iter().map(|notice| Self { notice: *notice }).collect()
    }
}
