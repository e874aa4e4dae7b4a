//! The doors' way in: opens cases, brings arrivals, settles decisions. A door commits what came before it answers.

use crate::engine::{Engine, micros};
use crate::envelope::{Mode, Subject, trace_of};
use crate::line::Room;
use crate::points::{self, Point};
use jiff::Timestamp;
use kezek_domain::dossier::Form;
use kezek_domain::fault::Fault;
use kezek_domain::journal::{GENESIS, JournalEntry, Linked, chain};
use kezek_domain::rules::NoticeKind;
use kezek_domain::{Actor, CaseId, Filed, Receipt, StageName, Ticket};
use kezek_stage::{
    Answers, Arrival, Attachment, BoxFuture, Brought, Decided, Decision, DoorError, Opened, Picture, Reexamination,
    SectionDraft, Submission, Target,
};
use kezek_store::attachments::AttachmentRow;
use kezek_store::cases::NewCase;
use kezek_store::crypt::Keyring;
use kezek_store::dossier::NewSection;
use kezek_store::jobs::JobRow;
use kezek_store::outbox::OutboxRow;
use kezek_store::side_messages::SideRow;
use kezek_store::spine::{self, Spine};
use kezek_store::{Permit, StoreError, attachments, audit, cases, dossier, mint, side_messages};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::Connection as _;
use std::collections::HashMap;
use std::sync::Arc;

/// The engine's side of the doors.
pub(crate) struct EngineAnswers {
    pub engine: Engine,
    pub rooms: HashMap<&'static str, Arc<dyn Room>>,
}

impl Answers for EngineAnswers {
    fn open_case(&self, submission: Submission) -> BoxFuture<'_, Result<Opened, DoorError>> {
        Box::pin(async move {
            let (opened, rows) = self.engine.open_case(submission).await?;
            points::reached(Point::Committed, "door", || vec![opened.case.0]).await;
            self.engine.send(&rows).await;
            points::reached(Point::Confirmed, "door", || vec![opened.case.0]).await;
            Ok(opened)
        })
    }
    fn reexamine(&self, wanted: Reexamination) -> BoxFuture<'_, Result<Opened, DoorError>> {
        Box::pin(async move {
            let (opened, rows) = self.engine.reexamine(wanted).await?;
            self.engine.send(&rows).await;
            Ok(opened)
        })
    }
    fn bring(&self, arrival: Arrival) -> BoxFuture<'_, Result<Brought, DoorError>> {
        Box::pin(self.engine.bring(arrival))
    }
    fn decide(&self, decision: Decision) -> BoxFuture<'_, Result<Decided, DoorError>> {
        Box::pin(async move {
            match self.rooms.get(decision.stage) {
                Some(room) => room.decide(decision).await,
                None => Err(DoorError::unavailable(format!("stage {} does not run in this process", decision.stage))),
            }
        })
    }
}

fn unavailable(error: StoreError) -> DoorError {
    tracing::error!(error = error.tell(), "a door cannot commit");
    Fault::from(error).into()
}

impl Engine {
    async fn open_case(&self, s: Submission) -> Result<(Opened, Vec<OutboxRow>), DoorError> {
        self.open_once(s, None).await
    }

    /// Opens a case with the papers of a closed one, under the account that submitted them.
    async fn reexamine(&self, wanted: Reexamination) -> Result<(Opened, Vec<OutboxRow>), DoorError> {
        let hidden = || DoorError::not_found("no such application of yours; give the receipt as it was told to you");
        let gone =
            || DoorError::conflict("papers-gone", "the papers of this application are no longer kept; apply anew");
        let of = wanted.of;
        let source = cases::find_source(self.pool(), of.0).await.map_err(unavailable)?;
        if source.as_deref() != Some(wanted.source.as_str()) {
            return Err(hidden());
        }
        let row = cases::list(self.pool(), &[of.0]).await.map_err(unavailable)?.remove(&of.0).ok_or_else(hidden)?;
        if !row.status().map_err(unavailable)?.is_closed() {
            return Err(DoorError::conflict(
                "not-closed",
                "this application is still under way; wait until it is closed",
            ));
        }
        let key = self.keyring().case_key(of, &row.key_id, row.case_key.as_deref()).map_err(|_| gone())?;
        let filed = dossier::list(self.pool(), &[of.0], &[Form::SECTION]).await.map_err(unavailable)?;
        let sealed = filed.first().ok_or_else(gone)?;
        let form = dossier::open(&key, Form::SECTION, &sealed.body).map_err(unavailable)?;
        let form: Form = serde_json::from_value(form).map_err(|_| gone())?;
        let names: Vec<String> = Attachment::ALL.iter().map(|which| which.label().to_owned()).collect();
        let kept = attachments::list(self.pool(), &[of.0], &names).await.map_err(unavailable)?;
        let mut papers = Vec::with_capacity(kept.len());
        for which in Attachment::ALL {
            let sealed = kept.iter().find(|row| row.which == which.label()).ok_or_else(gone)?;
            let bytes = key.open(which.label(), &sealed.body).map_err(unavailable)?;
            papers.push(Picture { which, media_type: sealed.media_type.clone(), bytes });
        }
        let submission = Submission {
            source: wanted.source,
            request_id: format!("review:{}", row.receipt),
            request_sha256: row.request_sha256.as_slice().try_into().map_err(|_| gone())?,
            service: form.service.clone(),
            form,
            attachments: papers,
        };
        let before = Before { of, filed_at: row.filed_at.to_jiff(), sections: wanted.sections };
        self.open_once(submission, Some(before)).await
    }

