//! The planned end of each person, and what it should look like when it has come.
//!
//! Only the sandbox and the judge that compares know plans; nothing of them is in any answer.

use jiff::civil::{Date, date};
use kezek_domain::rules::Refusal;
use kezek_domain::{Closing, Purse, Tiyn};

/// How a person's application is meant to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Plan {
    /// Paid at once, approved, made, handed over.
    Issued,
    /// Exempt by social status (A3.14), issued.
    Exempt,
    /// Free of duty by the ground of issuing (from 2026), issued.
    FreeByGround,
    /// Not a citizen of the Republic (A2).
    NotCitizen,
    /// GBDFL does not know the number (A3.2).
    NotInRegister,
    /// The telephone number is not the person's, or not in the base (A3.2).
    PhoneNotBound,
    /// Digital-ID did not identify the person (A3.3).
    NotIdentified,
    /// A court's decision limits capacity (A3.4).
    Incapable,
    /// ZAGS IS knows of a change (A3.5).
    DataChanged,
    /// Registered temporarily only (A3.6).
    TemporaryRegistration,
    /// The document is already replaced, though its dates fit (A3.7).
    DocumentReplaced,
    /// 31 days before expiry (A7).
    WindowTooEarly,
    /// 11 days after expiry (A7).
    WindowTooLate,
    /// The photograph fails the machine's checks (A3.10).
    PhotoUnfit,
    /// The photograph shows somebody else (A3.11).
    PhotoMismatch,
    /// Signed with another person's key (A3.12).
    SignedByAnother,
    /// RP DRN refuses registration (A3.13).
    RegistrationRefused,
    /// Never pays.
    Unpaid,
    /// Cancelled for the photograph (dark glasses), the duty given back (A11b, A11c).
    CancelledForPhoto,
    /// Cancelled for the signature sample (blotted), the duty given back.
    CancelledForSignature,
    /// Cancelled for additional verification (the register's documentation code), the duty given back.
    CancelledForVerification,
    /// Exempt and cancelled for the photograph: nothing to give back.
    ExemptCancelled,
    /// The first card is faulty, the second is issued (A5.4).
    DefectRemade,
    /// Submits the same application twice.
    SubmittedTwice,
    /// The confirmation comes before the answer to the order.
    PaidEarly,
    /// Pays late, but in time.
    PaidLate,
    /// The confirmation comes twice.
    ConfirmedTwice,
    /// The confirmation never comes: found when the order is withdrawn.
    ConfirmationLost,
    /// Pays in two parts.
    PaidInParts,
    /// Pays a part only: unpaid, the part given back.
    PaidPartOnly,
    /// Pays after the order was withdrawn: unpaid, given back.
    PaidAfterLapse,
    /// Cancelled for the photograph and pays a second time after that: both given back.
    PaidAfterCancellation,
    /// GBDFL says that the person is dead (A3.2).
    Dead,
    /// GBDFL has removed the record (A3.2).
    Removed,
    /// The register names no end of the card's validity (A3.7, A7).
    NoExpiry,
    /// GBDFL holds two persons under the number: asked about, and refused (A3.2).
    SeveralPersons,
    /// Another birth date than the IIN's: let pass, and cancelled by the reviewer, the duty given back (A3.2, A11b).
    BirthDateDiffers,
    /// A region of residence that nobody mapped: let pass, issued (A3.6).
    RegionUnmapped,
    /// Digital-ID is not sure of the photograph: let pass, issued (A3.11).
    PortraitUnsure,
    /// A social status that nobody mapped: asked about, paid, issued (A3.14).
    StatusUnmapped,
}

/// How an application ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The pre-check (`begin`) already says no; submitted all the same, the case is closed like this.
    RefusedAtDoor {
        /// Why.
        refusal: Refusal,
        /// How a case that is opened nevertheless is closed.
        closing: Closing,
    },
    /// The pre-check finds nothing; the case is opened and turned down.
    TurnedDown {
        /// Why.
        refusal: Refusal,
        /// How the case is closed.
        closing: Closing,
    },
    /// The case is registered and goes its way to this end.
    Closed(Closing),
}

impl Expected {
    /// How the case is closed, if one is opened.
    #[must_use]
    pub const fn closing(self) -> Closing {
        match self {
            Self::RefusedAtDoor { closing, .. } | Self::TurnedDown { closing, .. } | Self::Closed(closing) => closing,
        }
    }

