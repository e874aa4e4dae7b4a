//! How a notice may end.

use kezek_domain::rules::NoticeKind;
use serde_json::{Value, json};

/// What became of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// It took the notice.
    Sent,
    /// It was asked once and never answered; it is not asked again.
    InDoubt,
    /// It refused the notice.
    Refused,
}

impl Channel {
    /// The word in the journal.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::InDoubt => "in-doubt",
            Self::Refused => "refused",
        }
    }
}

/// Which notice, and what its channels said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which notice.
    pub notice: NoticeKind,
    /// The personal cabinet.
    pub cabinet: Channel,
    /// The text message.
    pub sms: Channel,
}

/// The closed set of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// At least one channel took it and none is in doubt.
    Sent(Report),
    /// Whether the text message went out is not known; it is not sent again.
    SentInDoubt(Report),
    /// Every channel refused it.
    Undeliverable(Report),
}

impl Outcome {
    /// What the two channels come to.
    #[must_use]
    pub const fn of(report: Report) -> Self {
        match (report.cabinet, report.sms) {
            (Channel::Refused, Channel::Refused) => Self::Undeliverable(report),
            (Channel::InDoubt, _) | (_, Channel::InDoubt) => Self::SentInDoubt(report),
            (Channel::Sent, Channel::Sent | Channel::Refused) | (Channel::Refused, Channel::Sent) => Self::Sent(report),
        }
    }
    /// The report.
    #[must_use]
    pub const fn report(&self) -> &Report {
        match self {
            Self::Sent(report) | Self::SentInDoubt(report) | Self::Undeliverable(report) => report,
        }
    }
}

impl kezek_stage::Outcome for Outcome {
    fn label(&self) -> &'static str {
        match self {
            Self::Sent(_) => "sent",
            Self::SentInDoubt(_) => "sent-in-doubt",
            Self::Undeliverable(_) => "undeliverable",
        }
    }
    fn samples() -> Vec<Self> {
        let of = |cabinet, sms| Self::of(Report { notice: NoticeKind::Received, cabinet, sms });
        vec![
            of(Channel::Sent, Channel::Sent),
            of(Channel::Sent, Channel::InDoubt),
            of(Channel::Refused, Channel::Refused),
        ]
    }
    fn facts(&self) -> Value {
        let Report { notice, cabinet, sms } = self.report();
        json!({ "notice": notice, "cabinet": cabinet.label(), "sms": sms.label() })
    }
}
