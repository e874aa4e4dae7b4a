//! What a town is founded with: people, day, bounds, and which stages do not run at first.

use crate::database::Servers;
use jiff::civil::{Date, date};
use kezek_runtime::Limits;
use kezek_stage::Clock;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How a town is founded.
#[derive(Clone, Debug)]
pub struct Founding {
    /// Seed of people and identifiers.
    pub seed: u64,
    /// How many people: 31 have every plan of 2025 once in which nothing goes to a human before the reviewer.
    pub people: usize,
    /// The business day of the beginning.
    pub as_of: Date,
    /// Stages that do not run at first.
    pub closed: Vec<&'static str>,
    /// The engine's bounds.
    pub limits: Limits,
    /// Configuration sections of stages, by name.
    pub config: BTreeMap<&'static str, Value>,
    /// Rule files that stand in for the built-in ones, by name.
    pub rules: BTreeMap<String, String>,
    /// The servers; those of the environment where it is left out.
    pub servers: Option<Servers>,
    /// The clock: what it takes for real time. The business clock's offset is the database's.
    pub clock: Clock,
}

/// A cancellation takes effect at once: nobody waits for the minutes in which it may be taken back.
fn at_once() -> BTreeMap<String, String> {
    let text = include_str!("../../../domain/rules/desk.toml");
    let text = text.replacen("take_back_minutes = 5", "take_back_minutes = 0", 1);
    BTreeMap::from([("desk.toml".to_owned(), text)])
}

impl Default for Founding {
    fn default() -> Self {
        Self {
            seed: 7,
            people: 31,
            as_of: date(2025, 9, 2),
            closed: Vec::new(),
            limits: Limits { connections: 8, console_connections: 3, effect_seconds: 2, ..Limits::default() },
            config: BTreeMap::from([("intake", json!({ "iin_profile": "demo" }))]),
            rules: at_once(),
            servers: None,
            clock: Clock::system(),
        }
    }
}

impl Founding {
    /// With other people and identifiers.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
    /// With so many people.
    #[must_use]
    pub fn people(mut self, people: usize) -> Self {
        self.people = people;
        self
    }
    /// By the built-in rules alone: a cancellation may be taken back before it takes effect.
    #[must_use]
    pub fn taking_back(mut self) -> Self {
        self.rules.clear();
        self
    }
    /// With a stage that does not run at first.
    #[must_use]
    pub fn closed(mut self, stage: &'static str) -> Self {
        self.closed.push(stage);
        self
    }
}
