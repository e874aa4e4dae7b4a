//! Who looked at what, written down before anything is shown. The trail is one chain, so entries are written one after
//! another across all processes: those that come while a transaction commits go together into the next, and a process
//! never has more than one connection waiting for its turn.

use crate::gather::Gather;
use kezek_domain::fault::Fault;
use kezek_store::{StoreError, audit, bounded, mint};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

/// An entry as it waits.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub account: String,
    pub role: &'static str,
    pub act: &'static str,
    pub case: Uuid,
    pub detail: Value,
}

/// The notes of one process.
pub(crate) struct Notebook {
    pool: PgPool,
    notes: Gather<Note, Result<(), Fault>>,
}

impl Notebook {
    pub(crate) fn new(pool: PgPool) -> Self {
        // one commit at a time: the chain would make a second one wait with a connection in its hands
        Self { pool, notes: Gather::new(200, 1) }
    }

    /// Writes a note; it is committed when this returns.
    ///
    /// # Errors
    /// Where the database fails.
    pub(crate) async fn write(&self, note: Note) -> Result<(), Fault> {
        let pool = self.pool.clone();
        let told = self.notes.bring(note, move |batch| {
            let pool = pool.clone();
            async move {
                let (notes, tells): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
                let written = bounded(commit(&pool, &notes)).await.map_err(|error| {
                    tracing::error!(error = error.tell(), "the audit trail cannot be written");
                    Fault::from(error)
                });
                for tell in tells {
                    // whoever has left does not want to know
                    let _ = tell.send(written.clone());
                }
            }
        });
        told.await.unwrap_or_else(|| Err(Fault::transient("database-away", "the audit trail could not be written")))
    }
}

async fn commit(pool: &PgPool, notes: &[Note]) -> Result<(), StoreError> {
    let mut tx = pool.begin().await?;
    let mut permit = mint(&mut tx);
    for note in notes {
        let entry = audit::Entry {
            account: &note.account,
            role: note.role,
            act: note.act,
            case_id: Some(note.case),
            detail: note.detail.clone(),
        };
        audit::append(&mut permit, &entry).await?;
    }
    Ok(tx.commit().await?)
}
