//! `pilot-agent request`: one request to the proxy's admin interface or to the agent, from inside
//! the pod. Images without a shell have no other HTTP client.

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::Method;

use crate::fetch::{self, FetchError, Limits};

/// A `config_dump` of a large mesh is the longest answer that is asked for.
const LIMITS: Limits = Limits {
    body: 1 << 30,
    time: Duration::from_secs(60),
};

/// The arguments of `request`.
#[derive(Debug, Clone, Args)]
pub struct RequestArgs {
    /// Port on loopback: 15000 is the proxy's admin interface, 15020 the agent
    #[arg(long = "debug-port", default_value_t = 15000)]
    pub debug_port: u16,

    /// HTTP method, for example GET or POST
    pub method: Method,

    /// Path, for example drain or stats?filter=server
    pub path: String,

    /// Body of the request
    pub body: Option<String>,
}

/// Why a request was of no avail.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Nobody answered.
    #[error(transparent)]
    Unanswered(#[from] FetchError),
    /// The answer is an error.
    #[error("{method} {path} on port {port}: {status}: {body}")]
    Refused {
        /// As asked.
        method: Method,
        /// As asked.
        path: String,
        /// As asked.
        port: u16,
        /// The answer's status.
        status: http::StatusCode,
        /// The answer's words.
        body: String,
    },
}

/// Sends the request and returns the answer's body.
///
/// # Errors
/// [`RequestError`]: nobody answered, or with a status that is not a success.
pub async fn request(args: &RequestArgs) -> Result<Bytes, RequestError> {
    let address = format!("127.0.0.1:{}", args.debug_port);
    let path = format!("/{}", args.path.trim_start_matches('/'));
    let body = Bytes::from(args.body.clone().unwrap_or_default());
    let request = fetch::request(args.method.clone(), &address, &path, body);
    let answer = fetch::plain(address.as_str(), request, LIMITS).await?;
    if answer.status.is_success() {
        return Ok(answer.body);
    }
    Err(RequestError::Refused {
        method: args.method.clone(),
        path,
        port: args.debug_port,
        status: answer.status,
        body: answer.text(),
    })
}
