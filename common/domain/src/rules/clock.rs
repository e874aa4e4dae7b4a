//! The legal clock of a case (A4.2): its due day, the working days used, whose each of them was, and what stopped it.
//!
//! Reckoned from the journal alone, so that it can be done anew at any time and says the same. A date that is once
//! told to a person is not moved by it: a warning is an event, not a change.

use super::{Calendar, Line, Terms, almaty_date, almaty_day_end, almaty_day_start};
use crate::label::labelled;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

labelled! {
    /// Whose a day was.
    pub enum Whose {
        /// The person who applies.
        Applicant = "applicant",
        /// The migration service and this system.
        Provider = "provider",
        /// A system outside that was waited for.
        OutsideSystem = "outside-system",
    }
}

labelled! {
    /// How a case stands with its term.
    pub enum Standing {
        /// In time.
        OnTime = "on-time",
        /// Few working days are left.
        Warning = "warning",
        /// The due day is over.
        Overdue = "overdue",
    }
}

/// The rule of one stage.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRule {
    /// The stage.
    pub stage: String,
    /// Its part of the term, in working days.
    pub working_days: u32,
    /// Whose a day is on which the machine has the case.
    pub moving: Whose,
    /// Why such days do not count, where they do not.
    pub moving_pauses: Option<String>,
    /// Whose a day is on which the case waits for somebody.
    pub held: Whose,
    /// Why such days do not count, where they do not.
    pub held_pauses: Option<String>,
    /// Where it is said.
    pub citation: String,
}

/// The rules of the clock.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockRules {
    #[serde(rename = "version")]
    _version: Date,
    stage: Vec<StageRule>,
}

/// One entry of the journal, as far as the clock reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// When, in business time.
    pub at: Timestamp,
    /// The stage whose turn it was.
    pub stage: String,
    /// The label of the move: `open`, `enter`, `hold`, `park`, `close` …
    pub move_label: String,
}

/// One working day of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Day {
    /// The day.
    pub date: Date,
    /// Where the case was for the largest part of it.
    pub stage: String,
    /// Whose it was.
    pub whose: Whose,
    /// Why it does not count; `None` where it does.
    pub paused: Option<String>,
}

/// What a stage has used of its part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Working days that counted.
    pub used: u32,
    /// Its part of the term.
    pub budget: u32,
}

/// The reckoning of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reckoning {
    /// The last day of the term, if nothing stops the clock from now on.
    pub due: Date,
    /// Whether the count touched a year without a calendar.
    pub provisional: bool,
    /// Working days that counted, up to today or the end.
    pub used: u32,
    /// Working days that did not count.
    pub paused: u32,
    /// How it stands.
    pub standing: Standing,
    /// Every working day since filing.
    pub days: Vec<Day>,
    /// By stage.
    pub parts: BTreeMap<String, Part>,
    /// Days that counted, by whose they were.
    pub whose: BTreeMap<Whose, u32>,
}

/// A stretch of time in one place.
struct Stretch<'m> {
    stage: &'m str,
    held: bool,
    from: Timestamp,
    to: Timestamp,
}

impl ClockRules {
    pub(super) fn check(&self) -> Result<(), String> {
        for rule in &self.stage {
            let name = &rule.stage;
            if self.stage.iter().filter(|other| other.stage == *name).count() > 1 {
                return Err(format!("{name} is listed twice"));
            }
            if rule.working_days > 250 {
                return Err(format!("{name}: working_days is {}, must be at most 250", rule.working_days));
            }
            if [&rule.moving_pauses, &rule.held_pauses].into_iter().flatten().any(|why| why.trim().is_empty()) {
                return Err(format!("{name}: a pause gives its legal reason"));
            }
        }
        Ok(())
    }

    /// The rule of a stage.
    #[must_use]
    pub fn find(&self, stage: &str) -> Option<&StageRule> {
        self.stage.iter().find(|rule| rule.stage == stage)
    }

    /// Stages at which the clock stands still while a case waits there.
    #[must_use]
    pub fn resting(&self) -> Vec<String> {
        self.stage.iter().filter(|rule| rule.held_pauses.is_some()).map(|rule| rule.stage.clone()).collect()
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        self.stage.iter().map(|rule| {
            let side = |word, whose: Whose, pauses: &Option<String>| match pauses {
                Some(why) => format!("{word}: {whose}'s, does not count ({why})"),
                None => format!("{word}: {whose}'s"),
            };
            let (moving, held) =
                (side("moving", rule.moving, &rule.moving_pauses), side("held", rule.held, &rule.held_pauses));
            Line {
                topic: "clock",
                of: rule.stage.clone(),
                says: format!("{} working days; {moving}; {held}", rule.working_days),
                from: None,
                to: None,
                why: rule.citation.clone(),
            }
        })
    }

