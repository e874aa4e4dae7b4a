//! The twenty units of the Republic. The applicant's choice of one decides who reviews (A10).
//!
//! The list is data (`rules/regions.toml`); a code outside it is not a region, and a code of the state
//! database that is not mapped goes to a human, because the region decides routing.

use crate::text::{Malformed, text_shape};
use serde::Deserialize;
use std::fmt;
use std::sync::LazyLock;

/// The source of [`Region`]s, also part of the rule version.
pub(crate) const REGIONS_TOML: &str = include_str!("../rules/regions.toml");

/// A unit of the Republic by its ISO 3166-2 code, such as `KZ-75`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(u8);

/// What the directory knows about one unit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    iso: String,
    kato: String,
    kk: String,
    ru: String,
    en: String,
    department_kk: String,
    department_ru: String,
    gbdfl: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Directory {
    #[serde(rename = "version")]
    _version: String,
    source: String,
    region: Vec<Row>,
}

static DIRECTORY: LazyLock<Vec<Row>> = LazyLock::new(|| {
    #[expect(clippy::panic, reason = "compiled-in data, proved readable by a test; nothing works without it")]
    read_directory(REGIONS_TOML).unwrap_or_else(|fault| panic!("rules/regions.toml: {fault}"))
});

fn read_directory(text: &str) -> Result<Vec<Row>, String> {
    let directory: Directory = toml::from_str(text).map_err(|fault| fault.to_string())?;
    let mut rows = directory.region;
    if rows.len() != 20 {
        return Err(format!("20 units are wanted, {} are listed", rows.len()));
    }
    rows.sort_by(|a, b| a.iso.cmp(&b.iso));
    for (place, row) in rows.iter().enumerate() {
        let number = row.iso.strip_prefix("KZ-").filter(|n| n.len() == 2 && n.parse::<u8>().is_ok());
        if number != row.kato.get(..2) || row.kato.len() != 9 {
            return Err(format!("{}: the ISO number must be the first two of nine KATO digits", row.iso));
        }
        if rows[..place].iter().any(|earlier| earlier.iso == row.iso) {
            return Err(format!("{} is listed twice", row.iso));
        }
        if rows[..place].iter().any(|earlier| earlier.gbdfl.iter().any(|code| row.gbdfl.contains(code))) {
            return Err(format!("{}: a gbdfl code is claimed by two units", row.iso));
        }
    }
    Ok(rows)
}

impl Region {
    /// All units, by code.
    #[must_use]
    pub fn all() -> Vec<Self> {
        (0..DIRECTORY.len()).filter_map(|place| u8::try_from(place).ok()).map(Self).collect()
    }

    /// Where the directory comes from.
    #[must_use]
    pub fn source() -> String {
        toml::from_str::<Directory>(REGIONS_TOML).map(|directory| directory.source).unwrap_or_default()
    }

    /// Reads an ISO code such as `KZ-75`.
    ///
    /// # Errors
    /// [`Malformed`] for anything but one of the twenty codes.
    pub fn parse(code: &str) -> Result<Self, Malformed> {
        Self::find(|row| row.iso == code)
            .ok_or(Malformed { what: "region", rule: "an ISO 3166-2 code of one of the twenty units, such as KZ-75" })
    }

    /// The unit that a code of the state database of natural persons stands for; `None` goes to a human.
    #[must_use]
    pub fn from_gbdfl(code: &str) -> Option<Self> {
        Self::find(|row| row.gbdfl.iter().any(|known| known == code))
    }

    /// The codes by which the state database names this unit.
    #[must_use]
    pub fn gbdfl_codes(self) -> &'static [String] {
        &self.row().gbdfl
    }

    /// The ISO code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        &self.row().iso
    }

    /// The nine-digit KATO code.
    #[must_use]
    pub fn kato(self) -> &'static str {
        &self.row().kato
    }

    /// Its name in Kazakh.
    #[must_use]
    pub fn name_kk(self) -> &'static str {
        &self.row().kk
    }

    /// Its name in Russian.
    #[must_use]
    pub fn name_ru(self) -> &'static str {
        &self.row().ru
    }

    /// Its name in English.
    #[must_use]
    pub fn name_en(self) -> &'static str {
        &self.row().en
    }

    /// The migration-service department that reviews for this unit, in Kazakh.
    #[must_use]
    pub fn department_kk(self) -> &'static str {
        &self.row().department_kk
    }

    /// The migration-service department that reviews for this unit, in Russian.
    #[must_use]
    pub fn department_ru(self) -> &'static str {
        &self.row().department_ru
    }

    fn find(wanted: impl Fn(&Row) -> bool) -> Option<Self> {
        let place = DIRECTORY.iter().position(wanted)?;
        u8::try_from(place).ok().map(Self)
    }

    fn row(self) -> &'static Row {
        &DIRECTORY[usize::from(self.0)]
    }

    fn as_text(&self) -> &'static str {
        self.as_str()
    }

    fn parse_text(text: &str) -> Result<Self, Malformed> {
        Self::parse(text)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({})", self.as_str())
    }
}

text_shape!(Region, "^KZ-[0-9]{2}$", "ISO 3166-2 code of one of the twenty units");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_readable_and_whole() {
        assert_eq!(read_directory(REGIONS_TOML).map(|rows| rows.len()), Ok(20));
        assert_eq!(Region::all().len(), 20);
    }

    #[test]
    fn a10_a_region_is_read_by_its_iso_code_alone() -> Result<(), Malformed> {
        let almaty = Region::parse("KZ-75")?;
        assert_eq!((almaty.kato(), almaty.name_en()), ("750000000", "Almaty"));
        assert!(Region::parse("KZ-76").is_err());
        assert!(Region::parse("KZ-AKM").is_err());
        Ok(())
    }

    #[test]
    fn a_gbdfl_code_that_is_not_mapped_is_no_region() {
        assert_eq!(Region::from_gbdfl("demo-75").map(Region::as_str), Some("KZ-75"));
        assert_eq!(Region::from_gbdfl("1907"), None);
    }
}
