//! The `kezek` binary as an operator uses it: commands with their JSON.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context as _;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// The binary with its configuration.
#[derive(Debug, Clone)]
pub struct Kezek {
    /// The binary.
    pub binary: PathBuf,
    /// Its configuration file; none before it is written.
    pub config: Option<PathBuf>,
    /// What it finds in its environment instead of what we found in ours.
    pub env: Vec<(&'static str, String)>,
}

/// What a command ended with.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// What stood on stdout.
    pub out: String,
}

impl Said {
    /// Stdout as JSON.
    ///
    /// # Errors
    /// Where it is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.out).context("a command with --json did not print JSON")
    }
}

impl Kezek {
    /// A command of the binary: for the demo profile, with the configuration.
    #[must_use]
    pub fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.binary);
        self.dress(&mut command);
        command
    }

    /// What the binary needs in its environment.
    pub fn dress(&self, command: &mut std::process::Command) {
        command.env("KEZEK_PROFILE", "demo").env_remove("KEZEK_LISTEN");
        if let Some(config) = &self.config {
            command.env("KEZEK_CONFIG", config);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
    }

    /// Runs a command that must succeed.
    ///
    /// # Errors
    /// Where it cannot be started, or fails: with what it said.
    pub async fn must(&self, arguments: &[&str], input: Option<&str>) -> anyhow::Result<Said> {
        let said = self.run(arguments, input).await?;
        anyhow::ensure!(said.code == 0, "kezek {} ended with {}", arguments.join(" "), said.code);
        Ok(said)
    }

    /// Runs a command; what it says on stderr goes to ours.
    ///
    /// # Errors
    /// Where it cannot be started, or was killed.
    pub async fn run(&self, arguments: &[&str], input: Option<&str>) -> anyhow::Result<Said> {
        let mut command = Command::from(self.command());
        command.args(arguments).stdout(Stdio::piped()).kill_on_drop(true);
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let place = || format!("kezek {} cannot be run ({})", arguments.join(" "), self.binary.display());
        let mut child = command.spawn().with_context(place)?;
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(text.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        let code = output.status.code().with_context(|| format!("kezek {} was killed", arguments.join(" ")))?;
        Ok(Said { code, out: String::from_utf8_lossy(&output.stdout).into_owned() })
    }
}
