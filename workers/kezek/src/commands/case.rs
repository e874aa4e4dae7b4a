//! `kezek case`: one case's whole story, without personal data.

use super::{Told as _, open, print_json, terms};
use crate::cli::{Exit, Output};
use crate::config::Config;
use crate::rulebook;
use anyhow::{Result, bail};
use jiff::Timestamp;
use jiff::tz::{TimeZone, offset};
use kezek_domain::rules::{Mark, Reckoning};
use kezek_domain::{Rules, Tiyn};
use kezek_stage::Clock;
use kezek_store::clock;
use kezek_store::story::{Move, Story, Whereabouts, tell};

/// Tells it.
///
/// # Errors
/// No such case, or the database.
pub async fn run(config: &Config, number: &str, output: Output) -> Result<Exit> {
    let pool = open::pool(config).await?;
    let Some(story) = tell(&pool, number).await.told("reading the case")? else {
        bail!("there is no case with this receipt, coupon or id; check the number");
    };
    let rules = rulebook::read(config, &pool).await?;
    let clock = Clock::system();
    clock.set_offset_ms(clock::offset_ms(&pool).await.told("reading the business clock")?);
    let term = term(&story, &rules, clock.now());
    if output.json {
        let mut told = serde_json::to_value(&story)?;
        if let Some(told) = told.as_object_mut() {
            told.insert("term".to_owned(), serde_json::to_value(&term)?);
        }
        print_json(&told)?;
    } else {
        print!("{}", text(&story, &term));
    }
    Ok(Exit::healthy(story.journal == "ok"))
}

/// How the case stands with its term (A4.2), by its journal and today's rules.
fn term(s: &Story, rules: &Rules, now: Timestamp) -> Reckoning {
    let mark = |m: &Move| Mark { at: m.at, stage: m.stage.clone(), move_label: m.move_label.clone() };
    let journal: Vec<Mark> = s.moves.iter().map(mark).collect();
    terms::reckon(rules, s.filed_at, &journal, s.stage.as_deref(), now)
}

fn told(term: &Reckoning) -> String {
    let provisional = if term.provisional { ", provisional" } else { "" };
    let whose: Vec<_> = term.whose.iter().map(|(whose, days)| format!("{whose} {days}")).collect();
    let whose = if whose.is_empty() { String::new() } else { format!(" ({})", whose.join(", ")) };
    let (due, standing, used, paused) = (term.due, term.standing, term.used, term.paused);
    format!("term: due {due}{provisional}, {standing}; {used} working days used{whose}, {paused} did not count")
}

