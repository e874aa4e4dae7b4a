//! A3.9–A3.13 and A12: the papers, the registration, and registers that are out.

use super::*;

#[tokio::test]
async fn a12_an_outage_of_more_than_ten_minutes_sends_to_the_centre() -> Tested {
    for system in [System::Bmg, System::DigitalId, System::Gbdfl] {
        let mut case = case().await?;
        case.bench.breakers.open(system, paper::filed_at() - SignedDuration::from_mins(10));
        let fault = case.bench.work(&Job {}).await.expect_err("ten minutes are not more than ten");
        assert!(fault.is_transient() && fault.system() == Some(system));
        case.bench.breakers.open(system, paper::filed_at() - SignedDuration::from_secs(601));
        assert_eq!(case.refused().await?, (Refusal::Outage, system.label().to_owned()));
    }
    Ok(())
}

#[tokio::test]
async fn a12_does_not_guess_about_a_registration_that_may_have_happened() -> Tested {
    let mut case = case().await?;
    case.bench.breakers.open(System::RpDrn, paper::filed_at() - SignedDuration::from_hours(5));
    let fault = case.bench.work(&Job {}).await.expect_err("repeated until RP DRN answers");
    assert!(fault.is_transient());
    Ok(())
}

#[tokio::test]
async fn a3_13_a_registration_whose_answer_was_lost_is_repeated_under_the_same_key() -> Tested {
    let mut case = case().await?;
    case.register.loses_answers(service_ids::REGISTER);
    assert!(case.bench.work(&Job {}).await.is_err());
    case.register.answers(
        service_ids::REGISTER,
        Node::new("answer").field("coupon", paper::coupon().as_str()).field("documentationCode", "c"),
    );
    let Turn::Done(outcome) = case.bench.work(&Job {}).await? else { panic!("not decided") };
    assert_eq!(outcome.label(), "registered");
    let keys: Vec<_> = case.register.asked_of(service_ids::REGISTER).into_iter().map(|a| a.key).collect();
    assert_eq!(keys[0], keys[1]);
    Ok(())
}

#[tokio::test]
async fn a3_13_a_lost_registration_is_cancelled_before_the_application_is_turned_down() -> Tested {
    let mut case = case().await?;
    case.register.loses_answers(service_ids::REGISTER);
    assert!(case.bench.work(&Job {}).await.is_err());
    // meanwhile the telephone was given to somebody else, and the register did hear the first request
    case.register.answers(service_ids::PHONE, Node::new("answer").field("bound", "false"));
    let open = Node::new("answer").field("state", "open").field("coupon", paper::coupon().as_str());
    case.register.answers(service_ids::REGISTRATION_STATE, open);
    assert_eq!(case.refused().await?.0, Refusal::PhoneNotBound);
    let cancelled = case.register.asked_of(service_ids::CANCEL);
    assert_eq!(cancelled.len(), 1);
    assert!(cancelled[0].data.contains(paper::coupon().as_str()));
    Ok(())
}

