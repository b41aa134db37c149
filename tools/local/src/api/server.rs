//! Routes and the socket.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::{Apply, ApplyResult, Failure, Status, exec, logs, objects, port_forward, usage, watch};
use crate::mesh::{Mesh, SYSTEM};
use crate::object::{list, name, text};

/// What handlers share.
#[derive(Clone)]
pub struct Shared {
    pub(super) mesh: Arc<Mesh>,
    pub(super) shutdown: CancellationToken,
}

/// Bytes that one request may bring.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// The API of a mesh. `shutdown` is cancelled when a client asks for the end.
pub fn router(mesh: Arc<Mesh>, shutdown: CancellationToken) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/shutdown", post(stop))
        .route("/v1/apply", post(apply))
        .route("/v1/objects/{kind}", get(objects::list_or_get))
        .route(
            "/v1/objects/{kind}/{name}",
            axum::routing::patch(objects::patch).delete(objects::delete),
        )
        .route("/v1/watch/{kind}", get(watch::watch))
        .route("/v1/usage", get(usage::usage))
        .route(
            "/v1/port-forward/{namespace}/{pod}",
            post(port_forward::port_forward),
        )
        .route("/v1/logs/{namespace}/{pod}", get(logs::logs))
        .route("/v1/exec/{namespace}/{pod}", post(exec::exec))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Shared { mesh, shutdown })
}

/// Binds the socket, for root and `owner` alone.
///
/// # Errors
/// When the path is taken or cannot be made.
pub fn bind(path: &Path, owner: Option<u32>) -> std::io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    if let Some(owner) = owner {
        chown(path, Some(owner), None)?;
    }
    Ok(listener)
}

async fn status(State(shared): State<Shared>) -> Json<Status> {
    Json(Status {
        name: shared.mesh.name().to_owned(),
        pid: std::process::id(),
        unready: shared.mesh.unready(),
        waiting: waiting(&shared.mesh),
    })
}

/// `pod/ca-...: ErrImagePull: image ...` for containers of the control plane that wait for a reason.
fn waiting(mesh: &Mesh) -> Vec<String> {
    let view = mesh.store().view();
    view.of_kind("", "Pod")
        .filter(|(key, _)| key.namespace == SYSTEM)
        .flat_map(|(_, pod)| {
            list(pod, "/status/containerStatuses")
                .iter()
                .filter_map(|container| {
                    let waiting = container.pointer("/state/waiting")?;
                    let message = text(waiting, "/message");
                    (!message.is_empty()).then(|| {
                        format!("pod/{}: {}: {message}", name(pod), text(waiting, "/reason"))
                    })
                })
                .collect::<Vec<_>>()
        })
        .collect()
}

async fn stop(State(shared): State<Shared>) -> Json<Status> {
    let answer = status(State(shared.clone())).await;
    shared.shutdown.cancel();
    answer
}

async fn apply(
    State(shared): State<Shared>,
    Json(request): Json<Apply>,
) -> Result<Json<ApplyResult>, Failure> {
    if request.namespace.is_empty() {
        return Err(Failure::bad_request("`namespace` is missing"));
    }
    Ok(Json(ApplyResult {
        results: shared.mesh.apply(request.objects, &request.namespace).await,
    }))
}
