//! A3.7: the card named in the form is the newest one, and valid.

use crate::sheet::Verdict;
use jiff::civil::Date;
use kezek_domain::rules::Refusal;
use kezek_gateway::Document;

/// Whether the newest card is current, and the one that is named (`None` where nobody named one yet).
#[must_use]
pub fn judge(newest: Option<&Document>, named: Option<&str>) -> Verdict {
    let failed = |detail| Verdict::Failed(Refusal::DocumentNotCurrent, detail);
    let Some(card) = newest else { return failed("no-card") };
    if !card.is_valid() {
        failed("not-valid")
    } else if card.begin.is_none() {
        failed("begin-unknown")
    } else if named.is_some_and(|number| number != card.number) {
        failed("another-number")
    } else {
        Verdict::Passed("current")
    }
}

/// Since when changes of the person's data count (A3.5): the day the card began.
#[must_use]
pub fn since(newest: Option<&Document>) -> Option<Date> {
    newest.and_then(|card| card.begin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;
    use jiff::civil::date;

    #[test]
    fn a3_7_the_named_card_must_be_the_newest_and_valid() {
        let person = record();
        let newest = person.newest_id_card();
        let number = newest.map(|c| c.number.clone()).unwrap();
        assert_eq!(judge(newest, Some(&number)), Verdict::Passed("current"));
        assert_eq!(judge(newest, None), Verdict::Passed("current"));
        let failed = |detail| Verdict::Failed(Refusal::DocumentNotCurrent, detail);
        assert_eq!(judge(newest, Some("999999999")), failed("another-number"));
        assert_eq!(judge(None, Some(&number)), failed("no-card"));
    }

    #[test]
    fn a3_7_a_card_already_replaced_fails_though_its_date_fits() {
        let mut person = record();
        let old = person.newest_id_card().unwrap().number.clone();
        let mut newer = person.documents[0].clone();
        newer.number = "000000777".to_owned();
        newer.begin = Some(date(2025, 8, 1));
        newer.status = "00".to_owned();
        person.documents.push(newer);
        let verdict = judge(person.newest_id_card(), Some(&old));
        assert_eq!(verdict, Verdict::Failed(Refusal::DocumentNotCurrent, "another-number"));
        person.documents[1].status = "17".to_owned();
        let verdict = judge(person.newest_id_card(), Some("000000777"));
        assert_eq!(verdict, Verdict::Failed(Refusal::DocumentNotCurrent, "not-valid"));
    }
}