#[tokio::test]
async fn a3_13_rp_drn_may_refuse() -> Tested {
    let mut case = case().await?;
    let reason = Node::new("refusal").field("code", "demo-wanted").field("textKz", "…").field("textRu", "…");
    let no = Node::new("answer").child(Node::new("messageResult").field("code", "demo-refused")).child(reason);
    case.register.answers(service_ids::REGISTER, no);
    assert_eq!(case.refused().await?, (Refusal::RegistrationRefused, "refused-by-the-register".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a3_12_a_signature_of_somebody_else_or_over_other_bytes_is_refused() -> Tested {
    let mut other = case().await?;
    let content = other.papers[2].1.clone();
    let authority = Authority::new(paper::filed_at())?;
    other.bench = other.bench.attaching(Attachment::Eds, authority.person(&paper::iin())?.sign(&content)?);
    assert_eq!(other.refused().await?, (Refusal::SignatureInvalid, "not-trusted".to_owned()));

    let mut changed = case().await?;
    let mut form = changed.form.clone();
    form.registration_point = "another-point".to_owned();
    let bytes = serde_json::to_vec(&form)?;
    changed.bench = changed.bench.attaching(Attachment::SignedContent, bytes).filing(&form);
    assert_eq!(changed.refused().await?, (Refusal::SignatureInvalid, "content-differs".to_owned()));
    Ok(())
}

#[tokio::test]
async fn a3_12_a_list_of_revoked_certificates_that_says_nothing_refuses_nobody() -> Tested {
    let mut case = case().await?;
    let authority = Authority::new(paper::filed_at())?;
    let eds = authority.person(&paper::iin())?.sign(&case.papers[2].1)?;
    let list = std::env::temp_dir().join(format!("kezek-intake-crl-{}.pem", std::process::id()));
    let reopened = |case: &Case, issuer: &Authority| -> Result<Bench<Intake>, Box<dyn Error>> {
        std::fs::write(&list, issuer.revocation_list()?)?;
        let kit = bench::kit(paper::filed_at())
            .with(Arc::new(case.register.gateway()?))
            .with(Arc::new(Verifier::new(CmsVerifier::new(&authority.pem()?)?.with_crl_file(&list)?)));
        let config = Config { iin_profile: IinProfile::Demo, ..Config::default() };
        let mut bench = Bench::open(config, kit)?.filing(&case.form);
        for (which, bytes) in &case.papers {
            bench = bench.attaching(*which, bytes.clone());
        }
        Ok(bench.attaching(Attachment::Eds, eds.clone()))
    };
    case.bench = reopened(&case, &Authority::new(paper::filed_at())?)?;
    for _ in 0..2 {
        let fault = case.bench.work(&Job {}).await.expect_err("neither registered nor refused");
        assert_eq!((fault.is_transient(), fault.cause()), (true, "revocation-unknown"));
    }
    assert!(case.register.asked_of(service_ids::REGISTER).is_empty());

    // what is wrong with the papers anyway is not waited for
    case.bench = case.bench.attaching(Attachment::Photo, b"another".as_slice());
    assert_eq!(case.refused().await?.1, "photo-differs");

    // a list that speaks: the same application goes on
    case.bench = reopened(&case, &authority)?;
    let turn = case.bench.work(&Job {}).await?;
    std::fs::remove_file(&list)?;
    assert!(matches!(turn, Turn::Done(Outcome::Registered(_))), "{turn:?}");
    Ok(())
}

#[tokio::test]
async fn a3_9_a3_10_all_that_is_wrong_with_the_papers_is_found_at_once() -> Tested {
    let (photo, sample) = (portrait(210, 270), signature(600, 200, Stroke::Nothing));
    let mut case = case_with(|form| {
        form.photo_sha256 = sha256_hex(&photo);
        form.signature_sha256 = sha256_hex(&sample);
    })
    .await?;
    case.bench = case.bench.attaching(Attachment::Photo, photo).attaching(Attachment::Signature, sample);
    assert_eq!(case.refused().await?, (Refusal::SignatureUnfit, "blank".to_owned()));
    let failed: Vec<_> =
        case.bench.filed::<Findings>()?.checks.into_iter().filter(|c| c.outcome == CheckOutcome::Failed).collect();
    assert_eq!(failed.iter().map(|c| c.detail_code.as_str()).collect::<Vec<_>>(), ["blank", "too-small"]);
    assert!(case.register.asked_of(service_ids::FACE).is_empty());
    Ok(())
}

#[test]
fn a3_9_a3_10_the_sandboxes_people_are_told_apart_as_planned() -> Tested {
    use crate::checks::{photo, sample};
    use crate::sheet::Verdict;
    use kezek_sandbox::pictures::{Face, Handwriting, Portrait};
    let pictures = kezek_domain::rules::Rules::built_in().pictures();
    for who in 0..12 {
        let face = Face::of(7, who, who % 2 == 0);
        for (how, wanted) in [
            (Portrait::Good, Verdict::Passed("fit")),
            (Portrait::DarkGlasses, Verdict::Passed("fit")),
            (Portrait::DarkBackground, Verdict::Failed(Refusal::PhotoUnfit, "dark-background")),
            (Portrait::TooSmall, Verdict::Failed(Refusal::PhotoUnfit, "too-small")),
            (Portrait::Blurred, Verdict::Failed(Refusal::PhotoUnfit, "blurred")),
        ] {
            assert_eq!(photo::judge(&face.photograph(how)?, &pictures.photo), wanted, "person {who}, {how:?}");
        }
        for (hand, wanted) in [
            (Handwriting::Good, Verdict::Passed("fit")),
            (Handwriting::Blotted, Verdict::Passed("fit")),
            (Handwriting::Blank, Verdict::Failed(Refusal::SignatureUnfit, "blank")),
        ] {
            assert_eq!(sample::judge(&hand.sample(7, who)?, &pictures.signature), wanted, "person {who}, {hand:?}");
        }
    }
    Ok(())
}
