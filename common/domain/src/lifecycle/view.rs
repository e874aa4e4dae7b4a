//! Looking at a status: its parts and the stable words for it.

use super::{Because, Closing, How, IllegalMove, Move, Status};
use crate::name::StageName;

impl Status {
    /// A new case, moving towards its first stage.
    #[must_use]
    pub const fn opened(at: StageName) -> Self {
        Self::Open { at, visit: 1, how: How::Moving, refunding: None }
    }

    /// `moving`, `held`, `parked` or `closed`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Open { how, .. } => how.label(),
            Self::Closed(_) => "closed",
        }
    }

    /// The stage an open case is at.
    #[must_use]
    pub const fn at(&self) -> Option<&StageName> {
        match self {
            Self::Open { at, .. } => Some(at),
            Self::Closed(_) => None,
        }
    }

    /// The visit of the stage an open case is at.
    #[must_use]
    pub const fn visit(&self) -> Option<u32> {
        match self {
            Self::Open { visit, .. } => Some(*visit),
            Self::Closed(_) => None,
        }
    }

    /// What an open case is doing.
    #[must_use]
    pub const fn how(&self) -> Option<&How> {
        match self {
            Self::Open { how, .. } => Some(how),
            Self::Closed(_) => None,
        }
    }

    /// Why money is being given back, while it is.
    #[must_use]
    pub const fn refunding(&self) -> Option<&Because> {
        match self {
            Self::Open { refunding, .. } => refunding.as_ref(),
            Self::Closed(_) => None,
        }
    }

    /// How a closed case ended.
    #[must_use]
    pub const fn closing(&self) -> Option<Closing> {
        match self {
            Self::Open { .. } => None,
            Self::Closed(closing) => Some(*closing),
        }
    }

    /// Whether the case is at its end.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl How {
    /// `moving`, `held` or `parked`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Moving => "moving",
            Self::Held { .. } => "held",
            Self::Parked => "parked",
        }
    }
}

impl Move {
    /// A stable word for the kind of move.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Enter { .. } => "enter",
            Self::Hold { .. } => "hold",
            Self::Stay => "stay",
            Self::Park => "park",
            Self::Replay => "replay",
            Self::Close { .. } => "close",
            Self::Money => "money",
        }
    }
}

impl IllegalMove {
    /// A stable word, safe as a metric label and as a fault's cause.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "illegal-move-closed",
            Self::Parked { .. } => "illegal-move-parked",
            Self::NotParked => "illegal-move-not-parked",
            Self::Visit { .. } => "illegal-move-visit",
            Self::Overdrawn(_) => "illegal-move-overdrawn",
        }
    }
}
