//! Doors that belong to no single stage: the state gateway's messages, and questions of whichever stage.

pub mod gateway;
pub mod questions;