    /// Why the application is turned down, if it is.
    #[must_use]
    pub const fn refusal(self) -> Option<Refusal> {
        match self {
            Self::RefusedAtDoor { refusal, .. } | Self::TurnedDown { refusal, .. } => Some(refusal),
            Self::Closed(_) => None,
        }
    }
}

/// Everything the judge compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// Refused at the door, or closed.
    pub end: Expected,
    /// The purse at the end, in tiyn.
    pub purse: Purse,
    /// Payments that arrive.
    pub payments: u32,
    /// Refunds that the tax authority pays.
    pub refunds: u32,
    /// Orders that reach the production centre.
    pub prints: u32,
    /// Of these, faulty cards.
    pub defects: u32,
    /// Whether the application is registered in RP DRN.
    pub registered: bool,
}

/// First day on which replacing an expiring card is free of duty.
const FREE_FROM: Date = date(2026, 1, 1);

/// The duty for replacing an expiring card on a day, by the sandbox's own knowledge.
#[must_use]
pub fn duty_on(day: Date) -> Tiyn {
    match day.year() {
        _ if day >= FREE_FROM => Tiyn::ZERO,
        2025 => Tiyn(78_640),
        2024 => Tiyn(73_840),
        _ => Tiyn(69_000),
    }
}

impl Plan {
    /// Every plan.
    pub const ALL: [Self; 40] = [
        Self::Issued,
        Self::Exempt,
        Self::FreeByGround,
        Self::NotCitizen,
        Self::NotInRegister,
        Self::PhoneNotBound,
        Self::NotIdentified,
        Self::Incapable,
        Self::DataChanged,
        Self::TemporaryRegistration,
        Self::DocumentReplaced,
        Self::WindowTooEarly,
        Self::WindowTooLate,
        Self::PhotoUnfit,
        Self::PhotoMismatch,
        Self::SignedByAnother,
        Self::RegistrationRefused,
        Self::Unpaid,
        Self::CancelledForPhoto,
        Self::CancelledForSignature,
        Self::CancelledForVerification,
        Self::ExemptCancelled,
        Self::DefectRemade,
        Self::SubmittedTwice,
        Self::PaidEarly,
        Self::PaidLate,
        Self::ConfirmedTwice,
        Self::ConfirmationLost,
        Self::PaidInParts,
        Self::PaidPartOnly,
        Self::PaidAfterLapse,
        Self::PaidAfterCancellation,
        Self::Dead,
        Self::Removed,
        Self::NoExpiry,
        Self::SeveralPersons,
        Self::BirthDateDiffers,
        Self::RegionUnmapped,
        Self::PortraitUnsure,
        Self::StatusUnmapped,
    ];

