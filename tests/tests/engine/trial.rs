//! The first trial of every stage of the list. A new stage has a line here, or this does not pass.

use anyhow::Result;
use kezek::pipeline;
use kezek_testkit::trial::{line, stands};

macro_rules! stages {
    ($($stage:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $stage() -> Result<()> {
                stands(line(stringify!($stage))?).await
            }
        )*
        const TRIED: &[&str] = &[$(stringify!($stage)),*];
    };
}

stages!(intake exemption payment review production issuance refund recovery notice);

#[test]
fn every_stage_of_the_list_is_tried() {
    assert_eq!(TRIED, pipeline::names());
}
