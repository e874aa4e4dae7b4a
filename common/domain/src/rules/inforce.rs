//! What is in force on a day and why: every rule that a decision of that day would rest on, with its period, its
//! citation and how sure it is. For people who ask; no decision reads it.

use super::{Late, Rules};
use crate::dossier::{DutyOutcome, Reason};
use crate::name::Service;
use crate::region::Region;
use jiff::civil::Date;
use serde::Serialize;

/// One rule in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What it rules: `legal-basis`, `window`, `duty` …
    pub topic: &'static str,
    /// Of what, where a topic has several.
    pub of: String,
    /// What it says.
    pub says: String,
    /// First day of effect, where it has one.
    pub from: Option<Date>,
    /// Last day of effect, where it has one.
    pub to: Option<Date>,
    /// Where it is said, and how sure that is.
    pub why: String,
}

/// Everything in force on a day for a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InForce {
    /// Version of the rules.
    pub rule_version: String,
    /// The service.
    pub service: Service,
    /// The day.
    pub on: Date,
    /// Whether intake takes applications on that day (A0.3).
    pub open: bool,
    /// The rules.
    pub lines: Vec<Line>,
    /// What is missing or provisional on that day, in words.
    pub gaps: Vec<String>,
}

fn line(topic: &'static str, of: impl Into<String>, says: impl Into<String>, why: impl Into<String>) -> Line {
    Line { topic, of: of.into(), says: says.into(), from: None, to: None, why: why.into() }
}

impl Rules {
    /// What is in force for a service on a day.
    #[must_use]
    pub fn in_force(&self, service: &Service, on: Date) -> InForce {
        let mut lines = Vec::new();
        let mut gaps = Vec::new();
        let basis = self.basis_lines(service, on, &mut gaps);
        let open = self.legal_basis(service, on).is_some();
        lines.extend(basis);
        if let Some(window) = self.window(service) {
            let says = format!("{} days before expiry to {} after it", window.days_before, window.days_after);
            lines.push(line("window", service.as_str(), says, format!("{}; {}", window.citation, window.confidence)));
        }
        lines.extend(self.duty_lines(service, on, &mut gaps));
        lines.extend(self.exemption_lines(on, &mut gaps));
        lines.extend(self.calendar_lines(on, &mut gaps));
        lines.extend(
            self.terms()
                .entries()
                .map(|(name, value)| line("term", name, value.to_string(), self.terms().why(name).unwrap_or_default())),
        );
        lines.extend(self.clock().lines());
        lines.extend(self.picture_lines());
        lines.extend(self.question_lines());
        for region in Region::all() {
            let says = format!("{}; state database {}", region.name_en(), region.gbdfl_codes().join(", "));
            lines.push(line("region", region.as_str(), says, Region::source()));
        }
        lines.extend(self.text_lines());
        InForce { rule_version: self.version().to_owned(), service: service.clone(), on, open, lines, gaps }
    }

    fn basis_lines(&self, service: &Service, on: Date, gaps: &mut Vec<String>) -> Vec<Line> {
        let periods = self.legal.periods(service);
        if self.legal_basis(service, on).is_none() {
            let known: Vec<_> = periods
                .iter()
                .map(|b| format!("{} to {}", b.from, b.to.map_or_else(|| "open".to_owned(), |to| to.to_string())))
                .collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            gaps.push(format!("{service} is closed on {on}: no act covers the day (A0.3); known periods: {known}"));
        }
        periods
            .into_iter()
            .map(|b| Line {
                topic: "legal-basis",
                of: b.act.clone(),
                says: if super::period::covers(b.from, b.to, on) { "in force" } else { "not on this day" }.to_owned(),
                from: Some(b.from),
                to: b.to,
                why: format!("{}; {}", b.citation, b.confidence),
            })
            .collect()
    }

    fn duty_lines(&self, service: &Service, on: Date, gaps: &mut Vec<String>) -> Vec<Line> {
        let mut lines = Vec::new();
        for reason in Reason::ALL {
            match self.duty(service, *reason, on) {
                Ok(duty) => {
                    let says = match &duty.outcome {
                        DutyOutcome::Payable { amount } => format!("payable: {amount} (MRP {})", duty.mrp),
                        DutyOutcome::FreeByGround { ground } => format!("free by ground: {ground}"),
                        DutyOutcome::ExemptByStatus { ground } => format!("exempt by status: {ground}"),
                    };
                    let (from, to) = self.duty.period(service, *reason, on).unzip();
                    let why = format!("{}; {}", duty.legal_basis, duty.citation);
                    lines.push(Line { from, to: to.flatten(), ..line("duty", reason.label(), says, why) });
                }
                Err(none) => gaps.push(none.to_string()),
            }
        }
        if let Some((says, why)) = self.duty.rounding(on) {
            lines.push(line("rounding", "duty", says, why));
        }
        let tolerance = format!("a payment within {} of the duty is taken as the duty", self.duty.tolerance());
        lines.push(line("tolerance", "duty", tolerance, "ours: the state itself publishes differing amounts"));
        lines
    }

    fn exemption_lines(&self, on: Date, gaps: &mut Vec<String>) -> Vec<Line> {
        let Some(citation) = self.exemptions().citation(on) else {
            gaps.push(format!("no article on exemption is known for {on}"));
            return Vec::new();
        };
        let mut lines: Vec<_> = self
            .exemptions()
            .grounds()
            .iter()
            .map(|g| line("exemption", g.code.as_str(), g.ru.as_str(), citation))
            .collect();
        let mapped = "codes of the social register are not public: these are ours";
        lines.extend(self.exemptions.mapped(on).into_iter().map(|(status, ground)| {
            line("social-status", status, ground.unwrap_or("no privilege for this duty"), mapped)
        }));
        lines
    }

