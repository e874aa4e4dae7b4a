//! What a stage is opened with: the clock, identifiers, and the clients that the process shares.

use crate::clock::{Clock, Ids};
use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::sync::Arc;

/// A configuration that cannot be used: says where and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration at `{place}`: {what}")]
pub struct ConfigError {
    /// The key's path, e.g. `stage.payment.deadline_days`.
    pub place: String,
    /// What is wrong and what to do.
    pub what: String,
}

impl ConfigError {
    /// An error at a key.
    pub fn at(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

/// Shared by every stage of a process.
#[derive(Clone)]
pub struct Kit {
    /// The business clock.
    pub clock: Clock,
    /// The source of identifiers.
    pub ids: Ids,
    shared: Arc<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl std::fmt::Debug for Kit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kit({} shared)", self.shared.len())
    }
}

impl Kit {
    /// A kit without shared clients.
    #[must_use]
    pub fn new(clock: Clock, ids: Ids) -> Self {
        Self { clock, ids, shared: Arc::default() }
    }
    /// Adds a client that stages may ask for by its type (the gateway, the signature verifier).
    #[must_use]
    pub fn with<T: Any + Send + Sync>(mut self, client: Arc<T>) -> Self {
        let mut shared = (*self.shared).clone();
        shared.insert(TypeId::of::<T>(), client);
        self.shared = Arc::new(shared);
        self
    }
    /// The shared client of a type.
    ///
    /// # Errors
    /// Where the process was started without it.
    pub fn get<T: Any + Send + Sync>(&self) -> Result<Arc<T>, ConfigError> {
        self.shared
            .get(&TypeId::of::<T>())
            .and_then(|c| Arc::clone(c).downcast::<T>().ok())
            .ok_or_else(|| ConfigError::at("kit", format!("this process was started without a {}", type_name::<T>())))
    }
}
