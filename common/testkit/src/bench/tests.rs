//! The bench rejects what the engine would not accept.

use super::*;
use kezek_stage::{Case, NoAnswer, Outcome, Shape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Does what its job says.
struct Whim;

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
enum Wish {
    Known,
    Unknown,
    HoldInThePast,
    Overdraw,
}

impl Shape for Wish {
    const KIND: &'static str = "whim.job";
    const VERSION: u32 = 1;
    fn samples() -> Vec<Self> {
        vec![Self::Known]
    }
}

#[derive(Debug)]
enum End {
    Known,
    Unknown,
    Overdrawn,
}

impl Outcome for End {
    fn label(&self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Unknown => "unknown",
            Self::Overdrawn => "overdrawn",
        }
    }
    fn samples() -> Vec<Self> {
        vec![Self::Known, Self::Overdrawn]
    }
    fn bookings(&self) -> Vec<Booking> {
        let earned = Booking {
            kind: PostingKind::Earned,
            amount: Tiyn(1),
            source: "kezek".to_owned(),
            reference: "duty/1".to_owned(),
        };
        if matches!(self, Self::Overdrawn) { vec![earned] } else { Vec::new() }
    }
}

impl Stage for Whim {
    const NAME: &'static str = "whim";
    type Subject = Case;
    type Config = ();
    type Job = Wish;
    type Answer = NoAnswer;
    type Outcome = End;
    fn open(_: (), _: Kit) -> Result<Self, ConfigError> {
        Ok(Self)
    }
    async fn work(&self, job: &Wish, file: &File<Self>, attempt: &Attempt) -> Result<Turn<Self>, Fault> {
        // READS names nothing, so nothing may be read
        let form = file.form().err().map(|f| f.cause());
        assert_eq!(form, Some("section-not-read"));
        Ok(match job {
            Wish::Known => Turn::Done(End::Known),
            Wish::Unknown => Turn::Done(End::Unknown),
            Wish::HoldInThePast => Turn::Hold(Hold::until(attempt.now())),
            Wish::Overdraw => Turn::Done(End::Overdrawn),
        })
    }
    async fn answer(&self, answer: &NoAnswer, _: &Wish, _: &File<Self>, _: &Attempt) -> Result<Turn<Self>, Fault> {
        match *answer {}
    }
    async fn lapse(&self, _: &Wish, _: &File<Self>, _: &Attempt) -> Result<Turn<Self>, Fault> {
        Ok(Turn::Again(std::time::Duration::from_secs(1)))
    }
}

async fn cause(wish: Wish) -> Option<&'static str> {
    let mut bench = Bench::<Whim>::open((), kit(paper::filed_at())).expect("no configuration").filing(&paper::form());
    bench.work(&wish).await.err().map(|f| f.cause())
}

#[tokio::test]
async fn what_breaks_the_contract_is_a_fault() {
    assert_eq!(cause(Wish::Known).await, None);
    assert_eq!(cause(Wish::Unknown).await, Some("contract-broken"));
    assert_eq!(cause(Wish::HoldInThePast).await, Some("contract-broken"));
    assert_eq!(cause(Wish::Overdraw).await, Some("contract-broken"));
}

#[tokio::test]
async fn time_stands_still_until_it_is_moved() {
    let bench = Bench::<Whim>::open((), kit(paper::filed_at())).expect("no configuration");
    assert_eq!(bench.now(), paper::filed_at());
    bench.passes(SignedDuration::from_hours(24));
    assert_eq!(bench.now().duration_since(paper::filed_at()), SignedDuration::from_hours(24));
}
