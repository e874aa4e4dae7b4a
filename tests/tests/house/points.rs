//! Kill points: what is installed is built without them, and nothing but a test can arm one.

use crate::rooms::root;
use anyhow::{Context as _, Result, ensure};
use std::process::Command;

/// Features and dependencies of what these packages are built with, as cargo unifies them when they are built
/// together.
fn built(packages: &[&str], more: &[&str]) -> Result<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--offline", "--locked", "-e", "normal,build,features", "--prefix", "none"]);
    for package in packages {
        command.args(["-p", package]);
    }
    let output = command.args(more).current_dir(root()).output().context("running cargo tree")?;
    ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn what_is_installed_has_no_kill_points() -> Result<()> {
    // alone, and together with the sandbox as `ops/demo` builds it
    for packages in [&["kezek"][..], &["kezek", "kezek-sandbox"]] {
        let tree = built(packages, &[])?;
        assert!(tree.contains("kezek-runtime"), "this check sees nothing: {tree}");
        assert!(!tree.contains("kill-points"), "{packages:?} are built with kill points");
    }
    // it is seen where it is
    assert!(built(&["kezek-testkit"], &["--features", "town"])?.contains("kill-points"));
    Ok(())
}

#[test]
fn only_the_testkit_switches_kill_points_on_and_no_product_arms_one() -> Result<()> {
    for c in crate::rooms::crates()? {
        let manifest = std::fs::read_to_string(root().join(&c.folder).join("Cargo.toml"))?;
        let named = manifest.contains("kill-points");
        assert_eq!(named, matches!(c.folder.as_str(), "common/runtime" | "common/testkit"), "{}", c.folder);
    }
    // a point that nobody has armed is nothing: arming is a call, and no product makes it
    for (name, text) in crate::sources::sources()? {
        let arms = text.contains("points::arm") || text.contains("points::replace");
        assert!(!arms, "{name} arms a kill point");
    }
    Ok(())
}
