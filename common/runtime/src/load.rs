//! Reading: the case files of a whole batch in a few queries, and what each delivery turns out to be.

use crate::engine::Engine;
use crate::envelope::{Mode, Subject};
use crate::item::{Errand, Finished, Item, Read, Ready};
use kezek_domain::dossier::Section;
use kezek_domain::fault::Fault;
use kezek_domain::rules::NoticeKind;
use kezek_domain::{Actor, How, Status};
use kezek_stage::{Attachment, Attempt, CaseHead, DecodeError, File, LedgerLine, SideFacts, Stage, decode};
use kezek_store::arrivals::ArrivalRow;
use kezek_store::cases::CaseRow;
use kezek_store::crypt::CaseKey;
use kezek_store::jobs::JobRow;
use kezek_store::side_messages::SideRow;
use kezek_store::{StoreError, arrivals, attachments, bounded, cases, dossier, jobs, ledger, side_messages};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// Everything a batch needs, by id.
struct Shelf {
    jobs: HashMap<Uuid, JobRow>,
    cases: HashMap<Uuid, CaseRow>,
    arrivals: HashMap<Uuid, ArrivalRow>,
    sides: HashMap<Uuid, SideRow>,
    sections: HashMap<Uuid, HashMap<Section, (u32, Vec<u8>)>>,
    attachments: HashMap<Uuid, HashMap<Attachment, Vec<u8>>>,
    ledger: HashMap<Uuid, Vec<LedgerLine>>,
}

impl Shelf {
    async fn fill<S: Stage>(
        connection: &mut PgConnection,
        subjects: &[Uuid],
        case_ids: &[Uuid],
    ) -> Result<Self, StoreError> {
        let jobs = jobs::list(&mut *connection, subjects).await?;
        let cases = cases::list(&mut *connection, case_ids).await?;
        let of = |subject: Subject| -> Vec<Uuid> {
            jobs.values().filter(|j| j.subject == subject.label()).map(|j| j.subject_id).collect()
        };
        let arrived = of(Subject::Arrival);
        let arrivals =
            if arrived.is_empty() { HashMap::new() } else { arrivals::list(&mut *connection, &arrived).await? };
        let noticed = of(Subject::SideMessage);
        let sides =
            if noticed.is_empty() { HashMap::new() } else { side_messages::list(&mut *connection, &noticed).await? };
        let mut sections: HashMap<Uuid, HashMap<Section, (u32, Vec<u8>)>> = HashMap::new();
        if !S::READS.is_empty() && !case_ids.is_empty() {
            for row in dossier::list(&mut *connection, case_ids, S::READS).await? {
                let Some(section) = Section::parse(&row.section) else { continue };
                let version = u32::try_from(row.version).unwrap_or(0);
                sections.entry(row.case_id).or_default().insert(section, (version, row.body));
            }
        }
        let mut pictures: HashMap<Uuid, HashMap<Attachment, Vec<u8>>> = HashMap::new();
        if !S::ATTACHMENTS.is_empty() && !case_ids.is_empty() {
            let names: Vec<String> = S::ATTACHMENTS.iter().map(|a| a.label().to_owned()).collect();
            for row in attachments::list(&mut *connection, case_ids, &names).await? {
                let Some(which) = Attachment::ALL.into_iter().find(|a| a.label() == row.which) else { continue };
                pictures.entry(row.case_id).or_default().insert(which, row.body);
            }
        }
        let mut postings: HashMap<Uuid, Vec<LedgerLine>> = HashMap::new();
        if S::LEDGER && !case_ids.is_empty() {
            for row in ledger::list(&mut *connection, case_ids).await? {
                postings.entry(row.case_id).or_default().push(LedgerLine {
                    kind: row.kind,
                    source: row.source,
                    reference: row.reference,
                    amount: row.amount,
                    at: row.at,
                });
            }
        }
        Ok(Self { jobs, cases, arrivals, sides, sections, attachments: pictures, ledger: postings })
    }
}

impl Engine {
    /// Reads a batch of deliveries, at most one per subject.
    pub(crate) async fn read<S: Stage>(&self, items: Vec<Item>) -> Result<Vec<Read<S>>, StoreError> {
        let mut subjects = HashSet::new();
        let mut case_ids = HashSet::new();
        for envelope in items.iter().filter_map(|i| i.envelope.as_ref()) {
            subjects.insert(envelope.subject_id);
            if let Some(case) = envelope.case {
                case_ids.insert(case);
                subjects.insert(case);
            }
        }
        let shelf = self.shelf::<S>(&subjects, &case_ids).await?;
        Ok(items.into_iter().map(|item| self.recognise::<S>(item, &shelf)).collect())
    }

