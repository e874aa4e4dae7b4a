//! One stage on the bench: no broker, no database.
//!
//! The job is pushed through its schema and JSON first, the file is built from a case that the test describes, time
//! stands still until the test moves it, and whatever the stage does outside is written down. A result that the
//! engine could not accept (an outcome without a sample, a section that is not its own type's) is a fault
//! `contract-broken`, so no test passes with one.

mod memory;

pub use memory::{EffectRecord, MemoryBreakers, MemoryEffects};

use crate::paper;
use jiff::{SignedDuration, Timestamp};
use kezek_domain::dossier::{Filed, Language, Section};
use kezek_domain::journal::CallRecord;
use kezek_domain::ledger::PostingKind;
use kezek_domain::{CaseId, Coupon, Fault, How, Receipt, Region, Service, StageName, Status, System, Ticket, Tiyn};
use kezek_stage::{
    Answer as _, Attachment, Attempt, Booking, CaseHead, Clock, ConfigError, EffectKey, File, Hold, Ids, Kit,
    LedgerLine, LetterFacts, Outcome as _, Shape, SideFacts, Stage, Turn, decode,
};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A kit whose clock stands still at an instant and whose identifiers are seeded. Add clients with [`Kit::with`].
#[must_use]
pub fn kit(at: Timestamp) -> Kit {
    Kit::new(Clock::of(move || at), Ids::seeded(1))
}

/// One stage and one case.
pub struct Bench<S: Stage> {
    /// The stage itself, for the checks that it shares with its doors.
    pub stage: Arc<S>,
    /// The case as the next file shows it; change it freely between steps.
    pub case: CaseHead,
    /// The visit of the stage.
    pub visit: u32,
    /// The memory of outside effects.
    pub effects: Arc<MemoryEffects>,
    /// The breakers.
    pub breakers: Arc<MemoryBreakers>,
    clock: Clock,
    sections: HashMap<Section, (u32, Value)>,
    attachments: HashMap<Attachment, Vec<u8>>,
    ledger: Vec<LedgerLine>,
    side: Option<SideFacts>,
    letter: Option<LetterFacts>,
    attempts: u32,
    calls: Vec<CallRecord>,
}

impl<S: Stage> std::fmt::Debug for Bench<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bench({}, attempt {})", S::NAME, self.attempts)
    }
}

impl<S: Stage> Bench<S> {
    /// Opens the stage with a configuration and a kit, and puts an empty case (region Almaty, ticket 1) before it.
    ///
    /// # Errors
    /// What the stage says of its configuration.
    pub fn open(config: S::Config, kit: Kit) -> Result<Self, ConfigError> {
        let clock = kit.clock.clone();
        let case = CaseId(kit.ids.next());
        let head = CaseHead {
            id: case,
            receipt: Receipt::of(case),
            coupon: None,
            service: Service::ID_CARD_RENEWAL,
            flow_version: 1,
            region: paper::region(),
            language: Language::Kk,
            filed_at: clock.now(),
            status: Status::opened(StageName::new(S::NAME)),
            ticket: Ticket(1),
            revision: 0,
            purse: kezek_domain::Purse::default(),
        };
        Ok(Self {
            stage: Arc::new(S::open(config, kit)?),
            case: head,
            visit: 1,
            effects: Arc::default(),
            breakers: Arc::default(),
            clock,
            sections: HashMap::new(),
            attachments: HashMap::new(),
            ledger: Vec::new(),
            side: None,
            letter: None,
            attempts: 0,
            calls: Vec::new(),
        })
    }

