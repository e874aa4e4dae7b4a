//! What doors read: under the console's role, with the caller's regions set inside the transaction; each read of
//! personal data is in the audit trail.

use crate::engine::Engine;
use crate::notebook::{Note, Notebook};
use kezek_domain::dossier::Section;
use kezek_domain::fault::Fault;
use kezek_domain::{CaseId, Coupon, Region};
use kezek_stage::{Attachment, BoxFuture, Caller, CaseHead, CaseView, DoorError, Picture, Reads, WaitingCase};
use kezek_store::{StoreError, attachments, cases, dossier, jobs};
use serde_json::json;
use sqlx::{Postgres, Transaction};
use std::collections::HashMap;
use uuid::Uuid;

pub(crate) struct EngineReads(Engine, Notebook);

impl EngineReads {
    pub(crate) fn new(engine: Engine) -> Self {
        let notebook = Notebook::new(engine.pool().clone());
        Self(engine, notebook)
    }
}

fn failed(error: StoreError) -> DoorError {
    tracing::error!(error = error.tell(), "a door cannot read");
    Fault::from(error).into()
}

fn hidden() -> DoorError {
    DoorError::not_found("no such case that you may see; check the number and the region")
}

impl EngineReads {
    /// A transaction in which only the given regions are visible; row security does the rest.
    async fn seeing(&self, regions: &[Region]) -> Result<Transaction<'_, Postgres>, StoreError> {
        let names: Vec<&str> = regions.iter().map(|r| r.as_str()).collect();
        let mut tx = self.0.console().begin().await?;
        sqlx::query!("SELECT set_config('kezek.regions', $1, true)", names.join(",")).fetch_one(&mut *tx).await?;
        Ok(tx)
    }

    async fn heads(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, CaseHead>, StoreError> {
        let rows = cases::list(&mut **tx, ids).await?;
        let tickets = jobs::list(&mut **tx, ids).await?;
        rows.into_iter()
            .map(|(id, row)| Ok((id, Engine::head(&row, tickets.get(&id).map_or(0, |j| j.ticket))?)))
            .collect()
    }

    async fn note(
        &self,
        caller: &Caller,
        act: &'static str,
        case: CaseId,
        detail: serde_json::Value,
    ) -> Result<(), DoorError> {
        let (account, role) = (caller.account.clone(), caller.role.label());
        Ok(self.1.write(Note { account, role, act, case: case.0, detail }).await?)
    }

    async fn waiting_cases(&self, caller: &Caller, stage: &str, limit: u32) -> Result<Vec<WaitingCase>, StoreError> {
        let mut tx = self.seeing(&caller.regions()).await?;
        let held = sqlx::query!(
            "SELECT case_id, held_at, until, question FROM holds WHERE stage = $1 ORDER BY held_at, case_id LIMIT $2",
            stage,
            i64::from(limit)
        )
        .fetch_all(&mut *tx)
        .await?;
        let ids: Vec<Uuid> = held.iter().map(|h| h.case_id).collect();
        let mut heads = self.heads(&mut tx, &ids).await?;
        Ok(held
            .into_iter()
            .filter_map(|h| {
                Some(WaitingCase {
                    case: heads.remove(&h.case_id)?,
                    since: h.held_at.to_jiff(),
                    until: h.until.map(kezek_store::SqlTime::to_jiff),
                    question: h.question,
                })
            })
            .collect())
    }

    async fn view(&self, caller: &Caller, case: CaseId, sections: &[Section]) -> Result<Option<CaseView>, StoreError> {
        let mut tx = self.seeing(&caller.regions()).await?;
        let Some(row) = cases::list(&mut *tx, &[case.0]).await?.remove(&case.0) else { return Ok(None) };
        let Some(head) = self.heads(&mut tx, &[case.0]).await?.remove(&case.0) else { return Ok(None) };
        let hold = sqlx::query!("SELECT held_at, question FROM holds WHERE case_id = $1", case.0)
            .fetch_optional(&mut *tx)
            .await?;
        let key = self.0.keyring().case_key(case, &row.key_id, row.case_key.as_deref())?;
        let mut out = HashMap::new();
        for sealed in dossier::list(&mut *tx, &[case.0], sections).await? {
            if let Some(section) = Section::parse(&sealed.section) {
                out.insert(section, dossier::open(&key, section, &sealed.body)?);
            }
        }
        let (since, question) = hold.map_or((None, None), |h| (Some(h.held_at.to_jiff()), h.question));
        Ok(Some(CaseView { case: head, since, question, sections: out }))
    }
}