    fn calendar_lines(&self, on: Date, gaps: &mut Vec<String>) -> Vec<Line> {
        let calendar = self.calendar();
        let day = if calendar.is_working(on) { "a working day" } else { "a day off" };
        let Some(source) = calendar.source(on.year()) else {
            gaps.push(format!("{} is not in the calendar: only weekends are known, dates are provisional", on.year()));
            return vec![line("calendar", on.to_string(), format!("{day}, provisional"), "weekends alone")];
        };
        let why = format!("{source}; {}", calendar.confidence(on.year()).unwrap_or_default());
        let total = self.terms().total_working_days;
        let due = calendar.due(on, total);
        let provisional = if due.provisional { ", provisional" } else { "" };
        if due.provisional {
            gaps.push(format!("the term of {total} working days from {on} runs beyond the calendar: provisional"));
        }
        vec![
            line("calendar", on.to_string(), format!("{day}; calendar of {}", calendar.version()), why.clone()),
            line("calendar", "whole term", format!("filed on {on}, due on {}{provisional}", due.date), why),
        ]
    }

    fn picture_lines(&self) -> Vec<Line> {
        let (photo, sample) = (&self.pictures().photo, &self.pictures().signature);
        vec![
            line(
                "photo",
                "profile",
                format!(
                    "from {}×{} pixels, {}:{} ± {}‰, up to {} bytes and {} pixels, {} channels of {} bits",
                    photo.min_width,
                    photo.min_height,
                    photo.ratio_width,
                    photo.ratio_height,
                    photo.ratio_tolerance_permille,
                    photo.max_bytes,
                    photo.max_pixels,
                    photo.channels,
                    photo.bits
                ),
                photo.citation.as_str(),
            ),
            line(
                "signature",
                "profile",
                format!(
                    "from {}×{} pixels, up to {} bytes, ink {}‰ to {}‰, {} pixels from the edge",
                    sample.min_width,
                    sample.min_height,
                    sample.max_bytes,
                    sample.min_ink_permille,
                    sample.max_ink_permille,
                    sample.border_pixels
                ),
                sample.citation.as_str(),
            ),
        ]
    }

    fn question_lines(&self) -> Vec<Line> {
        let told = |rule: &super::QuestionRule| {
            let late = match rule.late() {
                Late::StaysAsked => "stays asked".to_owned(),
                Late::Asks(role) => format!("asks {role}"),
            };
            let (choices, days) = (rule.choices.join(", "), rule.working_days);
            let says = format!("asks {}: {choices}; {days} working days, late: {late}", rule.role);
            line("question", rule.key.as_str(), says, rule.citation.as_str())
        };
        self.questions().all().iter().map(told).collect()
    }

    fn text_lines(&self) -> Vec<Line> {
        let own = |own: bool| if own { "one language is our own translation" } else { "ours in both languages" };
        let texts = self.texts();
        let told =
            |of: String, text: &super::Text| line("text", of, format!("{} / {}", text.kk, text.ru), own(text.own));
        let refusals = super::Refusal::ALL.iter().map(|r| told(format!("refusal.{r}"), texts.refusal(*r)));
        let notices = super::NoticeKind::ALL.iter().map(|n| told(format!("notice.{n}"), texts.notice(*n)));
        refusals.chain(notices).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn on(day: Date) -> InForce {
        Rules::built_in().in_force(&Service::ID_CARD_RENEWAL, day)
    }

    fn says(told: &InForce, topic: &str, of: &str) -> String {
        told.lines.iter().find(|l| l.topic == topic && l.of == of).map(|l| l.says.clone()).unwrap_or_default()
    }

    #[test]
    fn a0_3_the_day_decides_what_is_in_force() {
        let (paid, free, closed) = (on(date(2025, 9, 2)), on(date(2026, 2, 1)), on(date(2026, 11, 20)));
        assert!(paid.open && free.open && !closed.open);
        assert_eq!(says(&paid, "duty", "expiry"), "payable: 786.40 ₸ (MRP 3932.00 ₸)");
        assert_eq!(says(&free, "duty", "expiry"), "free by ground: replacement-on-expiry");
        assert!(paid.gaps.is_empty(), "{:?}", paid.gaps);
        assert!(closed.gaps.iter().any(|gap| gap.contains("closed on 2026-11-20")), "{:?}", closed.gaps);
    }

    #[test]
    fn every_rule_in_force_says_why() {
        for told in [on(date(2025, 9, 2)), on(date(2026, 2, 1)), on(date(2028, 3, 1))] {
            for line in &told.lines {
                assert!(!line.why.trim().is_empty() && !line.says.trim().is_empty(), "{line:?}");
            }
            assert_eq!(told.rule_version, Rules::built_in().version());
        }
    }

    #[test]
    fn beyond_the_last_calendar_the_day_is_told_to_be_provisional() {
        let late = on(date(2028, 3, 1));
        assert!(says(&late, "calendar", "2028-03-01").contains("provisional"));
        assert!(late.gaps.iter().any(|gap| gap.contains("2028 is not in the calendar")), "{:?}", late.gaps);
        let edge = on(date(2027, 12, 30));
        assert!(says(&edge, "calendar", "whole term").contains("provisional"));
    }
}
