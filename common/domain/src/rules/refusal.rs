//! Why intake turns an application down: a closed set, each with its line of law.

use crate::label::labelled;
use crate::lifecycle::Closing;

labelled! {
    /// Why an application does not go on. A refusal is an outcome, never a fault.
    pub enum Refusal {
        /// A2.
        NotCitizen = "not-citizen",
        /// A3.1.
        NoConsent = "no-consent",
        /// A3.2: the state database does not know the person.
        PersonNotFound = "person-not-found",
        /// A3.2: the telephone is not the person's.
        PhoneNotBound = "phone-not-bound",
        /// A3.3.
        NotIdentified = "not-identified",
        /// A3.4.
        Incapable = "incapable",
        /// A3.5.
        DataChanged = "data-changed",
        /// A3.6.
        NoPermanentRegistration = "no-permanent-registration",
        /// A3.7.
        DocumentNotCurrent = "document-not-current",
        /// A7: too early or too late.
        OutsideWindow = "outside-window",
        /// A7: any other reason than expiry.
        OtherReason = "other-reason",
        /// A3.9: the specimen signature is blank, cut or none.
        SignatureUnfit = "signature-unfit",
        /// A3.10.
        PhotoUnfit = "photo-unfit",
        /// A3.11.
        PhotoMismatch = "photo-mismatch",
        /// A3.12.
        SignatureInvalid = "signature-invalid",
        /// A3.13.
        RegistrationRefused = "registration-refused",
        /// A0.3.
        OutOfLegalBasis = "out-of-legal-basis",
        /// A12.
        Outage = "outage",
        /// The state database says that the person is dead, or has removed the record.
        DeadOrRemoved = "dead-or-removed",
    }
}

impl Refusal {
    /// The code under which texts, journal and statistics know it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.label()
    }

    /// The line of law.
    #[must_use]
    pub const fn law(self) -> &'static str {
        match self {
            Self::NotCitizen => "A2",
            Self::NoConsent => "A3.1",
            Self::PersonNotFound | Self::PhoneNotBound | Self::DeadOrRemoved => "A3.2",
            Self::NotIdentified => "A3.3",
            Self::Incapable => "A3.4",
            Self::DataChanged => "A3.5",
            Self::NoPermanentRegistration => "A3.6",
            Self::DocumentNotCurrent => "A3.7",
            Self::OutsideWindow | Self::OtherReason => "A7",
            Self::SignatureUnfit => "A3.9",
            Self::PhotoUnfit => "A3.10",
            Self::PhotoMismatch => "A3.11",
            Self::SignatureInvalid => "A3.12",
            Self::RegistrationRefused => "A3.13",
            Self::OutOfLegalBasis => "A0.3",
            Self::Outage => "A12",
        }
    }

    /// Whether the person is sent to the service centre, where the same may well succeed.
    #[must_use]
    pub const fn csc(self) -> bool {
        match self {
            Self::Incapable
            | Self::DataChanged
            | Self::NoPermanentRegistration
            | Self::DocumentNotCurrent
            | Self::OutsideWindow
            | Self::OtherReason
            | Self::OutOfLegalBasis
            | Self::Outage
            | Self::DeadOrRemoved => true,
            Self::NotCitizen
            | Self::NoConsent
            | Self::PersonNotFound
            | Self::PhoneNotBound
            | Self::NotIdentified
            | Self::SignatureUnfit
            | Self::PhotoUnfit
            | Self::PhotoMismatch
            | Self::SignatureInvalid
            | Self::RegistrationRefused => false,
        }
    }

    /// The refusal that a failed check stands for: its line of law says which, and where one line has several refusals,
    /// its detail does.
    #[must_use]
    pub fn of_check(law: &str, detail: &str) -> Option<Self> {
        match (law, detail) {
            ("A3.2", "not-found") => Some(Self::PersonNotFound),
            ("A3.2", "dead" | "removed") => Some(Self::DeadOrRemoved),
            ("A3.2", "somebody-elses" | "not-in-base") => Some(Self::PhoneNotBound),
            (_, "token-refused") => Some(Self::NoConsent),
            ("A3.2", _) => None,
            ("A3.9", "form-differs" | "photo-differs" | "sample-differs") => Some(Self::SignatureInvalid),
            ("A7", "loss" | "damage" | "data-change") => Some(Self::OtherReason),
            _ => Self::ALL.iter().copied().find(|refusal| refusal.law() == law),
        }
    }

    /// How a case refused for this ends.
    #[must_use]
    pub const fn closing(self) -> Closing {
        if self.csc() { Closing::Redirected } else { Closing::Refused }
    }
}
