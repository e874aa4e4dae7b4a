//! `kezek map`: the drawing of flows, queues and ladder, made from the list of stages and the services.

use crate::cli::Exit;
use crate::{pipeline, services};
use anyhow::{Context as _, Result, bail};
use kezek_runtime::LADDER;
use kezek_runtime::topology::{DEAD, LAST, RETRY, UNROUTED, WORK};
use kezek_stage::{Flow, FlowError, Step, Target};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Where the drawing begins in a file that shows it.
pub const BEGIN: &str = "<!-- kezek map: begin -->";
/// Where it ends.
pub const END: &str = "<!-- kezek map: end -->";

/// Prints it, or writes it between the markers of a file.
///
/// # Errors
/// A flow that cannot carry a case, or a file without markers.
pub fn run(write: Option<&Path>) -> Result<Exit> {
    let map = drawn()?;
    let Some(path) = write else {
        print!("{map}");
        return Ok(Exit::Done);
    };
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let Some(new) = placed(&text, &map) else {
        bail!("{} has no place for the map; add these two lines:\n{BEGIN}\n{END}", path.display());
    };
    if new != text {
        std::fs::write(path, new).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(Exit::Done)
}

/// A text with the map between its markers; `None` where it has none.
#[must_use]
pub fn placed(text: &str, map: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{map}{END}{after}"))
}

/// The whole drawing as Markdown.
///
/// # Errors
/// A flow that cannot carry a case.
pub fn drawn() -> Result<String, FlowError> {
    let mut out = String::new();
    for flow in services::all()? {
        let _ = writeln!(out, "The flow of `{}`:\n\n```mermaid\n{}```\n", flow.label(), flow_chart(&flow));
    }
    let _ = writeln!(out, "Exchanges, queues and the retry ladder:\n\n```mermaid\n{}```", broker_chart());
    Ok(out)
}

/// One service: stages, outcomes, ends.
fn flow_chart(flow: &Flow) -> String {
    let mut out = String::from("flowchart LR\n    start([submitted])\n");
    // subjects that are not the case (notices, letters) have no place in its flow
    let in_flow = |stage: &str| {
        let line = pipeline::STAGES.iter().find(|l| l.name() == stage);
        line.is_some_and(|l| l.subject() == kezek_stage::SubjectKind::Case)
    };
    for stage in pipeline::names().into_iter().filter(|s| in_flow(s)) {
        let _ = writeln!(out, "    {stage}[{stage}]");
    }
    let mut arrows: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    let mut order = Vec::new();
    let mut draw = |from: &str, outcome: &'static str, step: &Step| {
        let to = match &step.target {
            Target::Stage { name, .. } => name.to_string(),
            Target::Close { closing, .. } => format!("end_{}", closing.label()),
            Target::End => return,
        };
        let key = (from.to_owned(), to);
        if !arrows.contains_key(&key) {
            order.push(key.clone());
        }
        let labels = arrows.entry(key).or_default();
        if !outcome.is_empty() && !labels.contains(&outcome) {
            labels.push(outcome);
        }
    };
    draw("start", "", flow.start());
    for name in pipeline::names() {
        for (stage, outcome, step) in flow.arrows().filter(|(s, _, _)| *s == name) {
            draw(stage, outcome, step);
        }
    }
    let mut ends: Vec<&str> = order.iter().filter_map(|(_, to)| to.strip_prefix("end_")).collect();
    ends.sort_unstable();
    ends.dedup();
    for end in &ends {
        let _ = writeln!(out, "    end_{end}([{end}])");
    }
    for key in &order {
        let labels = arrows.get(key).map(|l| l.join(", ")).unwrap_or_default();
        let label = if labels.is_empty() { String::new() } else { format!("|{labels}|") };
        let _ = writeln!(out, "    {} -->{label} {}", key.0, key.1);
    }
    // the law's own arrow: an end while money is held opens the refund first
    if let Some(refund) = flow.refund_stage() {
        for (from, to) in order.iter().filter(|(from, to)| to.starts_with("end_") && from != refund.as_str()) {
            if flow.arrows().any(|(stage, _, _)| stage == from) && !to.ends_with("issued") {
                let _ = writeln!(out, "    {from} -.->|money held| {refund}");
            }
        }
    }
    dedup_lines(&out)
}

/// The same arrow drawn twice is one arrow.
fn dedup_lines(text: &str) -> String {
    let mut seen = Vec::new();
    let mut out = String::new();
    for line in text.lines() {
        if !seen.contains(&line) {
            seen.push(line);
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// The broker: what each exchange routes where.
fn broker_chart() -> String {
    let mut out = String::from("flowchart LR\n");
    for (id, name, kind) in [
        ("work", WORK, "direct"),
        ("retry", RETRY, "headers"),
        ("dead", DEAD, "topic"),
        ("unrouted", UNROUTED, "fanout"),
    ] {
        let _ = writeln!(out, "    {id}{{{{{name}<br/>{kind}}}}}");
    }
    let _ = writeln!(out, "    last[({LAST}<br/>no consumer, an alert)]");
    let shapes = pipeline::shapes();
    for shape in &shapes {
        let queues = shape.queues();
        let label = match queues.as_slice() {
            [one] => one.clone(),
            many => format!("{}.KZ-…<br/>{} queues", shape.name, many.len()),
        };
        let _ = writeln!(out, "    q_{}[({label})]\n    work --> q_{}", shape.name, shape.name);
    }
    for shape in &shapes {
        let name = shape.name;
        if shape.for_cancelled {
            let _ = writeln!(out, "    dead -->|cancelled.*| q_{name}");
        }
        if shape.for_parked {
            let _ = writeln!(
                out,
                "    dead -->|parked.*| q_{name}\n    unrouted --> q_{name}\n    q_{name} -.->|its own dead letters| last"
            );
        } else {
            let _ = writeln!(out, "    q_{name} -.->|parked.{name}| dead");
        }
    }
    let _ = writeln!(out, "    subgraph ladder [the retry ladder]");
    for rung in LADDER {
        let _ = writeln!(out, "        r_{}[({})]", rung.name, rung.name);
    }
    let _ = writeln!(out, "    end");
    for rung in LADDER {
        let _ = writeln!(out, "    retry --> r_{0}\n    r_{0} -.->|after {0}| work", rung.name);
    }
    for exchange in ["work", "retry", "dead"] {
        let _ = writeln!(out, "    {exchange} -.->|unroutable| unrouted");
    }
    out
}
