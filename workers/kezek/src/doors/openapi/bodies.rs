//! The schemas of requests and answers.

use kezek_domain::dossier::{CancelReason, Form};
use kezek_domain::{Closing, Region, Role};
use serde_json::{Value, json};

fn text(about: &str) -> Value {
    json!({ "type": "string", "description": about })
}

fn base64(about: &str) -> Value {
    json!({ "type": "string", "contentEncoding": "base64", "description": about })
}

fn instant(about: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": about })
}

fn maybe(mut schema: Value) -> Value {
    let kind = schema["type"].take();
    schema["type"] = json!([kind, "null"]);
    schema
}

/// An object whose members must all be there, but for those named after `?`.
fn object(members: Value) -> Value {
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for (name, schema) in members.as_object().into_iter().flatten() {
        match name.strip_suffix('?') {
            Some(name) => {
                properties.insert(name.to_owned(), schema.clone());
            }
            None => {
                required.push(name.clone());
                properties.insert(name.clone(), schema.clone());
            }
        }
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

fn closed(members: Value) -> Value {
    let mut schema = object(members);
    schema["additionalProperties"] = json!(false);
    schema
}

/// Every schema by its name.
#[expect(clippy::too_many_lines, reason = "a list")]
pub fn schemas() -> Value {
    let ticket =
        json!({ "type": "integer", "minimum": 1, "description": "The case's counter, as the page showed it." });
    let case = json!({ "type": "string", "format": "uuid" });
    let regions: Vec<_> = Region::all().iter().map(|r| r.as_str()).collect();
    let region = json!({ "type": "string", "enum": regions });
    let reasons: Vec<_> = CancelReason::ALL.iter().map(|r| r.label()).collect();
    let closings: Vec<_> = Closing::ALL.iter().map(|c| c.label()).collect();
    let roles: Vec<_> = Role::ALL.iter().map(|r| r.label()).collect();
    let words = object(json!({ "kk": text("In Kazakh."), "ru": text("In Russian.") }));
    let mut form = schemars::schema_for!(Form).to_value();
    // its own definitions come along; the address of the dialect is the document's
    if let Some(form) = form.as_object_mut() {
        form.remove("$schema");
        form.insert("$id".to_owned(), json!("urn:kezek:form"));
    }
    let offer = object(json!({
        "kk": maybe(text("A cancellation's reason in Kazakh.")), "ru": maybe(text("And in Russian.")),
        "decision": { "enum": ["approve", "cancel"] }, "reason": { "enum": reasons.iter().map(|r| json!(r)).chain([Value::Null]).collect::<Vec<_>>() },
        "content": base64("What is to be signed for this decision."),
    }));
    json!({
        "Problem": object(json!({
            "type": text("urn:kezek:problem:<code>"), "status": { "type": "integer" }, "code": text("Stable."),
            "detail": text("What happened and what to do."),
            "errors": { "type": "array", "items": object(json!({ "pointer": text("JSON pointer into what was sent."), "message": text("What is wrong and what to give.") })) },
        })),
        "Role": { "type": "string", "enum": roles },
        "Form": form,
        "Begin": closed(json!({
            "iin": text("Twelve digits."), "phone": text("+7 and ten digits."), "service": text("id-card-renewal"),
            "digitalIdSession": text("The session of the biometric identification."),
            "documentNumber?": maybe(text("The present card's nine digits, where the person has named it.")),
        })),
        "Verdict": object(json!({
            "verdict": { "type": "string", "enum": ["may-apply", "refused", "redirected"] },
            "service": text("The service."), "ruleVersion": text("The rules it was judged by."),
            "refusal?": object(json!({ "code": text("Stable."), "law": text("The line of law."), "text": words })),
            "consent?": { "type": ["object", "null"], "description": "The consent, to be put into the form." },
            "document?": { "type": ["object", "null"], "description": "The present card: its last three digits and last day." },
            "attention?": maybe(text("What a person will look at once the application is there.")),
        })),
        "Submit": closed(json!({
            "requestId": text("The sender's own, the same for every repetition."),
            "service": text("The service of the signed content."),
            "signedContent": base64("The form (components/schemas/Form) as UTF-8 JSON, exactly as it was signed."),
            "signature": base64("Detached CMS signature over it."),
            "photo": base64("JPEG, 480 × 640 pixels (A3.10)."),
            "photoMediaType?": { "const": "image/jpeg" },
            "signatureSample": base64("Specimen signature, PNG."),
        })),
        "Opened": object(json!({ "receipt": text("The number to ask by."), "case": case, "status": { "const": "received" } })),
        "ReviewOpened": object(json!({
            "receipt": text("The number to ask by."), "case": case, "reviews": text("The refused application's receipt."), "status": { "const": "received" },
        })),
        "Status": object(json!({
            "receipt": text("Ours."), "coupon": maybe(text("RP DRN's, once registered.")), "service": text("The service."),
            "stage": words, "since": instant("When it was filed."), "closed": { "type": "boolean" },
            "closing": { "enum": closings.iter().map(|c| json!(c)).chain([Value::Null]).collect::<Vec<_>>() },
        })),
        "Tasks": object(json!({ "tasks": { "type": "array", "items": object(json!({
            "case": case, "receipt": text("Ours."), "coupon": maybe(text("RP DRN's.")), "region": region,
            "filedAt": instant("When it was filed."), "since": instant("Since when it waits."),
            "until": maybe(instant("The end of its term; nothing where that is over.")),
            "exempt": { "type": "boolean" }, "ticket": ticket,
        })) } })),
        "Reviewed": object(json!({
            "case": case, "receipt": text("Ours."), "coupon": maybe(text("RP DRN's.")), "region": region, "ticket": ticket,
            "filedAt": instant("When it was filed."), "since": maybe(instant("Since when it waits.")),
            "until": maybe(instant("The end of its term.")),
            "application": { "type": "object" }, "lines": { "type": "array", "items": { "type": "object" } },
            "registration": { "type": ["object", "null"] }, "findings": { "type": ["object", "null"] },
            "duty": { "type": ["object", "null"] }, "exemption": { "type": ["object", "null"] },
            "payment": { "type": ["object", "null"] },
            "pictures": object(json!({ "photo": text("Its address."), "signature": text("Its address.") })),
            "revision": { "type": "integer", "description": "Of the case's file; sent back with the decision." },
            "at": instant("When this page was made; sent back with the decision."),
            "documentationCode": text("The register's (A4.1); sent back with the decision."),
            "codeFits": { "type": "boolean", "description": "Whether the code fits the service; if not, nothing is approved." },
            "pending": { "type": ["object", "null"], "description": "A decision that does not count yet: a second officer's turn, or about to take effect." },
            "signing": { "type": "array", "items": offer },
        })),
        "Decide": closed(json!({
            "ticket": ticket, "decision": { "enum": ["approve", "cancel"] },
            "revision": { "type": "integer", "description": "As the page showed it." }, "at": instant("As the page showed it."),
            "documentationCode": text("As the page showed it."),
            "reason?": { "enum": reasons, "description": "Of a cancellation." },
            "signature": base64("Detached CMS signature over the content of this decision and reason."),
        })),
        "TakeBack": closed(json!({ "ticket": ticket })),
        "Decided": object(json!({ "case": case, "ticket": ticket, "outcome": text("The outcome's label.") })),
        "Cards": object(json!({ "tasks": { "type": "array", "items": object(json!({
            "case": case, "receipt": text("Ours."), "coupon": maybe(text("RP DRN's.")), "region": region,
            "since": instant("Since when it waits."), "until": maybe(instant("Until when.")), "ticket": ticket,
        })) } })),
        "Waiting": object(json!({
            "case": case, "coupon": text("RP DRN's."), "ticket": ticket, "region": region,
            "since": maybe(instant("Since when it waits.")), "registrationPoint": text("Where the card lies."),
            "person": { "type": "object", "description": "Whose it is, and the picture's address." },
            "oldCard": object(json!({ "number": text("To be taken back.") })),
            "newCard": object(json!({ "number": maybe(text("To be handed over.")) })),
        })),
        "Handover": closed(json!({
            "ticket": ticket, "coupon": text("As on the person's slip."), "identityChecked": { "const": true },
            "inPerson": { "type": "boolean", "description": "A representative is admitted where the service's rule says so (A4.3)." }, "oldCard": { "enum": ["returned", "lost", "stolen", "withdrawn-before"], "description": "What became of the old card." },
        })),
        "Questions": object(json!({ "questions": { "type": "array", "items": object(json!({
            "case": case, "receipt": text("Ours."), "coupon": maybe(text("RP DRN's.")), "region": region,
            "since": instant("Since when it waits."), "until": maybe(instant("Until when.")), "ticket": ticket,
            "question": text("Its key."), "finding": text("What was found."), "choices": { "type": "array", "items": { "type": "string" } },
            "text": { "type": ["object", "null"], "description": "The question in kk, ru and en." },
            "meanings": { "type": "array", "items": { "type": ["object", "null"] }, "description": "What each choice means, in kk, ru and en, in the order of choices." },
        })) } })),
        "Choose": closed(json!({
            "stage": text("The stage that asks."), "ticket": ticket, "choice": text("One of the question's choices."),
            "reason": text("Why; no personal data."),
        })),
        "Alive": object(json!({ "status": { "const": "alive" } })),
        "Ready": object(json!({
            "ready": { "type": "boolean" }, "reasons": { "type": "array", "items": { "type": "string" } },
            "warnings": { "type": "array", "items": { "type": "string" } }, "checks": { "type": "object" },
        })),
    })
}
