//! The law of Kezek.
//!
//! Pure: no async, no input or output, no clock and no randomness. Whatever depends on time takes the
//! instant, whatever depends on chance takes the number. Everything here can be called twice and gives
//! the same answer, which is why workers, console and recovery may all ask the same functions.

mod label;
mod text;

pub mod actor;
pub mod dossier;
pub mod fault;
pub mod ids;
pub mod iin;
pub mod journal;
pub mod ledger;
pub mod lifecycle;
pub mod money;
pub mod name;
pub mod phone;
pub mod region;
pub mod rules;

pub use actor::{Actor, Role, System};
pub use dossier::{Filed, Section};
pub use fault::Fault;
pub use ids::{CaseId, Coupon, Receipt, Ticket};
pub use iin::{Iin, IinError, IinProfile, Sex};
pub use journal::{CallRecord, JournalEntry};
pub use ledger::{Account, Posting, PostingKind};
pub use lifecycle::{Because, Closing, Entry, How, IllegalMove, Move, Purse, Status, after};
pub use money::Tiyn;
pub use name::{Service, StageName};
pub use phone::Phone;
pub use region::Region;
pub use rules::{NoticeKind, Refusal, Rules, almaty_date};
pub use text::Malformed;
