//! The six stages of the main line with their gateways in the process.

use jiff::{SignedDuration, Timestamp};
use kezek_domain::dossier::{DutyAssessment, DutyOutcome, Registration, Section};
use kezek_domain::ledger::PostingKind;
use kezek_domain::lifecycle::Closing;
use kezek_domain::{Coupon, Service, Tiyn};
use kezek_stage::{
    Answer, Attempt, Booking, Case, ConfigError, Fault, File, Flow, FlowError, Hold, Kit, Marks, Money, NoAnswer,
    Outcome, SectionDraft, Settled, Shape, Stage, Step, Turn,
};
use kezek_store::Permit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

pub const NAMES: [&str; 6] = ["intake", "exemption", "payment", "review", "production", "issuance"];
pub const DUTY: Tiyn = Tiyn(78_640);

/// What the outside world hears of a turn that becomes true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heard {
    /// The case waits at the stage for its answer.
    Held(Uuid, &'static str),
    /// The last stage is done with the case.
    Ended(Uuid),
}

static HEARD: Mutex<Option<UnboundedSender<Heard>>> = Mutex::new(None);
static SLOW: AtomicU64 = AtomicU64::new(0);

/// Who hears of turns from now on.
pub fn tell(listener: Option<UnboundedSender<Heard>>) {
    *HEARD.lock().unwrap_or_else(PoisonError::into_inner) = listener;
}

/// How long every attempt's work takes from now on.
pub fn work_takes(time: Duration) {
    SLOW.store(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Job {}

macro_rules! shape {
    ($name:ident, $kind:literal, $sample:expr) => {
        impl Shape for $name {
            const KIND: &'static str = $kind;
            const VERSION: u32 = 1;
            fn samples() -> Vec<Self> {
                vec![$sample]
            }
        }
    };
}
shape!(Job, "bench.job", Job {});

/// The one answer that a held stage waits for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Yes {
    pub number: Option<String>,
}
shape!(Yes, "bench.answer", Yes { number: None });

impl Answer for Yes {
    fn label(&self) -> &'static str {
        "yes"
    }
    fn money(&self) -> Option<Money> {
        self.number.clone().map(|number| Money {
            kind: PostingKind::Received,
            provider: "rp-drn".to_owned(),
            number,
            amount: DUTY,
        })
    }
}

#[derive(Debug)]
pub enum Ended {
    Registered(Box<Registration>),
    Assessed(Box<DutyAssessment>),
    Went,
    Issued(String),
}

impl Outcome for Ended {
    fn label(&self) -> &'static str {
        match self {
            Self::Registered(_) => "registered",
            Self::Assessed(_) => "assessed",
            Self::Went => "went",
            Self::Issued(_) => "issued",
        }
    }
    fn samples() -> Vec<Self> {
        vec![Self::Went]
    }
    fn sections(&self) -> Result<Vec<SectionDraft>, Fault> {
        Ok(match self {
            Self::Registered(r) => vec![SectionDraft::of(&**r)?],
            Self::Assessed(d) => vec![SectionDraft::of(&**d)?],
            Self::Went | Self::Issued(_) => Vec::new(),
        })
    }
    fn bookings(&self) -> Vec<Booking> {
        match self {
            Self::Issued(reference) => vec![Booking {
                kind: PostingKind::Earned,
                source: "kezek".to_owned(),
                amount: DUTY,
                reference: reference.clone(),
            }],
            _ => Vec::new(),
        }
    }
    fn marks(&self) -> Marks {
        match self {
            Self::Registered(r) => Marks { coupon: Some(r.coupon.clone()) },
            _ => Marks::default(),
        }
    }
}

