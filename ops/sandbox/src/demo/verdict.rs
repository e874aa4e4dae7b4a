//! The end of a demonstration: everything is gathered, judged and told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::judge::{self, Evidence, Judgement, Sent};
use super::privacy::Search;
use super::{Ended, Town, broker, evidence};
use crate::faults::{Command as Fault, Kind};

impl Town {
    /// Everything that a judge looks at, gathered now.
    pub(super) async fn evidence(&self, sent: Vec<Sent>, leaks: Vec<String>) -> anyhow::Result<Evidence> {
        let checked = evidence::check(&self.kezek).await?;
        let asked = self.sandbox.world.ledger().clone();
        Ok(Evidence {
            as_of: self.demo.as_of,
            open: self.open,
            sent,
            cases: evidence::cases(&self.view.pool).await?,
            book: evidence::book(&self.view.pool).await?,
            notices: evidence::notices(&self.view.pool).await?,
            asked,
            queues: self.broker.left(self.patience()).await?,
            outbox: checked.outbox,
            parked: checked.parked,
            violations: checked.violations,
            leaks,
        })
    }

    /// Looks at both sides; gives the summary, and whether all holds.
    pub(super) async fn judge(
        &mut self,
        sent: Vec<Sent>,
        finished: bool,
        seconds: f64,
        leaps: u32,
    ) -> anyhow::Result<(Value, bool)> {
        eprintln!("every application is followed to its end; the judge looks at both sides");
        let mut search = Search::of(&self.sandbox.world.people);
        let messages = self.broker.close_tap().await?;
        let pages = self.pages().await?;
        let logs = [self.workers.logs(), stack_logs()?].concat();
        evidence::search(&mut search, &self.view.pool, &messages, &logs, &pages).await?;
        let searched = search.searched.clone();
        let world = Arc::clone(&self.sandbox.world);
        let evidence = self.evidence(sent, search.found()).await?;
        let judgement = Judgement::of(&evidence);
        let lost = |(command, spoilt): (Fault, u32)| match command.fault {
            Kind::LoseAnswer { .. } => spoilt,
            Kind::Latency { .. } | Kind::Error { .. } | Kind::Outage | Kind::Rubbish => 0,
        };
        let trial = Trial {
            idle: pages.iter().filter(|page| !has_settled(page)).count(),
            cases: evidence.cases.len(),
            messages: messages.len(),
            kills_wanted: self.demo.kill_workers,
            kills: self.workers.killed(),
            lose_answers: self.demo.lose_answers,
            answers_lost: world.faults().list().into_iter().map(lost).sum(),
        };
        let mut missing = trial.missing();
        missing.extend(self.spared());
        let holds = finished && missing.is_empty() && judgement.holds();
        let counts = world.outbound.counts();
        let mut told = json!({
            "applications": self.demo.applications,
            "as_of": self.demo.as_of,
            "open": self.open,
            "extended": self.demo.extend,
            "seed": self.demo.seed,
            "processes": self.demo.processes,
            "seconds": (seconds * 10.0).round() / 10.0,
            "holds": holds,
            "finished": finished,
            "cases": evidence.cases.len(),
            "clock_leaps": leaps,
            "worker_kills": trial.kills,
            "worker_restarts": self.workers.restarts(),
            "answers_lost": trial.answers_lost,
            "calls": evidence.asked.calls.values().sum::<u64>(),
            "messages_back": counts.messages,
            "messages_searched": trial.messages,
            "faced": self.weather.as_ref().map(|weather| weather.faced().0),
            "connections_disturbed": self.weather.as_ref().map(|weather| weather.faced().1),
            "errors_logged": errors_logged(&self.workers.logs())?,
            "searched": searched,
        });
        let judged = serde_json::to_value(&judgement)?;
        if let (Some(told), Some(judged)) = (told.as_object_mut(), judged.as_object()) {
            told.extend(judged.clone());
        }
        tell_differences(&evidence, &judgement);
        for what in missing {
            eprintln!("the run proves nothing: {what}");
        }
        Ok((told, holds))
    }

