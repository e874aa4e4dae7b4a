//! The HTTP server: the doors of the stages, the doors that belong to no single stage, and what a process tells of
//! itself.

pub mod auth;
pub mod gateway;
pub mod health;
pub mod openapi;
pub mod questions;
pub mod server;
