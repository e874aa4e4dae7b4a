//! The last part of chaos: the database is lost and restored from a backup that is older than the broker. An operator
//! follows the runbook; then outside and database are compared again, by the command and by a judge of its own.

mod judge;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::judge::{Answer, Sent};
use super::super::officers::Officers;
use super::super::pace::{self, Next, Pulse};
use super::super::portal::Portal;
use super::super::view::Look;
use super::super::{LOOK_EVERY, Town};
use judge::{Listed, Restored};

/// Share of the second wave that has heard an answer when the backup is made.
const KEPT_AT: f64 = 0.6;
/// Share of the second wave that has ended when the database is lost.
const LOST_AT: f64 = 0.25;
/// How long the broker may take to notice that the workers are gone.
const NOTICED: Duration = Duration::from_secs(120);
/// How long workers run against the older database where the order of the steps is wrong.
const WRONG: Duration = Duration::from_secs(60);

/// In which order the operator acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As the runbook says: workers off, purge, resend, reconcile, start.
    Right,
    /// Workers are started on the older database before anything else; then as the runbook says.
    Wrong,
}

/// What is known before the database is lost.
struct Before {
    sent: Vec<Sent>,
    backup: PathBuf,
    answered: usize,
}

impl Town {
    /// Loses the database in the middle of a second wave of applications, recovers, and judges.
    ///
    /// # Errors
    /// Where it cannot be carried through.
    pub(in super::super) async fn lose_the_database(
        &mut self,
        portal: &Arc<Portal>,
        wave: std::ops::Range<usize>,
        order: Order,
    ) -> anyhow::Result<(Value, bool)> {
        let began = Instant::now();
        let size = wave.len();
        let before = self.second_wave(portal, wave).await?;
        self.say(&format!("the database is lost; the backup has {} of {size} applications", before.answered));
        self.restore(&before.backup).await?;
        let kept_wrong = match order {
            Order::Right => None,
            Order::Wrong => Some(self.start_too_early().await?),
        };
        let (kept, first) = self.follow_the_runbook(&before).await?;
        let leaps = self.go_on(portal).await?;
        let (told, holds) = self.judge_restored(before, &first, order).await?;
        let mut told = told;
        if let Some(told) = told.as_object_mut() {
            told.insert("applications".to_owned(), json!(size));
            told.insert("order".to_owned(), json!(if order == Order::Right { "right" } else { "wrong" }));
            told.insert("messages_ahead_kept_by_purge".to_owned(), json!(kept));
            told.insert("messages_ahead_kept_by_workers".to_owned(), json!(kept_wrong));
            told.insert("clock_leaps".to_owned(), json!(leaps));
            told.insert("seconds".to_owned(), json!(began.elapsed().as_secs()));
        }
        Ok((told, holds))
    }

    fn say(&self, line: &str) {
        self.progress.say(&format!("restore: {line}"));
    }

    /// People apply, officers decide; a backup is made on the way, and later everything stops at once.
    async fn second_wave(&mut self, portal: &Arc<Portal>, wave: std::ops::Range<usize>) -> anyhow::Result<Before> {
        let (first, size) = (wave.start, wave.len());
        let closed_before = self.view.look().await?.closed_cases();
        let home = self.stop.child_token();
        let mut officers = Officers::start(&self.accounts, &self.doors, &self.sandbox.world, &home)?;
        let list = self.folder.file("accepted-before-the-loss.txt");
        let sending = self.sandbox.world.tasks.spawn(Arc::clone(portal).send_some(wave, list));
        let backup = self.folder.file("backup.dump");
        let mut kept = None;
        loop {
            tokio::time::sleep(LOOK_EVERY / 4).await;
            if let Some(error) = officers.fault().or_else(|| self.workers.fault()) {
                return Err(error);
            }
            let look = self.view.look().await?;
            self.show(&look, portal);
            let answered = portal.answered().saturating_sub(first);
            let ended = look.closed_cases() - closed_before;
            #[expect(clippy::cast_precision_loss, reason = "shares of a run")]
            let (heard, done) = (answered as f64 / size as f64, ended as f64 / size as f64);
            if kept.is_none() && heard >= KEPT_AT {
                let file = backup.to_string_lossy().into_owned();
                self.weather.as_mut().context("no stack")?.ops(&["backup", "--file", &file]).await?;
                kept = Some(answered);
            }
            if kept.is_some() && sending.is_finished() && done >= LOST_AT {
                break;
            }
        }
        home.cancel();
        self.workers.rest().await;
        let sent = sending.await??;
        Ok(Before { sent, backup, answered: kept.unwrap_or_default() })
    }