impl Reads for EngineReads {
    fn waiting<'a>(
        &'a self,
        caller: &'a Caller,
        stage: &'a str,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<WaitingCase>, DoorError>> {
        Box::pin(async move { self.waiting_cases(caller, stage, limit.clamp(1, 500)).await.map_err(failed) })
    }

    fn case<'a>(
        &'a self,
        caller: &'a Caller,
        case: CaseId,
        sections: &'a [Section],
        purpose: &'a str,
    ) -> BoxFuture<'a, Result<CaseView, DoorError>> {
        Box::pin(async move {
            let view = self.view(caller, case, sections).await.map_err(failed)?.ok_or_else(hidden)?;
            let names: Vec<&str> = sections.iter().map(|s| s.label()).collect();
            let what = json!({ "purpose": purpose, "sections": names });
            // written before anything is shown: a read that cannot be recorded does not happen
            self.note(caller, "case-read", case, what).await?;
            Ok(view)
        })
    }

    fn picture<'a>(
        &'a self,
        caller: &'a Caller,
        case: CaseId,
        which: Attachment,
    ) -> BoxFuture<'a, Result<Picture, DoorError>> {
        Box::pin(async move {
            let found = async {
                let mut tx = self.seeing(&caller.regions()).await?;
                let Some(row) = cases::list(&mut *tx, &[case.0]).await?.remove(&case.0) else { return Ok(None) };
                let found = attachments::list(&mut *tx, &[case.0], &[which.label().to_owned()]).await?;
                let Some(sealed) = found.into_iter().next() else { return Ok(None) };
                let key = self.0.keyring().case_key(case, &row.key_id, row.case_key.as_deref())?;
                let bytes = key.open(which.label(), &sealed.body)?;
                Ok::<_, StoreError>(Some(Picture { which, media_type: sealed.media_type, bytes }))
            };
            let picture = found.await.map_err(failed)?.ok_or_else(hidden)?;
            self.note(caller, "picture-read", case, json!({ "which": which.label() })).await?;
            Ok(picture)
        })
    }

    fn public_status<'a>(&'a self, number: &'a str) -> BoxFuture<'a, Result<CaseHead, DoorError>> {
        Box::pin(async move {
            let none = || DoorError::not_found("no application has this receipt or coupon number");
            let found = async {
                let mut tx = self.seeing(&Region::all()).await?;
                // receipt or coupon alone: an internal id is not a public number
                let id = sqlx::query_scalar!("SELECT id FROM cases WHERE receipt = $1 OR coupon = $1", number)
                    .fetch_optional(&mut *tx)
                    .await?;
                let Some(id) = id else { return Ok(None) };
                Ok::<_, StoreError>(self.heads(&mut tx, &[id]).await?.remove(&id))
            };
            found.await.map_err(failed)?.ok_or_else(none)
        })
    }

    fn by_coupon<'a>(
        &'a self,
        caller: &'a Caller,
        coupon: &'a Coupon,
    ) -> BoxFuture<'a, Result<Option<CaseId>, DoorError>> {
        Box::pin(async move {
            let found = async {
                let mut tx = self.seeing(&caller.regions()).await?;
                let id = sqlx::query_scalar!("SELECT id FROM cases WHERE coupon = $1", coupon.as_str())
                    .fetch_optional(&mut *tx)
                    .await?;
                Ok::<_, StoreError>(id.map(CaseId))
            };
            found.await.map_err(failed)
        })
    }
}
