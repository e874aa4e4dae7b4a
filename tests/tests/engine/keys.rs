//! A0.1: the wrapping key is rotated under a running town, stopped at any instant, and repeated; no dossier is lost, and
//! in the end the old key is needed by nobody.

use anyhow::{Result, ensure};
use kezek_sandbox::Plan;
use kezek_store::crypt::Keyring;
use kezek_store::{cases, mint, rotation};
use kezek_testkit::town::Town;
use sqlx::PgPool;
use std::collections::BTreeMap;
use uuid::Uuid;

fn ring(current: &str, keys: &[(&str, u8)]) -> Result<Keyring> {
    let keys: BTreeMap<_, _> = keys.iter().map(|(id, n)| ((*id).to_owned(), [*n; 32])).collect();
    Ok(Keyring::new(current, &keys, [9; 32])?)
}

/// How many sections of all dossiers open with this ring, and how many there are.
async fn opens(pool: &PgPool, ring: &Keyring) -> Result<(usize, usize)> {
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM cases").fetch_all(pool).await?;
    let rows = cases::list(pool, &ids).await?;
    let (mut opened, mut all) = (0, 0);
    for row in rows.values() {
        let sealed: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT section, body FROM dossier WHERE case_id = $1").bind(row.id).fetch_all(pool).await?;
        all += sealed.len();
        let key = ring.case_key(kezek_domain::CaseId(row.id), &row.key_id, row.case_key.as_deref());
        let Ok(key) = key else { continue };
        for (section, body) in sealed {
            opened += usize::from(key.open(&section, &body).is_ok());
        }
    }
    Ok((opened, all))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a0_1_a_rotation_that_is_killed_at_any_instant_loses_nothing_and_is_finished_by_repeating_it() -> Result<()> {
    let town = Town::found(301).await?;
    let mut sent = Vec::new();
    for plan in [Plan::Issued, Plan::Exempt, Plan::Unpaid, Plan::ConfirmedTwice, Plan::PaidInParts] {
        sent.push(town.citizen(plan)?.submits().await?.case);
    }
    for (case, stage) in sent.iter().zip(["review", "review", "payment", "review", "review"]) {
        town.until_held_at(*case, stage).await?;
    }
    let (old, both, new) = (ring("k1", &[("k1", 7)])?, ring("k2", &[("k1", 7), ("k2", 8)])?, ring("k2", &[("k2", 8)])?);
    let pool = town.owner.clone();
    let (opened, all) = opens(&pool, &old).await?;
    ensure!(opened == all && all > 10, "{opened} of {all}");

    // killed before its commit: nothing happened, once the server has seen that its client is gone
    let mut tx = pool.begin().await?;
    ensure!(rotation::cases(&mut mint(&mut tx), &both, 3).await? == 3);
    tx.rollback().await?;
    ensure!(opens(&pool, &old).await? == (all, all));
    // killed between two pages: some lie here, some there, and whoever has both keys reads all of them
    let mut tx = pool.begin().await?;
    rotation::cases(&mut mint(&mut tx), &both, 2).await?;
    tx.commit().await?;
    ensure!(opens(&pool, &both).await? == (all, all));
    ensure!(opens(&pool, &old).await?.0 < all && opens(&pool, &new).await?.0 < all);
    let under = rotation::count(&pool).await?;
    ensure!(
        under.iter().map(|u| (u.key_id.as_str(), u.cases)).collect::<Vec<_>>() == [("k1", 3), ("k2", 2)],
        "{under:?}"
    );

    // repeated to its end, while nobody stands still
    loop {
        let mut tx = pool.begin().await?;
        let page = rotation::cases(&mut mint(&mut tx), &both, 1).await?;
        tx.commit().await?;
        if page == 0 {
            break;
        }
    }
    ensure!(opens(&pool, &new).await? == (all, all), "the old key is needed by nobody");
    ensure!(rotation::count(&pool).await?.len() == 1);
    // what was wrapped anew is not touched again
    let mut tx = pool.begin().await?;
    ensure!(rotation::cases(&mut mint(&mut tx), &both, 10).await? == 0);
    tx.rollback().await?;
    town.dissolve().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a0_1_an_erased_key_stays_erased_and_an_unknown_one_stops_the_rotation() -> Result<()> {
    let town = Town::found(302).await?;
    let kept = town.citizen(Plan::Issued)?.submits().await?.case;
    let erased = town.citizen(Plan::Exempt)?.submits().await?.case;
    for case in [kept, erased] {
        town.until_held_at(case, "review").await?;
    }
    sqlx::query("UPDATE cases SET case_key = NULL WHERE id = $1").bind(erased.0).execute(&town.owner).await?;
    let mut tx = town.owner.begin().await?;
    ensure!(
        rotation::cases(&mut mint(&mut tx), &ring("k3", &[("k3", 1)])?, 10).await.is_err(),
        "k1 is not in this ring"
    );
    // at once: a rotation passes by what another one has locked
    tx.rollback().await?;
    let mut tx = town.owner.begin().await?;
    ensure!(rotation::cases(&mut mint(&mut tx), &ring("k2", &[("k1", 7), ("k2", 8)])?, 10).await? == 1);
    tx.commit().await?;
    let left: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT case_key FROM cases WHERE id = $1").bind(erased.0).fetch_one(&town.owner).await?;
    ensure!(left.is_none());
    town.dissolve().await
}
