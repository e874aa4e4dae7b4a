//! The configuration: every error names its key, and the compiled-in defaults are the types' own.

use kezek::config::{Config, DEFAULTS, ENVIRONMENT, Layers, Origin, new_keys_file, next_keys_file, read_keys};
use kezek_stage::ConfigError;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

fn read(file: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment: BTreeMap<_, _> = environment.iter().copied().collect();
    let layers = Layers::over(file, "kezek.toml", |name| environment.get(name).map(|v| (*v).to_owned()))?;
    Config::of(&layers)
}

#[expect(clippy::expect_used, reason = "a helper of tests")]
fn refused(file: &str) -> ConfigError {
    read(file, &[]).expect_err(file)
}

#[test]
fn the_defaults_alone_can_be_used() {
    let config = read("", &[]).expect("the defaults");
    assert_eq!(config.engine, kezek_runtime::Limits::default());
    let own = kezek_gateway::GatewayConfig::default();
    assert_eq!(format!("{:?}", config.gateway), format!("{own:?}"));
}

#[test]
fn a_key_that_nobody_reads_is_refused_by_its_path() {
    for (file, place) in [
        ("[gatewy]\nurl = \"\"", "gatewy"),
        ("[gateway]\nurll = \"\"", "gateway.urll"),
        ("[stage.intake]\nmax_photo = 1", "stage.intake.max_photo"),
        ("[stage.payments]\n", "stage.payments"),
        ("[engine]\nbatch = 1\nbatches = 2", "engine.batches"),
    ] {
        let error = refused(file);
        assert_eq!(error.place, place);
        assert!(error.what.contains("known here are"), "{error}");
    }
}

#[test]
fn a_value_of_another_type_or_range_is_refused_by_its_path() {
    for (file, place) in [
        ("[engine]\nbatch = \"many\"", "engine.batch"),
        ("[engine]\nbatch = 0", "engine.batch"),
        ("[engine]\nprefetch = -1", "engine.prefetch"),
        ("[doors]\nlisten = \"nowhere\"", "doors.listen"),
        ("[rules]\nprofile = \"playground\"", "rules.profile"),
        ("[gateway]\nurl = \"ftp://x\"", "gateway.url"),
        ("[gateway.codes]\n\"A\" = \"whatever\"", "gateway.codes"),
        ("[check]\nevery_seconds = 1", "check.every_seconds"),
        ("[engine.unseen]\nintakes = 900", "engine.unseen.intakes"),
        ("[engine.unseen]\nintake = \"long\"", "engine.unseen"),
    ] {
        assert_eq!(refused(file).place, place, "{file}");
    }
    assert_eq!(refused("this is not TOML").place, "kezek.toml");
}

#[test]
fn contradicting_keys_are_refused_and_both_are_named() {
    for (file, one, other) in [
        ("[engine]\nprefetch = 10", "engine.prefetch", "engine.batch"),
        ("[engine]\neffect_seconds = 15", "engine.effect_seconds", "gateway.total_timeout_ms"),
        ("[engine]\noutbox_full_seconds = 3", "engine.outbox_full_seconds", "engine.sweep_after_seconds"),
        ("[engine]\nunseen_seconds = 279", "engine.unseen_seconds", "engine.work_seconds"),
        ("[engine.unseen]\nintake = 60", "engine.unseen.intake", "engine.work_seconds"),
        ("[gateway]\ntotal_timeout_ms = 60000", "gateway.total_timeout_ms", "engine.work_seconds"),
        (
            "[signatures]\nncanode_url = \"http://n\"\nncanode_timeout_ms = 60000",
            "signatures.ncanode_timeout_ms",
            "engine.work_seconds",
        ),
        ("[envelopes]\nkey_file = \"k.p12\"", "signatures.ncanode_url", "envelopes.key_file"),
        ("[stage.intake]\nmax_request_bytes = 33554432", "stage.intake.max_request_bytes", "doors.max_body_bytes"),
        ("[stage.intake]\niin_profile = \"demo\"", "stage.intake.iin_profile", "rules.profile"),
    ] {
        let error = refused(file);
        assert_eq!(error.place, one);
        assert!(error.what.contains(other), "{error}");
    }
}

#[test]
fn sample_people_are_admitted_in_play_alone() {
    let iin = |config: &Config| config.stage_section("intake")["iin_profile"].clone();
    assert_eq!(iin(&read("", &[]).expect("production")), "citizen");
    assert_eq!(iin(&read("", &[("KEZEK_PROFILE", "demo")]).expect("demo")), "demo");
    let strict = read("[stage.intake]\niin_profile = \"citizen\"", &[("KEZEK_PROFILE", "test")]).expect("test");
    assert_eq!(iin(&strict), "citizen");
}

#[test]
fn the_environment_goes_before_the_file_and_each_value_says_where_it_came_from() {
    let file = "[database]\nengine_url = \"postgres://a:secret-a@h/x\"\n[gateway]\nsender_id = \"us\"";
    let environment = |name: &str| (name == "KEZEK_ENGINE_URL").then(|| "postgres://b:secret-b@h/y".to_owned());
    let layers = Layers::over(file, "kezek.toml", environment).expect("layers");
    assert_eq!(layers.origin("database.engine_url"), Origin::Variable("KEZEK_ENGINE_URL"));
    assert_eq!(layers.origin("gateway.sender_id"), Origin::File);
    assert_eq!(layers.origin("doors.listen"), Origin::Default);
    let shown = layers.shown();
    let engine = shown.iter().find(|(key, _, _)| key == "database.engine_url").expect("shown");
    assert_eq!(engine.1, "\"postgres://b:***@h/y\"");
    assert!(shown.iter().all(|(_, value, _)| !value.contains("secret")));
}

