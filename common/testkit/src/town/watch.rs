//! Looking: where a case stands, what is under way, and what to say when somebody has waited in vain.

use super::Town;
use anyhow::{Context as _, Result, bail};
use kezek_domain::{CaseId, Closing, How, Status};
use kezek_runtime::Engine;
use kezek_stage::CaseHead;
use kezek_store::{cases, jobs};
use sqlx::Row as _;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often somebody looks.
const LOOKS: Duration = Duration::from_millis(15);

/// Where a case stands, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `moving`, `held`, `parked` or `closed`.
    pub how: &'static str,
    /// The stage of an open case.
    pub stage: Option<String>,
    /// How a closed case was closed.
    pub closing: Option<Closing>,
}

impl Town {
    /// The head of a case.
    ///
    /// # Errors
    /// Where there is no such case.
    pub async fn case(&self, case: CaseId) -> Result<CaseHead> {
        let row = cases::list(&self.owner, &[case.0]).await?.remove(&case.0).context("no such case")?;
        let ticket = jobs::list(&self.owner, &[case.0]).await?.get(&case.0).map_or(0, |j| j.ticket);
        Ok(Engine::head(&row, ticket)?)
    }

    /// Where a case stands.
    ///
    /// # Errors
    /// Where there is no such case.
    pub async fn standing(&self, case: CaseId) -> Result<Standing> {
        let status = self.case(case).await?.status;
        Ok(Standing { how: status.label(), stage: status.at().map(ToString::to_string), closing: status.closing() })
    }

    /// Waits for something, looking again and again; gives up with a report of what is under way.
    ///
    /// # Errors
    /// What looking meets; or that it never came.
    pub async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
        let began = Instant::now();
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            if began.elapsed() > PATIENCE {
                bail!("waited {} s in vain for {what}; under way: {}", PATIENCE.as_secs(), told(self).await?);
            }
            tokio::time::sleep(LOOKS).await;
        }
    }

    /// The open letter of a case, once there is one, and its cause.
    ///
    /// # Errors
    /// Where it never comes.
    pub async fn letter(&self, case: CaseId) -> Result<(Uuid, String)> {
        self.until("the case's letter", async || {
            Ok(sqlx::query_as("SELECT id, cause FROM dead_letters WHERE case_id = $1 AND state = 'open'")
                .bind(case.0)
                .fetch_optional(&self.owner)
                .await?)
        })
        .await
    }

    /// Waits until a case is held at a stage; its head then.
    ///
    /// # Errors
    /// Where it closes, is parked, or does not come.
    pub async fn until_held_at(&self, case: CaseId, stage: &str) -> Result<CaseHead> {
        self.until(&format!("case {case} to be held at {stage}"), async || {
            let head = self.case(case).await?;
            match &head.status {
                Status::Open { at, how: How::Held { .. }, .. } if at.as_str() == stage => Ok(Some(head)),
                Status::Open { how: How::Parked, .. } | Status::Closed(_) => {
                    bail!("case {case} is {:?}; {}", head.status, told(self).await?)
                }
                Status::Open { .. } => Ok(None),
            }
        })
        .await
    }

    /// Waits until a case is closed; how.
    ///
    /// # Errors
    /// Where it is parked or is not closed in time.
    pub async fn until_closed(&self, case: CaseId) -> Result<Closing> {
        self.until(&format!("case {case} to be closed"), async || match self.case(case).await?.status {
            Status::Closed(closing) => Ok(Some(closing)),
            Status::Open { how: How::Parked, .. } => bail!("case {case} is parked; {}", told(self).await?),
            Status::Open { .. } => Ok(None),
        })
        .await
    }

    /// Waits until nothing is under way: no message that a running stage would settle, nothing that the sandbox still
    /// means to do. Cases may be held, parked, closed, or wait for a stage that does not run.
    ///
    /// # Errors
    /// Where it does not come to rest.
    pub async fn rest(&self) -> Result<()> {
        let mut calm = 0;
        self.until("rest", async || {
            // a callback that has just been acknowledged is a row already: two calm looks are rest
            let at_rest = self.sandbox.world.outbound.pending() == 0 && self.under_way(&[]).await? == 0;
            calm = if at_rest { calm + 1 } else { 0 };
            Ok((calm >= 2).then_some(()))
        })
        .await
    }

    /// As [`Town::rest`], where what the sandbox still means to report is not waited for.
    ///
    /// # Errors
    /// Where it does not come to rest.
    pub async fn calm(&self) -> Result<()> {
        self.calm_besides(&[]).await
    }

    /// As [`Town::calm`], where some cases wait for a message that was taken away.
    ///
    /// # Errors
    /// Where it does not come to rest.
    pub async fn calm_besides(&self, waiting: &[Uuid]) -> Result<()> {
        let mut calm = 0;
        self.until("calm", async || {
            calm = if self.under_way(waiting).await? == 0 { calm + 1 } else { 0 };
            Ok((calm >= 3).then_some(()))
        })
        .await
    }

    async fn under_way(&self, besides: &[Uuid]) -> Result<i64> {
        let closed = self.not_running();
        let letters = !closed.iter().any(|s| s == "recovery");
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM outbox WHERE set_aside_at IS NULL)
                  + (SELECT count(*) FROM cases WHERE how = 'moving' AND stage <> ALL ($1) AND id <> ALL ($3))
                  + (SELECT count(*) FROM arrivals WHERE state = 'moving' AND stage <> ALL ($1))
                  + (SELECT count(*) FROM side_messages s JOIN jobs j ON j.subject_id = s.id
                     WHERE s.state = 'moving' AND j.stage <> ALL ($1))
                  + (SELECT count(*) FROM holds WHERE until <= business_now() AND stage <> ALL ($1))
                  + (SELECT count(*) FROM cases c WHERE $2 AND c.how = 'parked' AND NOT EXISTS
                       (SELECT FROM dead_letters d WHERE d.subject_id = c.id AND d.state IN ('open', 'replaying')))
                  + (SELECT count(*) FROM side_messages s WHERE $2 AND s.state = 'parked' AND NOT EXISTS
                       (SELECT FROM dead_letters d WHERE d.subject_id = s.id AND d.state IN ('open', 'replaying')))
                  + (SELECT count(*) FROM arrivals a WHERE $2 AND a.state = 'parked' AND NOT EXISTS
                       (SELECT FROM dead_letters d WHERE d.subject_id = a.id AND d.state IN ('open', 'replaying')))
                  AS n",
        )
        .bind(&closed)
        .bind(letters)
        .bind(besides)
        .fetch_one(&self.owner)
        .await?;
        Ok(row.try_get("n")?)
    }
}

