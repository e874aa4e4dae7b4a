//! The right to write. Stages are handed one by the engine inside a settle; they cannot make one, because they do
//! not depend on this crate.

use sqlx::{PgConnection, Postgres, Transaction};

/// The right to write, for as long as one transaction lives.
pub struct Permit<'t> {
    connection: &'t mut PgConnection,
}

impl std::fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permit")
    }
}

/// Makes the permit of a transaction. Only the engine and the operator's commands call this.
pub fn mint<'t>(transaction: &'t mut Transaction<'_, Postgres>) -> Permit<'t> {
    Permit { connection: transaction }
}

impl Permit<'_> {
    /// The connection, for statements of `store.rs` files.
    pub fn connection(&mut self) -> &mut PgConnection {
        self.connection
    }
}
