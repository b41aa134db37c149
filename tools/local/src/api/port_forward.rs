//! `port-forward`: one connection to a port of a pod's own loopback, as raw bytes over an upgraded connection.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Deserialize;

use super::Failure;
use super::logs::find;
use super::server::Shared;

/// The name of the protocol in `Upgrade`.
pub const PROTOCOL: &str = "lateen-port-forward";
/// How long a container may take to accept.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    port: u16,
}

pub(super) async fn port_forward(
    State(shared): State<Shared>,
    Path((namespace, name)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    mut request: Request<axum::body::Body>,
) -> Result<Response, Failure> {
    let (_, pod) = find(&shared, &namespace, &name)?;
    let connecting = shared
        .mesh
        .node()
        .runtime
        .connect_inside(pod.uid(), asked.port);
    let connected = tokio::time::timeout(LIMIT, connecting)
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    let mut to_pod = connected.map_err(|error| {
        Failure::bad_request(format!(
            "error forwarding port {} to pod {namespace}/{name}: failed to connect to localhost:{} inside the pod: {error}",
            asked.port, asked.port
        ))
    })?;
    tokio::spawn(async move {
        match hyper::upgrade::on(&mut request).await {
            Ok(upgraded) => {
                // Either side may break off: the other then learns of it.
                let _ =
                    tokio::io::copy_bidirectional(&mut TokioIo::new(upgraded), &mut to_pod).await;
            }
            Err(error) => tracing::warn!(%error, "port-forward: the client did not upgrade"),
        }
    });
    Ok((
        StatusCode::SWITCHING_PROTOCOLS,
        [(header::CONNECTION, "upgrade"), (header::UPGRADE, PROTOCOL)],
    )
        .into_response())
}
