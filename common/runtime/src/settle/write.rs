//! The statements of a settle, in one order for everybody.

use super::{Draft, Fate};
use crate::engine::Engine;
use crate::item::Finished;
use jiff::Timestamp;
use kezek_domain::ledger::Posting;
use kezek_stage::{Outcome as _, Stage, Turn};
use kezek_store::cases::CaseRow;
use kezek_store::jobs::JobRow;
use kezek_store::ledger::NewPosting;
use kezek_store::spine::{self, Spine};
use kezek_store::{Permit, StoreError, arrivals, dead_letters, dossier, holds, ledger, side_messages};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

impl Engine {
    /// Posts what outcomes book. Returns the postings made now by case: a case is in a batch once.
    pub(super) async fn post_bookings<S: Stage>(
        &self,
        permit: &mut Permit<'_>,
        batch: &[Finished<S>],
        fates: &[Option<Fate>],
        cases: &HashMap<Uuid, CaseRow>,
        now: Timestamp,
    ) -> Result<HashMap<Uuid, Vec<Posting>>, StoreError> {
        let mut rows = Vec::new();
        for (f, fate) in batch.iter().zip(fates) {
            let (None, Ok(Turn::Done(outcome))) = (fate, &f.result) else { continue };
            if cases.get(&f.subject).is_none_or(|row| self.flow_of(row).is_err()) {
                continue;
            }
            for booking in outcome.bookings() {
                let posting = Posting::new(booking.kind, booking.amount, booking.reference)
                    .map_err(|e| StoreError::Inconsistent { table: "ledger", what: e.to_string() })?;
                rows.push(NewPosting {
                    id: self.ids().next(),
                    case_id: Some(f.subject),
                    source: booking.source,
                    posting,
                });
            }
        }
        let made = ledger::post(permit, &rows, now).await?;
        let mut out: HashMap<Uuid, Vec<Posting>> = HashMap::new();
        for row in rows {
            if let (true, Some(case)) = (made.contains(&row.id), row.case_id) {
                out.entry(case).or_default().push(row.posting);
            }
        }
        Ok(out)
    }

    /// The statements, in one order for everybody.
    pub(super) async fn write(
        &self,
        permit: &mut Permit<'_>,
        draft: &mut Draft,
        stage: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        dossier::insert(permit, &draft.sections, now).await?;
        // a case that is held again keeps its row
        let held: HashSet<Uuid> = draft.held.iter().copied().collect();
        let unheld: Vec<Uuid> = draft.unheld.iter().copied().filter(|c| !held.contains(c)).collect();
        holds::drop_for(permit, &unheld).await?;
        holds::put(permit, &draft.holds, now).await?;
        holds::lapsing(permit, &draft.lapsing).await?;
        arrivals::set_states(permit, &draft.arrivals).await?;
        // answers that came early are on their way now that their case waits for them
        for woken in arrivals::wake(permit, &draft.held, stage).await? {
            let row = self.message(&woken, None, false);
            draft.rows.push(row);
        }
        arrivals::unwanted(permit, &draft.closed).await?;
        let issued = self.write_sides(permit, draft).await?;
        side_messages::set_states(permit, &draft.side_states).await?;
        dead_letters::close_replayed(permit, &draft.consumed_letters).await?;
        let Draft { moves, jobs: raised, entries, rows: sent, .. } = &*draft;
        spine::write(permit, Spine { moves, raised, issued: &issued, entries, sent }).await
    }

    /// Keeps the side messages that are new; returns their guard rows, whose messages are drafted.
    async fn write_sides(&self, permit: &mut Permit<'_>, draft: &mut Draft) -> Result<Vec<JobRow>, StoreError> {
        let Some(stage) = self.side_stage() else { return Ok(Vec::new()) };
        let made = side_messages::insert(permit, &draft.sides).await?;
        let jobs: Vec<JobRow> =
            draft.sides.iter().filter(|s| made.contains(&s.id)).map(|s| crate::answers::side_job(s, stage)).collect();
        draft.rows.extend(jobs.iter().map(|j| self.message(j, None, false)));
        Ok(jobs)
    }
}
