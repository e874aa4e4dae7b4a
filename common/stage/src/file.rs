//! The case's file as a stage reads it: the head, the sections and the pictures that it asked for.

use crate::{Attachment, Stage};
use jiff::Timestamp;
use kezek_domain::Purse;
use kezek_domain::dossier::{Filed, Form, Language, Section};
use kezek_domain::fault::Fault;
use kezek_domain::ledger::PostingKind;
use kezek_domain::lifecycle::Status;
use kezek_domain::rules::NoticeKind;
use kezek_domain::{CaseId, Coupon, Receipt, Region, Service, Ticket, Tiyn};
use std::collections::HashMap;
use std::marker::PhantomData;

/// What is known of a case without opening its dossier.
#[derive(Clone, Debug)]
pub struct CaseHead {
    /// The case.
    pub id: CaseId,
    /// Our number, from the first second.
    pub receipt: Receipt,
    /// RP DRN's number, once registered (A3.13).
    pub coupon: Option<Coupon>,
    /// What is asked of the state.
    pub service: Service,
    /// The version of the flow that the case was opened with.
    pub flow_version: u32,
    /// The region that the applicant chose (A10).
    pub region: Region,
    /// The language that the applicant chose.
    pub language: Language,
    /// The instant of filing on the business clock: the law judges by it.
    pub filed_at: Timestamp,
    /// Where the case stands.
    pub status: Status,
    /// The case's counter.
    pub ticket: Ticket,
    /// The file's version.
    pub revision: i64,
    /// What the ledger says of the case.
    pub purse: Purse,
}

/// What is known of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideFacts {
    /// The notice's own id: the stem of its effect keys.
    pub id: uuid::Uuid,
    /// Which notice.
    pub kind: NoticeKind,
    /// The stage whose turn it goes with.
    pub stage: String,
    /// The visit of that stage.
    pub visit: u32,
}

/// One posting of the case, as a stage reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerLine {
    /// What happened to the money.
    pub kind: PostingKind,
    /// Who numbers it: an outside system's label, or `kezek`.
    pub source: String,
    /// The number: a payment's, a refund's.
    pub reference: String,
    /// How much, in tiyn, above zero.
    pub amount: Tiyn,
    /// When, on the business clock.
    pub at: Timestamp,
}

/// What is known of a message that left the main line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterFacts {
    /// Why it left: a metric-safe label.
    pub reason: String,
    /// The fault's text; never personal data.
    pub detail: String,
    /// The stage it was meant for, as far as known.
    pub stage: Option<String>,
    /// The case it names, if that case is known.
    pub case: Option<CaseId>,
    /// The ticket it carries.
    pub ticket: Option<Ticket>,
    /// Whether the case still stands at that ticket and moves.
    pub outstanding: bool,
    /// Whether it was tried alone before.
    pub tried_alone: bool,
}

/// The file of one subject, loaded for a stage.
#[derive(Debug)]
pub struct File<S: Stage> {
    /// The case's head.
    pub case: CaseHead,
    /// The visit of this stage.
    pub visit: u32,
    /// Set where the stage's subject is a side message.
    pub side: Option<SideFacts>,
    /// Set where the stage's subject is a letter.
    pub letter: Option<LetterFacts>,
    /// The case's postings, oldest first; loaded where the stage says `LEDGER`.
    pub ledger: Vec<LedgerLine>,
    /// Version and JSON, read when the stage asks for it.
    sections: HashMap<Section, (u32, Vec<u8>)>,
    attachments: HashMap<Attachment, Vec<u8>>,
    _stage: PhantomData<fn() -> S>,
}

impl<S: Stage> File<S> {
    /// Assembles a file; called by the engine and the bench. A section is its version and its JSON.
    #[must_use]
    pub fn new(
        case: CaseHead,
        visit: u32,
        sections: HashMap<Section, (u32, Vec<u8>)>,
        attachments: HashMap<Attachment, Vec<u8>>,
    ) -> Self {
        Self { case, visit, side: None, letter: None, ledger: Vec::new(), sections, attachments, _stage: PhantomData }
    }

    /// The latest section of a type, if the case has one.
    ///
    /// # Errors
    /// Permanent, where the stage did not name the section in `READS` or the stored body is not that section.
    pub fn find<T: Filed>(&self) -> Result<Option<T>, Fault> {
        if !S::READS.contains(&T::SECTION) {
            return Err(Fault::permanent(
                "section-not-read",
                format!("stage {} asks for section {} but does not name it in READS", S::NAME, T::SECTION.label()),
            ));
        }
        let Some((version, body)) = self.sections.get(&T::SECTION) else { return Ok(None) };
        if *version > T::VERSION {
            return Err(Fault::transient(
                "newer-section",
                format!("section {} has version {version}, this worker reads {}", T::SECTION.label(), T::VERSION),
            ));
        }
        serde_json::from_slice(body).map(Some).map_err(|_| Fault::permanent("section-unreadable", T::SECTION.label()))
    }

    /// The latest section of a type, which must be there.
    ///
    /// # Errors
    /// As [`File::find`]; permanent where the case has none.
    pub fn get<T: Filed>(&self) -> Result<T, Fault> {
        self.find::<T>()?.ok_or_else(|| {
            Fault::permanent(
                "section-missing",
                format!("stage {} needs section {} and the case has none", S::NAME, T::SECTION.label()),
            )
        })
    }

    /// The application as it was signed.
    ///
    /// # Errors
    /// As [`File::get`].
    pub fn form(&self) -> Result<Form, Fault> {
        self.get::<Form>()
    }

    /// A picture or document that belongs to the application.
    ///
    /// # Errors
    /// Permanent, where the stage did not name it in `ATTACHMENTS` or the case has none.
    pub fn attachment(&self, which: Attachment) -> Result<&[u8], Fault> {
        self.attachments.get(&which).map(Vec::as_slice).ok_or_else(|| {
            Fault::permanent("attachment-missing", format!("stage {} needs attachment {}", S::NAME, which.label()))
        })
    }
}
