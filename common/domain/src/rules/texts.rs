//! Every word an applicant reads, in Kazakh and Russian. That none is missing is checked at start.

use super::{NoticeKind, Refusal};
use crate::dossier::{CancelReason, Language};
use jiff::civil::Date;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One text in both languages; may hold the placeholders of [`Filling`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// In Kazakh.
    pub kk: String,
    /// In Russian.
    pub ru: String,
    /// Whether one of the two is our own translation of a text that the order fixes.
    #[serde(default)]
    pub own: bool,
}

/// All texts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    #[serde(rename = "version")]
    _version: Date,
    refusal: BTreeMap<Refusal, Text>,
    cancel: BTreeMap<CancelReason, Text>,
    notice: BTreeMap<NoticeKind, Text>,
}

/// Stands in where a text is missing, which `check` excludes.
static NO_TEXT: Text = Text { kk: String::new(), ru: String::new(), own: false };
const PLACEHOLDERS: [&str; 5] = ["{coupon}", "{amount}", "{reason}", "{expected}", "{until}"];

/// What stands for the placeholders of a notice; empty where the text has none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filling<'f> {
    /// The coupon, or our receipt before there is one.
    pub coupon: &'f str,
    /// An amount of money.
    pub amount: &'f str,
    /// Why.
    pub reason: &'f str,
    /// The last day of the term, as far as is known.
    pub expected: &'f str,
    /// The last day to pay.
    pub until: &'f str,
}

impl Texts {
    pub(super) fn check(&self) -> Result<(), String> {
        complete("refusal", &self.refusal, Refusal::ALL, Refusal::label)?;
        complete("cancel", &self.cancel, CancelReason::ALL, CancelReason::label)?;
        complete("notice", &self.notice, NoticeKind::ALL, NoticeKind::label)?;
        for text in self.refusal.values().chain(self.cancel.values()) {
            if text.kk.contains('{') || text.ru.contains('{') {
                return Err("a reason must not hold placeholders".to_owned());
            }
        }
        Ok(())
    }

    /// Why an application does not go on.
    #[must_use]
    pub fn refusal(&self, refusal: Refusal) -> &Text {
        self.refusal.get(&refusal).unwrap_or(&NO_TEXT)
    }

    /// Why the reviewer cancelled.
    #[must_use]
    pub fn cancel(&self, reason: CancelReason) -> &Text {
        self.cancel.get(&reason).unwrap_or(&NO_TEXT)
    }

    /// The template of a notice.
    #[must_use]
    pub fn notice(&self, kind: NoticeKind) -> &Text {
        self.notice.get(&kind).unwrap_or(&NO_TEXT)
    }

    /// The text for a label, be it a [`Refusal`]'s or a [`CancelReason`]'s.
    #[must_use]
    pub fn reason(&self, label: &str) -> Option<&Text> {
        Refusal::parse(label)
            .map(|refusal| self.refusal(refusal))
            .or_else(|| CancelReason::parse(label).map(|reason| self.cancel(reason)))
    }
}

impl Text {
    /// The text in a language, as it stands.
    #[must_use]
    pub fn in_language(&self, language: Language) -> &str {
        match language {
            Language::Kk => &self.kk,
            Language::Ru => &self.ru,
        }
    }

    /// The text with its placeholders filled; a placeholder without a value is left empty.
    #[must_use]
    pub fn fill(&self, language: Language, filling: &Filling<'_>) -> String {
        let Filling { coupon, amount, reason, expected, until } = *filling;
        // One pass over the template: a value that looks like a placeholder stays what it is.
        let mut rest = self.in_language(language);
        let mut filled = String::with_capacity(rest.len() + 64);
        while let Some(open) = rest.find('{') {
            let (before, from) = rest.split_at(open);
            filled.push_str(before);
            let known = PLACEHOLDERS
                .iter()
                .zip([coupon, amount, reason, expected, until])
                .find(|(name, _)| from.starts_with(**name));
            let (value, length) = known.map_or(("{", 1), |(name, value)| (value, name.len()));
            filled.push_str(value);
            rest = &from[length..];
        }
        filled.push_str(rest);
        filled
    }
}

fn complete<K: Ord + Copy>(
    table: &str,
    texts: &BTreeMap<K, Text>,
    all: &[K],
    label: impl Fn(K) -> &'static str,
) -> Result<(), String> {
    for key in all {
        let place = format!("{table}.{}", label(*key));
        let text = texts.get(key).ok_or_else(|| format!("{place} is missing"))?;
        if text.kk.trim().is_empty() || text.ru.trim().is_empty() {
            return Err(format!("{place} is empty in one language"));
        }
        let unknown =
            |words: &str| PLACEHOLDERS.iter().fold(words.to_owned(), |w, p| w.replace(p, "")).contains(['{', '}']);
        if unknown(&text.kk) || unknown(&text.ru) {
            return Err(format!("{place} holds a placeholder other than {}", PLACEHOLDERS.join(", ")));
        }
        if PLACEHOLDERS.iter().any(|p| text.kk.contains(p) != text.ru.contains(p)) {
            return Err(format!("{place} does not hold the same placeholders in both languages"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;

    #[test]
    fn a7_the_fixed_text_is_the_orders() {
        for refusal in [Refusal::OutsideWindow, Refusal::OtherReason] {
            let text = Rules::built_in().texts().refusal(refusal);
            assert_eq!(text.kk, "ресімдеу қолжетімді емес, ХҚКО-ға хабарласыңыз");
            assert!(text.own, "the Russian wording is marked as our own");
        }
    }

    #[test]
    fn notices_are_filled_in_both_languages() {
        let text = Rules::built_in().texts().notice(NoticeKind::PaymentDue);
        for language in Language::ALL {
            let filled =
                text.fill(*language, &Filling { coupon: "DEMO-{amount}", amount: "786.40 ₸", ..Filling::default() });
            assert!(filled.contains("DEMO-{amount}") && filled.contains("786.40 ₸"), "{filled}");
        }
    }

    #[test]
    fn a_reason_is_found_by_the_label_that_the_journal_keeps() {
        let texts = Rules::built_in().texts();
        assert_eq!(texts.reason("photo-quality"), Some(texts.cancel(CancelReason::PhotoQuality)));
        assert_eq!(texts.reason("outage"), Some(texts.refusal(Refusal::Outage)));
        assert_eq!(texts.reason("whatever"), None);
    }
}
