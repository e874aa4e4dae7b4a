//! Who looked at what, written down before anything is shown. The trail is one chain, so entries are written one after
//! another across all processes: those that come while a transaction commits go together into the next, and a process
//! never has more than one connection waiting for its turn.

use kezek_store::{StoreError, audit, mint};
use serde_json::Value;
use sqlx::PgPool;
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;
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
#[derive(Debug)]
pub(crate) struct Notebook {
    pool: PgPool,
    waiting: Mutex<Vec<(Note, oneshot::Sender<()>)>>,
    turn: tokio::sync::Mutex<()>,
}

impl Notebook {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool, waiting: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// Writes a note; it is committed when this returns.
    ///
    /// # Errors
    /// Where the database fails.
    pub(crate) async fn write(&self, note: Note) -> Result<(), StoreError> {
        loop {
            let (written, mut heard) = oneshot::channel();
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push((note.clone(), written));
            let turn = self.turn.lock().await;
            let batch = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            let result = self.commit(batch).await;
            drop(turn);
            // an earlier turn may have taken ours, and may have failed or been given up: then it is written again
            match (heard.try_recv(), result) {
                (Ok(()), _) => return Ok(()),
                (Err(_), Err(error)) => return Err(error),
                (Err(_), Ok(())) => {}
            }
        }
    }

    async fn commit(&self, batch: Vec<(Note, oneshot::Sender<()>)>) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut tx = self.pool.begin().await?;
        let mut permit = mint(&mut tx);
        for (note, _) in &batch {
            let entry = audit::Entry {
                account: &note.account,
                role: note.role,
                act: note.act,
                case_id: Some(note.case),
                detail: note.detail.clone(),
            };
            audit::append(&mut permit, &entry).await?;
        }
        tx.commit().await?;
        for (_, written) in batch {
            // whoever has left does not want to know
            let _ = written.send(());
        }
        Ok(())
    }
}
