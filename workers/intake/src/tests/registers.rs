//! A0.3, A2, A3.1–A3.7, A7: the registers, their order, and what needs none.

use super::*;

#[tokio::test]
async fn a3_the_registers_are_asked_in_the_order_of_the_law_and_the_coupon_is_set() -> Tested {
    let mut case = case().await?;
    let Turn::Done(outcome) = case.bench.work(&Job {}).await? else { panic!("not decided") };
    assert_eq!(outcome.label(), "registered");
    let order = [
        service_ids::PERSON,
        service_ids::PHONE,
        service_ids::SESSION,
        service_ids::CHANGES,
        service_ids::FACE,
        service_ids::REGISTER,
    ];
    assert_eq!(case.services(), order);
    assert_eq!(case.bench.case.coupon, Some(paper::coupon()));
    assert_eq!(case.bench.filed::<Document>()?, paper::document());
    assert_eq!(case.bench.filed::<Registration>()?.documentation_code, "demo-75-01");
    assert_eq!(case.bench.filed::<Identity>()?.registered_region, Some(paper::region()));
    let findings = case.bench.filed::<Findings>()?;
    assert!(findings.checks.iter().all(|c| c.outcome == CheckOutcome::Passed), "{findings:?}");
    let key = format!("register/{}", case.bench.case.id.0);
    assert_eq!(case.register.asked_of(service_ids::REGISTER)[0].key.as_deref(), Some(key.as_str()));
    Ok(())
}

#[tokio::test]
async fn a3_the_first_failing_register_decides_and_no_further_one_is_asked() -> Tested {
    let answer = |name: &str, text: &str| Node::new("answer").field(name, text);
    let act = Node::new("answer").child(Node::new("acts").child(Node::new("act").field("attribute", "surname")));
    let table: [(&str, Node, Refusal, &str, &str); 4] = [
        (service_ids::PHONE, answer("bound", "false"), Refusal::PhoneNotBound, "somebody-elses", service_ids::SESSION),
        (service_ids::SESSION, result("not-matched"), Refusal::NotIdentified, "not-matched", service_ids::CHANGES),
        (service_ids::CHANGES, act, Refusal::DataChanged, "surname", service_ids::FACE),
        (service_ids::FACE, result("not-matched"), Refusal::PhotoMismatch, "not-matched", service_ids::REGISTER),
    ];
    for (service, said, refusal, detail, not_asked) in table {
        let mut case = case().await?;
        case.register.answers(service, said);
        assert_eq!(case.refused().await?, (refusal, detail.to_owned()), "{service}");
        assert!(!case.services().iter().any(|s| s == not_asked), "{service}");
    }
    Ok(())
}

#[tokio::test]
async fn a3_2_and_a2_what_gbdfl_says_of_the_person_decides() -> Tested {
    let mut nobody = case().await?;
    nobody.register.says(service_ids::PERSON, "demo-not-found");
    assert_eq!(nobody.refused().await?, (Refusal::PersonNotFound, "not-found".to_owned()));
    let mut dead = case().await?;
    dead.register.answers(service_ids::PERSON, person(|p| p.field("deathDate", "2025-01-01")));
    assert_eq!(dead.refused().await?, (Refusal::DeadOrRemoved, "dead".to_owned()));
    assert_eq!(dead.services()[..1], [service_ids::PERSON]);
    // what the one answer already told is kept although the death decided
    let findings = dead.bench.filed::<Findings>()?;
    assert!(findings.checks.iter().any(|c| c.check == "A3.6" && c.outcome == CheckOutcome::Passed));
    Ok(())
}

#[tokio::test]
async fn a7_a0_3_what_needs_no_register_asks_none() -> Tested {
    let mut lost = case_with(|form| form.reason = kezek_domain::dossier::Reason::Loss).await?;
    assert_eq!(lost.refused().await?, (Refusal::OtherReason, "loss".to_owned()));
    assert_eq!(lost.services(), [service_ids::REGISTRATION_STATE]);
    let mut late = case().await?;
    late.bench.case.filed_at = "2026-04-01T05:00:00Z".parse()?;
    assert_eq!(late.refused().await?, (Refusal::OutOfLegalBasis, "out-of-period".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a7_the_day_of_filing_counts_and_not_the_day_of_processing() -> Tested {
    // filed in time, processed a month late: still served
    let mut case = case().await?;
    case.bench.passes(SignedDuration::from_hours(24 * 40));
    let fresh =
        Node::new("answer").field("kdpToken", "t").field("publicKey", "k").field("expiresAt", "2026-01-01T00:00:00Z");
    case.register.answers(service_ids::CONSENT, fresh);
    let Turn::Done(outcome) = case.bench.work(&Job {}).await? else { panic!("not decided") };
    assert_eq!(outcome.label(), "registered");
    Ok(())
}

#[tokio::test]
async fn a3_1_a_consent_that_has_run_out_or_is_refused_by_the_register_is_asked_anew() -> Tested {
    let mut old = case_with(|form| form.consent.expires_at = paper::filed_at()).await?;
    let Turn::Done(outcome) = old.bench.work(&Job {}).await? else { panic!("not decided") };
    assert_eq!(outcome.label(), "registered");
    assert_eq!(old.services()[..2], [service_ids::CONSENT, service_ids::PERSON]);
    assert!(old.register.asked_of(service_ids::PERSON)[0].data.contains("new-token"));

    let mut refused = case().await?;
    refused.register.says(service_ids::PERSON, "demo-token-expired");
    assert_eq!(refused.refused().await?, (Refusal::NoConsent, "token-refused".to_owned()));
    assert_eq!(refused.services()[..3], [service_ids::PERSON, service_ids::CONSENT, service_ids::PERSON]);

    let mut denied = case_with(|form| form.consent.expires_at = paper::filed_at()).await?;
    denied.register.says(service_ids::CONSENT, "demo-denied");
    assert_eq!(denied.refused().await?, (Refusal::NoConsent, "denied".to_owned()));
    Ok(())
}
