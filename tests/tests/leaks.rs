//! A0.1: no IIN, name or telephone number of anybody leaves what is sealed: not in logs, spans, metrics, messages, dead
//! letters, nor in a readable column of any table. The whole population walks every stage, and faults are thrown in.

use anyhow::{Context as _, Result, ensure};
use axum::http::StatusCode;
use kezek_domain::System;
use kezek_domain::dossier::CancelReason;
use kezek_runtime::desk;
use kezek_sandbox::Plan;
use kezek_sandbox::demo::evidence;
use kezek_sandbox::demo::privacy::Search;
use kezek_sandbox::faults::{Command, Kind};
use kezek_testkit::town::{Founding, Town};
use serde_json::{Value, json};
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// Everything that was said: events, and the fields of every span, whether or not an event fell into it.
#[derive(Clone, Default)]
struct Ear {
    events: Arc<Mutex<Vec<String>>>,
    spans: Arc<Mutex<Vec<String>>>,
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

fn keep(book: &Mutex<Vec<String>>, head: &str, fields: impl FnOnce(&mut Text)) {
    let mut text = Text(head.to_owned());
    fields(&mut text);
    book.lock().unwrap_or_else(PoisonError::into_inner).push(text.0);
}

impl<S: Subscriber> Layer<S> for Ear {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        keep(&self.events, event.metadata().target(), |text| event.record(text));
    }
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        keep(&self.spans, attributes.metadata().name(), |text| attributes.record(text));
    }
    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        keep(&self.spans, "recorded", |text| values.record(text));
    }
}

const TAP: &str = "leaks.tap";

/// A queue that gets a copy of every message.
async fn tap(town: &Town) -> Result<()> {
    let queue = json!({ "durable": true, "arguments": { "x-queue-type": "classic" } });
    town.vhost.api("PUT", &format!("queues/{}/{TAP}", town.vhost.name()), Some(queue)).await?;
    let bindings = town.vhost.api("GET", &format!("bindings/{}", town.vhost.name()), None).await?;
    let bindings = bindings.context("no bindings")?;
    for binding in bindings.as_array().into_iter().flatten() {
        let source = binding["source"].as_str().unwrap_or_default();
        if source.starts_with("kezek.") && binding["destination"] != TAP {
            let body = json!({ "routing_key": binding["routing_key"], "arguments": binding["arguments"] });
            let path = format!("bindings/{}/e/{source}/q/{TAP}", town.vhost.name());
            town.vhost.api("POST", &path, Some(body)).await?;
        }
    }
    Ok(())
}

async fn tapped(town: &Town) -> Result<Vec<String>> {
    let page = json!({ "count": 500, "ackmode": "ack_requeue_false", "encoding": "auto" });
    let mut messages = Vec::new();
    loop {
        let path = format!("queues/{}/{TAP}/get", town.vhost.name());
        let got = town.vhost.api("POST", &path, Some(page.clone())).await?.unwrap_or(Value::Null);
        let got = got.as_array().cloned().unwrap_or_default();
        if got.is_empty() {
            break;
        }
        messages.extend(got.iter().map(Value::to_string));
    }
    town.vhost.api("DELETE", &format!("queues/{}/{TAP}", town.vhost.name()), None).await?;
    Ok(messages)
}

