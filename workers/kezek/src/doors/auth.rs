//! Who is calling: a bearer token is known by its digest alone; its account goes with the request. Refusals are in
//! the audit trail, so many a minute at most, so that nobody can fill it from outside.

use axum::extract::{MatchedPath, Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use kezek_domain::{Iin, IinProfile, Region, Role};
use kezek_runtime::Engine;
use kezek_stage::{Caller, DoorError, Fault};
use kezek_store::accounts::AccountRow;
use kezek_store::{StoreError, accounts, audit, mint};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What an officer's IIN is sealed as.
pub const OFFICER: &str = kezek_store::accounts::OFFICER_IIN;
/// Tokens remembered at once; beyond it the memory starts anew.
const REMEMBERED: usize = 10_000;
/// Refusals of unknown callers that are written down per minute.
const REFUSALS: u32 = 60;

/// The gate in front of every route.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    engine: Engine,
    profile: IinProfile,
    remember: Duration,
    known: Mutex<HashMap<[u8; 32], (Instant, Known)>>,
    refusals: Mutex<(Instant, u32)>,
}

/// What a token turned out to be.
#[derive(Clone)]
enum Known {
    Caller(Caller),
    Blocked(String),
    Nobody,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    /// A gate that remembers accounts for a while; `profile` says which officers' IINs are admitted.
    #[must_use]
    pub fn new(engine: Engine, profile: IinProfile, remember: Duration) -> Self {
        Self(Arc::new(Inner {
            engine,
            profile,
            remember,
            known: Mutex::default(),
            refusals: Mutex::new((Instant::now(), 0)),
        }))
    }

    async fn who(&self, token: &str) -> Result<Known, DoorError> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let now = Instant::now();
        let remembered =
            self.0.known.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).filter(|(t, _)| *t > now).cloned();
        if let Some((_, known)) = remembered {
            return Ok(known);
        }
        let found = accounts::find_by_token(self.0.engine.pool(), &digest).await.map_err(|error| {
            tracing::error!(error = error.tell(), "accounts cannot be read");
            DoorError::from(Fault::from(error))
        })?;
        let known = match found {
            None => Known::Nobody,
            Some(row) if row.blocked => Known::Blocked(row.account),
            Some(row) => Known::Caller(self.caller(row)?),
        };
        let mut memory = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= REMEMBERED {
            memory.clear();
        }
        memory.insert(digest, (now + self.0.remember, known.clone()));
        Ok(known)
    }

    fn caller(&self, row: AccountRow) -> Result<Caller, DoorError> {
        let odd = |what: &str| {
            tracing::error!(account = row.account, what, "an account cannot be used");
            DoorError::new(500, "account", format!("this account's {what} cannot be read; an operator creates it anew"))
        };
        let role = Role::parse(&row.role).ok_or_else(|| odd("role"))?;
        let region = row.region.as_deref().map(Region::parse).transpose().map_err(|_| odd("region"))?;
        let iin = match &row.iin {
            None => None,
            Some(sealed) => {
                let plain = self.0.engine.keyring().open(OFFICER, sealed).map_err(|_| odd("IIN"))?;
                let text = String::from_utf8(plain).map_err(|_| odd("IIN"))?;
                Some(Iin::parse(&text, self.0.profile).map_err(|_| odd("IIN"))?)
            }
        };
        Ok(Caller { account: row.account, role, region, iin, points: row.points })
    }

    /// Writes a refusal down.
    async fn refused(&self, account: &str, role: &str, route: &str, why: &str) {
        if account == "unknown" && !self.room_for_refusal() {
            return;
        }
        let entry = audit::Entry {
            account,
            role,
            act: "refused",
            case_id: None,
            detail: json!({ "route": route, "why": why }),
        };
        let written = async {
            let mut tx = self.0.engine.pool().begin().await.map_err(StoreError::from)?;
            audit::append(&mut mint(&mut tx), &entry).await?;
            tx.commit().await.map_err(StoreError::from)
        };
        if let Err(error) = written.await {
            // the refusal stands without its record; the log has it
            tracing::error!(account, route, why, error = error.tell(), "a refusal cannot be written down");
        }
    }

    fn room_for_refusal(&self) -> bool {
        let mut refusals = self.0.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.0.elapsed() > Duration::from_secs(60) {
            *refusals = (Instant::now(), 0);
        }
        refusals.1 += 1;
        if refusals.1 == REFUSALS + 1 {
            tracing::warn!("more than {REFUSALS} unknown callers within a minute: further ones are not written down");
        }
        refusals.1 <= REFUSALS
    }
}

/// The token of an `Authorization: Bearer …` header; `Err` where the header is something else.
fn bearer(request: &Request) -> Result<Option<&str>, DoorError> {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().map_err(|_| DoorError::unauthorised())?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Ok(Some(token.trim()))
        }
        _ => Err(DoorError::unauthorised()),
    }
}

/// The middleware: whoever brings a token must be known; whoever brings none goes on as nobody, and a route that
/// wants somebody refuses.
pub async fn known(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    // the template, never the path: a path may hold a number of somebody's case
    let route = request.extensions().get::<MatchedPath>().map_or_else(String::new, |p| p.as_str().to_owned());
    let route = format!("{} {route}", request.method());
    let known = match bearer(&request) {
        Ok(None) => return next.run(request).await,
        Ok(Some(token)) => gate.who(token).await,
        Err(_) => Ok(Known::Nobody),
    };
    let caller = match known {
        Err(error) => return error.into_response(),
        Ok(Known::Nobody) => {
            gate.refused("unknown", "none", &route, "unknown token").await;
            return DoorError::unauthorised().into_response();
        }
        Ok(Known::Blocked(account)) => {
            gate.refused(&account, "none", &route, "blocked account").await;
            return DoorError::unauthorised().into_response();
        }
        Ok(Known::Caller(caller)) => caller,
    };
    let (account, role) = (caller.account.clone(), caller.role);
    request.extensions_mut().insert(caller);
    let response = next.run(request).await;
    if response.status() == axum::http::StatusCode::FORBIDDEN {
        gate.refused(&account, role.label(), &route, "role").await;
    }
    response
}
