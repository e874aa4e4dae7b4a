//! The doors, before a counter without a server.

use super::*;

fn enquiry() -> Value {
    json!({
        "iin": paper::iin().expose(), "phone": "+77010000001", "service": "id-card-renewal",
        "digitalIdSession": "demo-session-1", "documentNumber": "012345678",
    })
}

#[tokio::test]
async fn a3_begin_tells_at_once_whether_the_person_may_apply() -> Tested {
    let case = case().await?;
    let counter = Counter::default();
    let (doors, portal) = (counter.routes(&case.bench), account(Role::Portal));
    let begin = "/v1/applications/begin";
    let (status, told) = ask(&doors, &portal, "POST", begin, Some(enquiry())).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(told["verdict"], "may-apply");
    assert_eq!(told["consent"]["token"], "new-token");
    assert_eq!(told["document"], json!({ "number": "******678", "expires": "2025-09-22" }));
    assert_eq!(case.services()[0], service_ids::CONSENT);

    case.register.answers(service_ids::PHONE, Node::new("answer").field("bound", "false"));
    let (_, told) = ask(&doors, &portal, "POST", begin, Some(enquiry())).await;
    assert_eq!((&told["verdict"], &told["refusal"]["code"]), (&json!("refused"), &json!("phone-not-bound")));
    assert!(told["refusal"]["text"]["kk"].as_str().is_some_and(|t| !t.is_empty()));
    assert!(!told.to_string().contains(paper::iin().expose()));

    case.register.down(service_ids::PHONE);
    let (status, told) = ask(&doors, &portal, "POST", begin, Some(enquiry())).await;
    assert_eq!((status, &told["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));
    case.bench.breakers.open(System::Bmg, paper::filed_at() - SignedDuration::from_mins(11));
    let (status, told) = ask(&doors, &portal, "POST", begin, Some(enquiry())).await;
    assert_eq!(
        (status, &told["verdict"], &told["refusal"]["law"]),
        (StatusCode::OK, &json!("redirected"), &json!("A12"))
    );

    let (status, _) = ask(&doors, &account(Role::Operator), "POST", begin, Some(enquiry())).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    Ok(())
}

#[tokio::test]
async fn a_submission_opens_one_case_and_its_status_tells_no_personal_data() -> Tested {
    let case = case().await?;
    let counter = Counter::default();
    let (doors, portal) = (counter.routes(&case.bench), account(Role::Portal));
    let paper_of = |at: usize| STANDARD.encode(&case.papers[at].1);
    let mut request = json!({
        "requestId": "r-1", "service": "id-card-renewal", "photo": paper_of(0), "signatureSample": paper_of(1),
        "signedContent": paper_of(2), "signature": paper_of(3),
    });
    let (status, told) = ask(&doors, &portal, "POST", "/v1/applications", Some(request.clone())).await;
    assert_eq!((status, &told["status"]), (StatusCode::CREATED, &json!("received")), "{told}");
    let (status, again) = ask(&doors, &portal, "POST", "/v1/applications", Some(request.clone())).await;
    assert_eq!((status, &again["receipt"]), (StatusCode::OK, &told["receipt"]));
    assert_eq!(counter.submissions().len(), 1);
    request["requestId"] = json!("no good");
    let (status, told) = ask(&doors, &portal, "POST", "/v1/applications", Some(request)).await;
    assert_eq!((status, &told["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/requestId")));

    let large = json!({ "photo": "A".repeat(9 << 20) });
    let (status, told) = ask(&doors, &portal, "POST", "/v1/applications", Some(large)).await;
    assert_eq!((status, &told["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("too-large")));

    let head = case.bench.case.clone();
    let path = format!("/v1/applications/{}", Receipt::of(head.id).as_str());
    counter.put(HeldCase::new(head, paper::filed_at()));
    let (status, told) = ask(&doors, &portal, "GET", &path, None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(told["stage"]["ru"], "Заявка проверяется и регистрируется");
    assert!(!told.to_string().contains(paper::iin().expose()));
    let (status, _) = ask(&doors, &portal, "GET", "/v1/applications/%20", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    Ok(())
}
