//! Answers and deadlines of every stage of the list: before their hold, against each other, with workers that die.

use anyhow::Result;
use kezek_testkit::trial::{answered, line};

macro_rules! stages {
    ($($stage:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $stage() -> Result<()> {
                let stage = line(stringify!($stage))?;
                let coverage = answered(stage).await?;
                // whoever is answered stands it all; nobody else has anything to stand
                assert_eq!(coverage.count() > 15, !stage.sample_answers().is_empty(), "{coverage:?}");
                Ok(())
            }
        )*
        const ANSWERED: &[&str] = &[$(stringify!($stage)),*];
    };
}

stages!(intake exemption payment review production issuance refund recovery notice);

#[test]
fn every_stage_of_the_list_is_answered() {
    assert_eq!(ANSWERED, kezek::pipeline::names());
}
