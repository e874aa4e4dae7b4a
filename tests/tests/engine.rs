//! The engine on a real PostgreSQL and RabbitMQ: conversations with the town, and the trial of every stage.

#[path = "engine/answers.rs"]
mod answers;
#[path = "engine/effects.rs"]
mod effects;
#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/holding.rs"]
mod holding;
#[path = "engine/journeys.rs"]
mod journeys;
#[path = "engine/law.rs"]
mod law;
#[path = "engine/lost_future.rs"]
mod lost_future;
#[path = "engine/mortal.rs"]
mod mortal;
#[path = "engine/trial.rs"]
mod trial;