/// What a stage does: all a function of its name.
fn work<S: Stage<Outcome = Ended>>(file: &File<S>, now: Timestamp, holds: bool) -> Result<Turn<S>, Fault> {
    if holds {
        let until = now.checked_add(SignedDuration::from_hours(72)).unwrap_or(now);
        return Ok(Turn::Hold(Hold::until(until)));
    }
    let _ = file.form()?;
    Ok(Turn::Done(if S::NAME == "intake" {
        let coupon = Coupon::parse(&format!("DEMO-{}", file.case.id.0.simple()))
            .map_err(|_| Fault::permanent("coupon", "cannot be read"))?;
        Ended::Registered(Box::new(Registration {
            coupon,
            registered_at: now,
            documentation_code: "demo-01".to_owned(),
        }))
    } else {
        Ended::Assessed(Box::new(DutyAssessment {
            outcome: DutyOutcome::Payable { amount: DUTY },
            amount: DUTY,
            legal_basis: "bench".to_owned(),
            rule_version: "bench".to_owned(),
            mrp: Tiyn(393_200),
        }))
    }))
}

macro_rules! stage {
    ($name:ident, $label:literal, $answer:ty, $holds:literal) => {
        pub struct $name;
        impl Stage for $name {
            const NAME: &'static str = $label;
            const READS: &'static [Section] = &[Section::Form, Section::Registration, Section::DutyAssessment];
            type Subject = Case;
            type Config = ();
            type Job = Job;
            type Answer = $answer;
            type Outcome = Ended;
            fn open((): (), _: Kit) -> Result<Self, ConfigError> {
                Ok(Self)
            }
            async fn work(&self, _: &Job, file: &File<Self>, a: &Attempt) -> Result<Turn<Self>, Fault> {
                let slow = SLOW.load(Ordering::Relaxed);
                if slow > 0 {
                    tokio::time::sleep(Duration::from_millis(slow)).await;
                }
                work(file, a.now(), $holds)
            }
            async fn record(&self, won: &[Settled<'_, Self>], _: &mut Permit<'_>) -> Result<(), Fault> {
                let listener = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(listener) = listener.as_ref() else { return Ok(()) };
                for settled in won {
                    let case = settled.case.id.0;
                    let heard = match settled.turn {
                        Turn::Hold(_) => Heard::Held(case, $label),
                        Turn::Done(Ended::Issued(_)) => Heard::Ended(case),
                        Turn::Done(_) | Turn::Again(_) => continue,
                    };
                    // nobody listens any more: the run is over
                    let _ = listener.send(heard);
                }
                Ok(())
            }
            async fn answer(&self, _: &$answer, _: &Job, file: &File<Self>, _: &Attempt) -> Result<Turn<Self>, Fault> {
                Ok(Turn::Done(if $label == "issuance" {
                    Ended::Issued(format!("duty/{}", file.case.id.0))
                } else {
                    Ended::Went
                }))
            }
            async fn lapse(&self, _: &Job, _: &File<Self>, _: &Attempt) -> Result<Turn<Self>, Fault> {
                Err(Fault::permanent("lapse", "nothing lapses here"))
            }
        }
    };
}
stage!(Intake, "intake", NoAnswer, false);
stage!(Exemption, "exemption", NoAnswer, false);
stage!(Payment, "payment", Yes, true);
stage!(Review, "review", Yes, true);
stage!(Production, "production", Yes, true);
stage!(Issuance, "issuance", Yes, true);

pub fn flow() -> Result<Flow, FlowError> {
    Flow::new(Service::ID_CARD_RENEWAL, 1, Step::to::<Intake>(&Job {}), Step::to::<Payment>(&Job {}))
        .on::<Intake>(|_| Step::to::<Exemption>(&Job {}))?
        .on::<Exemption>(|_| Step::to::<Payment>(&Job {}))?
        .on::<Payment>(|_| Step::to::<Review>(&Job {}))?
        .on::<Review>(|_| Step::to::<Production>(&Job {}))?
        .on::<Production>(|_| Step::to::<Issuance>(&Job {}))?
        .on::<Issuance>(|_| Step::close(Closing::Issued, "handed-over"))
}
