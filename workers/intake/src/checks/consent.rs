//! A3.1: consent precedes every other question, and goes with it.

use crate::sheet::Verdict;
use jiff::Timestamp;
use kezek_domain::dossier::Consent;
use kezek_domain::rules::Refusal;
use kezek_gateway::ConsentAnswer;

/// Whether a consent can still be used: it is there, and lasts a little longer than the questions take.
#[must_use]
pub fn usable(consent: &Consent, now: Timestamp) -> bool {
    const ROOM: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
    !consent.token.is_empty() && !consent.public_key.is_empty() && consent.expires_at.duration_since(now) > ROOM
}

/// What the data subject said.
#[must_use]
pub const fn judge(answer: &ConsentAnswer) -> Verdict {
    match answer {
        ConsentAnswer::Granted(_) => Verdict::Passed("granted-anew"),
        ConsentAnswer::Denied => Verdict::Failed(Refusal::NoConsent, "denied"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a3_1_an_expired_or_empty_consent_is_asked_anew() {
        let now: Timestamp = "2025-09-02T05:00:00Z".parse().unwrap();
        let consent = |token: &str, expires: &str| Consent {
            token: token.to_owned(),
            public_key: "k".to_owned(),
            expires_at: expires.parse().unwrap(),
        };
        assert!(usable(&consent("t", "2025-09-02T05:30:00Z"), now));
        assert!(!usable(&consent("t", "2025-09-02T05:00:30Z"), now));
        assert!(!usable(&consent("t", "2025-09-02T04:00:00Z"), now));
        assert!(!usable(&consent("", "2025-09-02T05:30:00Z"), now));
    }

    #[test]
    fn a3_1_no_consent_no_application() {
        assert_eq!(judge(&ConsentAnswer::Denied), Verdict::Failed(Refusal::NoConsent, "denied"));
    }
}
