//! A3.6: permanently registered at a place of residence; temporarily is not enough.

use crate::doubt::Doubt;
use crate::sheet::Verdict;
use jiff::civil::Date;
use kezek_domain::Region;
use kezek_domain::rules::Refusal;
use kezek_gateway::{AddressKind, PersonRecord};

/// Whether the person was permanently registered on the day of filing.
#[must_use]
pub fn judge(record: &PersonRecord, filed: Date) -> Verdict {
    if record.permanently_registered_on(filed) {
        return Verdict::Passed("permanent");
    }
    let Some(address) = &record.address else {
        return Verdict::Failed(Refusal::NoPermanentRegistration, "none");
    };
    let ended = address.end.is_some_and(|end| end < filed) || address.status != "1";
    match (&address.kind, ended) {
        (_, true) => Verdict::Failed(Refusal::NoPermanentRegistration, "ended"),
        (AddressKind::Temporary, false) => Verdict::Failed(Refusal::NoPermanentRegistration, "temporary"),
        (AddressKind::Permanent, false) => Verdict::Failed(Refusal::NoPermanentRegistration, "not-yet-begun"),
        (AddressKind::Unknown(_), false) => Verdict::Unsure(Doubt::RegistrationKindUnknown, "kind-unknown"),
    }
}

/// Whether the register's code of the region is mapped to a unit of the Republic. It routes nothing, but an address
/// that nobody can place is for a human.
#[must_use]
pub fn known_region(record: &PersonRecord) -> Verdict {
    match region(record) {
        Some(_) => Verdict::Passed("region-known"),
        None => Verdict::Unsure(Doubt::RegionUnmapped, "region-unmapped"),
    }
}

/// The region of the registration, where the register's own code is mapped. It routes nothing: the applicant
/// chooses the region (A10).
#[must_use]
pub fn region(record: &PersonRecord) -> Option<Region> {
    record.address.as_ref().and_then(|address| Region::from_gbdfl(&address.region))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;
    use jiff::civil::date;

    fn with(change: impl FnOnce(&mut kezek_gateway::Address)) -> Verdict {
        let mut person = record();
        change(person.address.as_mut().unwrap());
        judge(&person, date(2025, 9, 2))
    }

    #[test]
    fn a3_6_permanent_and_in_force() {
        assert_eq!(with(|_| {}), Verdict::Passed("permanent"));
        let failed = |detail| Verdict::Failed(Refusal::NoPermanentRegistration, detail);
        assert_eq!(with(|a| a.kind = AddressKind::Temporary), failed("temporary"));
        assert_eq!(with(|a| a.end = Some(date(2025, 9, 1))), failed("ended"));
        assert_eq!(with(|a| a.status = "2".to_owned()), failed("ended"));
        let mut nowhere = record();
        nowhere.address = None;
        assert_eq!(judge(&nowhere, date(2025, 9, 2)), failed("none"));
        assert!(Refusal::NoPermanentRegistration.csc());
    }

    #[test]
    fn a3_6_a_kind_that_nobody_mapped_is_for_a_human() {
        let verdict = with(|a| a.kind = AddressKind::Unknown("9".to_owned()));
        assert_eq!(verdict, Verdict::Unsure(Doubt::RegistrationKindUnknown, "kind-unknown"));
    }

    #[test]
    fn a3_6_a_region_that_nobody_mapped_is_for_a_human() {
        assert_eq!(known_region(&record()), Verdict::Passed("region-known"));
        let mut elsewhere = record();
        elsewhere.address.as_mut().unwrap().region = "1907".to_owned();
        assert_eq!(known_region(&elsewhere), Verdict::Unsure(Doubt::RegionUnmapped, "region-unmapped"));
        assert_eq!(region(&elsewhere), None);
    }
}
