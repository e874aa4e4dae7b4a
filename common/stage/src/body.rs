//! A JSON body and a case in a path, refused as a door refuses: by place, never repeating a value.

use crate::doors::DoorError;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use kezek_domain::CaseId;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// A request's JSON body. An extractor; the size limit is the server's.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = DoorError;
    async fn from_request(request: Request, state: &S) -> Result<Self, DoorError> {
        let bytes = Bytes::from_request(request, state).await.map_err(|e| {
            DoorError::new(e.status().as_u16(), "unreadable", "the body did not arrive whole; send it again")
        })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            // serde_json's own text may quote a value, so only place and category are told
            let (line, column) = (error.line(), error.column());
            let what = match error.classify() {
                Category::Io | Category::Eof => "it ends too early",
                Category::Syntax => "it is not JSON",
                Category::Data => "a field is missing, unknown or of another type",
            };
            DoorError::new(
                422,
                "invalid",
                format!("the body at line {line}, column {column}: {what}; see the API's description"),
            )
        })
    }
}

/// The case named by the path's `{case}`. An extractor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseOf(pub CaseId);

#[derive(serde::Deserialize)]
struct Named {
    case: String,
}

impl<S: Send + Sync> FromRequestParts<S> for CaseOf {
    type Rejection = DoorError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, DoorError> {
        let missing = || DoorError::not_found("no such case: the path takes a case id, a UUID");
        let Path(Named { case }) = Path::<Named>::from_request_parts(parts, state).await.map_err(|_| missing())?;
        case.parse().map(Self).map_err(|_| missing())
    }
}
