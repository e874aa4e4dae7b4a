//! The HTTP interface as an OpenAPI 3.1 document, made from one list of routes. A test compares the list with the
//! routes that the doors mount.

mod bodies;
mod routes;

pub use routes::{ROUTES, Route};

use kezek_domain::Role;
use serde_json::{Map, Value, json};

/// Where the document is served.
pub const PATH: &str = "/openapi.json";

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.to_owned(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Kezek",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Applications for state services: their submission, the decisions on them, what comes from \
                outside for them, and where they stand. Every refusal is a problem document.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "The bearer token of an account, printed once by `kezek accounts create`." },
            },
            "schemas": bodies::schemas(),
            "responses": { "Problem": problem() },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut responses = Map::new();
    for (status, body, what) in route.answers {
        responses.insert((*status).to_owned(), answer(body, what));
    }
    responses.insert("default".to_owned(), json!({ "$ref": "#/components/responses/Problem" }));
    let parameters: Vec<_> = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{').and_then(|p| p.strip_suffix('}')))
        .map(|name| {
            let schema = if name == "case" { json!({ "type": "string", "format": "uuid" }) } else { json!({ "type": "string" }) };
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .chain(route.query.iter().map(|(name, kind, required)| {
            json!({ "name": name, "in": "query", "required": required, "schema": { "type": kind } })
        }))
        .collect();
    let roles: Vec<_> = route.roles.iter().map(|r: &Role| r.label()).collect();
    let who = match (route.token, roles.is_empty()) {
        (false, _) => "Needs no token.".to_owned(),
        (true, true) => "Any account; the case decides which role.".to_owned(),
        (true, false) => format!("Role {}.", roles.join(" or ")),
    };
    let mut operation = json!({
        "summary": route.summary,
        "description": format!("{} {who}", route.about),
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(operation) = operation.as_object_mut() {
        operation.insert("security".to_owned(), if route.token { json!([{ "token": [] }]) } else { json!([]) });
        if !roles.is_empty() {
            operation.insert("x-roles".to_owned(), json!(roles));
        }
        if let Some((media, schema)) = route.body {
            let schema = if media == "application/json" {
                json!({ "$ref": format!("#/components/schemas/{schema}") })
            } else {
                json!({ "type": "string", "description": schema })
            };
            operation.insert(
                "requestBody".to_owned(),
                json!({ "required": true, "content": { media: { "schema": schema } } }),
            );
        }
    }
    operation
}

fn answer(body: &str, what: &str) -> Value {
    match body {
        "" => json!({ "description": what }),
        // a media type of its own
        media if media.contains('/') => {
            json!({ "description": what, "content": { media: { "schema": { "type": "string" } } } })
        }
        name => json!({
            "description": what,
            "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } },
        }),
    }
}

fn problem() -> Value {
    json!({
        "description": "Refused or not possible: what, where, and what to do. No value that was sent is repeated.",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    })
}
