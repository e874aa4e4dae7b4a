//! What a stage has stood, scenario by scenario, and what it cannot meet, with the reason; told on the test program's
//! standard error, so that the number can be read off any run.

use std::io::Write as _;

/// The scenarios of one stage.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    stage: String,
    stood: Vec<String>,
    cannot: Vec<(String, String)>,
}

impl Coverage {
    /// Of a stage; nothing was tried yet.
    #[must_use]
    pub fn of(stage: &str) -> Self {
        Self { stage: stage.to_owned(), ..Self::default() }
    }
    /// A scenario was gone through, and the end was right.
    pub fn stood(&mut self, scenario: impl Into<String>) {
        self.stood.push(scenario.into());
    }
    /// A scenario that the stage cannot meet, and why not.
    pub fn cannot(&mut self, scenario: impl Into<String>, why: impl Into<String>) {
        self.cannot.push((scenario.into(), why.into()));
    }
    /// How many scenarios were stood.
    #[must_use]
    pub fn count(&self) -> usize {
        self.stood.len()
    }
    /// Tells it, under a heading.
    pub fn tell(&self, what: &str) {
        let mut text =
            format!("trial of {}, {what}: {} stood ({})", self.stage, self.stood.len(), self.stood.join(", "));
        for (scenario, why) in &self.cannot {
            text.push_str(&format!("; not met: {scenario}, because {why}"));
        }
        // past the test harness's capture: the count is shown of runs that pass
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}

/// Whether every scenario is gone through at every place, and not only at a chosen few: `KEZEK_LONG=1`.
#[must_use]
pub fn long() -> bool {
    std::env::var("KEZEK_LONG").is_ok_and(|v| v == "1")
}
