//! What goes to a human, and what the answer leads to.

use super::*;

#[tokio::test]
async fn a3_3_a3_11_doubts_are_asked_one_by_one_and_what_was_let_pass_stays_so() -> Tested {
    let mut case = case().await?;
    case.register.answers(service_ids::SESSION, result("unsure"));
    case.register.answers(service_ids::FACE, result("unsure"));
    let hold = case.held().await?;
    let question = hold.question.expect("a question");
    assert_eq!((question.role, question.finding.as_str()), (Role::Committee, "identification-unsure"));
    assert_eq!(hold.notices, [NoticeKind::QuestionAsked]);
    assert_eq!(hold.until, Some("2025-09-05T00:00:00+05:00".parse()?));

    let hold = held(case.bench.answer(&question.choices[0].answer, &Job {}).await?)?;
    let question = hold.question.expect("the second question");
    assert_eq!(question.finding, "portrait-unsure");
    assert!(case.register.asked_of(service_ids::REGISTER).is_empty());

    // late: it stays asked
    let late = held(case.bench.lapse(&Job {}).await?)?;
    assert_eq!((late.until, late.question.map(|q| q.finding)), (None, Some("portrait-unsure".to_owned())));

    let turn = case.bench.answer(&question.choices[0].answer, &Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Registered(_))));
    let asked = case.bench.filed::<Questions>()?.asked;
    assert_eq!(asked.iter().map(|q| q.choice.as_deref()).collect::<Vec<_>>(), [Some("go-on"), Some("go-on")]);
    Ok(())
}

#[tokio::test]
async fn a3_2_another_birth_date_is_asked_about_and_may_be_redirected() -> Tested {
    let mut case = case().await?;
    let other = person(|p| p).to_xml().replace("1890-05-15", "1890-05-16");
    case.register
        .answers(service_ids::PERSON, kezek_gateway::xml::parse(other.as_bytes(), 1 << 20).map_err(|e| e.to_string())?);
    let question = case.held().await?.question.expect("a question");
    assert_eq!(question.finding, Doubt::BirthDateDiffers.label());
    let Turn::Done(outcome) = case.bench.answer(&question.choices[1].answer, &Job {}).await? else {
        panic!("not decided")
    };
    assert_eq!(outcome.label(), "redirected");
    Ok(())
}

#[tokio::test]
async fn a3_2_several_persons_cannot_be_let_pass_but_asked_again() -> Tested {
    let mut case = case().await?;
    let two = Node::new("response").child(Node::new("persons").child(Node::new("person")).child(Node::new("person")));
    case.register.answers(service_ids::PERSON, two);
    let question = case.held().await?.question.expect("a question");
    assert_eq!(question.choices[0].label, "ask-again");
    let again = held(case.bench.answer(&question.choices[0].answer, &Job {}).await?)?;
    assert_eq!(again.question.map(|q| q.finding), Some("several-persons".to_owned()));
    case.register.answers(service_ids::PERSON, person(|p| p));
    let turn = case.bench.answer(&question.choices[0].answer, &Job {}).await?;
    assert!(matches!(turn, Turn::Done(Outcome::Registered(_))));
    Ok(())
}
