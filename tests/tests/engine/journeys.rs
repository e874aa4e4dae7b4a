//! Conversations: what a person would see of Kezek from the submission to the end.

use anyhow::Result;
use kezek_domain::Closing;
use kezek_sandbox::Plan;
use kezek_testkit::town::Town;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a3_a11d_an_application_goes_from_the_portal_to_the_hand_over_of_the_card() -> Result<()> {
    let town = Town::found(101).await?;
    let citizen = town.citizen(Plan::Issued)?;
    let sent = citizen.submits().await?;

    let waiting = town.until_held_at(sent.case, "review").await?;
    assert!(waiting.coupon.is_some(), "A3.13: registered before anybody looks at it");
    town.officer(waiting.region)?.approves(sent.case).await?;

    let ready = town.until_held_at(sent.case, "issuance").await?;
    let coupon = ready.coupon.map(|c| c.as_str().to_owned()).unwrap_or_default();
    town.issuer(ready.region)?.hands_over(&coupon).await?;

    assert_eq!(town.until_closed(sent.case).await?, Closing::Issued);
    town.finish().await
}
