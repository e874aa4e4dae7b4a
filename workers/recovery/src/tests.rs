//! What becomes of letters.

use crate::{Config, Job, Outcome, Recovery};
use kezek_domain::{CaseId, Ticket};
use kezek_stage::{LetterFacts, Shape as _, Turn};
use kezek_testkit::{Bench, bench, paper};
use std::error::Error;

type Tested = Result<(), Box<dyn Error>>;

fn facts(reason: &str, outstanding: bool, tried_alone: bool) -> LetterFacts {
    LetterFacts {
        reason: reason.to_owned(),
        detail: String::new(),
        stage: Some("intake".to_owned()),
        case: Some(CaseId(uuid::Uuid::from_u128(1))),
        ticket: Some(Ticket(3)),
        outstanding,
        tried_alone,
    }
}

async fn sorted(facts: LetterFacts) -> Result<Outcome, Box<dyn Error>> {
    let job = Job::samples().into_iter().next().ok_or("a sample")?;
    let mut bench = Bench::<Recovery>::open(Config::default(), bench::kit(paper::filed_at()))?.letter(facts);
    let Turn::Done(first) = bench.work(&job).await? else { panic!("a letter never waits") };
    let Turn::Done(again) = bench.work(&job).await? else { panic!("a letter never waits") };
    assert_eq!(first, again);
    Ok(first)
}

#[tokio::test]
async fn a_letter_over_its_delivery_limit_is_tried_alone_once() -> Tested {
    for spelling in ["delivery-limit", "delivery_limit"] {
        assert!(matches!(sorted(facts(spelling, true, false)).await?, Outcome::TriedAlone(_)));
        assert!(matches!(sorted(facts(spelling, true, true)).await?, Outcome::Stored(_)));
        assert!(matches!(sorted(facts(spelling, false, false)).await?, Outcome::Stale(_)));
    }
    Ok(())
}

#[tokio::test]
async fn what_the_broker_let_go_is_stale_once_its_case_has_moved() -> Tested {
    for cause in ["expired", "rejected", "maxlen", "unroutable"] {
        assert!(matches!(sorted(facts(cause, false, false)).await?, Outcome::Stale(_)), "{cause}");
        assert!(matches!(sorted(facts(cause, true, false)).await?, Outcome::Stored(_)), "{cause}");
    }
    Ok(())
}

#[tokio::test]
async fn what_the_engine_parked_is_always_kept() -> Tested {
    // a parked case does not move, so its letter is never outstanding: it is the operator's handle all the same
    for cause in ["undecodable", "exhausted", "panic", "permanent", "coupon-unknown"] {
        assert!(matches!(sorted(facts(cause, false, false)).await?, Outcome::Stored(_)), "{cause}");
    }
    Ok(())
}

#[tokio::test]
async fn what_names_no_known_case_is_kept() -> Tested {
    let nobodys = LetterFacts { case: None, ticket: None, ..facts("delivery-limit", false, false) };
    assert!(matches!(sorted(nobodys).await?, Outcome::Stored(_)));
    Ok(())
}
