//! Exemption by social status (A3.14): grounds of the Tax Code, and which status code stands for which.

use super::period;
use jiff::civil::Date;
use serde::Deserialize;

/// A ground of exemption.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ground {
    /// Such as `622-6`: article and sub-point of the Code of 2017, kept under the Code of 2025.
    pub code: String,
    /// In Kazakh.
    pub kk: String,
    /// In Russian.
    pub ru: String,
}

/// What a status code means on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping<'r> {
    /// It exempts, on this ground.
    Ground(&'r Ground),
    /// It is known and gives no privilege for this duty.
    NoPrivilege,
    /// It is not known on that day: for a human, neither exempt nor not.
    Unmapped,
}

/// Grounds and mapping.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exemptions {
    #[serde(rename = "version")]
    _version: Date,
    basis: Vec<Basis>,
    ground: Vec<Ground>,
    mapping: Vec<Row>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Basis {
    from: Date,
    to: Option<Date>,
    citation: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    status: String,
    ground: Option<String>,
    from: Date,
    to: Option<Date>,
}

impl Exemptions {
    pub(super) fn check(&self) -> Result<(), String> {
        period::check("basis", self.basis.iter().map(|b| (b.from, b.to)))?;
        for ground in &self.ground {
            if self.ground.iter().filter(|other| other.code == ground.code).count() > 1 {
                return Err(format!("ground {} is listed twice", ground.code));
            }
        }
        for row in &self.mapping {
            if let Some(code) = &row.ground
                && self.ground(code).is_none()
            {
                return Err(format!("mapping of {}: there is no ground {code}", row.status));
            }
            let same = self.mapping.iter().filter(|other| other.status == row.status);
            period::check(&format!("mapping of {}", row.status), same.map(|r| (r.from, r.to)))?;
        }
        Ok(())
    }

    /// Every ground.
    #[must_use]
    pub fn grounds(&self) -> &[Ground] {
        &self.ground
    }

    /// A ground by its code.
    #[must_use]
    pub fn ground(&self, code: &str) -> Option<&Ground> {
        self.ground.iter().find(|ground| ground.code == code)
    }

    /// The article in force on a day.
    #[must_use]
    pub fn citation(&self, on: Date) -> Option<&str> {
        self.basis.iter().find(|b| period::covers(b.from, b.to, on)).map(|b| b.citation.as_str())
    }

    /// Every status code that is mapped on a day, with its ground; `None` gives no privilege.
    pub(super) fn mapped(&self, on: Date) -> Vec<(&str, Option<&str>)> {
        let rows = self.mapping.iter().filter(|row| period::covers(row.from, row.to, on));
        rows.map(|row| (row.status.as_str(), row.ground.as_deref())).collect()
    }

    pub(super) fn mapping(&self, status: &str, on: Date) -> Mapping<'_> {
        let row = self.mapping.iter().find(|row| row.status == status && period::covers(row.from, row.to, on));
        match row {
            None => Mapping::Unmapped,
            Some(Row { ground: None, .. }) => Mapping::NoPrivilege,
            Some(Row { ground: Some(code), .. }) => self.ground(code).map_or(Mapping::Unmapped, Mapping::Ground),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;
    use jiff::civil::date;

    #[test]
    fn a3_14_nine_grounds_have_names_in_both_languages() {
        let grounds = Rules::built_in().exemptions().grounds();
        let codes: Vec<&str> = grounds.iter().map(|ground| ground.code.as_str()).collect();
        assert_eq!(codes, (1..=9).map(|n| format!("622-{n}")).collect::<Vec<_>>());
        assert!(grounds.iter().all(|ground| !ground.kk.is_empty() && !ground.ru.is_empty()));
    }

    #[test]
    fn a3_14_known_without_privilege_and_unknown_are_kept_apart() {
        let rules = Rules::built_in();
        let on = date(2025, 9, 2);
        assert!(matches!(rules.exemption("demo-disability-2", on), Mapping::Ground(g) if g.code == "622-6"));
        assert_eq!(rules.exemption("demo-pensioner", on), Mapping::NoPrivilege);
        assert_eq!(rules.exemption("demo-unheard-of", on), Mapping::Unmapped);
        assert_eq!(rules.exemption("demo-pensioner", date(2017, 12, 31)), Mapping::Unmapped);
    }

    #[test]
    fn a3_14_the_article_follows_the_code_in_force() {
        let citation = |day| Rules::built_in().exemptions().citation(day).unwrap_or_default();
        assert!(citation(date(2025, 12, 31)).contains("622"));
        assert!(citation(date(2026, 1, 1)).contains("671"));
    }
}
