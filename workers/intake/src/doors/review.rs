//! `POST /v1/applications/{number}/review`: the applicant asks that a human look at an automated refusal (FACTS S22).
//!
//! The refused case stays closed. Its papers are taken in once more as a new case, judged at the same instant of
//! filing, which begins with a question to the head of the region; what comes of it is told like any other outcome.

use crate::Intake;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use kezek_domain::dossier::{CheckOutcome, Findings, Review, Section};
use kezek_domain::rules::Refusal;
use kezek_domain::{Closing, Receipt, Role, Status};
use kezek_stage::{Caller, Desk, DoorError, Fault, Reexamination, SectionDraft};
use serde_json::json;

/// Asks for it: 201 the first time, 200 when the same is asked again.
pub async fn review(
    State(desk): State<Desk<Intake>>,
    caller: Caller,
    Path(number): Path<String>,
) -> Result<Response, DoorError> {
    caller.needs(&[Role::Portal])?;
    if Receipt::parse(&number).is_err() {
        return Err(DoorError::not_found("no such application: give the receipt as it was told to you"));
    }
    let case = desk.reads.public_status(&number).await?;
    let now = desk.clock.now();
    refused(&case.status, case.filed_at, desk.stage.rules.questions().review_days(), now)?;
    let view = desk.reads.case(&caller, case.id, &[Section::Findings], "refusal-disputed").await?;
    let findings = view.sections.get(&Section::Findings).cloned();
    let findings: Option<Findings> = findings
        .map(serde_json::from_value)
        .transpose()
        .map_err(|_| Fault::permanent("section-unreadable", "findings"))?;
    let refusal = automated(findings.as_ref()).ok_or_else(|| {
        DoorError::conflict(
            "decided-by-a-human",
            "a human has refused this application; a complaint goes to the body that decided",
        )
    })?;
    let why = Review { of: case.id, refusal: refusal.code().to_owned(), asked_at: now };
    let mut sections = vec![SectionDraft::of(&why)?];
    if let Some(findings) = &findings {
        // the new case's reader is told of the refusal by the checks that made it
        sections.push(SectionDraft::of(findings)?);
    }
    let opened = desk.answers.reexamine(Reexamination { source: caller.account, of: case.id, sections }).await?;
    let status = if opened.before { StatusCode::OK } else { StatusCode::CREATED };
    let receipt = opened.receipt.as_str();
    let headers =
        [(header::LOCATION, format!("/v1/applications/{receipt}")), (header::CACHE_CONTROL, "no-store".to_owned())];
    let told = json!({ "receipt": receipt, "case": opened.case, "reviews": number, "status": "received" });
    Ok((status, headers, Json(told)).into_response())
}

/// Whether there is anything to look at, and still time.
fn refused(status: &Status, filed: Timestamp, days: u32, now: Timestamp) -> Result<(), DoorError> {
    match status.closing() {
        Some(Closing::Refused | Closing::Redirected) => {}
        Some(_) | None => {
            let what = "only an application that was refused or sent to the service centre can be reviewed";
            return Err(DoorError::conflict("not-refused", what));
        }
    }
    let last = filed.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX);
    if now > last {
        let what = format!("a review is asked for within {days} days of filing; apply anew or at the service centre");
        return Err(DoorError::conflict("too-late", what));
    }
    Ok(())
}

/// The refusal that a machine made: the first check that failed. Where a human decided, none did.
fn automated(findings: Option<&Findings>) -> Option<Refusal> {
    let failed = findings?.checks.iter().find(|check| check.outcome == CheckOutcome::Failed)?;
    Refusal::of_check(&failed.check, &failed.detail_code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kezek_domain::dossier::CheckResult;

    #[test]
    fn s22_only_what_was_refused_can_be_reviewed_and_only_for_a_time() {
        let filed: Timestamp = "2025-09-02T05:00:00Z".parse().unwrap();
        let ask = |status: &Status, hours: i64| {
            let now = filed + SignedDuration::from_hours(hours);
            refused(status, filed, 30, now).err().map(|error| error.code)
        };
        assert_eq!(ask(&Status::Closed(Closing::Refused), 1), None);
        assert_eq!(ask(&Status::Closed(Closing::Redirected), 30 * 24), None);
        assert_eq!(ask(&Status::Closed(Closing::Refused), 30 * 24 + 1), Some("too-late"));
        assert_eq!(ask(&Status::Closed(Closing::Issued), 1), Some("not-refused"));
        assert_eq!(ask(&Status::opened("intake".into()), 1), Some("not-refused"));
    }

    #[test]
    fn s22_a_humans_refusal_is_no_automated_one() {
        let findings = |outcome| Findings {
            checks: vec![CheckResult { check: "A3.10".to_owned(), outcome, detail_code: "too-small".to_owned() }],
            rule_version: "v".to_owned(),
        };
        assert_eq!(automated(Some(&findings(CheckOutcome::Failed))), Some(Refusal::PhotoUnfit));
        assert_eq!(automated(Some(&findings(CheckOutcome::Unsure))), None);
        assert_eq!(automated(None), None);
    }
}