    async fn shelf<S: Stage>(&self, subjects: &HashSet<Uuid>, case_ids: &HashSet<Uuid>) -> Result<Shelf, StoreError> {
        let subjects: Vec<Uuid> = subjects.iter().copied().collect();
        let case_ids: Vec<Uuid> = case_ids.iter().copied().collect();
        let mut lease = self.warm().take().await?;
        let shelf = if S::LEDGER {
            // one snapshot: a case row and a ledger from two moments contradict each other where money has just come
            let mut snapshot = lease.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            let shelf = Shelf::fill::<S>(&mut snapshot, &subjects, &case_ids).await?;
            snapshot.commit().await?;
            shelf
        } else {
            // the guard finds whatever moved in between: no turn becomes true but under the ticket that was read first
            Shelf::fill::<S>(&mut lease, &subjects, &case_ids).await?
        };
        lease.finished();
        Ok(shelf)
    }

    fn recognise<S: Stage>(&self, item: Item, shelf: &Shelf) -> Read<S> {
        let Some(envelope) = item.envelope.clone() else {
            return Read::Strange(item, "undecodable", "the headers are not an envelope".to_owned());
        };
        let Some(own) = shelf.jobs.get(&envelope.subject_id) else {
            return Read::Strange(item, "unknown-case", "no such subject".to_owned());
        };
        if own.subject != envelope.subject.label() {
            return Read::Strange(item, "unknown-case", "the subject is of another kind".to_owned());
        }
        if envelope.ticket < own.ticket {
            return Read::Stale(item);
        }
        if envelope.ticket > own.ticket {
            let what = format!("ticket {} where the database knows {}", envelope.ticket, own.ticket);
            return Read::Strange(item, "ahead-of-database", what);
        }
        // a database restored from a backup issues the same numbers again: the same ticket for another place is a
        // message of the future that was lost with it
        if (envelope.stage.as_str(), i64::from(envelope.visit)) != (own.stage.as_str(), i64::from(own.visit)) {
            let what = format!("ticket {} for another stage or visit than the database knows", envelope.ticket);
            return Read::Strange(item, "ahead-of-database", what);
        }
        let (Some(case), Some(case_job)) =
            (own.case_id.and_then(|c| shelf.cases.get(&c)), own.case_id.and_then(|c| shelf.jobs.get(&c)))
        else {
            return Read::Strange(item, "unknown-case", "the subject names no known case".to_owned());
        };
        let head = match Self::head(case, case_job.ticket) {
            Ok(head) => head,
            Err(error) => return Read::Strange(item, "unknown-case", error.tell()),
        };
        let errand = match envelope.subject {
            Subject::Case if envelope.mode == Mode::Lapse => Errand::Lapse,
            Subject::Case => Errand::Job,
            Subject::Arrival => {
                Errand::Arrival { id: envelope.subject_id, ticket: envelope.ticket, attempt: envelope.attempt }
            }
            Subject::SideMessage => Errand::Side,
        };
        // an answer settles only while its case is held at this stage; what looks otherwise is judged under the lock
        let held = held_at(&head.status, S::NAME) && same_place(case_job, &head.status);
        if matches!(errand, Errand::Arrival { .. }) && !held {
            return Read::Early(item);
        }
        let job_row = if matches!(errand, Errand::Arrival { .. }) { case_job } else { own };
        let body = match errand {
            // the message's own bytes count; the row is what an arrival's case is held with
            Errand::Arrival { .. } => Cow::Owned(job_row.body.to_string().into_bytes()),
            _ => Cow::Borrowed(item.body.as_slice()),
        };
        let version = match errand {
            Errand::Arrival { .. } => u32::try_from(job_row.version).unwrap_or(0),
            _ => envelope.version,
        };
        let visit = u32::try_from(job_row.visit).unwrap_or(0);
        let subject = if matches!(errand, Errand::Side) { envelope.subject_id } else { case.id };
        let ticket = if matches!(errand, Errand::Side) { own.ticket } else { case_job.ticket };
        let mut actor = Actor::System;
        let mut answer = None;
        let made = (|| -> Result<(S::Job, File<S>), Fault> {
            let known =
                matches!(errand, Errand::Arrival { .. }) || envelope.kind == <S::Job as kezek_stage::Shape>::KIND;
            if !known {
                return Err(Fault::permanent(
                    "undecodable",
                    format!("a message of kind {} on this queue", envelope.kind),
                ));
            }
            let job = decode::<S::Job>(version, &body)?;
            if let Errand::Arrival { id, .. } = &errand {
                let row =
                    shelf.arrivals.get(id).ok_or_else(|| Fault::permanent("arrival-missing", "its row is gone"))?;
                actor = serde_json::from_value(row.actor.clone()).unwrap_or(Actor::System);
                let bytes = row.body.to_string();
                answer = Some(decode::<S::Answer>(u32::try_from(row.version).unwrap_or(0), bytes.as_bytes())?);
            }
            let mut file = self.file::<S>(head.clone(), case, visit, shelf)?;
            if let Some(side) = shelf.sides.get(&envelope.subject_id) {
                file.side = Some(SideFacts {
                    id: side.id,
                    kind: NoticeKind::parse(&side.kind)
                        .ok_or_else(|| Fault::permanent("undecodable", "unknown kind of notice"))?,
                    stage: side.stage.clone(),
                    visit: u32::try_from(side.visit).unwrap_or(0),
                });
            }
            Ok((job, file))
        })();
        let number = if let Errand::Arrival { attempt, .. } = errand { attempt } else { envelope.attempt };
        match made {
            Ok((job, file)) => Read::Ready(Box::new(Ready {
                attempt: self.attempt::<S>(number, &head),
                item: Some(item),
                errand,
                actor,
                job,
                answer,
                file,
                subject,
                ticket,
                revision: head.revision,
                note: Value::Null,
            })),
            Err(fault) => Read::Faulty(Box::new(Finished {
                item: Some(item),
                errand,
                actor,
                subject,
                ticket,
                revision: head.revision,
                head,
                visit,
                result: Err(fault),
                calls: Vec::new(),
                note: Value::Null,
            })),
        }
    }

