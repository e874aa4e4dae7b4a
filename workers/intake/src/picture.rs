//! Pictures as bytes: what their containers say before anything is decoded, and what their pixels measure.
//!
//! Nothing here knows the law; the checks compare what is measured with the rules.

pub mod grey;
pub mod jpeg;
#[cfg(test)]
pub mod testing;
