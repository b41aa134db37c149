//! The daemon's API: HTTP and JSON on a Unix socket, errors as Kubernetes' `Status`.

pub mod client;
pub mod exec;
pub mod lines;
mod logs;
mod objects;
pub mod port_forward;
pub mod server;
mod usage;
mod watch;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::mesh::Applied;
use crate::store::StoreError;

/// Name of the socket in a mesh's state directory.
pub const SOCKET: &str = "api.sock";

/// Reason of a [`Failure`] about a kind, not an object.
pub const NO_RESOURCE_TYPE: &str = "NoResourceType";

/// What `/v1/status` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The mesh's name.
    pub name: String,
    /// The daemon's process.
    pub pid: u32,
    /// Control-plane Deployments that are not available yet, as `ca: 0/1`.
    pub unready: Vec<String>,
    /// Why pods of the control plane wait, one line each.
    pub waiting: Vec<String>,
}

/// What `/v1/apply` takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Apply {
    /// For objects that name no namespace.
    pub namespace: String,
    /// The objects.
    pub objects: Vec<Value>,
}

/// What `/v1/apply` answers, in the order of the objects.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApplyResult {
    /// One entry per object.
    pub results: Vec<Applied>,
}

/// An error as the API server writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// CamelCase reason, such as `NotFound`.
    pub reason: String,
    /// For a person.
    pub message: String,
    /// HTTP status code.
    pub code: u16,
}

impl Failure {
    fn new(code: StatusCode, reason: &str, message: impl Into<String>) -> Self {
        Self {
            reason: reason.to_owned(),
            message: message.into(),
            code: code.as_u16(),
        }
    }

    /// A request that makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// A kind that nobody has heard of.
    pub fn no_resource_type(word: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            NO_RESOURCE_TYPE,
            format!("the server doesn't have a resource type {word:?}"),
        )
    }

    /// Something that this machine cannot tell or do.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            message,
        )
    }

    /// Something that went wrong in the daemon.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (code, reason) = match &error {
            StoreError::NotFound(_) | StoreError::NoNamespace(_) => {
                (StatusCode::NOT_FOUND, "NotFound")
            }
            StoreError::AlreadyExists(_) => (StatusCode::CONFLICT, "AlreadyExists"),
            StoreError::NamespaceTerminating(_) | StoreError::NamespaceKept(_) => {
                (StatusCode::FORBIDDEN, "Forbidden")
            }
            StoreError::Unnamed | StoreError::InvalidKind(_) | StoreError::InvalidName(..) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "Invalid")
            }
        };
        Self::new(code, reason, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (code, Json(self)).into_response()
    }
}