    /// A stable word.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Exempt => "exempt",
            Self::FreeByGround => "free-by-ground",
            Self::NotCitizen => "not-citizen",
            Self::NotInRegister => "not-in-register",
            Self::PhoneNotBound => "phone-not-bound",
            Self::NotIdentified => "not-identified",
            Self::Incapable => "incapable",
            Self::DataChanged => "data-changed",
            Self::TemporaryRegistration => "temporary-registration",
            Self::DocumentReplaced => "document-replaced",
            Self::WindowTooEarly => "window-too-early",
            Self::WindowTooLate => "window-too-late",
            Self::PhotoUnfit => "photo-unfit",
            Self::PhotoMismatch => "photo-mismatch",
            Self::SignedByAnother => "signed-by-another",
            Self::RegistrationRefused => "registration-refused",
            Self::Unpaid => "unpaid",
            Self::CancelledForPhoto => "cancelled-for-photo",
            Self::CancelledForSignature => "cancelled-for-signature",
            Self::CancelledForVerification => "cancelled-for-verification",
            Self::ExemptCancelled => "exempt-cancelled",
            Self::DefectRemade => "defect-remade",
            Self::SubmittedTwice => "submitted-twice",
            Self::PaidEarly => "paid-early",
            Self::PaidLate => "paid-late",
            Self::ConfirmedTwice => "confirmed-twice",
            Self::ConfirmationLost => "confirmation-lost",
            Self::PaidInParts => "paid-in-parts",
            Self::PaidPartOnly => "paid-part-only",
            Self::PaidAfterLapse => "paid-after-lapse",
            Self::PaidAfterCancellation => "paid-after-cancellation",
            Self::Dead => "dead",
            Self::Removed => "removed",
            Self::NoExpiry => "no-expiry",
            Self::SeveralPersons => "several-persons",
            Self::BirthDateDiffers => "birth-date-differs",
            Self::RegionUnmapped => "region-unmapped",
            Self::PortraitUnsure => "portrait-unsure",
            Self::StatusUnmapped => "status-unmapped",
        }
    }

    /// Reads a label.
    #[must_use]
    pub fn parse(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|plan| plan.label() == label)
    }

    /// How often the plan comes in one round of the cycle.
    const fn weight(self) -> usize {
        match self {
            Self::Issued => 24,
            Self::FreeByGround => 16,
            Self::Exempt => 6,
            Self::Unpaid | Self::CancelledForPhoto | Self::SubmittedTwice | Self::PaidLate => 2,
            _ => 1,
        }
    }

    /// Whether the plan needs an application that costs something.
    const fn needs_duty(self) -> bool {
        matches!(
            self,
            Self::Exempt
                | Self::ExemptCancelled
                | Self::Unpaid
                | Self::PaidEarly
                | Self::PaidLate
                | Self::ConfirmedTwice
                | Self::ConfirmationLost
                | Self::PaidInParts
                | Self::PaidPartOnly
                | Self::PaidAfterLapse
                | Self::PaidAfterCancellation
                | Self::StatusUnmapped
        )
    }

    /// Whether the plan can happen on a day.
    #[must_use]
    pub fn is_possible_on(self, day: Date) -> bool {
        let costs = duty_on(day).is_positive();
        if costs { self != Self::FreeByGround } else { !self.needs_duty() }
    }

    /// The plans in the order in which people are given them: one round. The first lap has every
    /// possible plan once, so that 39 people have them all; later laps repeat the frequent ones.
    #[must_use]
    pub fn cycle(day: Date) -> Vec<Self> {
        let most = Self::ALL.into_iter().map(Self::weight).max().unwrap_or(1);
        (0..most)
            .flat_map(|lap| Self::ALL.into_iter().filter(move |plan| plan.weight() > lap && plan.is_possible_on(day)))
            .collect()
    }

    /// Whether something about the application goes to a human before the reviewer.
    #[must_use]
    pub const fn is_asked_about(self) -> bool {
        matches!(
            self,
            Self::SeveralPersons
                | Self::BirthDateDiffers
                | Self::RegionUnmapped
                | Self::PortraitUnsure
                | Self::StatusUnmapped
        )
    }

    /// Whether social status exempts the person.
    #[must_use]
    pub const fn is_exempt(self) -> bool {
        matches!(self, Self::Exempt | Self::ExemptCancelled)
    }

    /// What the end should look like on a day on which no act lets the service be asked for (A0.3): whatever else was
    /// planned, the door says closed.
    #[must_use]
    pub fn outlook_closed() -> Outlook {
        Outlook {
            end: Expected::RefusedAtDoor { refusal: Refusal::OutOfLegalBasis, closing: Closing::Redirected },
            purse: Purse { received: Tiyn::ZERO, earned: Tiyn::ZERO, returned: Tiyn::ZERO },
            payments: 0,
            refunds: 0,
            prints: 0,
            defects: 0,
            registered: false,
        }
    }

    /// What the end should look like where the duty is this (zero: free by ground).
    #[must_use]
    pub fn outlook(self, duty: Tiyn) -> Outlook {
        let nothing = Outlook {
            end: Expected::Closed(Closing::Issued),
            purse: Purse { received: Tiyn::ZERO, earned: Tiyn::ZERO, returned: Tiyn::ZERO },
            payments: 0,
            refunds: 0,
            prints: 0,
            defects: 0,
            registered: true,
        };
        let door = |refusal, closing| Outlook {
            end: Expected::RefusedAtDoor { refusal, closing },
            registered: false,
            ..nothing
        };
        let turned_down = |refusal| Outlook {
            end: Expected::TurnedDown { refusal, closing: Closing::Refused },
            registered: false,
            ..nothing
        };
        let closed = |closing| Outlook { end: Expected::Closed(closing), ..nothing };
        let received = |outlook: Outlook, amount: Tiyn, payments: u32| {
            if amount.is_positive() {
                Outlook { purse: Purse { received: amount, ..outlook.purse }, payments, ..outlook }
            } else {
                outlook
            }
        };
        let issued = |payments, prints| {
            let outlook = received(Outlook { prints, ..nothing }, duty, payments);
            Outlook { purse: Purse { earned: outlook.purse.received, ..outlook.purse }, ..outlook }
        };
        let given_back = |closing, amount, payments| {
            let outlook = received(closed(closing), amount, payments);
            Outlook {
                purse: Purse { returned: outlook.purse.received, ..outlook.purse },
                refunds: outlook.payments,
                ..outlook
            }
        };
        match self {
            Self::Issued
            | Self::SubmittedTwice
            | Self::PaidEarly
            | Self::PaidLate
            | Self::ConfirmedTwice
            | Self::ConfirmationLost
            | Self::RegionUnmapped
            | Self::PortraitUnsure
            | Self::StatusUnmapped => issued(1, 1),
            Self::PaidInParts => issued(2, 1),
            Self::DefectRemade => Outlook { defects: 1, ..issued(1, 2) },
            Self::Exempt | Self::FreeByGround => Outlook { prints: 1, ..nothing },
            Self::NotCitizen => door(Refusal::NotCitizen, Closing::Refused),
            Self::NotInRegister => door(Refusal::PersonNotFound, Closing::Refused),
            Self::PhoneNotBound => door(Refusal::PhoneNotBound, Closing::Refused),
            Self::NotIdentified => door(Refusal::NotIdentified, Closing::Refused),
            Self::Incapable => door(Refusal::Incapable, Closing::Redirected),
            Self::DataChanged => door(Refusal::DataChanged, Closing::Redirected),
            Self::TemporaryRegistration => door(Refusal::NoPermanentRegistration, Closing::Redirected),
            Self::DocumentReplaced => door(Refusal::DocumentNotCurrent, Closing::Redirected),
            Self::Dead | Self::Removed => door(Refusal::DeadOrRemoved, Closing::Redirected),
            Self::SeveralPersons => turned_down(Refusal::PersonNotFound),
            Self::WindowTooEarly | Self::WindowTooLate | Self::NoExpiry => {
                door(Refusal::OutsideWindow, Closing::Redirected)
            }
            Self::PhotoUnfit => turned_down(Refusal::PhotoUnfit),
            Self::PhotoMismatch => turned_down(Refusal::PhotoMismatch),
            Self::SignedByAnother => turned_down(Refusal::SignatureInvalid),
            Self::RegistrationRefused => turned_down(Refusal::RegistrationRefused),
            Self::Unpaid => closed(Closing::Unpaid),
            Self::PaidPartOnly => given_back(Closing::Unpaid, first_part(duty), 1),
            Self::PaidAfterLapse => given_back(Closing::Unpaid, duty, 1),
            Self::CancelledForPhoto
            | Self::CancelledForSignature
            | Self::CancelledForVerification
            | Self::BirthDateDiffers => given_back(Closing::Cancelled, duty, 1),
            Self::PaidAfterCancellation => given_back(Closing::Cancelled, Tiyn(duty.0 * 2), 2),
            Self::ExemptCancelled => closed(Closing::Cancelled),
        }
    }
}