    /// Files a section, as an earlier stage would have. One that cannot be written as JSON is filed as `null`, which
    /// no stage can read.
    #[must_use]
    pub fn filing<T: Filed>(mut self, section: &T) -> Self {
        self.sections.insert(T::SECTION, (T::VERSION, serde_json::to_value(section).unwrap_or(Value::Null)));
        self
    }
    /// [`Bench::filing`] on a bench that is in use.
    pub fn put<T: Filed>(&mut self, section: &T) {
        self.sections.insert(T::SECTION, (T::VERSION, serde_json::to_value(section).unwrap_or(Value::Null)));
    }
    /// Attaches a picture or document.
    #[must_use]
    pub fn attaching(mut self, which: Attachment, bytes: impl Into<Vec<u8>>) -> Self {
        self.attachments.insert(which, bytes.into());
        self
    }
    /// The case is registered under this coupon (A3.13).
    #[must_use]
    pub fn coupon(mut self, coupon: &Coupon) -> Self {
        self.case.coupon = Some(coupon.clone());
        self
    }
    /// Money that has come for the case under a payment number.
    #[must_use]
    pub fn received(mut self, amount: Tiyn, number: &str) -> Self {
        self.post(PostingKind::Received, System::RpDrn.label(), number, amount);
        self
    }
    /// Money that the tax authority has paid back to the case's payer, under its number of the refund.
    #[must_use]
    pub fn returned(mut self, amount: Tiyn, number: &str) -> Self {
        self.post(PostingKind::Returned, System::TaxAuthority.label(), number, amount);
        self
    }
    /// The case's head, changed by the test.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut CaseHead)) -> Self {
        change(&mut self.case);
        self
    }
    /// The instant of filing.
    #[must_use]
    pub fn filed_at(mut self, at: Timestamp) -> Self {
        self.case.filed_at = at;
        self
    }
    /// The region chosen by the applicant (A10).
    #[must_use]
    pub fn in_region(mut self, region: Region) -> Self {
        self.case.region = region;
        self
    }
    /// The notice, for a stage whose subject is a side message.
    #[must_use]
    pub fn side(mut self, side: SideFacts) -> Self {
        self.side = Some(side);
        self
    }
    /// The letter, for a stage whose subject is a letter.
    #[must_use]
    pub fn letter(mut self, letter: LetterFacts) -> Self {
        self.letter = Some(letter);
        self
    }
    /// Business time goes on.
    pub fn passes(&self, time: SignedDuration) {
        let moved = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.clock.set_offset_ms(self.clock.offset_ms().saturating_add(moved));
    }
    /// The bench's clock.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }
    /// Business time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A message has come: the job goes through its schema and JSON, then to [`Stage::work`].
    ///
    /// # Errors
    /// The stage's fault, or `contract-broken`.
    pub async fn work(&mut self, job: &S::Job) -> Result<Turn<S>, Fault> {
        let job = through_json(job)?;
        self.status(How::Moving);
        let (file, attempt) = self.attempt();
        let turn = self.stage.work(&job, &file, &attempt).await;
        self.after(&attempt, turn)
    }

    /// An answer has come for the held case; money that it reports is posted first, as the engine does.
    ///
    /// # Errors
    /// As [`Bench::work`].
    pub async fn answer(&mut self, answer: &S::Answer, job: &S::Job) -> Result<Turn<S>, Fault> {
        let answer = through_json(answer)?;
        let job = through_json(job)?;
        if let Some(money) = answer.money() {
            self.post(money.kind, &money.provider, &money.number, money.amount);
        }
        // a case that a turn has held keeps its deadline
        if !matches!(self.case.status.how(), Some(How::Held { .. })) {
            self.status(How::Held { until: None });
        }
        let (file, attempt) = self.attempt();
        let turn = self.stage.answer(&answer, &job, &file, &attempt).await;
        self.after(&attempt, turn)
    }

    /// The hold's deadline has passed.
    ///
    /// # Errors
    /// As [`Bench::work`].
    pub async fn lapse(&mut self, job: &S::Job) -> Result<Turn<S>, Fault> {
        let job = through_json(job)?;
        self.status(How::Held { until: Some(self.clock.now()) });
        let (file, attempt) = self.attempt();
        let turn = self.stage.lapse(&job, &file, &attempt).await;
        self.after(&attempt, turn)
    }

    /// Every call made outside so far, oldest first.
    #[must_use]
    pub fn calls(&self) -> &[CallRecord] {
        &self.calls
    }
    /// The operations called outside so far, as `system/operation`.
    #[must_use]
    pub fn called(&self) -> Vec<String> {
        self.calls.iter().map(|c| format!("{}/{}", c.system, c.operation)).collect()
    }
    /// The file of the case as the stage would now be given it.
    #[must_use]
    pub fn file(&self) -> File<S> {
        let read = self.sections.iter().filter(|(s, _)| S::READS.contains(s));
        let sections = read.map(|(s, (version, body))| (*s, (*version, body.to_string().into_bytes()))).collect();
        let attachments =
            self.attachments.iter().filter(|(a, _)| S::ATTACHMENTS.contains(a)).map(|(a, b)| (*a, b.clone())).collect();
        let mut file = File::new(self.case.clone(), self.visit, sections, attachments);
        file.side.clone_from(&self.side);
        file.letter.clone_from(&self.letter);
        if S::LEDGER {
            file.ledger.clone_from(&self.ledger);
        }
        file
    }
    /// The latest section of a type that was filed, by the test or by a turn.
    ///
    /// # Errors
    /// Permanent, where there is none or it is not that type.
    pub fn filed<T: Filed>(&self) -> Result<T, Fault> {
        let (_, body) = self.sections.get(&T::SECTION).ok_or_else(|| broken("no such section was filed"))?;
        serde_json::from_value(body.clone()).map_err(|_| broken("the filed section is not of its type"))
    }

    fn attempt(&mut self) -> (File<S>, Attempt) {
        self.attempts += 1;
        let attempt = Attempt::new(
            self.attempts,
            self.case.id,
            S::NAME,
            self.clock.clone(),
            Arc::clone(&self.effects) as _,
            Arc::clone(&self.breakers) as _,
        );
        (self.file(), attempt)
    }

    fn status(&mut self, now: How) {
        if let Status::Open { how, .. } = &mut self.case.status {
            *how = now;
        }
    }

    fn post(&mut self, kind: PostingKind, source: &str, reference: &str, amount: Tiyn) {
        // once per source, kind and reference: the ledger's own rule
        if self.ledger.iter().any(|l| l.kind == kind && l.source == source && l.reference == reference) {
            return;
        }
        let purse = &mut self.case.purse;
        match kind {
            PostingKind::Received | PostingKind::Claimed => purse.received.0 += amount.0,
            PostingKind::Earned => purse.earned.0 += amount.0,
            PostingKind::Returned => purse.returned.0 += amount.0,
            PostingKind::ReceivedSuspense => {}
        }
        let at = self.clock.now();
        self.ledger.push(LedgerLine { kind, source: source.to_owned(), reference: reference.to_owned(), amount, at });
    }

    /// Keeps what the turn files and books, as the settle would, and checks it against the contract.
    fn after(&mut self, attempt: &Attempt, turn: Result<Turn<S>, Fault>) -> Result<Turn<S>, Fault> {
        self.calls.extend(attempt.take_calls());
        let turn = turn?;
        match &turn {
            Turn::Done(outcome) => {
                let known: HashSet<_> = S::Outcome::samples().iter().map(kezek_stage::Outcome::label).collect();
                if !known.contains(outcome.label()) {
                    return Err(broken(format!("outcome `{}` has no sample", outcome.label())));
                }
                for draft in outcome.sections()? {
                    self.sections.insert(draft.section, (draft.version, draft.body));
                }
                for Booking { kind, amount, source, reference } in outcome.bookings() {
                    if !amount.is_positive() {
                        return Err(broken(format!("booking {reference} is not above zero")));
                    }
                    self.post(kind, &source, &reference, amount);
                }
                if let Some(coupon) = outcome.marks().coupon {
                    self.case.coupon = Some(coupon);
                }
            }
            Turn::Hold(Hold { until, question, files, .. }) => {
                if until.is_some_and(|u| u <= self.clock.now()) {
                    return Err(broken("a hold whose deadline has already passed would lapse at once, for ever"));
                }
                if question.as_ref().is_some_and(|q| q.choices.is_empty()) {
                    return Err(broken("a question without choices cannot be answered"));
                }
                for draft in files {
                    self.sections.insert(draft.section, (draft.version, draft.body.clone()));
                }
                self.status(How::Held { until: *until });
            }
            Turn::Again(_) => {}
        }
        if self.case.purse.held().0 < 0 {
            return Err(broken("the purse is overdrawn"));
        }
        Ok(turn)
    }

    /// An earlier attempt asked for this effect and no answer came back.
    #[must_use]
    pub fn unanswered(self, key: &EffectKey) -> Self {
        self.effects.leave_unanswered(key);
        self
    }
}

fn broken(what: impl Into<String>) -> Fault {
    Fault::permanent("contract-broken", what)
}

/// Writes a shape as JSON, checks it against its own schema, and reads it back as a worker of today would.
///
/// # Errors
/// `contract-broken`, naming the place.
pub fn through_json<T: Shape>(shape: &T) -> Result<T, Fault> {
    let body = serde_json::to_value(shape).map_err(|_| broken(format!("{} does not serialise", T::KIND)))?;
    let schema = schemars::schema_for!(T).to_value();
    let schema = jsonschema::validator_for(&schema).map_err(|e| broken(format!("schema of {}: {e}", T::KIND)))?;
    if let Some(error) = schema.iter_errors(&body).next() {
        return Err(broken(format!("{} is not its own schema at {}", T::KIND, error.instance_path())));
    }
    Ok(decode(T::VERSION, body.to_string().as_bytes())?)
}

#[cfg(test)]
mod tests;