/// Everybody who waits is decided on: approved, and the card handed over.
async fn decide(town: &Town, sent: &[(Plan, kezek_domain::CaseId)]) -> Result<()> {
    for _ in 0..3 {
        town.rest().await?;
        for (plan, case) in sent {
            let (head, standing) = (town.case(*case).await?, town.standing(*case).await?);
            match (standing.how, standing.stage.as_deref()) {
                ("held", Some("review")) => {
                    let officer = town.officer(head.region)?;
                    let page = officer.opens(*case).await?;
                    let cancel = match plan {
                        Plan::CancelledForVerification => Some(CancelReason::AdditionalVerification),
                        Plan::CancelledForPhoto | Plan::ExemptCancelled => Some(CancelReason::PhotoQuality),
                        _ => None,
                    };
                    if page["pending"].is_null() {
                        officer.decides(&page, cancel).await?;
                    }
                }
                ("held", Some("issuance")) => {
                    let coupon = head.coupon.context("no coupon")?;
                    town.issuer(head.region)?.hands_over(coupon.as_str()).await?;
                }
                _ => {}
            }
        }
    }
    town.rest().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a0_1_a_full_run_leaves_nobodys_iin_name_or_number_where_it_can_be_read() -> Result<()> {
    let ear = Ear::default();
    let filter = tracing_subscriber::EnvFilter::new("debug,kezek=trace,kezek_runtime=trace,kezek_gateway=trace");
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(filter).with(ear.clone()))?;
    let town = Town::founded(Founding::default().seed(401)).await?;
    tap(&town).await?;

    let mut sent = Vec::new();
    for plan in Plan::cycle(town.sandbox.world.people.as_of()).into_iter().take(31) {
        let citizen = town.citizen(plan)?;
        sent.push((plan, citizen.submits().await?.case));
        // what a door cannot read, or refuses, is answered and logged without it
        let mut spoilt = citizen.application("spoilt")?;
        spoilt["photo"] = json!("!");
        ensure!(town.portal("/v1/applications", spoilt).await.0 != StatusCode::CREATED);
    }
    // rubbish in the middle of it all: faults tell of answers that cannot be read, and letters keep what failed
    for (system, fault, count) in [
        (System::Gbdfl, Kind::Rubbish, 2),
        (System::RpDrn, Kind::Rubbish, 1),
        (System::Sik, Kind::LoseAnswer { every: 2 }, 4),
    ] {
        let command = Command { system: Some(system), fault, count: Some(count), seconds: None };
        town.sandbox.world.faults().add(command).map_err(anyhow::Error::msg)?;
    }
    decide(&town, &sent).await?;
    town.sandbox.world.faults().clear();
    let letters: Vec<uuid::Uuid> =
        sqlx::query_scalar("SELECT id FROM dead_letters WHERE state = 'open'").fetch_all(&town.owner).await?;
    for letter in letters {
        desk::replay(&town.engine, letter, "operator", "the systems answer again").await?;
    }
    decide(&town, &sent).await?;
    town.clock_passes(30).await?;
    decide(&town, &sent).await?;

    let mut search = Search::of(&town.sandbox.world.people);
    let (events, spans) = (
        ear.events.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        ear.spans.lock().unwrap_or_else(PoisonError::into_inner).clone(),
    );
    let messages = tapped(&town).await?;
    let metrics = town.engine.metrics().page()?;
    ensure!(events.iter().any(|line| line.starts_with("kezek_runtime")), "the engine said nothing: nothing was heard");
    ensure!(events.len() > 200 && messages.len() > 200, "{} events, {} messages", events.len(), messages.len());
    for line in &events {
        search.look("logs", line);
    }
    search.expect("spans");
    for span in &spans {
        search.look("spans", span);
    }
    evidence::search(&mut search, &town.owner, &messages, &[], &[metrics]).await?;
    for place in ["logs", "messages", "metrics", "dead_letters", "journal", "outbox", "audit", "effects", "arrivals"] {
        ensure!(search.searched.contains_key(place), "{place} was not searched: {:?}", search.searched);
    }
    ensure!(search.searched["dead_letters"] > 0, "no letter was written: nothing was proved of them");
    // and it would have been found
    let mut control = Search::of(&town.sandbox.world.people);
    let person = &town.sandbox.world.people.people()[0];
    control.look("logs", &format!("{} {}", person.iin.expose(), person.surname));
    ensure!(control.found().len() == 2, "the search finds nothing");
    let found = search.found();
    ensure!(found.is_empty(), "personal data: {found:?}");
    town.dissolve().await
}
