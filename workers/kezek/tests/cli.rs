//! The command line: every command explains itself, a wrong one is refused with 2, an error says what to do.

use std::process::{Command, Output};

const COMMANDS: &[&str] = &[
    "migrate",
    "topology apply",
    "topology show",
    "topology check",
    "run",
    "doctor",
    "map",
    "schemas",
    "case",
    "dead list",
    "dead show",
    "dead replay",
    "dead discard",
    "stage pause",
    "stage resume",
    "stage list",
    "repair resend",
    "accounts create",
    "accounts list",
    "accounts block",
    "clock show",
    "clock set",
    "clock advance",
    "seal",
    "report uncollected",
    "report refunds",
    "check",
    "journal verify",
    "reconcile",
    "keys new",
    "keys next",
    "keys status",
    "keys rotate",
    "config check",
    "config show",
    "outages list",
    "outages report",
    "terms",
    "rules show",
    "rules check",
    "rules extend",
];

#[expect(clippy::expect_used, reason = "a helper of tests")]
fn kezek(arguments: &str, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kezek"));
    command.env_clear().args(arguments.split_whitespace()).envs(environment.iter().copied());
    command.output().expect("kezek runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_command_explains_itself() {
    for command in COMMANDS {
        let help = kezek(&format!("{command} --help"), &[]);
        assert_eq!(help.status.code(), Some(0), "{command}");
        let told = text(&help.stdout);
        assert!(told.contains(&format!("Usage: kezek {command}")), "{command}: {told}");
        let about = told.lines().next().unwrap_or_default();
        assert!(!about.is_empty() && !about.starts_with("Usage"), "{command} says what it does");
        let wrong = kezek(&format!("{command} --nonsense"), &[]);
        assert_eq!(wrong.status.code(), Some(2), "{command}");
        assert!(wrong.stdout.is_empty() && text(&wrong.stderr).contains("--nonsense"), "{command}");
    }
    let whole = text(&kezek("--help", &[]).stdout);
    assert!(whole.contains("Exit codes: 0 done, 1 failed, 2 wrong command line or configuration, 3 not healthy."));
}

#[test]
fn a_missing_address_is_named_by_key_and_variable() {
    for (command, key, variable) in [
        ("migrate", "database.owner_url", "KEZEK_OWNER_URL"),
        ("check", "database.engine_url", "KEZEK_ENGINE_URL"),
        ("case K-1", "database.engine_url", "KEZEK_ENGINE_URL"),
        ("topology check", "broker.api_url", "KEZEK_RABBITMQ_API_URL"),
    ] {
        let output = kezek(command, &[]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {told}");
        assert!(told.contains(key) && told.contains(variable), "{command}: {told}");
    }
}

#[test]
fn a_server_that_is_away_is_a_failure_that_says_where_to_look() {
    let output = kezek("check", &[("KEZEK_ENGINE_URL", "postgres://kezek_engine:hidden@127.0.0.1:1/kezek")]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("database.engine_url") && told.contains("kezek doctor") && !told.contains("hidden"),
        "{told}"
    );
}

#[test]
fn a_wrong_configuration_is_a_usage_error() {
    let file = kezek("--config /nowhere/kezek.toml config show", &[]);
    assert_eq!(file.status.code(), Some(2));
    assert!(text(&file.stderr).contains("/nowhere/kezek.toml"));
    let profile = kezek("config check", &[("KEZEK_PROFILE", "playground")]);
    assert_eq!(profile.status.code(), Some(2));
    assert!(text(&profile.stderr).contains("rules.profile"));
}

#[test]
fn what_a_machine_reads_is_one_json_value() {
    for command in ["config show --json", "topology show --json"] {
        let output = kezek(command, &[]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect(command);
    }
}

#[test]
fn keys_for_production_are_not_made_here() {
    let output = kezek("keys new /nowhere/keys.toml", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("production"));
}

#[test]
fn a0_3_the_rules_of_a_day_are_told_with_their_reasons() {
    let told = |arguments: &str| {
        let output = kezek(arguments, &[]);
        (output.status.code(), text(&output.stdout))
    };
    let (code, paid) = told("rules show --on 2025-09-02");
    assert_eq!(code, Some(0));
    assert!(paid.contains("id-card-renewal on 2025-09-02: open") && paid.contains("payable: 786.40 ₸"), "{paid}");
    assert!(paid.contains("order 389/253-НҚ, paragraph 7"), "{paid}");
    let (code, free) = told("rules show --on 2026-02-01 --topic duty --json");
    let free: serde_json::Value = serde_json::from_str(&free).expect("JSON");
    assert_eq!((code, free["open"].as_bool()), (Some(0), Some(true)));
    assert_eq!(free["lines"][0]["says"], "free by ground: replacement-on-expiry");
    let (code, closed) = told("rules check --on 2026-11-20 --json");
    let closed: serde_json::Value = serde_json::from_str(&closed).expect("JSON");
    assert_eq!((code, closed["open"].as_bool()), (Some(3), Some(false)));
    assert!(closed["gaps"][0].as_str().is_some_and(|gap| gap.contains("A0.3")), "{closed}");
    assert_eq!(told("rules check --on 2025-09-02").0, Some(0));
}

#[test]
fn a0_3_an_extension_is_written_once_and_never_over_another() -> std::io::Result<()> {
    let path = std::env::temp_dir().join(format!("kezek-extension-{}.toml", std::process::id()));
    let file = path.display();
    let said = "--act an-order --citation p.1 --reason test --signer one --signer two";
    let write = |period: &str| kezek(&format!("rules extend {file} {period} {said}"), &[]);
    let over = write("--from 2026-03-31 --to 2026-12-31");
    assert_eq!(over.status.code(), Some(1), "{}", text(&over.stderr));
    assert!(text(&over.stderr).contains("overlap") && !path.exists());
    let written = write("--from 2026-04-01 --to 2026-12-31");
    assert_eq!(written.status.code(), Some(0), "{}", text(&written.stderr));
    assert!(text(&written.stdout).contains(&format!("{file}.two.p7s")));
    assert_eq!(write("--from 2026-04-01 --to 2026-12-31").status.code(), Some(1));
    std::fs::remove_file(path)
}
