//! One small place for each check of the law. Each judges what it is given and calls nobody; the calls and their
//! order are in `screening` (A3.1–A3.7) and `examination` (A3.9–A3.12).

pub mod capacity;
pub mod card;
pub mod changes;
pub mod citizenship;
pub mod consent;
pub mod digests;
pub mod eds;
pub mod identification;
pub mod legal_basis;
pub mod person;
pub mod phone;
pub mod photo;
pub mod portrait;
pub mod reason;
pub mod residence;
pub mod sample;
pub mod window;
