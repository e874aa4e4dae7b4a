//! The list of routes.

use kezek_domain::Role;

/// One route of the HTTP interface.
#[derive(Debug)]
pub struct Route {
    /// `get` or `post`.
    pub method: &'static str,
    /// Its path.
    pub path: &'static str,
    /// What it is for, in a few words.
    pub summary: &'static str,
    /// What a caller should know.
    pub about: &'static str,
    /// Whether it needs a bearer token.
    pub token: bool,
    /// The roles that may call it; empty where the case decides.
    pub roles: &'static [Role],
    /// Query parameters: name, JSON type, whether it must be there.
    pub query: &'static [(&'static str, &'static str, bool)],
    /// The request's media type, and its schema's name or, where it is not JSON, what it is.
    pub body: Option<(&'static str, &'static str)>,
    /// Answers: status, schema's name or media type, what it means.
    pub answers: &'static [(&'static str, &'static str, &'static str)],
}

const JSON: &str = "application/json";
const DECIDES: &[Role] = &[Role::Reviewer, Role::Head];

const fn get(path: &'static str, summary: &'static str, about: &'static str) -> Route {
    Route { method: "get", path, summary, about, token: false, roles: &[], query: &[], body: None, answers: &[] }
}

/// Every route.
pub const ROUTES: &[Route] = &[
    Route {
        method: "post",
        token: true,
        roles: &[Role::Portal],
        body: Some((JSON, "Begin")),
        answers: &[("200", "Verdict", "May apply, or is refused or sent to a service centre, with the line of law.")],
        ..get(
            "/v1/applications/begin",
            "Ask whether a person may apply",
            "Asks the registers at once (A3.1–A3.7, A7, A12) and opens nothing.",
        )
    },
    Route {
        method: "post",
        token: true,
        roles: &[Role::Portal],
        body: Some((JSON, "Submit")),
        answers: &[
            ("201", "Opened", "A case was opened; it is committed."),
            ("200", "Opened", "This very request had opened it before."),
        ],
        ..get(
            "/v1/applications",
            "Submit an application",
            "Repeat it with the same requestId until it is answered: one request opens one case. The same requestId with \
             other content is refused with 409, and so is a second open application of the same person.",
        )
    },
    Route {
        method: "post",
        token: true,
        roles: &[Role::Portal],
        answers: &[
            ("201", "ReviewOpened", "A case was opened for the review; it is committed."),
            ("200", "ReviewOpened", "It had been asked for before."),
        ],
        ..get(
            "/v1/applications/{number}/review",
            "Ask that a human look at an automated refusal",
            "By the receipt of the refused application, which stays closed. Its papers are taken in as a new case, judged \
             at the same instant of filing; the head of the region is asked first. 409 where it was not refused by a \
             machine, is too long ago, or the person has an open application.",
        )
    },
    Route {
        answers: &[("200", "Status", "Where it stands; no personal data.")],
        ..get("/v1/applications/{number}", "Where an application stands", "By receipt or coupon.")
    },
    Route {
        token: true,
        roles: DECIDES,
        query: &[("limit", "integer", false)],
        answers: &[("200", "Tasks", "Cases of the caller's region that wait for a decision, oldest first.")],
        ..get("/v1/review/tasks", "Cases that wait for review", "A10: those of the region that the applicant chose.")
    },
    Route {
        token: true,
        roles: DECIDES,
        answers: &[("200", "Reviewed", "Form and registers side by side, and the contents to sign for each decision.")],
        ..get("/v1/review/cases/{case}", "One case under review", "The read is in the audit trail.")
    },
    Route {
        token: true,
        roles: DECIDES,
        answers: &[("200", "image/*", "The picture.")],
        ..get("/v1/review/cases/{case}/pictures/{which}", "A picture of a case under review", "`photo` or `signature`.")
    },
    Route {
        method: "post",
        token: true,
        roles: DECIDES,
        body: Some((JSON, "Decide")),
        answers: &[("200", "Decided", "Settled."), ("409", "Problem", "The case has gone on since the page was read.")],
        ..get(
            "/v1/review/cases/{case}/decision",
            "Approve or cancel",
            "A11a, A11b: signed over the content that the case's page gave for this decision.",
        )
    },
    Route {
        method: "post",
        token: true,
        roles: DECIDES,
        body: Some((JSON, "TakeBack")),
        answers: &[
            ("200", "Decided", "The case waits as it did before."),
            ("409", "Problem", "No cancellation of the caller's waits to take effect."),
        ],
        ..get(
            "/v1/review/cases/{case}/take-back",
            "Take a cancellation back",
            "A11b: by its author, until it takes effect.",
        )
    },
    Route {
        token: true,
        roles: &[Role::Issuer],
        query: &[("limit", "integer", false)],
        answers: &[("200", "Cards", "Cards of the caller's region that wait to be fetched, longest first.")],
        ..get("/v1/issuance/tasks", "Cards that wait to be fetched", "A3.19. No person is named.")
    },
    Route {
        token: true,
        roles: &[Role::Issuer],
        answers: &[("200", "Waiting", "The card that waits, and whose it is.")],
        ..get("/v1/issuance/by-coupon/{coupon}", "The card of a coupon", "A11d: a card is found by its coupon alone.")
    },
    Route {
        token: true,
        roles: &[Role::Issuer],
        answers: &[("200", "image/jpeg", "The picture.")],
        ..get("/v1/issuance/cases/{case}/pictures/photo", "The applicant's picture", "The read is in the audit trail.")
    },
    Route {
        method: "post",
        token: true,
        roles: &[Role::Issuer],
        body: Some((JSON, "Handover")),
        answers: &[("200", "Decided", "Settled."), ("409", "Problem", "The case has gone on since the page was read.")],
        ..get("/v1/issuance/cases/{case}/handover", "Hand a card over", "A4.3, A11d: in person, against the coupon.")
    },
    Route {
        token: true,
        query: &[("stage", "string", true), ("limit", "integer", false)],
        answers: &[("200", "Questions", "Questions that the caller's role may answer, oldest first.")],
        ..get("/v1/questions", "Questions of a stage", "What could not be decided without a person.")
    },
    Route {
        method: "post",
        token: true,
        body: Some((JSON, "Choose")),
        answers: &[("200", "Decided", "Settled."), ("409", "Problem", "The case has gone on since the page was read.")],
        ..get("/v1/questions/{case}", "Answer a question", "One of its choices, with a reason.")
    },
    Route {
        method: "post",
        body: Some((
            "text/xml",
            "A SOAP message of the gateway's asynchronous channel; it knows its sender by itself.",
        )),
        answers: &[
            ("200", "text/xml", "Kept; the acknowledgement."),
            ("401", "text/xml", "Not a sender that is known here."),
            ("500", "text/xml", "Not kept; a SOAP fault that names the place. Send it again."),
            ("503", "text/xml", "Not kept just now. Send it again."),
        ],
        ..get(
            "/gateway/async",
            "What the state gateway brings",
            "Payment confirmations, the production centre's results, the tax authority's reports.",
        )
    },
    Route {
        answers: &[("200", "text/plain", "Prometheus' text format.")],
        ..get("/metrics", "Metrics of this process", "For the monitoring.")
    },
    Route {
        answers: &[("200", "Alive", "It lives.")],
        ..get("/livez", "Whether the process lives", "For the supervisor.")
    },
    Route {
        answers: &[
            ("200", "Ready", "It can do its work."),
            ("503", "Ready", "It cannot just now; the reasons say why."),
        ],
        ..get("/readyz", "Whether the process can do its work now", "For the load balancer.")
    },
    Route {
        answers: &[("200", "application/json", "This document.")],
        ..get("/openapi.json", "The interface's description", "OpenAPI 3.1.")
    },
];