    pub(crate) fn attempt<S: Stage>(&self, number: u32, head: &CaseHead) -> Attempt {
        Attempt::new(
            number,
            head.id,
            S::NAME,
            self.clock().clone(),
            self.effects(),
            crate::points::after_calls(
                Arc::clone(self.breakers()) as Arc<dyn kezek_stage::Breakers>,
                S::NAME,
                head.id.0,
            ),
        )
    }

    fn file<S: Stage>(&self, head: CaseHead, case: &CaseRow, visit: u32, shelf: &Shelf) -> Result<File<S>, Fault> {
        let needs_key = !S::READS.is_empty() || !S::ATTACHMENTS.is_empty();
        let key: Option<CaseKey> = if needs_key {
            Some(self.keyring().case_key(head.id, &case.key_id, case.case_key.as_deref())?)
        } else {
            None
        };
        let mut sections = HashMap::new();
        let mut pictures = HashMap::new();
        if let Some(key) = key {
            for (section, (version, sealed)) in shelf.sections.get(&case.id).into_iter().flatten() {
                sections.insert(*section, (*version, key.open(section.label(), sealed)?));
            }
            for (which, sealed) in shelf.attachments.get(&case.id).into_iter().flatten() {
                pictures.insert(*which, key.open(which.label(), sealed)?);
            }
        }
        let mut file = File::new(head, visit, sections, pictures);
        file.ledger = shelf.ledger.get(&case.id).cloned().unwrap_or_default();
        Ok(file)
    }

    /// Reads a case that moves at the stage, for an attempt without a message, and its ticket. `None`: it has gone on.
    pub(crate) async fn read_moving<S: Stage>(&self, case_id: Uuid) -> Result<Option<(i64, S::Job, File<S>)>, Fault> {
        let shelf = bounded(self.shelf::<S>(&HashSet::from([case_id]), &HashSet::from([case_id]))).await?;
        let (Some(case), Some(job)) = (shelf.cases.get(&case_id), shelf.jobs.get(&case_id)) else { return Ok(None) };
        let head = Self::head(case, job.ticket)?;
        let moves = matches!(&head.status, Status::Open { at, how: How::Moving, .. } if at.as_str() == S::NAME);
        // read one after the other: the job may still be the one that the case has just left
        if !moves || !same_place(job, &head.status) {
            return Ok(None);
        }
        let decoded = decode::<S::Job>(u32::try_from(job.version).unwrap_or(0), job.body.to_string().as_bytes())?;
        let visit = u32::try_from(job.visit).unwrap_or(0);
        Ok(Some((job.ticket, decoded, self.file::<S>(head, case, visit, &shelf)?)))
    }

    /// Reads a held case for a decision inside a request. `Err(None)`: not held there, or another ticket.
    pub(crate) async fn read_held<S: Stage>(
        &self,
        case_id: Uuid,
        ticket: i64,
    ) -> Result<Option<(S::Job, File<S>)>, Fault> {
        let shelf = bounded(self.shelf::<S>(&HashSet::from([case_id]), &HashSet::from([case_id]))).await?;
        let (Some(case), Some(job)) = (shelf.cases.get(&case_id), shelf.jobs.get(&case_id)) else { return Ok(None) };
        let head = Self::head(case, job.ticket)?;
        if job.ticket != ticket || !held_at(&head.status, S::NAME) || !same_place(job, &head.status) {
            return Ok(None);
        }
        let visit = u32::try_from(job.visit).unwrap_or(0);
        let decoded = decode::<S::Job>(u32::try_from(job.version).unwrap_or(0), job.body.to_string().as_bytes())
            .map_err(|e: DecodeError| Fault::from(e))?;
        Ok(Some((decoded, self.file::<S>(head, case, visit, &shelf)?)))
    }
}

/// Whether a job is for the stage and visit where its case stands.
fn same_place(job: &JobRow, status: &Status) -> bool {
    let visit = u32::try_from(job.visit).ok();
    matches!(status, Status::Open { at, visit: stands, .. } if at.as_str() == job.stage && visit == Some(*stands))
}

/// Whether a case is held at a stage.
pub(crate) fn held_at(status: &Status, stage: &str) -> bool {
    matches!(status, Status::Open { at, how: How::Held { .. }, .. } if at.as_str() == stage)
}