    /// Prints the summary, and says how it ended.
    pub(super) fn conclude(&self, told: &Value, holds: bool) -> anyhow::Result<Ended> {
        self.folder.write("summary.json", &serde_json::to_string_pretty(told)?)?;
        if self.demo.json {
            println!("{}", serde_json::to_string(told)?);
        } else {
            println!("{}", serde_json::to_string_pretty(told)?);
        }
        eprintln!("{}", self.where_it_lies());
        Ok(if holds { Ended::Well } else { Ended::Badly })
    }

    /// What the weather was to disturb and did not, in words.
    fn spared(&self) -> Option<&'static str> {
        let (faced, touched) = self.weather.as_ref()?.faced();
        let lines = faced.keys().any(|kind| kind.contains("_line_"));
        (lines && touched == 0).then_some("lines were disturbed while no connection was open")
    }

    /// Where the run left what it knows, in one line: its servers are down by the time somebody reads it.
    fn where_it_lies(&self) -> String {
        let stack = std::env::var("KEZEK_STACK_NAME").unwrap_or_else(|_| "demo".to_owned());
        format!(
            "summary.json, worker-*.log and the sender's list accepted.txt lie in {folder}; to look further: ops/stack \
             up --name {stack} && eval \"$(ops/stack env --name {stack})\" && export KEZEK_CONFIG={config}, then \
             {binary} case <receipt>",
            folder = self.folder,
            config = self.folder.file("kezek.toml").display(),
            binary = self.demo.kezek.display(),
        )
    }

    /// How long the broker may take until its queues are empty.
    pub(super) const fn patience(&self) -> std::time::Duration {
        if self.weather.is_some() { broker::PATIENCE_IN_CHAOS } else { broker::PATIENCE }
    }

    /// The metrics of every process.
    pub(super) async fn pages(&mut self) -> anyhow::Result<Vec<String>> {
        self.workers.ready(&self.http).await?;
        let mut pages = Vec::new();
        for address in self.doors.addresses() {
            let page = self.http.get(format!("{address}/metrics")).send().await?.error_for_status()?;
            pages.push(page.text().await?);
        }
        Ok(pages)
    }

    /// Tells whoever watches where to look next.
    pub(super) fn tell_where(&self, sent: &[Sent]) {
        let some = sent.iter().find_map(|sent| match &sent.answer {
            judge::Answer::Accepted(receipt) => Some(receipt.as_str()),
            judge::Answer::RefusedAtBegin(_) | judge::Answer::Otherwise(_) => None,
        });
        let receipt = some.unwrap_or("<receipt>");
        let (config, binary) = (self.folder.file("kezek.toml"), self.demo.kezek.display());
        let stack = std::env::var("KEZEK_STACK_NAME").unwrap_or_else(|_| "demo".to_owned());
        let lines = [
            String::new(),
            "Everybody has applied. The cases wait for officers now. Where to look:".to_owned(),
            format!("  doors     {}", self.doors.addresses().join("  ")),
            "            POST /v1/applications · GET /v1/review/tasks · GET /v1/issuance/tasks · GET /v1/questions"
                .to_owned(),
            "            GET /metrics · /livez · /readyz".to_owned(),
            format!("  tokens    {}", self.folder.file("tokens.json").display()),
            format!("  sandbox   http://{}/demo/ledger · /demo/statements · /demo/faults", self.sandbox.address),
            format!("  logs      {}", self.folder.file("worker-a.log").display()),
            "  shell     a new terminal, in the checkout:".to_owned(),
            format!("            eval \"$(ops/stack env --name {stack})\"; export KEZEK_CONFIG={}", config.display()),
            format!("            {binary} case {receipt}"),
            format!("            {binary} check · {binary} dead list · {binary} doctor"),
            "Ctrl-C stops everything.".to_owned(),
            String::new(),
        ];
        self.progress.say(&lines.join("\n"));
    }
}

/// What the run was put through: without it a clean result would prove nothing.
struct Trial {
    /// Worker processes that have settled nothing since they were started.
    idle: usize,
    cases: usize,
    messages: usize,
    kills_wanted: u32,
    kills: u32,
    lose_answers: bool,
    answers_lost: u32,
}