/// What is under way, for a report: no personal data, as nowhere in these columns.
///
/// # Errors
/// Where the database fails.
pub async fn told(town: &Town) -> Result<String> {
    let mut lines = Vec::new();
    for (what, statement) in [
        (
            "cases",
            "SELECT concat_ws(' ', c.id, c.how, c.stage, c.visit, c.closing, 'ticket', j.ticket, 'attempt', j.attempt)
                   FROM cases c JOIN jobs j ON j.subject_id = c.id WHERE c.how <> 'closed' ORDER BY c.id LIMIT 20",
        ),
        (
            "arrivals",
            "SELECT concat_ws(' ', source, stage, kind, state) FROM arrivals
                      WHERE state NOT IN ('taken') ORDER BY received_at LIMIT 20",
        ),
        (
            "notices",
            "SELECT concat_ws(' ', kind, stage, visit, state) FROM side_messages WHERE state <> 'ended' LIMIT 20",
        ),
        (
            "letters",
            "SELECT concat_ws(' ', state, stage, cause, detail) FROM dead_letters ORDER BY first_seen LIMIT 10",
        ),
        ("outbox", "SELECT concat_ws(' ', exchange, routing_key, fault) FROM outbox ORDER BY created_at LIMIT 10"),
        (
            "faults",
            "SELECT concat_ws(' ', case_id, stage, move_label, detail) FROM journal
                    WHERE move_label IN ('retry', 'park', 'again') ORDER BY recorded_at DESC LIMIT 10",
        ),
        ("breakers", "SELECT concat_ws(' ', system, state, reason) FROM breakers WHERE state = 'open'"),
    ] {
        let rows: Vec<String> = sqlx::query_scalar(statement).fetch_all(&town.owner).await?;
        if !rows.is_empty() {
            lines.push(format!("{what}: {}", rows.join(" | ")));
        }
    }
    lines.push(format!("sandbox pending: {}", town.sandbox.world.outbound.pending()));
    Ok(lines.join("\n  "))
}