/// The first of two parts of a payment.
#[must_use]
pub const fn first_part(amount: Tiyn) -> Tiyn {
    Tiyn(amount.0 / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_nine_people_have_every_plan_of_2025() {
        let cycle = Plan::cycle(date(2025, 9, 2));
        let first: std::collections::BTreeSet<_> = cycle.iter().take(39).collect();
        assert_eq!(first.len(), 39);
        // those who go to a human come last: 31 have every other plan
        assert!(cycle.iter().take(31).all(|plan| !plan.is_asked_about()));
        assert!(!cycle.contains(&Plan::FreeByGround));
        let later = Plan::cycle(date(2026, 2, 2));
        assert!(later.contains(&Plan::FreeByGround) && !later.contains(&Plan::Unpaid));
        assert!(cycle.iter().filter(|plan| **plan == Plan::Issued).count() * 4 > cycle.len());
    }

    #[test]
    fn labels_read_back_and_no_purse_is_left_with_money() {
        for plan in Plan::ALL {
            assert_eq!(Plan::parse(plan.label()), Some(plan));
            for duty in [Tiyn(78_640), Tiyn::ZERO] {
                let outlook = plan.outlook(duty);
                assert_eq!(outlook.purse.held(), Tiyn::ZERO, "{plan:?}");
                assert_eq!(outlook.refunds > 0, outlook.purse.returned.is_positive(), "{plan:?}");
                assert_eq!(outlook.registered, outlook.end.refusal().is_none(), "{plan:?}");
                // what the plan says and what the law says of a refusal is the same
                let closing = outlook.end.refusal().map(Refusal::closing);
                assert!(closing.is_none_or(|closing| closing == outlook.end.closing()), "{plan:?}");
            }
        }
    }
}
