//! A control plane in the test's own process: an authority that signs for whoever shows the right
//! token, and a pilot that is as simple as it can be. Each can be taken away and brought back.

#![allow(dead_code, unreachable_pub)]

pub mod authority;
pub mod pilot;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent::control_plane::ControlPlane;
use authority::Authority;
use identity::incoming;
use identity::tls::{ALPN_H2, ClientAuth, ServerTls};
use pilot::Pilot;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const NAME: &str = "istiod.istio-system.svc";
pub const TOKEN: &str = "token-of-the-greeter";

/// The longest that a test waits for something to come true.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A control plane at one address, up or down.
pub struct Plane {
    pub address: SocketAddr,
    pub authority: Arc<Authority>,
    pub pilot: Arc<Pilot>,
    running: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Plane {
    /// Reserves an address; nothing listens there yet.
    pub async fn down() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            authority: Arc::new(Authority::new()),
            pilot: Arc::new(Pilot::default()),
            running: None,
        }
    }

    pub async fn up() -> Self {
        let mut plane = Self::down().await;
        plane.start().await;
        plane
    }

    pub async fn start(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let certificate = self.authority.server_certificate(NAME);
        let tls = ServerTls::new(certificate, ClientAuth::Optional, &[ALPN_H2]).unwrap();
        let end = CancellationToken::new();
        let serving = tonic::transport::Server::builder()
            .add_service(self.authority.clone().service())
            .add_service(self.pilot.clone().service(end.clone()))
            .serve_with_incoming_shutdown(
                incoming::accept(listener, Arc::new(tls)),
                end.clone().cancelled_owned(),
            );
        let task = tokio::spawn(async { serving.await.unwrap() });
        self.running = Some((end, task));
    }

    /// Ends all streams and closes the listener.
    pub async fn stop(&mut self) {
        let (end, task) = self.running.take().unwrap();
        end.cancel();
        tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
    }

    /// How an agent in `directory` reaches this control plane: writes root and token there.
    pub fn mount(&self, directory: &Path) -> ControlPlane {
        let root = directory.join("var/run/secrets/istio/root-cert.pem");
        let token = directory.join("var/run/secrets/tokens/istio-token");
        for (path, content) in [(&root, self.authority.root_pem()), (&token, TOKEN.into())] {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        ControlPlane {
            address: self.address.to_string(),
            server_name: Some(NAME.to_owned()),
            root,
            token,
        }
    }
}

/// Polls until `what` is there, or fails with `name`.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    name: &str,
    mut what: impl FnMut() -> F,
) -> T {
    let polling = async {
        loop {
            if let Some(found) = what().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, polling)
        .await
        .unwrap_or_else(|_| panic!("{name} did not come true within {PATIENCE:?}"))
}
