//! `kezek migrate`: brings the database to this binary's migrations, as its owner.

use super::Told as _;
use crate::cli::{Exit, layers};
use crate::config::{Config, Origin, Profile, needed};
use anyhow::{Result, anyhow};
use kezek_store::{clock, connect, migrate, pending};
use std::path::Path;

/// Migrates, and sets the installation's profile where one is asked for.
///
/// # Errors
/// No owner's address, a migration that fails, or a profile that cannot be changed any more.
pub async fn run(file: Option<&Path>, profile: Option<Profile>) -> Result<Exit> {
    let layers = layers(file)?;
    let config = Config::of(&layers)?;
    let url = needed("database.owner_url", &config.database.owner_url)?;
    let pool = connect(url, 2, "kezek migrate").await.told("database.owner_url")?;
    let todo = pending(&pool).await.told("reading the applied migrations")?;
    migrate(&pool).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::VersionMismatch(version) => anyhow!(
            "migration {version} was changed after it had been applied: restore the file, and put the change into a new one"
        ),
        sqlx::migrate::MigrateError::VersionMissing(version) => {
            anyhow!("the database has migration {version}, this binary does not: use the newer binary")
        }
        other => anyhow!("a migration failed and was rolled back: {other}"),
    })?;
    for name in &todo {
        println!("applied {name}");
    }
    // what an environment or file says counts as asked for; the default must not turn a demonstration into production
    let asked = profile.or_else(|| (layers.origin("rules.profile") != Origin::Default).then_some(config.rules.profile));
    if let Some(profile) = asked {
        clock::set_profile(&pool, profile.label()).await.told(
            "setting the profile (only while there are no cases; take an empty database, or leave the profile as it is)",
        )?;
    }
    let here = clock::profile(&pool).await.told("reading the profile")?;
    println!("{} migrations applied, {} in all; profile {here}", todo.len(), kezek_store::MIGRATIONS.iter().count());
    Ok(Exit::Done)
}
