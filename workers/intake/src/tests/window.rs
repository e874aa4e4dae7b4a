//! A7 at Almaty's midnight, through the whole stage.

use super::*;

#[tokio::test]
async fn a7_the_window_opens_and_closes_at_almatys_midnight() -> Tested {
    // the card's last day is 22 September 2025
    for (filed, told) in [
        ("2025-08-22T23:59:59.999999+05:00", Some("too-early")),
        ("2025-08-23T00:00:00+05:00", None),
        ("2025-09-22T00:00:00+05:00", None),
        ("2025-09-22T23:59:59+05:00", None),
        ("2025-10-02T23:59:59.999999+05:00", None),
        ("2025-10-03T00:00:00+05:00", Some("too-late")),
    ] {
        let mut case = case().await?;
        case.bench.case.filed_at = filed.parse()?;
        match told {
            Some(detail) => assert_eq!(case.refused().await?, (Refusal::OutsideWindow, detail.to_owned()), "{filed}"),
            None => assert!(matches!(case.bench.work(&Job {}).await?, Turn::Done(Outcome::Registered(_))), "{filed}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn a0_3_the_last_day_of_the_act_ends_at_almatys_midnight() -> Tested {
    let mut last = case().await?;
    last.bench.case.filed_at = "2026-03-31T23:59:59+05:00".parse()?;
    assert_eq!(last.refused().await?.0, Refusal::OutsideWindow);
    let mut over = case().await?;
    over.bench.case.filed_at = "2026-04-01T00:00:00+05:00".parse()?;
    assert_eq!(over.refused().await?, (Refusal::OutOfLegalBasis, "out-of-period".to_owned()));
    assert!(over.services().iter().all(|service| service != service_ids::PERSON), "no register is asked");
    Ok(())
}

#[tokio::test]
async fn a3_2_each_odd_person_has_a_stated_end() -> Tested {
    let mut unknown = case().await?;
    unknown.register.answers(service_ids::PERSON, Node::new("response").child(Node::new("persons")));
    assert_eq!(unknown.refused().await?, (Refusal::PersonNotFound, "not-found".to_owned()));

    let mut removed = case().await?;
    removed.register.answers(service_ids::PERSON, person(|p| p.field("removed", "true")));
    assert_eq!(removed.refused().await?, (Refusal::DeadOrRemoved, "removed".to_owned()));

    let mut dead = case().await?;
    dead.register.answers(service_ids::PERSON, person(|p| p.field("deathDate", "2025-01-01")));
    assert_eq!(dead.refused().await?, (Refusal::DeadOrRemoved, "dead".to_owned()));

    let xml = |from: &str, to: &str| {
        let text = person(|p| p).to_xml().replace(from, to);
        kezek_gateway::xml::parse(text.as_bytes(), 1 << 20).map_err(|e| e.to_string())
    };
    let mut endless = case().await?;
    endless.register.answers(service_ids::PERSON, xml("<endDate>2025-09-22</endDate>", "")?);
    assert_eq!(endless.refused().await?, (Refusal::OutsideWindow, "expiry-unknown".to_owned()));

    let mut elsewhere = case().await?;
    elsewhere.register.answers(service_ids::PERSON, xml("demo-75", "1907")?);
    let question = elsewhere.held().await?.question.expect("a question");
    assert_eq!((question.role, question.finding.as_str()), (Role::Committee, "region-unmapped"));
    let turn = elsewhere.bench.answer(&question.choices[0].answer, &Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Registered(_))));
    Ok(())
}

#[tokio::test]
async fn a3_7_of_several_cards_the_newest_counts_and_no_card_is_none() -> Tested {
    let xml = |change: &dyn Fn(String) -> String| {
        let text = change(person(|p| p).to_xml());
        kezek_gateway::xml::parse(text.as_bytes(), 1 << 20).map_err(|e| e.to_string())
    };
    let card = |text: &str| {
        let (from, to) = (text.find("<document>").unwrap_or(0), text.find("</document>").unwrap_or(0));
        text[from..to + "</document>".len()].to_owned()
    };
    let mut several = case().await?;
    several.register.answers(
        service_ids::PERSON,
        xml(&|text| {
            let own = card(&text);
            let newer = own.replace("012345678", "087654321").replace("2015-09-23", "2025-08-01");
            text.replace(&own, &format!("{own}{newer}"))
        })?,
    );
    assert_eq!(several.refused().await?, (Refusal::DocumentNotCurrent, "another-number".to_owned()));
    let mut none = case().await?;
    none.register.answers(service_ids::PERSON, xml(&|text| text.replace(&card(&text), ""))?);
    assert_eq!(none.refused().await?, (Refusal::DocumentNotCurrent, "no-card".to_owned()));
    Ok(())
}
