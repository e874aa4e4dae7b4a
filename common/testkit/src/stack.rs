//! Servers of a test's own: a private PostgreSQL and RabbitMQ, started by `ops/stack`, for tests that fill, limit or
//! kill them. They are wiped when the value is dropped, and also when the whole process is gone, however it went.

use crate::database::Servers;
use anyhow::{Context as _, Result, ensure};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// A private stack under way.
#[derive(Debug)]
pub struct Stack {
    name: String,
    servers: Servers,
    guard: Child,
    // the guard waits for this pipe to close
    alive: Option<ChildStdin>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Stack {
    /// Starts one, without fsync; `rabbitmq` are further terms of RabbitMQ's own application, as Erlang writes them,
    /// e.g. `{consumer_timeout, 2000}`. Blocks for some ten seconds.
    ///
    /// # Errors
    /// Where a server does not start.
    pub fn up(rabbitmq: &str) -> Result<Self> {
        let name = format!("own-{}", std::process::id());
        // the guard first: it wipes whatever has begun to start as soon as the pipe closes
        let mut guard = Command::new("setsid")
            .args(["bash", "-c", "cat >/dev/null; exec ops/stack down --wipe --name \"$1\"", "guard", &name])
            .current_dir(root())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting the guard of a private stack")?;
        let alive = guard.stdin.take();
        let up = run(Command::new("ops/stack")
            .args(["up", "--fast", "--name", &name])
            .env("KEZEK_RABBITMQ_TERMS", rabbitmq))?;
        ensure!(up.contains("amqp") || !up.is_empty(), "ops/stack up told nothing");
        let servers = addresses(&run(Command::new("ops/stack").args(["env", "--name", &name]))?)?;
        Ok(Self { name, servers, guard, alive })
    }

    /// Where they are.
    #[must_use]
    pub const fn servers(&self) -> &Servers {
        &self.servers
    }

    /// `rabbitmqctl` on its broker: for limits that raise an alarm. Blocks for a second or two.
    ///
    /// # Errors
    /// What it refuses.
    pub fn rabbitmqctl(&self, arguments: &[&str]) -> Result<String> {
        run(Command::new("ops/lib/ctl.sh").arg(&self.name).args(arguments))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        drop(self.alive.take());
        // a stack that could not be wiped is told of by the next `ops/stack status`
        drop(self.guard.wait());
    }
}

fn run(command: &mut Command) -> Result<String> {
    let told =
        command.current_dir(root()).stdin(Stdio::null()).output().with_context(|| format!("running {command:?}"))?;
    let stderr = String::from_utf8_lossy(&told.stderr).into_owned();
    ensure!(told.status.success(), "{:?} failed: {stderr}", command.get_program());
    Ok(String::from_utf8_lossy(&told.stdout).into_owned())
}

/// Reads what `ops/stack env` prints.
fn addresses(env: &str) -> Result<Servers> {
    let named: HashMap<&str, &str> = env
        .lines()
        .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
        .map(|(name, value)| (name, value.trim_matches('\'')))
        .collect();
    let read =
        |name: &str| named.get(name).map(|v| (*v).to_owned()).with_context(|| format!("ops/stack env lacks {name}"));
    Ok(Servers {
        owner: read("KEZEK_OWNER_URL")?,
        engine: read("KEZEK_ENGINE_URL")?,
        console: read("KEZEK_CONSOLE_URL")?,
        amqp: read("KEZEK_AMQP_URL")?,
        api: read("KEZEK_RABBITMQ_API_URL")?,
        places: 1,
    })
}
