//! What whoever watches is shown, on stderr: bars where it is a terminal, else a line every few seconds.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::view::Look;

/// How often a line is written where there is no terminal.
const EVERY: Duration = Duration::from_secs(5);

/// The display.
pub struct Progress {
    bar: Option<ProgressBar>,
    began: Instant,
    last: Option<Instant>,
    total: usize,
}

impl Progress {
    /// For so many applications.
    #[must_use]
    pub fn new(total: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
            // a template that cannot be read leaves the plain bar
            if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} ended\n{msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, began: Instant::now(), last: None, total }
    }

    /// Shows what was seen; `answered` is how many applicants have heard an answer, `ended` how many of them need
    /// nothing more.
    pub fn show(&mut self, look: &Look, answered: usize, ended: usize) {
        let open = told(look);
        if let Some(bar) = &self.bar {
            bar.set_position(ended as u64);
            bar.set_message(format!("applied {answered} · {open}"));
            return;
        }
        if self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let seconds = self.began.elapsed().as_secs();
        eprintln!("{seconds:4} s  applied {answered}/{}  ended {ended}  open: {open}", self.total);
    }

    /// Says something without disturbing the bars.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    /// Takes the bars away.
    pub fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn told(look: &Look) -> String {
    let mut parts: Vec<_> = look.open.iter().map(|(place, n)| format!("{place} {n}")).collect();
    if look.notices > 0 {
        parts.push(format!("notices {}", look.notices));
    }
    if look.outbox > 0 {
        parts.push(format!("outbox {}", look.outbox));
    }
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}
