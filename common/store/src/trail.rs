//! What was written for good, read again from its first entry to its last: every case's journal against its own head,
//! the audit trail against itself, and both against the daily seals. Each finding names its place.

use crate::seals::{self, Seal};
use crate::{StoreError, checks};
use kezek_domain::journal::Break;
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `journal`, `audit` or `seal`.
    pub of: &'static str,
    /// What is wrong: `changed`, `removed-or-moved`, `foreign`, `cut`, `head`, `unreadable`, `not-borne-out`.
    pub what: &'static str,
    /// The case, of a journal.
    pub case: Option<Uuid>,
    /// The entry at which it stops being true; the day, of a seal.
    pub place: String,
    /// In words. No personal data.
    pub told: String,
}

/// What was read, and what was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verified {
    /// Cases whose journals were read.
    pub cases: i64,
    /// Seals that were counted again, with those that were kept elsewhere.
    pub seals: usize,
    /// What is not as it was written; empty where everything is.
    pub findings: Vec<Finding>,
}

fn of_journal(case: Uuid, place: Option<Break>) -> Finding {
    let (what, at) = match &place {
        None => ("unreadable", String::new()),
        Some(Break::Number { expected, .. }) => ("removed-or-moved", expected.to_string()),
        Some(Break::Case { number }) => ("foreign", number.to_string()),
        Some(Break::Digest { number }) => ("changed", number.to_string()),
        Some(Break::Tail { found, .. }) => ("cut", found.to_string()),
        Some(Break::Head { number }) => ("head", number.to_string()),
    };
    let told = place.map_or_else(|| "an entry cannot be read any more".to_owned(), |place| place.to_string());
    Finding { of: "journal", what, case: Some(case), place: at, told }
}

/// Reads everything on one snapshot. `known` are seals that were kept elsewhere: each must be here, and borne out; that
/// is how a case shows that was taken out whole, and a tail that was cut with the head that knew it.
///
/// # Errors
/// Where the database fails.
pub async fn verify(pool: &PgPool, known: &[Seal]) -> Result<Verified, StoreError> {
    let mut tx = pool.begin().await?;
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY").execute(&mut *tx).await?;
    let (broken, cases) = checks::journals(&mut tx).await?;
    let mut findings: Vec<Finding> = broken.into_iter().map(|(case, place)| of_journal(case, place)).collect();
    findings.extend(checks::audit_trail(&mut tx).await?.into_iter().map(|number| Finding {
        of: "audit",
        what: "changed",
        case: None,
        place: number.to_string(),
        told: format!("entry {number} does not follow from the one before it"),
    }));
    let here = seals::list(&mut *tx).await?.len();
    for seal in seals::differing(&mut tx, known).await? {
        findings.push(Finding {
            of: "seal",
            what: "not-borne-out",
            case: None,
            place: seal.day.to_string(),
            told: format!("{}: {} entries were sealed, and the tables say something else", seal.what, seal.entries),
        });
    }
    tx.rollback().await?;
    Ok(Verified { cases, seals: here.max(known.len()), findings })
}
