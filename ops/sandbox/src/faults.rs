//! Faults on command: which system misbehaves, how, and for how long.

use std::time::{Duration, Instant};

use kezek_domain::System;
use serde::{Deserialize, Serialize};

/// How a system misbehaves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// Answers late.
    Latency {
        /// By so many milliseconds.
        ms: u64,
    },
    /// Answers with a fault of the gateway; nothing happens.
    Error {
        /// The gateway's code, for example `FAULT-015`.
        code: String,
    },
    /// Drops the connection; nothing happens.
    Outage,
    /// Does what was asked and drops the connection without an answer, on every n-th call.
    LoseAnswer {
        /// 1 for every call.
        #[serde(default = "one")]
        every: u32,
    },
    /// Does what was asked and answers with something that is no SOAP message.
    Rubbish,
}

const fn one() -> u32 {
    1
}

/// A command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Which system; all of them where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
    /// How it misbehaves.
    pub fault: Kind,
    /// For so many calls that it spoils; without end where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// For so many seconds; without end where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// A command under way.
#[derive(Debug, Clone)]
struct Active {
    command: Command,
    until: Option<Instant>,
    seen: u32,
    spoilt: u32,
}

/// What is in force.
#[derive(Debug, Default)]
pub struct Faults {
    active: Vec<Active>,
}

/// What to do with one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spoil {
    /// Wait first.
    pub wait: Duration,
    /// Do nothing and answer with this code.
    pub error: Option<String>,
    /// Do nothing and drop the connection.
    pub drop_before: bool,
    /// Do it and drop the connection.
    pub drop_after: bool,
    /// Do it and answer with rubbish.
    pub rubbish: bool,
}

impl Faults {
    /// Puts a command in force.
    ///
    /// # Errors
    /// Where the command cannot be meant.
    pub fn add(&mut self, command: Command) -> Result<(), String> {
        if command.count == Some(0) {
            return Err("`count` must be at least 1; leave it out for no end".to_owned());
        }
        if matches!(command.fault, Kind::LoseAnswer { every: 0 }) {
            return Err("`fault.every` must be at least 1".to_owned());
        }
        let until = match command.seconds {
            Some(seconds) if seconds > 0.0 && seconds < 1e6 => Some(Instant::now() + Duration::from_secs_f64(seconds)),
            Some(_) => return Err("`seconds` must be more than 0 and less than 1000000".to_owned()),
            None => None,
        };
        self.active.push(Active { command, until, seen: 0, spoilt: 0 });
        Ok(())
    }

    /// Takes all commands out of force.
    pub fn clear(&mut self) {
        self.active.clear();
    }

    /// The commands in force and how many calls each has spoilt.
    #[must_use]
    pub fn list(&mut self) -> Vec<(Command, u32)> {
        self.forget();
        self.active.iter().map(|active| (active.command.clone(), active.spoilt)).collect()
    }

    fn forget(&mut self) {
        let now = Instant::now();
        self.active.retain(|active| {
            active.until.is_none_or(|until| now < until)
                && active.command.count.is_none_or(|count| active.spoilt < count)
        });
    }

    /// What to do with a call to this system; counts it.
    pub fn spoil(&mut self, system: System) -> Spoil {
        self.forget();
        let mut spoil = Spoil::default();
        for active in &mut self.active {
            if active.command.system.is_some_and(|wanted| wanted != system) {
                continue;
            }
            active.seen += 1;
            match &active.command.fault {
                Kind::Latency { ms } => spoil.wait += Duration::from_millis(*ms),
                Kind::Error { code } => spoil.error = Some(code.clone()),
                Kind::Outage => spoil.drop_before = true,
                Kind::LoseAnswer { every } => {
                    if !active.seen.is_multiple_of(*every) {
                        continue;
                    }
                    spoil.drop_after = true;
                }
                Kind::Rubbish => spoil.rubbish = true,
            }
            active.spoilt += 1;
        }
        spoil
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(json: &str) -> Command {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_command_ends_after_its_count_and_touches_its_system_only() {
        let mut faults = Faults::default();
        faults.add(command(r#"{"system":"sik","fault":{"kind":"error","code":"FAULT-015"},"count":2}"#)).unwrap();
        assert_eq!(faults.spoil(System::Kdp), Spoil::default());
        assert!(faults.spoil(System::Sik).error.is_some());
        assert!(faults.spoil(System::Sik).error.is_some());
        assert!(faults.spoil(System::Sik).error.is_none());
        assert!(faults.list().is_empty());
    }

    #[test]
    fn every_nth_answer_is_lost() {
        let mut faults = Faults::default();
        faults.add(command(r#"{"fault":{"kind":"lose-answer","every":3}}"#)).unwrap();
        let lost: Vec<_> = (0..6).map(|_| faults.spoil(System::RpDrn).drop_after).collect();
        assert_eq!(lost, [false, false, true, false, false, true]);
    }

    #[test]
    fn commands_that_cannot_be_meant_are_refused() {
        let mut faults = Faults::default();
        for json in [
            r#"{"fault":{"kind":"outage"},"count":0}"#,
            r#"{"fault":{"kind":"outage"},"seconds":-1}"#,
            r#"{"fault":{"kind":"lose-answer","every":0}}"#,
        ] {
            assert!(faults.add(command(json)).is_err(), "{json}");
        }
        assert!(serde_json::from_str::<Command>(r#"{"fault":{"kind":"fire"}}"#).is_err());
    }
}