/// An instant as people in Almaty read it.
fn almaty(at: Timestamp) -> String {
    at.to_zoned(TimeZone::fixed(offset(5))).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn text(s: &Story, term: &Reckoning) -> String {
    let mut out = Vec::new();
    let coupon = s.coupon.as_deref().unwrap_or("not registered yet");
    out.push(format!("case {}  receipt {}  coupon {coupon}", s.case, s.receipt));
    out.push(format!(
        "{} flow v{}, region {}, filed {} (business)",
        s.service,
        s.flow_version,
        s.region,
        almaty(s.filed_at)
    ));
    out.push(match (&s.stage, &s.closing) {
        (_, Some(closing)) => format!("closed: {closing}; ticket {}", s.ticket),
        (Some(stage), None) => {
            let refunding =
                s.refunding.as_ref().map_or_else(String::new, |r| format!(", giving money back before {r}"));
            format!("{} at {stage}, visit {}{refunding}; ticket {}, revision {}", s.how, s.visit, s.ticket, s.revision)
        }
        (None, None) => s.how.clone(),
    });
    out.push(told(term));
    out.push(format!("message: {}", message(&s.message)));
    if let Some(hold) = &s.hold {
        let until = hold.until.map_or_else(|| "without a deadline".to_owned(), |u| format!("until {}", almaty(u)));
        let whom = hold.role.as_ref().map_or_else(String::new, |r| format!(" for role {r}"));
        let question = hold.question.as_ref().map_or_else(String::new, |q| format!(", question {q}"));
        let lapsing = if hold.lapsing { "; its lapse is on its way" } else { "" };
        out.push(format!("waits since {}{whom}, {until}{question}{lapsing}", almaty(hold.since)));
    }
    let tenge = |t: i64| Tiyn(t).to_string();
    let m = &s.money;
    out.push(format!(
        "money: received {}, earned {}, given back {}, held {}",
        tenge(m.received),
        tenge(m.earned),
        tenge(m.returned),
        tenge(m.held)
    ));
    out.push(String::new());
    out.push(format!("moves (business time, Almaty); journal {}:", s.journal));
    for step in &s.moves {
        out.extend(moved(step));
    }
    let mut list = |title: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            out.push(String::new());
            out.push(format!("{title}:"));
            out.extend(lines.into_iter().map(|l| format!("  {l}")));
        }
    };
    list(
        "postings (business time, Almaty)",
        s.postings
            .iter()
            .map(|p| {
                format!("{}  {:18} {:>14}  {} {}", almaty(p.at), p.kind, tenge(p.amount_tiyn), p.source, p.reference)
            })
            .collect(),
    );
    list(
        "arrivals (business time, Almaty)",
        s.arrivals
            .iter()
            .map(|a| {
                format!(
                    "{}  {:10} for {}  {} from {} {}",
                    almaty(a.arrived_at),
                    a.state,
                    a.stage,
                    a.kind,
                    a.source,
                    a.reference
                )
            })
            .collect(),
    );
    list(
        "requests that cannot be repeated (real time, Almaty)",
        s.effects
            .iter()
            .map(|e| {
                let answer =
                    e.answered_at.map_or_else(|| "NOT ANSWERED".to_owned(), |t| format!("answered {}", almaty(t)));
                format!("{}  {} {}  {answer}  {}", almaty(e.intended_at), e.system, e.operation, e.key)
            })
            .collect(),
    );
    list(
        "notices (real time, Almaty)",
        s.notices
            .iter()
            .map(|n| {
                let end = n.outcome.as_deref().unwrap_or(&n.state);
                format!("{}  {:18} {end}  (with {} visit {})", almaty(n.created_at), n.kind, n.stage, n.visit)
            })
            .collect(),
    );
    list(
        "dead letters (real time, Almaty)",
        s.letters
            .iter()
            .map(|l| {
                let by = l.acted_by.as_ref().map_or_else(String::new, |b| {
                    format!(", by {b}: {}", l.acted_reason.as_deref().unwrap_or_default())
                });
                format!(
                    "{}  {:9} {} at {}{by}  {}",
                    almaty(l.first_seen),
                    l.state,
                    l.cause,
                    l.stage.as_deref().unwrap_or("unknown"),
                    l.id
                )
            })
            .collect(),
    );
    out.push(String::new());
    out.join("\n")
}

fn moved(m: &Move) -> Vec<String> {
    let outcome = m.outcome.as_ref().map_or_else(String::new, |o| format!(" {o}"));
    let mut out = vec![format!(
        "  {:>3}  {}  {} #{} {}{outcome}  by {}  (recorded {}, rules {})",
        m.number,
        almaty(m.at),
        m.stage,
        m.visit,
        m.move_label,
        m.actor,
        m.recorded_at,
        m.rule_version
    )];
    if m.detail.as_object().is_some_and(|d| !d.is_empty()) {
        out.push(format!("         {}", m.detail));
    }
    out.extend(
        m.calls.iter().map(|c| format!("         call {} {}: {} in {} ms", c.system, c.operation, c.result, c.millis)),
    );
    out
}

fn message(w: &Whereabouts) -> String {
    match w {
        Whereabouts::Nowhere => "none, the case is closed".to_owned(),
        Whereabouts::Held => "none, it was taken and the case waits".to_owned(),
        Whereabouts::UnderWay { queue, attempt, since } => format!(
            "under way to queue {queue}, attempt {attempt}, since {since} (real); `kezek repair resend` if the broker lost it"
        ),
        Whereabouts::Outbox { since, set_aside: None } => {
            format!("in the outbox since {since} (real): the broker has not confirmed it yet")
        }
        Whereabouts::Outbox { since, set_aside: Some(fault) } => {
            format!("set aside in the outbox since {since} (real): {fault}")
        }
        Whereabouts::Parked { letters } => {
            let ids: Vec<_> = letters.iter().map(ToString::to_string).collect();
            let ids = if ids.is_empty() { "its letter is on its way".to_owned() } else { ids.join(" ") };
            format!("parked for an operator: `kezek dead show` {ids}")
        }
    }
}
