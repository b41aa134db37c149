//! The discovery service put together: sources to world to ports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use ca_api::istio_certificate_service_server::IstioCertificateServiceServer;
use ca_client::{Issuer, Served, Serving};
use identity::caller::{Authenticator, Tokens};
use identity::jwt::{KeySetError, Validator};
use identity::spiffe::SpiffeError;
use identity::tls::{ALPN_H2, ClientAuth};
use identity::{SpiffeId, TrustDomain, incoming};
use kubernetes::client::{ClientError, connect};
use kubernetes::tokens::TokenReviews;
use process::http::BindError;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Router;
use translate::{Settings, Translator};
use xds::server::AggregatedDiscovery;

use crate::args::DiscoveryArgs;
use crate::connections::Connections;
use crate::debounce::Debounce;
use crate::loading::{self, Loader};
use crate::relay::{CaChannel, Relay};
use crate::service::{Access, Discovery, Port};
use crate::sources::Source;
use crate::sources::kubernetes::{Cluster, kinds};
use crate::store::Store;
use crate::world::World;
use crate::{debug, metrics};

/// The largest certificate request: one has a few kilobytes, and whoever asks is not known yet when
/// it is read.
const MAX_REQUEST: usize = 256 * 1024;
/// The most streams and requests at a time on one connection.
const MAX_STREAMS: u32 = 1000;
/// How often an idle connection is probed.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long streams are given to end after the shutdown began.
const DRAIN: Duration = Duration::from_secs(5);

