//! What intake may not decide by itself: the registers say something that a human has to judge.

use kezek_domain::rules::Refusal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A finding for a human.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// GBDFL holds more than one person under the number (A3.2).
    SeveralPersons,
    /// The register's birth date is not the one in the IIN (A3.2): legitimate after a correction.
    BirthDateDiffers,
    /// Digital-ID lies between its thresholds (A3.3).
    IdentificationUnsure,
    /// The kind of registration is a code that nobody has mapped (A3.6).
    RegistrationKindUnknown,
    /// The region of the registered address is a code that nobody has mapped (A3.6).
    RegionUnmapped,
    /// Digital-ID is not sure that the photograph shows the person (A3.11).
    PortraitUnsure,
}

impl Doubt {
    /// All of them, in the order of the law.
    pub const ALL: [Self; 6] = [
        Self::SeveralPersons,
        Self::BirthDateDiffers,
        Self::IdentificationUnsure,
        Self::RegistrationKindUnknown,
        Self::RegionUnmapped,
        Self::PortraitUnsure,
    ];

    /// The stable word.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::SeveralPersons => "several-persons",
            Self::BirthDateDiffers => "birth-date-differs",
            Self::IdentificationUnsure => "identification-unsure",
            Self::RegistrationKindUnknown => "registration-kind-unknown",
            Self::RegionUnmapped => "region-unmapped",
            Self::PortraitUnsure => "portrait-unsure",
        }
    }

    /// Reads a label.
    #[must_use]
    pub fn parse(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|doubt| doubt.label() == label)
    }

    /// What the human who does not let it pass says instead.
    #[must_use]
    pub const fn refusal(self) -> Refusal {
        match self {
            Self::SeveralPersons => Refusal::PersonNotFound,
            // somebody whose data were corrected is served at the centre
            Self::BirthDateDiffers => Refusal::DataChanged,
            Self::IdentificationUnsure => Refusal::NotIdentified,
            Self::RegistrationKindUnknown | Self::RegionUnmapped => Refusal::NoPermanentRegistration,
            Self::PortraitUnsure => Refusal::PhotoMismatch,
        }
    }

    /// Whether the checks cannot go past it: accepting it means asking the register again.
    #[must_use]
    pub const fn blocks(self) -> bool {
        match self {
            Self::SeveralPersons => true,
            Self::BirthDateDiffers
            | Self::IdentificationUnsure
            | Self::RegistrationKindUnknown
            | Self::RegionUnmapped
            | Self::PortraitUnsure => false,
        }
    }
}