    async fn open_once(&self, s: Submission, before: Option<Before>) -> Result<(Opened, Vec<OutboxRow>), DoorError> {
        if let Some(found) = self.opened_before(&s).await? {
            return Ok((found, Vec::new()));
        }
        match self.insert_case(&s, before.as_ref()).await {
            Ok(done) => Ok(done),
            Err(error) => match error.constraint() {
                Some("cases_one_open") => Err(DoorError::conflict(
                    "duplicate-application",
                    "this person has an open application for this service; wait until it is closed",
                )),
                // the same request came twice at the same time: the other one has opened the case
                Some("cases_request_source_request_id_key") => self
                    .opened_before(&s)
                    .await?
                    .map(|found| (found, Vec::new()))
                    .ok_or_else(|| DoorError::unavailable("send it again")),
                _ => Err(unavailable(error)),
            },
        }
    }

    async fn opened_before(&self, s: &Submission) -> Result<Option<Opened>, DoorError> {
        let found = cases::find_request(self.pool(), &s.source, &s.request_id).await.map_err(unavailable)?;
        let Some((id, digest)) = found else { return Ok(None) };
        if digest != s.request_sha256 {
            return Err(DoorError::conflict(
                "request-id-reused",
                "this requestId was used for other content; take a new requestId for a new application",
            ));
        }
        let case = CaseId(id);
        Ok(Some(Opened { case, receipt: Receipt::of(case), before: true }))
    }

    async fn insert_case(
        &self,
        s: &Submission,
        before: Option<&Before>,
    ) -> Result<(Opened, Vec<OutboxRow>), StoreError> {
        let odd = |what: &str| StoreError::Inconsistent { table: "cases", what: what.to_owned() };
        let flow = self.newest_flow(&s.service).ok_or_else(|| odd("no flow for this service"))?;
        let Target::Stage { name, kind, version, body } = &flow.start().target else {
            return Err(odd("the flow starts nowhere"));
        };
        let case = CaseId(self.ids().next());
        let receipt = Receipt::of(case);
        let now = micros(self.clock().now());
        let (key, wrapped, key_id) = self.keyring().new_case_key(case)?;
        let region = s.form.region.as_str();
        let entry = JournalEntry {
            case,
            number: 1,
            ticket: Ticket(0),
            at: now,
            recorded_at: micros(self.clock().real()),
            stage: name.clone(),
            visit: 1,
            move_label: "open".to_owned(),
            outcome: None,
            actor: Actor::Applicant,
            rule_version: self.rule_version().to_owned(),
            detail: json!({ "source": s.source, "request": hex::encode(s.request_sha256), "flow": flow.label() }),
            calls: Vec::new(),
        };
        let mut entry = entry;
        if let (Some(before), Some(detail)) = (before, entry.detail.as_object_mut()) {
            detail.insert("reviews".to_owned(), json!(before.of));
        }
        let head = chain(&GENESIS, &entry);
        let form = serde_json::to_value(&s.form).map_err(|_| odd("the form is not JSON"))?;
        let job = JobRow {
            subject_id: case.0,
            subject: Subject::Case.label().to_owned(),
            case_id: Some(case.0),
            ticket: 1,
            attempt: 1,
            stage: name.to_string(),
            visit: 1,
            kind: (*kind).to_owned(),
            version: i32::try_from(*version).unwrap_or(i32::MAX),
            body: body.clone(),
            mode: Mode::Job.label().to_owned(),
            routing_key: self.routing_key(name.as_str(), region),
            traceparent: Some(trace_of(case.0)),
            letter_id: None,
        };
        let mut pictures = Vec::with_capacity(s.attachments.len());
        for picture in &s.attachments {
            pictures.push(AttachmentRow {
                case_id: case.0,
                which: picture.which.label().to_owned(),
                media_type: picture.media_type.clone(),
                sha256: Sha256::digest(&picture.bytes).to_vec(),
                likeness: likeness(self.keyring(), picture)?,
                bytes: i32::try_from(picture.bytes.len()).map_err(|_| odd("a picture is too large"))?,
                body: key.seal(picture.which.label(), &picture.bytes)?,
            });
        }
        let mut lease = self.warm().take().await?;
        let mut tx = lease.begin().await?;
        let mut permit = mint(&mut tx);
        cases::insert(
            &mut permit,
            &NewCase {
                id: case.0,
                service: s.service.as_str(),
                flow_version: i32::try_from(flow.version()).unwrap_or(i32::MAX),
                receipt: receipt.as_str(),
                request_source: &s.source,
                request_id: &s.request_id,
                request_sha256: &s.request_sha256,
                iin_hash: &self.keyring().iin_hash(&s.form.iin)?,
                region,
                language: s.form.language.label(),
                // the law judges a disputed refusal at the instant at which it was judged before
                filed_at: before.map_or(now, |before| before.filed_at),
                stage: name.as_str(),
                visits: json!({ name.as_str(): 1 }),
                journal_head: &head,
                case_key: &wrapped,
                key_id: &key_id,
            },
        )
        .await?;
        let filed = |section, version, body: &Value| -> Result<NewSection, StoreError> {
            Ok(NewSection {
                case_id: case.0,
                section,
                stage: "door".to_owned(),
                visit: 1,
                ticket: 0,
                version: i32::try_from(version).unwrap_or(i32::MAX),
                sealed: dossier::seal(&key, section, body)?,
            })
        };
        let mut sections = vec![filed(Form::SECTION, <Form as Filed>::VERSION, &form)?];
        for draft in before.iter().flat_map(|before| &before.sections) {
            sections.push(filed(draft.section, draft.version, &draft.body)?);
        }
        dossier::insert(&mut permit, &sections, now).await?;
        attachments::insert(&mut permit, &pictures).await?;
        let shared = self.alert_shared(&mut permit, case, &self.keyring().iin_hash(&s.form.iin)?).await?;
        let mut issued = vec![job];
        issued.extend(self.first_notices(&mut permit, case, name, &flow.start().notices).await?);
        let rows: Vec<_> = issued.iter().map(|job| self.message(job, None, false)).collect();
        let entries = [Linked { entry, digest: head }];
        spine::write(&mut permit, Spine { issued: &issued, entries: &entries, sent: &rows, ..Spine::default() })
            .await?;
        points::reached(Point::BeforeCommit, "door", || vec![case.0]).await;
        tx.commit().await?;
        lease.finished();
        for which in shared {
            self.metrics().pictures_shared.with_label_values(&[&which]).inc();
            tracing::warn!(case.id = %case, which, "a picture came with another person's application too");
        }
        Ok((Opened { case, receipt, before: false }, rows))
    }