    /// Reckons a case: filed then, with this journal, standing at this stage now (`None` once it is closed).
    #[must_use]
    pub fn reckon(
        &self,
        (calendar, terms): (&Calendar, &Terms),
        filed: Timestamp,
        journal: &[Mark],
        at_stage: Option<&str>,
        now: Timestamp,
    ) -> Reckoning {
        let stretches = stretches(journal, at_stage, now);
        let ended = if at_stage.is_none() { stretches.last().map(|last| last.to) } else { None };
        let (first, today) = (almaty_date(filed), almaty_date(ended.unwrap_or(now)));
        let mut reckoned = Reckoning {
            due: first,
            provisional: calendar.is_provisional(first),
            used: 0,
            paused: 0,
            standing: Standing::OnTime,
            days: Vec::new(),
            parts: self.stage.iter().map(|r| (r.stage.clone(), Part { used: 0, budget: r.working_days })).collect(),
            whose: BTreeMap::new(),
        };
        let mut left = terms.total_working_days;
        let mut late = false;
        let mut day = first;
        while day < today || left > 0 {
            let Ok(next) = day.tomorrow() else { break };
            day = next;
            if left > 0 {
                reckoned.provisional |= calendar.is_provisional(day);
            }
            if !calendar.is_working(day) {
                continue;
            }
            let passed = day <= today;
            let spent = if passed { self.spent(day, &stretches) } else { None };
            // a day on which there was no case yet is nobody's
            let counts = !passed || spent.as_ref().is_some_and(|spent| spent.paused.is_none());
            if counts && left > 0 {
                left -= 1;
                reckoned.due = day;
            } else if counts && passed {
                late = true;
            }
            if let Some(spent) = spent {
                reckoned.take(spent);
            }
        }
        let warned = terms.warning_working_days;
        reckoned.standing = match terms.total_working_days.saturating_sub(reckoned.used) {
            _ if late => Standing::Overdue,
            left if left <= warned && ended.is_none() => Standing::Warning,
            _ => Standing::OnTime,
        };
        reckoned
    }

