//! One open port: its connections, carried into the node's network. Dropping it closes it and them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::kubelet::runtime::Runtime;

/// Connections of one port at a time; further ones wait to be accepted.
const CONNECTIONS: usize = 1024;
/// How long an endpoint may take to accept.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a port rests after an error of its socket, such as no free descriptor.
const REST: Duration = Duration::from_millis(100);

pub(super) struct Listener {
    /// Ends with it.
    _task: JoinSet<()>,
}

impl Listener {
    /// Listens on `address`.
    ///
    /// # Errors
    /// When someone else does.
    pub(super) async fn open(
        address: SocketAddr,
        to: SocketAddr,
        runtime: Arc<dyn Runtime>,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let mut task = JoinSet::new();
        task.spawn(serve(listener, to, runtime));
        Ok(Self { _task: task })
    }
}

async fn serve(listener: TcpListener, to: SocketAddr, runtime: Arc<dyn Runtime>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // Nobody closes it.
        let place = Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let runtime = Arc::clone(&runtime);
                connections.spawn(async move {
                    carry(stream, to, runtime.as_ref()).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, %to, "a connection is lost");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

async fn carry(mut client: TcpStream, to: SocketAddr, runtime: &dyn Runtime) {
    match tokio::time::timeout(LIMIT, runtime.connect(to)).await {
        Ok(Ok(mut server)) => {
            let _ = client.set_nodelay(true);
            let _ = server.set_nodelay(true);
            // Either side may break off.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
        Ok(Err(_)) | Err(_) => {
            // A reset, as from a port where nobody listens: an orderly end would look like an empty answer.
            let _ = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
        }
    }
}