    /// The disaster's other half: yesterday's database under today's broker.
    async fn restore(&mut self, backup: &std::path::Path) -> anyhow::Result<()> {
        let file = backup.to_string_lossy().into_owned();
        self.weather.as_mut().context("no stack")?.ops(&["restore", "--file", &file]).await?;
        self.follow_clock().await
    }

    /// What must not be done: messages of the lost future meet the older database. They are kept as letters, and
    /// shown; gives how many.
    async fn start_too_early(&mut self) -> anyhow::Result<usize> {
        self.say("wrong order: the workers are started before anything else");
        self.workers.go().await;
        self.workers.ready(&self.http).await?;
        let began = Instant::now();
        let (mut last, mut same) = (0, 0);
        // until nothing more is set aside: what the broker holds is finite
        while began.elapsed() < WRONG && (last == 0 || same < 5) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = self.letters_ahead().await?.len();
            same = if now == last { same + 1 } else { 0 };
            last = now;
        }
        let alarmed = self.pages().await?.iter().any(|page| {
            page.lines().any(|line| {
                let ahead = line.contains("ahead-of-database") || line.contains("unknown-case");
                line.starts_with("kezek_dead_letters{") && ahead && !line.ends_with(" 0")
            })
        });
        anyhow::ensure!(last == 0 || alarmed, "{last} messages were set aside and no metric shows it");
        self.workers.rest().await;
        Ok(last)
    }

    async fn letters_ahead(&self) -> anyhow::Result<Vec<Value>> {
        let mut all = Vec::new();
        for cause in ["ahead-of-database", "unknown-case"] {
            let list = ["dead", "list", "--cause", cause, "--limit", "10000", "--json"];
            let told = self.kezek.must(&list, None).await?.json()?;
            all.extend(told.as_array().or_else(|| told["letters"].as_array()).cloned().unwrap_or_default());
        }
        Ok(all)
    }

    /// Purge, resend, reconcile, start.
    async fn follow_the_runbook(&mut self, before: &Before) -> anyhow::Result<(u64, Vec<Listed>)> {
        let act = ["--actor", "demo", "--reason", "the database was restored from a backup"];
        let began = Instant::now();
        let purged = loop {
            let said = self.kezek.run(&[&["repair", "purge"][..], &act].concat(), None).await?;
            if said.code == 0 {
                break said;
            }
            // a worker that was cut off still counts as a consumer until its heartbeats are missed
            anyhow::ensure!(began.elapsed() < NOTICED, "kezek repair purge goes on failing");
            tokio::time::sleep(Duration::from_secs(2)).await;
        };
        self.say(purged.out.trim());
        let kept = self.letters_ahead().await?.len() as u64;
        let resend = [&["repair", "resend", "--unseen", "0"][..], &act].concat();
        self.say(self.kezek.must(&resend, None).await?.out.trim());
        let receipts = self.folder.file("accepted-before-the-loss.txt");
        let receipts = receipts.to_string_lossy();
        let first = self.reconcile(&[&["--apply", "--receipts", &receipts][..], &act].concat()).await?;
        self.folder.write("reconcile-first.json", &serde_json::to_string_pretty(&first)?)?;
        self.say(&format!("outside and database differ in {} things; {}", first.len(), judge::counted(&first)));
        anyhow::ensure!(!before.sent.is_empty(), "nobody applied");
        self.workers.go().await;
        self.workers.ready(&self.http).await?;
        Ok((kept, first))
    }

    async fn reconcile(&self, more: &[&str]) -> anyhow::Result<Vec<Listed>> {
        let said = self.kezek.run(&[&["repair", "reconcile", "--json"][..], more].concat(), None).await?;
        anyhow::ensure!(matches!(said.code, 0 | 3), "kezek repair reconcile ended with {}", said.code);
        serde_json::from_value(said.json()?["differences"].clone())
            .context("kezek repair reconcile told something else")
    }

    /// Until every case that the database knows has ended; the operator brings late answers and settles letters.
    async fn go_on(&mut self, portal: &Arc<Portal>) -> anyhow::Result<u32> {
        let home: CancellationToken = self.stop.child_token();
        let mut officers = Officers::start(&self.accounts, &self.doors, &self.sandbox.world, &home)?;
        let mut pulse = Pulse::new(Instant::now(), pace::STUCK_IN_CHAOS);
        let mut leaps = 0;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Some(error) = officers.fault().or_else(|| self.workers.fault()) {
                return Err(error);
            }
            let look = self.view.look().await?;
            self.show(&look, portal);
            if pulse.stuck(&look, 0, Instant::now()) {
                self.tell_stuck().await?;
                anyhow::bail!("after the restore cases are open and nothing changes");
            }
            if !look.still() {
                continue;
            }
            let after: Look = self.view.look().await?;
            match pace::next(&look, self.sandbox.world.outbound.pending(), &after) {
                Next::Wait => {}
                Next::Leap | Next::Dead | Next::Over if self.operate().await? > 0 => {}
                Next::Leap => leaps += u32::from(self.leap().await?),
                Next::Over => break,
                Next::Dead => {
                    self.tell_stuck().await?;
                    anyhow::bail!("after the restore cases are open and wait for nothing");
                }
            }
        }
        home.cancel();
        Ok(leaps)
    }

    /// What the operator does while cases go on: brings the answers that are due now, closes cases that have ended
    /// outside, discards messages of the lost future. Gives how much there was to do.
    async fn operate(&self) -> anyhow::Result<usize> {
        let act = ["--actor", "demo", "--reason", "after the restore"];
        let differences = self.reconcile(&[&["--apply"][..], &act].concat()).await?;
        let mut done = differences.iter().filter(|d| matches!(d.done.as_str(), "brought" | "set-aside")).count();
        let told = self.kezek.must(&["dead", "list", "--limit", "10000", "--json"], None).await?.json()?;
        let letters = told.as_array().or_else(|| told["letters"].as_array()).cloned().unwrap_or_default();
        for letter in letters {
            let id = letter["id"].as_str().context("a letter without an id")?;
            let mut discard = vec!["dead", "discard", id];
            if letter["cause"] == "ended-outside" {
                discard.push("--close-case");
            }
            discard.extend(act);
            self.kezek.must(&discard, None).await?;
            done += 1;
        }
        Ok(done)
    }

    async fn judge_restored(
        &mut self,
        before: Before,
        first: &[Listed],
        order: Order,
    ) -> anyhow::Result<(Value, bool)> {
        let receipts: String = before
            .sent
            .iter()
            .filter_map(|sent| match &sent.answer {
                Answer::Accepted(receipt) => Some(format!("{receipt}\n")),
                Answer::RefusedAtBegin(_) | Answer::Otherwise(_) => None,
            })
            .collect();
        let list = self.folder.write("accepted-before-the-loss.txt", &receipts)?;
        let listed = self.reconcile(&["--receipts", &list.to_string_lossy()]).await?;
        self.folder.write("reconcile-last.json", &serde_json::to_string_pretty(&listed)?)?;
        let evidence = self.evidence(before.sent, Vec::new()).await?;
        let restored = Restored::of(&evidence, first, &listed, order);
        for line in &restored.unlisted {
            eprintln!("not listed by kezek repair reconcile: {line}");
        }
        for line in &restored.surprises {
            eprintln!("ended otherwise than planned, and no difference explains it: {line}");
        }
        let mut told = serde_json::to_value(&restored)?;
        if let Some(told) = told.as_object_mut() {
            told.insert("differences_at_first".to_owned(), json!(judge::kinds(first)));
            told.insert("differences_left".to_owned(), json!(judge::kinds(&listed)));
        }
        Ok((told, restored.holds()))
    }
}
