//! The scripts of `ops/`: they parse, explain themselves, refuse a wrong command line, and a private stack starts,
//! survives the death of its servers and leaves no process behind.

use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const COMMANDS: [&str; 8] = [
    "ops/stack",
    "ops/demo",
    "ops/chaos",
    "ops/test",
    "ops/bench",
    "ops/prepare",
    "ops/lib/install.sh",
    "ops/lib/ctl.sh",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(program: &str, arguments: &[&str]) -> Result<Output> {
    Command::new(program).args(arguments).current_dir(root()).output().with_context(|| format!("running {program}"))
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_script_parses() -> Result<()> {
    let mut scripts: Vec<String> = COMMANDS.iter().map(|&command| command.to_owned()).collect();
    for entry in fs::read_dir(root().join("ops/lib"))? {
        scripts.push(format!("ops/lib/{}", entry?.file_name().to_string_lossy()));
    }
    scripts.push(".ci/run".into());
    for script in scripts {
        let output = run("bash", &["-n", &script])?;
        assert!(output.status.success(), "{script}: {}", stderr(&output));
    }
    Ok(())
}

#[test]
fn every_command_explains_itself_and_refuses_what_it_does_not_know() -> Result<()> {
    for command in COMMANDS {
        let help = run("bash", &[command, "--help"])?;
        assert_eq!(help.status.code(), Some(0), "{command}");
        assert!(stdout(&help).starts_with(&format!("usage: {command}")), "{command}");
        let wrong = run("bash", &[command, "--nonsense"])?;
        assert_eq!(wrong.status.code(), Some(2), "{command}");
        assert!(stdout(&wrong).is_empty(), "{command}");
        assert!(stderr(&wrong).contains("'--nonsense'") && stderr(&wrong).contains("--help"), "{command}");
    }
    Ok(())
}

#[test]
fn a_wrong_value_is_named_with_its_option() -> Result<()> {
    for arguments in [
        ["--applications", "many"],
        ["--applications", "0"],
        ["--as-of", "2025-13-01"],
        ["--as-of", "tomorrow"],
        ["--kill-workers", "-1"],
        ["--processes", "0"],
    ] {
        let output = run("ops/demo", &arguments)?;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        for argument in arguments {
            assert!(stderr(&output).contains(argument), "{arguments:?}: {}", stderr(&output));
        }
    }
    let output = run("ops/stack", &["up", "--name", "none", "--rabbitmq", "2.9"])?;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("'2.9'"));
    let output = run("ops/lib/newer.sh", &["3.12"])?;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("'3.12'"));
    let output = run("ops/stack", &["status", "--name", "No Such"])?;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("'No Such'"));
    Ok(())
}

/// A stack of this test's own, removed whatever happens.
struct Stack(String);

impl Stack {
    fn command(&self, arguments: &[&str]) -> Result<Output> {
        let mut all = arguments.to_vec();
        all.extend(["--name", &self.0]);
        run("ops/stack", &all)
    }

    fn json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let output = self.command(arguments)?;
        serde_json::from_str(&stdout(&output)).with_context(|| format!("{arguments:?}: {}", stderr(&output)))
    }

    /// Processes whose command line or environment names this stack's folder.
    fn processes(&self, state: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            let told = |file: &str| {
                let bytes = fs::read(path.join(file)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let line = told("cmdline");
            if line.contains(state) || told("environ").contains(state) {
                found.push(line);
            }
        }
        Ok(found)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // The test has its verdict already; what is left is only to leave nothing behind.
        drop(self.command(&["down", "--wipe"]));
    }
}

fn pid(status: &serde_json::Value, server: &str) -> Result<u64> {
    status[server]["pid"].as_u64().with_context(|| format!("{server} has no pid in {status}"))
}

#[test]
fn a_stack_starts_survives_its_servers_death_and_leaves_nothing_behind() -> Result<()> {
    let stack = Stack(format!("t{}", std::process::id()));
    assert_eq!(stack.command(&["status"])?.status.code(), Some(3), "not up yet");

    let first = stack.json(&["up", "--fast", "--json"])?;
    assert_eq!(first["up"], true, "{first}");
    let state = first["state"].as_str().context("no state")?.to_owned();
    assert!(stack.processes(&state)?.len() > 2, "the servers can be seen");

    let environment = stdout(&stack.command(&["env"])?);
    for name in ["OWNER_URL", "ENGINE_URL", "CONSOLE_URL", "CHECK_URL", "AMQP_URL", "RABBITMQ_API_URL"] {
        assert!(environment.contains(&format!("export KEZEK_{name}='")), "{name}");
    }

    // Nobody runs a server as root.
    for server in ["postgres", "rabbitmq", "epmd"] {
        let status = fs::read_to_string(format!("/proc/{}/status", pid(&first, server)?))?;
        let uid = status.lines().find(|line| line.starts_with("Uid:")).context("no Uid")?.to_owned();
        ensure!(uid.split_whitespace().nth(1) != Some("0"), "{server} runs as root");
    }

    let again = stack.json(&["up", "--fast", "--json"])?;
    assert_eq!(pid(&first, "rabbitmq")?, pid(&again, "rabbitmq")?, "up is idempotent");

    for server in ["postgres", "rabbitmq"] {
        run("kill", &["-s", "KILL", &pid(&first, server)?.to_string()])?;
    }
    let revived = stack.json(&["up", "--fast", "--json"])?;
    assert_eq!(revived["up"], true);
    assert_ne!(pid(&first, "postgres")?, pid(&revived, "postgres")?);
    assert_eq!(first["rabbitmq"]["amqp_port"], revived["rabbitmq"]["amqp_port"], "addresses stay");

    let down = stack.command(&["down", "--wipe"])?;
    assert!(down.status.success(), "{}", stderr(&down));
    let left = stack.processes(&state)?;
    assert!(left.is_empty(), "left behind: {left:?}");
    assert!(!Path::new(&state).exists(), "the folder is wiped");
    Ok(())
}
