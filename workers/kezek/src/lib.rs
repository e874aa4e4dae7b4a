//! The binary's parts: THE services, and the doors that belong to no stage.

pub mod doors;
pub mod services;