#[test]
fn a5_5_production_believes_no_unsigned_envelope_and_a_demonstration_may() {
    use kezek::commands::open::{envelopes, verifier};
    let play = read("", &[("KEZEK_PROFILE", "demo")]).expect("demo");
    assert!(envelopes(&play).expect("off where it is not configured").is_none());
    let production = read("", &[]).expect("the defaults");
    assert_eq!(envelopes(&production).expect_err("unsigned in production").place, "envelopes.key_file");

    let key = scratch("gateway.p12");
    std::fs::write(&key, b"a key").expect("written");
    let file = |issuers: &str, peer: &str| {
        let key = key.display();
        format!(
            "[signatures]\nncanode_url = \"http://127.0.0.1:14579\"\nncanode_issuers = {issuers}\n\
             [envelopes]\nkey_file = \"{key}\"\npeer_bin = \"{peer}\""
        )
    };
    let whole = read(&file("[\"CN=CA\"]", "000000000017"), &[]).expect("whole");
    assert!(envelopes(&whole).expect("signed").is_some());
    for (issuers, peer, place) in
        [("[]", "000000000017", "signatures.ncanode_issuers"), ("[\"CN=CA\"]", "17", "envelopes.peer_bin")]
    {
        let config = read(&file(issuers, peer), &[]).expect("read");
        assert_eq!(envelopes(&config).expect_err(place).place, place);
    }
    std::fs::remove_file(&key).expect("gone");
    let gone = read(&file("[\"CN=CA\"]", "000000000017"), &[]).expect("read");
    assert_eq!(envelopes(&gone).expect_err("no key").place, "envelopes.key_file");
    assert_eq!(verifier(&gone).expect_err("no authority").place, "signatures.trusted_ca_file");
}

#[test]
fn a_next_keys_file_has_the_old_key_and_a_new_current_one() {
    let (from, to) = (scratch("keys-1.toml"), scratch("keys-2.toml"));
    new_keys_file(&from, || Ok([7; 32])).expect("written");
    assert_eq!(next_keys_file(&from, &to, || Ok([8; 32])).expect("written"), "k2");
    let (old, new) = (read_keys(&from).expect("old"), read_keys(&to).expect("new"));
    assert_eq!((old.current(), new.current()), ("k1", "k2"));
    let sealed = old.seal("x", b"y").expect("sealed");
    assert_eq!(new.open("x", &sealed).expect("the old key is still there"), b"y");
    assert_eq!(std::fs::metadata(&to).expect("there").permissions().mode() & 0o777, 0o600);
    assert!(next_keys_file(&from, &to, || Ok([9; 32])).is_err(), "an existing file");
    for file in [from, to] {
        std::fs::remove_file(file).expect("gone");
    }
}

#[test]
fn every_variable_sets_a_key_that_the_defaults_describe() {
    let layers = Layers::over("", "", |_| None).expect("defaults");
    let keys: Vec<_> = layers.shown().into_iter().map(|(key, _, _)| key).collect();
    for (variable, key) in ENVIRONMENT {
        assert!(keys.iter().any(|k| k == key), "{variable} sets {key}");
        assert!(DEFAULTS.contains(variable), "{variable} is described in ops/kezek.default.toml");
    }
}

#[test]
fn every_default_is_explained() {
    let lines: Vec<_> = DEFAULTS.lines().collect();
    for (before, line) in lines.iter().zip(lines.iter().skip(1)) {
        let is_key = !line.starts_with(['#', '[']) && line.contains('=');
        assert!(!is_key || before.starts_with('#'), "{line} has no comment");
    }
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("kezek-config-{}-{name}", std::process::id()))
}

#[test]
fn a_keys_file_is_private_whole_and_never_overwritten() {
    let path = scratch("keys.toml");
    new_keys_file(&path, || Ok([7; 32])).expect("written");
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    read_keys(&path).expect("read back");
    assert!(new_keys_file(&path, || Ok([8; 32])).is_err(), "an existing file");

    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).expect("mode");
    let open = read_keys(&path).expect_err("others may read");
    assert!(open.place == "keys.file" && open.what.contains("chmod 600"), "{open}");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("mode");

    let text = std::fs::read_to_string(&path).expect("text");
    for (from, to, told) in [
        ("current = \"k1\"", "current = \"k2\"", "`current`"),
        ("k1 = \"0707", "k1 = \"07", "`wrapping.k1`"),
        ("iin = ", "iiin = ", "is not a keys file"),
    ] {
        std::fs::write(&path, text.replace(from, to)).expect("written");
        let error = read_keys(&path).expect_err(told);
        assert!(error.what.contains(told) && !error.what.contains("0707"), "{error}");
    }
    std::fs::remove_file(&path).expect("gone");
    assert!(read_keys(&path).expect_err("missing").what.contains("kezek keys new"));
}
