//! The engine on a real PostgreSQL and RabbitMQ: conversations with the town, and the trial of every stage.

#[path = "engine/answers.rs"]
mod answers;
#[path = "engine/decisions.rs"]
mod decisions;
#[path = "engine/effects.rs"]
mod effects;
#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/given_up.rs"]
mod given_up;
#[path = "engine/holding.rs"]
mod holding;
#[path = "engine/journeys.rs"]
mod journeys;
#[path = "engine/keys.rs"]
mod keys;
#[path = "engine/law.rs"]
mod law;
#[path = "engine/lost_future.rs"]
mod lost_future;
#[path = "engine/mortal.rs"]
mod mortal;
#[path = "engine/trial.rs"]
mod trial;
