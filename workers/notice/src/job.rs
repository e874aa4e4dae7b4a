//! The message that the stage receives.

use kezek_domain::rules::NoticeKind;
use kezek_stage::{DecodeError, Shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The applicant is to be told something. Whom and in which words is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// Which notice.
    pub notice: NoticeKind,
}

impl Shape for Job {
    const KIND: &'static str = "notice.job";
    const VERSION: u32 = 2;
    /// Version 2 knows one notice more; what version 1 could say means the same.
    fn upgrade(from: u32, body: Value) -> Result<Value, DecodeError> {
        match from {
            1 => Ok(body),
            _ => Err(DecodeError::NoWayUp { kind: Self::KIND, from, to: Self::VERSION }),
        }
    }
    fn samples() -> Vec<Self> {
        NoticeKind::ALL.iter().map(|notice| Self { notice: *notice }).collect()
    }
}