/// Why the service did not start or ended early.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// A port cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The key set of `--jwksFile` cannot be used.
    #[error("--jwksFile: {0}")]
    KeySet(#[from] KeySetError),
    /// The pilot cannot have the identity that the flags make up.
    #[error("--namespace, --serviceAccount or the mesh's trustDomain: {0}")]
    Identity(#[from] SpiffeError),
    /// There is no way to the API server.
    #[error(transparent)]
    Cluster(#[from] ClientError),
    /// A server broke.
    #[error("{port}: {message}")]
    Server {
        /// Which one.
        port: &'static str,
        /// What happened.
        message: String,
    },
    /// A server or the loading of the configuration ended unasked.
    #[error("a task that should run for ever has ended; the log says more")]
    Ended,
}

/// The listening sockets; all are opened before anything is served.
struct Listeners {
    grpc: Option<TcpListener>,
    secure: Option<TcpListener>,
    monitoring: Option<TcpListener>,
    http: Option<TcpListener>,
}

impl Listeners {
    async fn open(args: &DiscoveryArgs) -> Result<Self, BindError> {
        Ok(Self {
            grpc: open(&args.grpc_addr, "--grpcAddr").await?,
            secure: open(&args.secure_grpc_addr, "--secureGRPCAddr").await?,
            monitoring: open(&args.monitoring_addr, "--monitoringAddr").await?,
            http: open(&args.http_addr, "--httpAddr").await?,
        })
    }
}

async fn open(address: &str, flag: &'static str) -> Result<Option<TcpListener>, BindError> {
    if address.is_empty() {
        return Ok(None);
    }
    process::http::bind(address, flag).await.map(Some)
}

/// Serves until `shutdown`. `metrics` renders what was counted, where a recorder is installed.
///
/// # Errors
/// [`DiscoveryError`], before anything is served where it can be known then.
pub async fn run(
    args: DiscoveryArgs,
    metrics_router: Option<axum::Router>,
    shutdown: CancellationToken,
) -> Result<(), DiscoveryError> {
    let listeners = Listeners::open(&args).await?;
    metrics::describe();
    let mut tasks = JoinSet::new();
    let cluster = match &args.config_dir {
        Some(_) => None,
        None => Some(connect(args.kubeconfig.as_deref()).await?),
    };
    let tokens = tokens(&args, cluster.as_ref())?;
    let (discovery, loader) = load(&args, cluster, &mut tasks, &shutdown);
    let debounce = Debounce {
        after: args.debounce_after,
        max: args.debounce_max,
    };
    let following = shutdown.clone();
    tasks.spawn(async move {
        loading::run(loader, debounce, following).await;
        Ok(())
    });
    let (served, certificate) = watch::channel(None);
    let serving = listeners.secure.is_some().then_some(certificate);
    if let Some(listener) = listeners.http {
        let router = debug::router(discovery.clone(), serving.clone());
        tasks.spawn(http("--httpAddr", listener, router, shutdown.clone()));
    }
    if let (Some(listener), Some(router)) = (listeners.monitoring, metrics_router) {
        let router = router.merge(debug::readiness(discovery.clone(), serving));
        tasks.spawn(http("--monitoringAddr", listener, router, shutdown.clone()));
    }
    let proxies = Proxies {
        args,
        discovery,
        tokens,
        served,
        shutdown: shutdown.clone(),
    };
    tasks.spawn(proxies.serve(listeners.grpc, listeners.secure));
    supervise(tasks, shutdown).await
}

/// What the ports that proxies connect to are made of.
struct Proxies {
    args: DiscoveryArgs,
    discovery: Discovery,
    tokens: Option<Arc<dyn Tokens>>,
    served: Served,
    shutdown: CancellationToken,
}

impl Proxies {
    /// Serves once the world is loaded: the mesh's own configuration says who is who in it.
    async fn serve(
        self,
        plain: Option<TcpListener>,
        secure: Option<TcpListener>,
    ) -> Result<(), DiscoveryError> {
        tokio::select! {
            () = self.shutdown.cancelled() => return Ok(()),
            () = self.discovery.world.loaded() => {}
        }
        let plain = plain.map(|listener| self.plain(listener));
        let secure = secure.map(|listener| self.secure(listener)).transpose()?;
        tracing::info!("discovery is served");
        tokio::try_join!(
            async {
                futures::future::OptionFuture::from(plain)
                    .await
                    .unwrap_or(Ok(()))
            },
            async {
                futures::future::OptionFuture::from(secure)
                    .await
                    .unwrap_or(Ok(()))
            },
        )?;
        self.shutdown.cancelled().await;
        Ok(())
    }

    fn plain(
        &self,
        listener: TcpListener,
    ) -> impl Future<Output = Result<(), DiscoveryError>> + use<> {
        let router = ads(&self.args, &self.discovery, Access::Open, &self.shutdown);
        let end = self.shutdown.clone();
        async move {
            router
                .serve_with_incoming_shutdown(
                    incoming::accept_plain(listener),
                    end.cancelled_owned(),
                )
                .await
                .map_err(|error| broken("--grpcAddr", &error))
        }
    }

    fn secure(
        &self,
        listener: TcpListener,
    ) -> Result<impl Future<Output = Result<(), DiscoveryError>> + use<>, DiscoveryError> {
        let ca = CaChannel::new(ArcSwapOption::empty());
        let (issuer, authenticator) = identities(&self.args, &self.discovery, self.tokens.clone())?;
        let server = ca_client::Server {
            client_auth: ClientAuth::Optional,
            alpn: &[ALPN_H2],
        };
        let channel = ca.clone();
        ca_client::keep(
            issuer,
            server,
            self.served.clone(),
            move |new| channel.store(Some(Arc::new(new))),
            self.shutdown.clone(),
        );
        let relay = Relay::new(authenticator.clone(), ca);
        let access = Access::Authenticated(authenticator);
        let router = ads(&self.args, &self.discovery, access, &self.shutdown).add_service(
            IstioCertificateServiceServer::new(relay).max_decoding_message_size(MAX_REQUEST),
        );
        let certificate = self.served.subscribe();
        Ok(serve_secure(
            listener,
            certificate,
            router,
            self.shutdown.clone(),
        ))
    }
}

/// A directory is read at once, so that the first proxy gets all of it; of a cluster the informers are
/// started.
fn load(
    args: &DiscoveryArgs,
    client: Option<kube::Client>,
    tasks: &mut JoinSet<Result<(), DiscoveryError>>,
    shutdown: &CancellationToken,
) -> (Discovery, Loader) {
    let settings = Settings {
        domain: args.domain.clone(),
        cluster: args.cluster_id.clone(),
    };
    let store = Store::new(settings, args.namespace.clone());
    let world = Arc::new(World::new(store.snapshot().clone()));
    let (source, cluster) = match client {
        None => {
            let directory = args.config_dir.clone().unwrap_or_default();
            (Source::directory(&directory), None)
        }
        Some(client) => {
            let cluster = Arc::new(Cluster::new(kinds(&args.namespace)));
            let informers = cluster.clone().follow(client, shutdown.clone());
            tasks.spawn(async move {
                informers.await;
                Ok(())
            });
            (Source::Cluster(cluster.clone()), Some(cluster))
        }
    };
    let mesh_file = Some(args.mesh_config.clone());
    let mut loader = Loader::new(source, mesh_file, store, world.clone());
    loader.load(Instant::now());
    let discovery = Discovery {
        world,
        translator: Arc::new(Translator::new()),
        connections: Arc::new(Connections::default()),
        cluster,
    };
    (discovery, loader)
}

/// Who says whose a token is: the keys of a file where they are given, else the cluster that is read.
fn tokens(
    args: &DiscoveryArgs,
    cluster: Option<&kube::Client>,
) -> Result<Option<Arc<dyn Tokens>>, DiscoveryError> {
    let Some(path) = &args.jwks_file else {
        let reviews = cluster.map(|client| TokenReviews::new(client.clone()));
        return Ok(reviews.map(|reviews| -> Arc<dyn Tokens> { Arc::new(reviews) }));
    };
    let validator = Validator::from_jwks_file(path)?;
    Ok(Some(Arc::new(match &args.token_issuer {
        Some(issuer) => validator.with_issuer(issuer),
        None => validator,
    })))
}

fn identities(
    args: &DiscoveryArgs,
    discovery: &Discovery,
    tokens: Option<Arc<dyn Tokens>>,
) -> Result<(Issuer, Arc<Authenticator>), DiscoveryError> {
    let now = discovery.world.now();
    let trust_domain: TrustDomain = now.snapshot.mesh().trust_domain.parse()?;
    let identity = SpiffeId::new(trust_domain.clone(), &args.namespace, &args.service_account)?;
    let issuer = Issuer {
        address: args.ca_address.clone(),
        root_file: args.ca_root_file.clone(),
        token_file: args.token_file.clone(),
        identity,
    };
    let authenticator = Authenticator {
        trust_domain,
        tokens,
        audiences: args.token_audiences.clone(),
        trusted_forwarders: Vec::new(),
    };
    Ok((issuer, Arc::new(authenticator)))
}

fn ads(
    args: &DiscoveryArgs,
    discovery: &Discovery,
    access: Access,
    shutdown: &CancellationToken,
) -> Router {
    let port = Arc::new(Port::new(discovery.clone(), access));
    let name = std::env::var("POD_NAME").unwrap_or_else(|_| "istiod".to_owned());
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_adaptive_window(Some(true))
        .tcp_nodelay(true)
        .max_concurrent_streams(MAX_STREAMS)
        .max_connection_age(args.max_connection_age)
        .add_service(
            // A connection that is too old takes no new streams, but only ends with its last one.
            AggregatedDiscovery::new(port, name, shutdown.clone())
                .with_max_age(args.max_connection_age),
        )
}

async fn serve_secure(
    listener: TcpListener,
    mut certificate: Serving,
    router: Router,
    shutdown: CancellationToken,
) -> Result<(), DiscoveryError> {
    let first = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        first = certificate.wait_for(Option::is_some) => first.ok().and_then(|tls| tls.clone()),
    };
    let Some(tls) = first else { return Ok(()) };
    router
        .serve_with_incoming_shutdown(incoming::accept(listener, tls), shutdown.cancelled_owned())
        .await
        .map_err(|error| broken("--secureGRPCAddr", &error))
}

async fn http(
    flag: &'static str,
    listener: TcpListener,
    router: axum::Router,
    shutdown: CancellationToken,
) -> Result<(), DiscoveryError> {
    process::http::serve(listener, router, shutdown)
        .await
        .map_err(|error| broken(flag, &error))
}

fn broken(port: &'static str, error: &dyn std::error::Error) -> DiscoveryError {
    DiscoveryError::Server {
        port,
        message: error.to_string(),
    }
}

/// Waits for the shutdown, or for the first server that breaks; then for the others to end.
async fn supervise(
    mut tasks: JoinSet<Result<(), DiscoveryError>>,
    shutdown: CancellationToken,
) -> Result<(), DiscoveryError> {
    let mut result = Ok(());
    tokio::select! {
        () = shutdown.cancelled() => {}
        ended = tasks.join_next() => {
            result = match ended {
                Some(Ok(Ok(()))) if !shutdown.is_cancelled() => Err(DiscoveryError::Ended),
                Some(Ok(ended)) => ended,
                Some(Err(error)) => Err(broken("a server", &error)),
                None => Ok(()),
            };
            shutdown.cancel();
        }
    }
    let drained = tokio::time::timeout(DRAIN, async { while tasks.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::info!("connections are still open after {DRAIN:?}; closing them");
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_unasked_is_a_failure_and_ends_the_others() {
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let asked = shutdown.clone();
        tasks.spawn(async move {
            asked.cancelled().await;
            Ok(())
        });
        tasks.spawn(async { Ok(()) });
        let ended = supervise(tasks, shutdown.clone()).await;
        assert!(matches!(ended, Err(DiscoveryError::Ended)));
        assert!(shutdown.is_cancelled());
    }

    #[tokio::test]
    async fn a_shutdown_is_a_success() {
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let asked = shutdown.clone();
        tasks.spawn(async move {
            asked.cancelled().await;
            Ok(())
        });
        shutdown.cancel();
        assert!(supervise(tasks, shutdown).await.is_ok());
    }
}
