//! Empties the broker's queues after a restore, and keeps what the database cannot give back: letters whose ticket is
//! ahead of it, or that name nobody it knows. Everything else is issued again by a resend or is stale.

use crate::engine::Engine;
use crate::envelope::{self, Envelope};
use kezek_store::dead_letters::LetterRow;
use kezek_store::jobs::JobRow;
use kezek_store::{SqlTime, StoreError, ToSqlx as _, dead_letters, jobs, mint};
use lapin::message::BasicGetMessage;
use lapin::options::{BasicAckOptions, BasicGetOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};
use serde_json::json;
use uuid::Uuid;

/// Why the queues were not emptied; what was kept before stays kept, what was not taken is still there.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// Somebody consumes: messages in his hands would come back after everything was emptied.
    #[error(
        "queue `{queue}` has {consumers} consumer(s): stop every worker first, and wait until the broker has noticed \
         (half a minute for one that was cut off)"
    )]
    Consumed {
        /// The queue.
        queue: String,
        /// How many.
        consumers: u32,
    },
    /// The broker.
    #[error("the broker does not answer as it should: {0}")]
    Broker(String),
    /// The database.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Drained {
    /// Messages that are gone: the database issues their jobs again, or they were stale.
    pub dropped: u64,
    /// Messages kept as letters: of a time that the database does not know.
    pub kept: u64,
}

/// Empties these queues, one message at a time.
///
/// # Errors
/// [`DrainError`].
pub async fn drain(engine: &Engine, queues: &[String]) -> Result<Drained, DrainError> {
    let away = || DrainError::Broker("no connection".to_owned());
    let channel = engine.consume_link().channel().await.ok_or_else(away)?;
    nobody_consumes(&channel, queues).await?;
    let mut drained = Drained::default();
    for queue in queues {
        while let Some(message) = take(&channel, queue).await.map_err(broken)? {
            if engine.keep_what_is_ahead(&message).await? {
                drained.kept += 1;
            } else {
                drained.dropped += 1;
            }
            // kept first, gone then: a crash in between keeps it once more under the same id
            message.delivery.ack(BasicAckOptions::default()).await.map_err(broken)?;
        }
    }
    Ok(drained)
}

/// Whether every worker is off: nobody consumes these queues.
///
/// # Errors
/// [`DrainError::Consumed`] where somebody does; the broker.
pub async fn workers_off(engine: &Engine, queues: &[String]) -> Result<(), DrainError> {
    let away = || DrainError::Broker("no connection".to_owned());
    let channel = engine.consume_link().channel().await.ok_or_else(away)?;
    nobody_consumes(&channel, queues).await
}

async fn nobody_consumes(channel: &Channel, queues: &[String]) -> Result<(), DrainError> {
    for queue in queues {
        let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let told = channel.queue_declare(queue.as_str().into(), passive, FieldTable::default()).await;
        let consumers = told.map_err(broken)?.consumer_count();
        if consumers > 0 {
            return Err(DrainError::Consumed { queue: queue.clone(), consumers });
        }
    }
    Ok(())
}

fn broken(error: lapin::Error) -> DrainError {
    DrainError::Broker(error.to_string())
}

async fn take(channel: &Channel, queue: &str) -> Result<Option<BasicGetMessage>, lapin::Error> {
    channel.basic_get(queue.into(), BasicGetOptions::default()).await
}

/// What a message is to the database.
fn judge(envelope: Option<&Envelope>, own: Option<&JobRow>) -> Option<(&'static str, String)> {
    let Some(envelope) = envelope else {
        return Some(("undecodable", "the headers are not an envelope".to_owned()));
    };
    let Some(own) = own else { return Some(("unknown-case", "no such subject".to_owned())) };
    if envelope.ticket > own.ticket {
        let what = format!("ticket {} where the database knows {}", envelope.ticket, own.ticket);
        return Some(("ahead-of-database", what));
    }
    // the same number for another place is a lost future's too, as for whoever reads it
    let elsewhere = (envelope.stage.as_str(), i64::from(envelope.visit)) != (own.stage.as_str(), i64::from(own.visit));
    if envelope.ticket == own.ticket && elsewhere {
        let what = format!("ticket {} for another stage or visit than the database knows", envelope.ticket);
        return Some(("ahead-of-database", what));
    }
    None
}

impl Engine {
    /// Keeps a message as a letter where the database could not issue it again; `true` where it did.
    async fn keep_what_is_ahead(&self, message: &BasicGetMessage) -> Result<bool, StoreError> {
        let delivery = &message.delivery;
        let properties: &BasicProperties = &delivery.properties;
        let table = properties.headers().clone().unwrap_or_default();
        let envelope = Envelope::read(&table).ok();
        let own = match &envelope {
            Some(envelope) => jobs::list(self.pool(), &[envelope.subject_id]).await?.remove(&envelope.subject_id),
            None => None,
        };
        let Some((cause, detail)) = judge(envelope.as_ref(), own.as_ref()) else { return Ok(false) };
        let named = envelope.as_ref().map(|e| e.id.to_string());
        let message_id = named
            .or_else(|| properties.message_id().as_ref().map(ToString::to_string))
            .unwrap_or_else(|| format!("drained:{}", self.ids().next()));
        let now = self.clock().real();
        let number = |of: fn(&Envelope) -> u32| envelope.as_ref().and_then(|e| i32::try_from(of(e)).ok());
        let row = LetterRow {
            // as for every letter: the same message is the same row
            id: Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("kezek/letter/{message_id}").as_bytes()),
            message_id,
            subject: own.as_ref().map_or("unknown", |own| own.subject.as_str()).to_owned(),
            subject_id: own.as_ref().map(|own| own.subject_id),
            case_id: own.as_ref().and_then(|own| own.case_id),
            region: None,
            ticket: envelope.as_ref().map(|e| e.ticket),
            stage: envelope.as_ref().map(|e| e.stage.clone()),
            visit: number(|e| e.visit),
            attempt: number(|e| e.attempt),
            cause: cause.to_owned(),
            detail,
            exchange: delivery.exchange.to_string(),
            routing_key: delivery.routing_key.to_string(),
            headers: json!(envelope::texts(&table)),
            body: delivery.data.clone(),
            worker_version: self.version().to_owned(),
            state: "open".to_owned(),
            replay_ticket: None,
            first_seen: now.to_sqlx() as SqlTime,
            last_seen: now.to_sqlx() as SqlTime,
            seen: 1,
            acted_by: None,
            acted_reason: None,
        };
        let mut tx = self.pool().begin().await?;
        dead_letters::insert(&mut mint(&mut tx), &row).await?;
        tx.commit().await?;
        Ok(true)
    }
}
