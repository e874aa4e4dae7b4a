//! The engine on a real PostgreSQL and RabbitMQ: conversations with the town, and the first trial of every stage.

#[path = "engine/faults.rs"]
mod faults;
#[path = "engine/holding.rs"]
mod holding;
#[path = "engine/journeys.rs"]
mod journeys;
#[path = "engine/trial.rs"]
mod trial;