    /// A3.10: the same bytes under two numbers are somebody's to look at. Written into the audit trail; the case goes on.
    async fn alert_shared(
        &self,
        permit: &mut Permit<'_>,
        case: CaseId,
        iin_hash: &[u8],
    ) -> Result<Vec<String>, StoreError> {
        let shared = attachments::shared(permit, case.0, iin_hash).await?;
        if !shared.is_empty() {
            let entry = audit::Entry {
                account: "kezek",
                role: "system",
                act: "picture-shared",
                case_id: Some(case.0),
                detail: json!({ "which": shared }),
            };
            audit::append(permit, &entry).await?;
        }
        Ok(shared)
    }

    async fn first_notices(
        &self,
        permit: &mut Permit<'_>,
        case: CaseId,
        stage: &StageName,
        notices: &[NoticeKind],
    ) -> Result<Vec<JobRow>, StoreError> {
        let Some(teller) = self.side_stage() else { return Ok(Vec::new()) };
        let sides: Vec<SideRow> = notices
            .iter()
            .map(|n| SideRow {
                id: self.ids().next(),
                case_id: case.0,
                stage: stage.to_string(),
                visit: 1,
                kind: n.label().to_owned(),
            })
            .collect();
        side_messages::insert(permit, &sides).await?;
        Ok(sides.iter().map(|s| side_job(s, teller)).collect())
    }
}

/// What a case that is opened with the papers of a closed one takes over beside them.
struct Before {
    of: CaseId,
    filed_at: Timestamp,
    sections: Vec<SectionDraft>,
}

/// The keyed digest by which equal pictures are found; documents have none, each is its applicant's own.
fn likeness(keyring: &Keyring, picture: &Picture) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(match picture.which {
        Attachment::Photo => Some(keyring.digest("likeness-photo", &picture.bytes)?.to_vec()),
        Attachment::Signature => Some(keyring.digest("likeness-signature", &picture.bytes)?.to_vec()),
        Attachment::SignedContent | Attachment::Eds => None,
    })
}

/// The job that tells the applicant of a side message.
pub(crate) fn side_job(side: &SideRow, teller: &str) -> JobRow {
    JobRow {
        subject_id: side.id,
        subject: Subject::SideMessage.label().to_owned(),
        case_id: Some(side.case_id),
        ticket: 1,
        attempt: 1,
        stage: teller.to_owned(),
        visit: side.visit,
        kind: "notice.job".to_owned(),
        version: 2,
        body: json!({ "notice": side.kind }),
        mode: Mode::Job.label().to_owned(),
        routing_key: teller.to_owned(),
        traceparent: Some(trace_of(side.case_id)),
        letter_id: None,
    }
}
