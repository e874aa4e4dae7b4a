//! One process of Kezek: its engine, rooms and doors, opened from a blueprint. The town has one; a process that is to
//! die is given the same blueprint on its standard input.

use anyhow::Result;
use axum::Router;
use kezek::doors::questions;
use kezek::{pipeline, services};
use kezek_domain::{Rules, System};
use kezek_gateway::eds::{CmsVerifier, Verifier};
use kezek_gateway::{Gateway, GatewayConfig};
use kezek_runtime::{DoorKit, Engine, Limits, Metrics, Parts, Room, answers, clock_round, reads};
use kezek_stage::{Answers, Clock, Ids, Kit};
use kezek_store::crypt::Keyring;
use kezek_store::{Plans, connect, connect_for};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a process is opened with: where everything is, and the town's settings.
#[derive(Clone, Serialize, Deserialize)]
pub struct Blueprint {
    /// PostgreSQL as the engine and as the console.
    pub databases: (String, String),
    /// The broker.
    pub amqp: String,
    /// The gateway's two channels.
    pub gateway: (String, String),
    /// Whose signatures are accepted: a certificate.
    pub authority: String,
    /// Seed of identifiers: another for every process.
    pub seed: u64,
    /// Connections of the engine's and the console's pools.
    pub connections: (u32, u32),
    /// Seconds: what a receiver may still act, and what the sweeper leaves alone.
    pub seconds: (u64, u64),
    /// Rule files that stand in for the built-in ones, by name.
    pub rules: BTreeMap<String, String>,
    /// Configuration sections of stages, by name.
    pub config: BTreeMap<String, Value>,
}

impl std::fmt::Debug for Blueprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blueprint(seed {})", self.seed)
    }
}

/// An opened process; nothing runs yet.
pub struct Process {
    /// The engine that all its stages share.
    pub engine: Engine,
    /// Its rooms, in the order of the list.
    pub rooms: Vec<Arc<dyn Room>>,
    /// The engine's side of the doors.
    pub answers: Arc<dyn Answers>,
    /// The doors of all stages.
    pub doors: Router,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Process")
    }
}

impl Process {
    /// Opens it; `limits` are the engine's bounds, of which the blueprint's numbers go before.
    ///
    /// # Errors
    /// Where the servers are not there, or something cannot be opened.
    pub async fn open(plan: &Blueprint, limits: Limits, clock: Clock) -> Result<Self> {
        let systems: Vec<_> = System::ALL.iter().map(|s| s.label()).collect();
        let limits = Limits {
            connections: plan.connections.0,
            console_connections: plan.connections.1,
            effect_seconds: plan.seconds.0,
            sweep_after_seconds: plan.seconds.1,
            ..limits
        };
        let engine = Engine::new(Parts {
            pool: connect_for(Plans::Once, &plan.databases.0, limits.connections, "kezek town engine").await?,
            console: connect(&plan.databases.1, limits.console_connections, "kezek town console").await?,
            amqp: plan.amqp.clone(),
            keyring: Keyring::new("k1", &BTreeMap::from([("k1".to_owned(), [7; 32])]), [9; 32])?,
            clock,
            ids: Ids::seeded(plan.seed),
            flows: services::all()?,
            stages: pipeline::shapes(),
            side_stage: pipeline::tells(),
            metrics: Metrics::new(&pipeline::names(), &systems)?,
            limits,
            version: "town".to_owned(),
        });
        clock_round(engine.clone()).await?;
        let (url, async_url) = plan.gateway.clone();
        let rules = Arc::new(Rules::parse(&plan.rules)?);
        let kit = Kit::new(engine.clock().clone(), engine.ids().clone())
            .with(Arc::clone(&rules))
            .with(Arc::new(Gateway::new(GatewayConfig { url, async_url, ..GatewayConfig::default() })?))
            .with(Arc::new(Verifier::new(CmsVerifier::new(plan.authority.as_bytes())?)));
        let section = |name: &str| plan.config.get(name).cloned().unwrap_or(Value::Null);
        let rooms = pipeline::STAGES
            .iter()
            .map(|line| line.open(section(line.name()), &kit, &engine))
            .collect::<Result<Vec<_>, _>>()?;
        let desk = DoorKit { reads: reads(&engine), answers: answers(&engine, &rooms), engine: engine.clone() };
        let doors = pipeline::STAGES
            .iter()
            .zip(&rooms)
            .filter_map(|(line, room)| line.routes(&**room, &desk))
            .fold(Router::new(), Router::merge)
            .merge(questions::routes(&pipeline::names(), Arc::clone(&desk.answers), Arc::clone(&desk.reads), rules));
        Ok(Self { engine, rooms, answers: desk.answers, doors })
    }
}
