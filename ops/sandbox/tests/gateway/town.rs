//! A sandbox, a gateway client in front of it, and an endpoint that takes its messages.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use jiff::Timestamp;
use kezek_domain::{Coupon, Tiyn};
use kezek_gateway::incoming::{Incoming, Message};
use kezek_gateway::{Consent, Gateway, GatewayConfig, RegisterAnswer, RegisterRequest};
use kezek_sandbox::{Options, Person, Plan, Running, start};

pub const DUTY: Tiyn = Tiyn(78_640);

/// What the endpoint took, and how many of the next messages it refuses.
#[derive(Default)]
pub struct Inbox {
    pub taken: Mutex<Vec<Incoming>>,
    pub refuse: Mutex<u32>,
}

async fn take(State(inbox): State<Arc<Inbox>>, body: Bytes) -> (StatusCode, String) {
    let incoming = match Incoming::parse(&body) {
        Ok(incoming) => incoming,
        Err(problem) => return (StatusCode::INTERNAL_SERVER_ERROR, kezek_gateway::incoming::refusal(&problem)),
    };
    {
        let mut refuse = inbox.refuse.lock().unwrap();
        if *refuse > 0 {
            *refuse -= 1;
            return (StatusCode::SERVICE_UNAVAILABLE, String::new());
        }
    }
    let acknowledgement = incoming.acknowledgement();
    inbox.taken.lock().unwrap().push(incoming);
    (StatusCode::OK, acknowledgement)
}

pub struct Town {
    pub sandbox: Running,
    pub gateway: Gateway,
    pub inbox: Arc<Inbox>,
}

impl Town {
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    pub async fn with(change: impl FnOnce(&mut GatewayConfig)) -> Self {
        let inbox = Arc::new(Inbox::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let callback_url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(take)).with_state(Arc::clone(&inbox));
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        let options = Options { port: 0, callback_url, seed: 3, population: 62, as_of: jiff::civil::date(2025, 9, 2) };
        let sandbox = start(&options).await.unwrap();
        let mut config =
            GatewayConfig { url: sandbox.sync_url(), async_url: sandbox.async_url(), ..GatewayConfig::default() };
        change(&mut config);
        let gateway = Gateway::new(config).unwrap();
        Self { sandbox, gateway, inbox }
    }

    /// Somebody with this plan.
    pub fn person(&self, plan: Plan) -> &Person {
        self.sandbox.world.people.people().iter().find(|person| person.plan == plan).unwrap()
    }

    pub fn now(&self) -> Timestamp {
        self.sandbox.world.clock.now()
    }

    pub fn consent(&self, person: &Person) -> Consent {
        self.sandbox.world.people.consent(&person.iin, self.now())
    }

    /// Registers an application of somebody with this plan under its label as key.
    pub async fn registered(&self, plan: Plan) -> Coupon {
        match self.gateway.register(plan.label(), &self.request(self.person(plan))).await.unwrap() {
            RegisterAnswer::Registered { coupon, .. } => coupon,
            RegisterAnswer::Refused { .. } => unreachable!("refused"),
        }
    }

    pub fn request(&self, person: &Person) -> RegisterRequest {
        RegisterRequest {
            iin: person.iin.clone(),
            region: person.region,
            registration_point: person.registration_point.clone(),
            document_number: person.card_number.clone(),
            photo_sha256: "0".repeat(64),
            signature_sha256: "1".repeat(64),
            content_sha256: "2".repeat(64),
            filed_at: "2025-09-02T05:00:00Z".parse().unwrap(),
        }
    }

    /// Waits until the sandbox means to do nothing more, and gives the messages that came.
    pub async fn at_rest(&self) -> Vec<Message> {
        for _ in 0..1000 {
            if self.sandbox.world.outbound.pending() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(self.sandbox.world.outbound.pending(), 0);
        self.inbox.taken.lock().unwrap().iter().map(|incoming| incoming.message().unwrap()).collect()
    }
}
