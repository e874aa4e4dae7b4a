//! Decisions that do not count yet: one that a second officer must take alike, and a cancellation that its author may
//! still take back. Both stand in the section `proposal`; the case goes on waiting.

use crate::{Answer, NOTHING_TO_TAKE_BACK, Review, Signed};
use jiff::{SignedDuration, Timestamp};
use kezek_domain::How;
use kezek_domain::dossier::{Decision, Proposal, ProposalState};
use kezek_stage::{Attempt, Fault, File, Hold, SectionDraft, Turn};

/// Until when the case was to wait anyway; nothing where that is over.
pub(crate) fn held_until(file: &File<Review>, attempt: &Attempt) -> Option<Timestamp> {
    match file.case.status.how() {
        Some(How::Held { until: Some(until) }) if *until > attempt.now() => Some(*until),
        _ => None,
    }
}

fn waiting(until: Option<Timestamp>, proposal: &Proposal) -> Result<Turn<Review>, Fault> {
    Ok(Turn::Hold(Hold { until, ..Hold::open() }.filing(SectionDraft::of(proposal)?)))
}

/// The first of two: the case waits for another officer.
pub(crate) fn first_of_two(
    decision: Decision,
    signed: &Signed,
    file: &File<Review>,
    attempt: &Attempt,
) -> Result<Turn<Review>, Fault> {
    let until = held_until(file, attempt);
    let proposal = Proposal {
        decision,
        state: ProposalState::AwaitingSecond,
        visit: file.visit,
        signer_sha256: signed.signer_sha256.clone(),
        review_until: until,
        effective_at: None,
    };
    waiting(until, &proposal)
}

/// The second officer decides otherwise: neither decision counts, and both are on file.
pub(crate) fn overruled(first: Proposal, file: &File<Review>, attempt: &Attempt) -> Result<Turn<Review>, Fault> {
    let until = held_until(file, attempt);
    waiting(until, &Proposal { state: ProposalState::Overruled, ..first })
}

/// A cancellation waits a moment before it takes effect.
pub(crate) fn cooling(
    decision: Decision,
    signed: &Signed,
    review_until: Option<Timestamp>,
    wait: SignedDuration,
    file: &File<Review>,
    attempt: &Attempt,
) -> Result<Turn<Review>, Fault> {
    let at = attempt.now().checked_add(wait).map_err(|_| Fault::permanent("time-overflow", "take_back_minutes"))?;
    let proposal = Proposal {
        decision,
        state: ProposalState::Cooling,
        visit: file.visit,
        signer_sha256: signed.signer_sha256.clone(),
        review_until,
        effective_at: Some(at),
    };
    waiting(Some(at), &proposal)
}

/// The author takes his cancellation back: the case waits as it did before.
pub(crate) fn taken_back(
    answer: &Answer,
    pending: Option<Proposal>,
    file: &File<Review>,
    attempt: &Attempt,
) -> Result<Turn<Review>, Fault> {
    let refused = |what: &str| Err(Fault::permanent(NOTHING_TO_TAKE_BACK, what.to_owned()));
    let Some(proposal) = pending.filter(|p| p.state == ProposalState::Cooling && p.visit == file.visit) else {
        return refused("no cancellation waits to take effect");
    };
    if answer.author() != Some(proposal.decision.officer.as_str()) {
        return refused("a cancellation is taken back by whoever decided it");
    }
    if proposal.effective_at.is_none_or(|at| attempt.now() >= at) {
        return refused("the time for it has passed");
    }
    let until = proposal.review_until.filter(|until| *until > attempt.now());
    waiting(until, &Proposal { state: ProposalState::TakenBack, ..proposal })
}
