//! The daemon of one mesh: the mesh, its API, and its end.

use std::sync::Arc;

use serde_json::Value;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::api::{SOCKET, server};
use crate::mesh::{Applied, Mesh, MeshError, Options};

/// Why the daemon ended badly.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The mesh did not start.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// The API's socket.
    #[error("cannot serve the API: {0}")]
    Api(#[from] std::io::Error),
}

/// A mesh with its API.
pub struct Daemon {
    mesh: Arc<Mesh>,
    end: CancellationToken,
    api: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Daemon {
    /// Starts the mesh, applies `objects` to the namespace `default` and serves the API to root and `owner`.
    ///
    /// # Errors
    /// When the mesh does not start or its socket cannot be made. Nothing is left then.
    pub async fn start(
        options: Options,
        objects: Vec<Value>,
        owner: Option<u32>,
    ) -> Result<(Self, Vec<Applied>), DaemonError> {
        let mesh = Mesh::start(options).await?;
        let end = CancellationToken::new();
        let listener = match server::bind(&mesh.directory().join(SOCKET), owner) {
            Ok(listener) => listener,
            Err(error) => {
                mesh.stop().await;
                return Err(error.into());
            }
        };
        let applied = mesh.apply(objects, "default").await;
        let router = server::router(Arc::clone(&mesh), end.clone());
        let api = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok((Self { mesh, end, api }, applied))
    }

    /// The mesh.
    pub fn mesh(&self) -> &Arc<Mesh> {
        &self.mesh
    }

    /// Completes when a client asks for the end.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        self.end.clone().cancelled_owned()
    }

    /// Ends the mesh; the API answers until its pods are gone.
    pub async fn stop(self) {
        self.mesh.stop().await;
        self.api.abort();
    }
}
