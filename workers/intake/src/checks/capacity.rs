//! A3.4: no court has limited the person's capacity.

use crate::sheet::Verdict;
use jiff::civil::Date;
use kezek_domain::rules::Refusal;
use kezek_gateway::PersonRecord;

/// Whether the person was capable on the day of filing.
#[must_use]
pub fn judge(record: &PersonRecord, filed: Date) -> Verdict {
    if record.capable_on(filed) {
        Verdict::Passed("capable")
    } else {
        Verdict::Failed(Refusal::Incapable, "court-decision")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;
    use jiff::civil::date;
    use kezek_gateway::Capability;

    #[test]
    fn a3_4_a_decision_in_force_on_the_day_of_filing_refuses() {
        assert_eq!(judge(&record(), date(2025, 9, 2)), Verdict::Passed("capable"));
        let mut limited = record();
        limited.capability = Some(Capability {
            status: "1".to_owned(),
            date: Some(date(2025, 1, 1)),
            end: Some(date(2025, 8, 1)),
            number: None,
            court: None,
        });
        assert_eq!(judge(&limited, date(2025, 7, 1)), Verdict::Failed(Refusal::Incapable, "court-decision"));
        assert_eq!(judge(&limited, date(2025, 9, 2)), Verdict::Passed("capable"));
    }
}