impl Trial {
    /// What was asked for and did not happen, in words.
    fn missing(&self) -> Vec<&'static str> {
        let told = [
            (self.messages < self.cases, "the tap saw fewer messages than there are cases"),
            (self.kills != self.kills_wanted, "not as many workers died by SIGKILL as --kill-workers wants"),
            // one that was killed on the way has begun counting again
            (self.kills_wanted == 0 && self.idle > 0, "a worker process has settled nothing"),
            (self.lose_answers && self.answers_lost == 0, "--lose-answers was given and no answer was lost"),
        ];
        told.into_iter().filter_map(|(missing, what)| missing.then_some(what)).collect()
    }
}

/// Whether a process tells on its metrics page of a turn that became true.
fn has_settled(page: &str) -> bool {
    let counts = page.lines().filter(|line| line.starts_with("kezek_settled_total{"));
    counts.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).any(|n| n > 0.0)
}

/// What the workers logged as errors, by message: no zero to be kept (a killed connection is one), but worth a look.
fn errors_logged(logs: &[PathBuf]) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut errors = BTreeMap::new();
    for log in logs {
        let text = std::fs::read(log).with_context(|| format!("{} cannot be read", log.display()))?;
        for line in String::from_utf8_lossy(&text).lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            if line["level"] == "ERROR" {
                let message = line["fields"]["message"].as_str().unwrap_or("no message");
                *errors.entry(message.to_owned()).or_default() += 1;
            }
        }
    }
    Ok(errors)
}

/// The logs of the private broker and database: what lies as `*.log` in the stack's folder and in the servers' own.
fn stack_logs() -> anyhow::Result<Vec<PathBuf>> {
    let Some(state) = std::env::var_os("KEZEK_STACK_STATE").map(PathBuf::from) else { return Ok(Vec::new()) };
    let mut logs = Vec::new();
    for folder in [state.clone(), state.join("postgres"), state.join("postgres/log"), state.join("rabbitmq/log")] {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry?.path();
            logs.extend(Some(path).filter(|path| path.extension().is_some_and(|ext| ext == "log")));
        }
    }
    Ok(logs)
}

/// What is not as it should be, in words.
fn tell_differences(evidence: &Evidence, judgement: &Judgement) {
    for (end, n) in &judgement.actual {
        if !judgement.planned.contains_key(end) {
            eprintln!("not as planned: {n} × {end}");
        }
    }
    for (what, n) in &evidence.violations {
        eprintln!("kezek check counts {what}: {n}");
    }
    for leak in evidence.leaks.iter().take(20) {
        eprintln!("personal data in {leak}");
    }
    for (queue, n) in evidence.queues.iter().filter(|(_, n)| **n != 0) {
        eprintln!("left in queue {queue}: {n}");
    }
    for conflict in evidence.asked.conflicts.iter().take(20) {
        eprintln!("conflict noticed by the sandbox: {} {} {}", conflict.service, conflict.key, conflict.what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(plant: impl FnOnce(&mut Trial)) -> usize {
        let mut trial =
            Trial { idle: 0, cases: 4, messages: 40, kills_wanted: 2, kills: 2, lose_answers: true, answers_lost: 5 };
        plant(&mut trial);
        trial.missing().len()
    }

    #[test]
    fn a_disturbance_that_was_asked_for_and_never_came_is_missed() {
        assert_eq!(missing(|_| ()), 0);
        assert_eq!(missing(|trial| trial.answers_lost = 0), 1);
        assert_eq!(missing(|trial| trial.kills = 1), 1);
        assert_eq!(missing(|trial| trial.messages = 3), 1);
        // nobody asked for it
        assert_eq!(missing(|trial| (trial.lose_answers, trial.answers_lost) = (false, 0)), 0);
    }

    #[test]
    fn only_a_counted_settle_shows_a_process_at_work() {
        let page = "# TYPE kezek_settled_total counter\nkezek_received_total{stage=\"intake\"} 4\n";
        assert!(!has_settled(page));
        assert!(!has_settled(&format!("{page}kezek_settled_total{{stage=\"intake\"}} 0\n")));
        assert!(has_settled(&format!("{page}kezek_settled_total{{stage=\"intake\"}} 3\n")));
    }
}
