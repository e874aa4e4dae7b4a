//! A3.14: what the person's statuses come to on the day of filing. Any one ground suffices; only the certain absence
//! of a privilege leads to payment.

use jiff::civil::Date;
use kezek_domain::rules::{Mapping, Rules};
use kezek_gateway::SocialStatus;
use sha2::{Digest, Sha256};

/// What the statuses come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// One of them exempts, on this ground.
    Exempt(String),
    /// None of them exempts.
    NoPrivilege,
    /// None is known to exempt, and one is not known at all.
    Unmapped,
}

/// Judges the statuses that hold on the day of filing.
#[must_use]
pub fn judge(statuses: &[SocialStatus], rules: &Rules, filed: Date) -> Standing {
    let holding = || statuses.iter().filter(|s| s.holds_on(filed)).map(|s| rules.exemption(&s.source_code, filed));
    let ground = holding().find_map(|mapping| match mapping {
        Mapping::Ground(ground) => Some(ground.code.clone()),
        Mapping::NoPrivilege | Mapping::Unmapped => None,
    });
    match ground {
        Some(code) => Standing::Exempt(code),
        None if holding().any(|mapping| mapping == Mapping::Unmapped) => Standing::Unmapped,
        None => Standing::NoPrivilege,
    }
}

/// Digest of the answer that was judged, in hex: the evidence, without the answer. The same statuses in another order
/// are the same answer.
#[must_use]
pub fn evidence(statuses: &[SocialStatus], filed: Date) -> String {
    let mut lines: Vec<String> = statuses
        .iter()
        .map(|s| {
            let end = s.valid_to.map_or_else(String::new, |end| end.to_string());
            format!("{}|{}|{end}", s.source_code, s.valid_from)
        })
        .collect();
    lines.sort_unstable();
    let mut digest = Sha256::new();
    digest.update(format!("sik|{filed}|{}", lines.len()));
    for line in lines {
        digest.update((line.len() as u64).to_be_bytes());
        digest.update(line);
    }
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn status(code: &str, valid_from: Date, valid_to: Option<Date>) -> SocialStatus {
        SocialStatus {
            source_code: code.to_owned(),
            name_kk: String::new(),
            name_ru: String::new(),
            valid_from,
            valid_to,
        }
    }
    fn judged(statuses: &[SocialStatus]) -> Standing {
        judge(statuses, Rules::built_in(), date(2025, 9, 2))
    }

    #[test]
    fn a3_14_any_one_ground_suffices_whatever_else_is_there() {
        let ever = date(2020, 1, 1);
        let several = [
            status("demo-student", ever, None),
            status("code-of-tomorrow", ever, None),
            status("demo-veteran", ever, None),
        ];
        assert_eq!(judged(&several), Standing::Exempt("622-4".to_owned()));
    }

    #[test]
    fn a3_14_a_status_counts_on_the_day_of_filing_alone() {
        let ended = status("demo-disability-2", date(2020, 1, 1), Some(date(2025, 9, 1)));
        let later = status("demo-disability-2", date(2025, 9, 3), None);
        assert_eq!(judged(&[ended, later]), Standing::NoPrivilege);
        let to_the_day = status("demo-disability-2", date(2020, 1, 1), Some(date(2025, 9, 2)));
        assert_eq!(judged(&[to_the_day]), Standing::Exempt("622-6".to_owned()));
    }

    #[test]
    fn a3_14_an_unmapped_status_is_neither_exempt_nor_not() {
        assert_eq!(judged(&[status("code-of-tomorrow", date(2020, 1, 1), None)]), Standing::Unmapped);
        assert_eq!(judged(&[status("demo-pensioner", date(2020, 1, 1), None)]), Standing::NoPrivilege);
        assert_eq!(judged(&[]), Standing::NoPrivilege);
    }

    #[test]
    fn a3_14_every_set_of_statuses_is_judged_by_its_members_and_not_by_their_order() {
        let (ever, filed) = (date(2020, 1, 1), date(2025, 9, 2));
        let all = [
            status("demo-veteran", ever, None),
            status("demo-disability-1", ever, Some(filed)),
            status("demo-student", ever, None),
            status("code-of-tomorrow", ever, None),
            status("demo-hero", ever, Some(date(2025, 9, 1))),
        ];
        for set in 0_u32..1 << all.len() {
            let has = |place: usize| set & (1 << place) != 0;
            let chosen: Vec<_> = (0..all.len()).filter(|place| has(*place)).map(|place| all[place].clone()).collect();
            let reversed: Vec<_> = chosen.iter().rev().cloned().collect();
            for statuses in [chosen, reversed] {
                let told = judged(&statuses);
                match (has(0) || has(1), has(3)) {
                    (true, _) => assert!(matches!(told, Standing::Exempt(_)), "{set:05b}: {told:?}"),
                    (false, true) => assert_eq!(told, Standing::Unmapped, "{set:05b}"),
                    (false, false) => assert_eq!(told, Standing::NoPrivilege, "{set:05b}"),
                }
            }
        }
    }

    #[test]
    fn the_evidence_does_not_depend_on_the_order_of_the_answer() {
        let (a, b) = (status("a", date(2020, 1, 1), None), status("b", date(2020, 1, 1), None));
        let day = date(2025, 9, 2);
        assert_eq!(evidence(&[a.clone(), b.clone()], day), evidence(&[b, a.clone()], day));
        assert_ne!(evidence(std::slice::from_ref(&a), day), evidence(&[], day));
    }
}
