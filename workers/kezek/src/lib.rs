//! The binary's parts: THE list of stages, THE services, the doors, the configuration and the operator's shell.

pub mod cli;
pub mod commands;
pub mod config;
pub mod doors;
pub mod pipeline;
pub mod rulebook;
pub mod services;
