//! Silence is not success: what a broker does without a word, or with a word that nobody has to hear, is noticed,
//! shown (metric, readiness, log line) and loses nothing. On servers of this program's own, one test at a time.

#[path = "silence/alarms.rs"]
mod alarms;
#[path = "silence/ends.rs"]
mod ends;
#[path = "silence/holes.rs"]
mod holes;
#[path = "silence/own.rs"]
mod own;
#[path = "silence/refusals.rs"]
mod refusals;
