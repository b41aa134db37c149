//! The relay of the proxy's configuration stream: Envoy speaks ADS to a Unix socket of the agent,
//! the agent speaks it to the pilot with the workload's credential. Messages pass as they are.

mod bytes_codec;
mod service;
mod upstream;

use std::sync::Arc;

use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::certificate::state::State;
use crate::control_plane::ControlPlane;
use crate::socket;

pub use service::Relay;

/// Relays the streams that come to `listener` to `pilot` until `shutdown`. `certificate` is shown
/// to the pilot where there is no token.
///
/// # Errors
/// The listener broke.
pub async fn serve(
    listener: UnixListener,
    pilot: ControlPlane,
    certificate: watch::Receiver<State>,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let relay = Relay::new(Arc::new(upstream::Upstream { pilot, certificate }));
    tonic::transport::Server::builder()
        .add_service(relay)
        .serve_with_incoming_shutdown(socket::incoming(listener), shutdown.cancelled_owned())
        .await
}
