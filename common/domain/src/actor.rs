//! Who did it: roles of officers and systems, the actor of a journal entry, the systems outside.

use crate::label::labelled;
use crate::region::Region;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

labelled! {
    /// What an account may do.
    pub enum Role {
        /// Decides applications of a region (A3.17, A11a, A11b).
        Reviewer = "reviewer",
        /// Hands over cards in person (A4.3, A11d).
        Issuer = "issuer",
        /// Head of a region's migration service: sees timeliness (A4.2).
        Head = "head",
        /// The Migration Service Committee.
        Committee = "committee",
        /// The production centre (A5).
        Production = "production",
        /// Repairs what could not go on.
        Operator = "operator",
        /// Reads everything, changes nothing.
        Auditor = "auditor",
        /// The tax authority, which refunds (A11c).
        Tax = "tax",
        /// The portal that submits applications.
        Portal = "portal",
        /// The provider that confirms payments (A3.15).
        PaymentProvider = "payment-provider",
    }
}

labelled! {
    /// A system outside this one.
    pub enum System {
        /// Consent to access personal data (A3.1).
        Kdp = "kdp",
        /// State database of natural persons (A3.2).
        Gbdfl = "gbdfl",
        /// Base of citizens' mobile numbers (A3.2).
        Bmg = "bmg",
        /// Biometric identification (A3.3, A3.11).
        DigitalId = "digital-id",
        /// Civil-status records (A3.5).
        ZagsIs = "zags-is",
        /// Social statuses (A3.14).
        Sik = "sik",
        /// Register of documentation, with its payment service (A3.13, A3.15).
        RpDrn = "rp-drn",
        /// The centre that makes the cards (A5).
        ProductionCentre = "production-centre",
        /// Pays refunds (A11c).
        TaxAuthority = "tax-authority",
        /// Text messages to the applicant.
        Sms = "sms",
        /// The applicant's personal cabinet on the portal.
        Cabinet = "cabinet",
    }
}

/// Who made a move true. Accounts are service accounts, never names of persons.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "actor", rename_all = "kebab-case")]
pub enum Actor {
    /// A stage, the sweeper or the watchdog.
    System,
    /// The person whose case it is.
    Applicant,
    /// An officer, in a role and, where the role is regional, a region.
    Officer {
        /// The account's name.
        account: String,
        /// The role in which it acted.
        role: Role,
        /// The region in which it acted, where the role has one.
        region: Option<Region>,
    },
    /// A system that called back.
    Provider {
        /// Its label, usually of a [`System`].
        system: String,
    },
    /// Somebody at the operator's desk or shell.
    Operator {
        /// The account's name.
        account: String,
    },
}

impl Actor {
    /// The kind of actor, safe as a metric label.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Applicant => "applicant",
            Self::Officer { .. } => "officer",
            Self::Provider { .. } => "provider",
            Self::Operator { .. } => "operator",
        }
    }

    /// Kind and account in one line, as the journal shows it: `officer:aida/reviewer@KZ-75`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::System | Self::Applicant => self.label().to_owned(),
            Self::Officer { account, role, region: Some(region) } => format!("officer:{account}/{role}@{region}"),
            Self::Officer { account, role, region: None } => format!("officer:{account}/{role}"),
            Self::Provider { system } => format!("provider:{system}"),
            Self::Operator { account } => format!("operator:{account}"),
        }
    }
}
