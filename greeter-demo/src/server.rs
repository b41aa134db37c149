//! Both listeners of the greeter, from start to the last open request.

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::greeter::PodGreeter;
use crate::helloworld::greeter_server::GreeterServer;
use crate::metadata::Authority;
use crate::web::Web;

/// The greeter could not go on serving.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The gRPC listener broke.
    #[error("gRPC: {0}")]
    Grpc(#[from] tonic::transport::Error),
    /// The HTTP listener broke.
    #[error("HTTP: {0}")]
    Http(#[from] std::io::Error),
}

/// Serves gRPC (with `grpc.health.v1`) on one listener and the pages on the other until `shutdown`
/// is cancelled and open requests are answered.
///
/// # Errors
/// [`ServeError`] when a listener breaks.
pub async fn serve(
    grpc: TcpListener,
    http: TcpListener,
    greeter: PodGreeter,
    web: Web,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<GreeterServer<PodGreeter>>().await;
    let authority = tower::util::MapRequestLayer::new(|mut request: http::Request<_>| {
        if let Some(authority) = request.uri().authority().map(ToString::to_string) {
            request.extensions_mut().insert(Authority(authority));
        }
        request
    });
    let grpc = Server::builder()
        .tcp_nodelay(true)
        .layer(authority)
        .add_service(health_service)
        .add_service(GreeterServer::new(greeter))
        .serve_with_incoming_shutdown(
            TcpListenerStream::new(grpc),
            shutdown.clone().cancelled_owned(),
        );
    let http = process::http::serve(http, web.router(), shutdown);
    tokio::try_join!(async { grpc.await.map_err(ServeError::from) }, async {
        http.await.map_err(ServeError::from)
    })?;
    Ok(())
}