    /// Where a case was for the largest part of a day.
    fn spent(&self, day: Date, stretches: &[Stretch<'_>]) -> Option<Day> {
        let (from, to) = (almaty_day_start(day), almaty_day_end(day));
        let share = |s: &Stretch<'_>| s.to.min(to).duration_since(s.from.max(from));
        let longest = stretches.iter().filter(|s| share(s) > SignedDuration::ZERO).max_by_key(|s| share(s))?;
        let rule = self.find(longest.stage);
        let (whose, paused) = match rule {
            Some(rule) if longest.held => (rule.held, rule.held_pauses.clone()),
            Some(rule) => (rule.moving, rule.moving_pauses.clone()),
            // a stage that no rule names is ours to answer for
            None => (Whose::Provider, None),
        };
        Some(Day { date: day, stage: longest.stage.to_owned(), whose, paused })
    }
}

impl Reckoning {
    fn take(&mut self, day: Day) {
        if day.paused.is_some() {
            self.paused += 1;
        } else {
            self.used += 1;
            *self.whose.entry(day.whose).or_default() += 1;
            self.parts.entry(day.stage.clone()).or_insert(Part { used: 0, budget: 0 }).used += 1;
        }
        self.days.push(day);
    }
}

/// The journal as stretches, the last one to now.
fn stretches<'m>(journal: &'m [Mark], at_stage: Option<&'m str>, now: Timestamp) -> Vec<Stretch<'m>> {
    let mut out: Vec<Stretch<'m>> = Vec::new();
    for (place, mark) in journal.iter().enumerate() {
        if let Some(last) = out.last_mut() {
            last.to = mark.at;
        }
        let following = journal.get(place + 1).map(|next| next.stage.as_str()).or(at_stage);
        let (stage, held) = match mark.move_label.as_str() {
            "close" if at_stage.is_none() && place + 1 == journal.len() => return out,
            "hold" => (mark.stage.as_str(), true),
            // what an outcome entered shows in the next entry; money changes nothing of the place
            "enter" | "close" => (following.unwrap_or(mark.stage.as_str()), false),
            "money" => match out.last() {
                Some(last) => (last.stage, last.held),
                None => (mark.stage.as_str(), false),
            },
            _ => (mark.stage.as_str(), false),
        };
        out.push(Stretch { stage, held, from: mark.at, to: now.max(mark.at) });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;
    use jiff::civil::date;

    fn at(text: &str) -> Timestamp {
        format!("{text}+05:00").parse().unwrap()
    }

    fn mark(when: &str, stage: &str, label: &str) -> Mark {
        Mark { at: at(when), stage: stage.to_owned(), move_label: label.to_owned() }
    }

    fn reckon(journal: &[Mark], stage: Option<&str>, now: &str) -> Reckoning {
        let rules = Rules::built_in();
        let filed = journal.first().map(|m| m.at).unwrap();
        rules.clock().reckon((rules.calendar(), rules.terms()), filed, journal, stage, at(now))
    }

    /// Filed on a Tuesday, at the reviewer within minutes.
    fn filed() -> Vec<Mark> {
        vec![
            mark("2025-09-02T10:00:00", "intake", "open"),
            mark("2025-09-02T10:00:05", "intake", "enter"),
            mark("2025-09-02T10:00:06", "exemption", "enter"),
            mark("2025-09-02T10:00:07", "payment", "hold"),
        ]
    }

    #[test]
    fn a4_2_the_day_of_filing_is_not_counted_and_the_term_is_fifteen_working_days() {
        let told = reckon(&filed(), Some("payment"), "2025-09-02T11:00:00");
        assert_eq!((told.due, told.used, told.paused, told.standing), (date(2025, 9, 23), 0, 0, Standing::OnTime));
        assert!(!told.provisional);
    }

    #[test]
    fn a4_2_days_that_the_applicant_takes_to_pay_stop_the_clock() {
        let mut journal = filed();
        let waiting = reckon(&journal, Some("payment"), "2025-09-05T09:00:00");
        assert_eq!((waiting.used, waiting.paused), (0, 3));
        assert_eq!(waiting.due, date(2025, 9, 26));
        journal.push(mark("2025-09-05T10:00:00", "payment", "money"));
        journal.push(mark("2025-09-05T10:00:01", "payment", "enter"));
        journal.push(mark("2025-09-05T10:00:02", "review", "hold"));
        let paid = reckon(&journal, Some("review"), "2025-09-09T18:00:00");
        // Wednesday and Thursday were the applicant's; most of Friday, Monday and Tuesday the reviewer's
        assert_eq!((paid.used, paid.paused, paid.due), (3, 2, date(2025, 9, 25)));
        assert_eq!(paid.whose.get(&Whose::Provider), Some(&3));
        assert_eq!(paid.parts.get("review"), Some(&Part { used: 3, budget: 2 }));
        assert!(paid.days.iter().take(2).all(|day| day.paused.as_deref().is_some_and(|why| why.contains("A3.15"))));
    }

    #[test]
    fn a4_2_a_case_is_warned_of_before_it_is_overdue_and_then_overdue() {
        let mut journal = filed();
        journal.truncate(2);
        let standing = |now: &str| reckon(&journal, Some("intake"), now).standing;
        assert_eq!(standing("2025-09-17T12:00:00"), Standing::OnTime);
        assert_eq!(standing("2025-09-18T12:00:00"), Standing::Warning);
        assert_eq!(standing("2025-09-23T23:00:00"), Standing::Warning);
        assert_eq!(standing("2025-09-24T01:00:00"), Standing::Overdue);
        let told = reckon(&journal, Some("intake"), "2025-09-24T12:00:00");
        assert_eq!((told.due, told.used), (date(2025, 9, 23), 16));
        assert_eq!(told.whose.get(&Whose::OutsideSystem), Some(&16));
    }

    #[test]
    fn a4_2_the_clock_stops_where_the_case_ends() {
        let mut journal = filed();
        journal.push(mark("2025-09-04T10:00:00", "payment", "close"));
        let told = reckon(&journal, None, "2026-02-01T00:00:00");
        assert_eq!((told.used, told.paused, told.standing), (0, 2, Standing::OnTime));
    }

    #[test]
    fn a4_2_a_ready_card_waits_on_the_applicants_time_and_a_refund_on_its_own() {
        let mut journal = filed();
        journal.push(mark("2025-09-02T10:01:00", "payment", "enter"));
        journal.push(mark("2025-09-03T10:01:00", "review", "enter"));
        journal.push(mark("2025-09-03T10:01:00", "production", "hold"));
        journal.push(mark("2025-09-08T10:01:00", "production", "enter"));
        journal.push(mark("2025-09-08T10:01:01", "issuance", "hold"));
        let told = reckon(&journal, Some("issuance"), "2025-12-01T10:00:00");
        assert_eq!(told.standing, Standing::OnTime);
        assert_eq!(told.parts.get("production").map(|part| part.used), Some(3));
        assert_eq!(told.used, 3);
        journal.truncate(6);
        journal.push(mark("2025-09-03T10:02:00", "refund", "hold"));
        assert_eq!(reckon(&journal, Some("refund"), "2025-12-01T10:00:00").used, 0);
    }

    #[test]
    fn a_term_beyond_the_calendar_is_provisional() {
        let journal = [mark("2027-12-20T10:00:00", "intake", "open")];
        assert!(reckon(&journal, Some("intake"), "2027-12-20T11:00:00").provisional);
        let journal = [mark("2025-09-02T10:00:00", "intake", "open")];
        assert!(!reckon(&journal, Some("intake"), "2025-09-02T11:00:00").provisional);
    }
}
