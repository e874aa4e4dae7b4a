//! What can go wrong with the database, and which of it may be tried again.

use kezek_domain::fault::Fault;

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The driver or the server.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// A row is not what the code relies on.
    #[error("database: {table}: {what}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// What is wrong.
        what: String,
    },
    /// A stage refused the transaction: its own rows could not be written, or the turn may not become true.
    #[error("{what}")]
    Record {
        /// Whether the same may succeed later.
        passes: bool,
        /// The fault.
        what: String,
    },
    /// A section or attachment could not be opened or sealed.
    #[error("encryption: {0}")]
    Crypt(&'static str),
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The server or the way to it: the whole transaction again, no attempt spent.
    Again,
    /// One row's data (SQLSTATE 22, 23): split the batch until the culprit stands alone.
    Data,
    /// Anything else: stop and ask.
    Broken,
}

impl StoreError {
    /// A row count that is not what it must be.
    pub fn rows(table: &'static str, wanted: usize, touched: u64) -> Self {
        Self::Inconsistent { table, what: format!("{touched} rows written where {wanted} were meant") }
    }
    /// The class of the failure, by SQLSTATE.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Sql(error) => class(error),
            Self::Record { passes: true, .. } => Class::Again,
            Self::Record { passes: false, .. } | Self::Inconsistent { .. } | Self::Crypt(_) => Class::Data,
        }
    }
    /// The SQLSTATE and constraint, which carry no personal data (the server's own message may).
    #[must_use]
    pub fn tell(&self) -> String {
        match self {
            Self::Sql(sqlx::Error::Database(e)) => format!(
                "SQLSTATE {}{}{}",
                e.code().unwrap_or_default(),
                e.table().map(|t| format!(", table {t}")).unwrap_or_default(),
                e.constraint().map(|c| format!(", constraint {c}")).unwrap_or_default()
            ),
            Self::Sql(sqlx::Error::PoolTimedOut) => "no free connection in the pool".to_owned(),
            Self::Sql(sqlx::Error::Io(e)) => format!("connection: {}", e.kind()),
            Self::Sql(_) => "driver error".to_owned(),
            Self::Inconsistent { table, what } => format!("{table}: {what}"),
            Self::Record { what, .. } => what.clone(),
            Self::Crypt(what) => (*what).to_owned(),
        }
    }
    /// The constraint that was violated.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Sql(sqlx::Error::Database(e)) => e.constraint(),
            Self::Sql(_) | Self::Inconsistent { .. } | Self::Record { .. } | Self::Crypt(_) => None,
        }
    }
}

fn class(error: &sqlx::Error) -> Class {
    match error {
        sqlx::Error::Database(e) => {
            let code = e.code().unwrap_or_default();
            match code.get(..2).unwrap_or_default() {
                // 25: the session's transaction was ended by the server, or the server does not write just now
                "08" | "25" | "40" | "53" | "57" => Class::Again,
                "22" | "23" => Class::Data,
                // 55P03: lock not available
                "55" if code == "55P03" => Class::Again,
                _ => Class::Broken,
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => Class::Again,
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::Encode(_) => Class::Data,
        _ => Class::Broken,
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error.class() {
            Class::Again => Self::transient("database-away", error.tell()),
            Class::Data => Self::permanent("database-data", error.tell()),
            Class::Broken => Self::permanent("database", error.tell()),
        }
    }
}
