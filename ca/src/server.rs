//! The running authority: root, listeners and the tasks between them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use axum::Router;
use axum::routing::get;
use ca_api::istio_certificate_service_server::IstioCertificateServiceServer;
use identity::SpiffeId;
use identity::caller::{Authenticator, Tokens};
use identity::incoming;
use identity::jwt::{KeySetError, Validator};
use identity::spiffe::SpiffeError;
use kubernetes::tokens::TokenReviews;
use process::http::{BindError, bind};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::authorize::{Policy, Subject};
use crate::issue::Lifetimes;
use crate::metric;
use crate::options::Options;
use crate::publish;
use crate::root::keeper::{self, CurrentRoot};
use crate::root::secret::RootSecret;
use crate::root::store::RootStore;
use crate::root::{Renewal, Root, RootDirectory, RootError};
use crate::service::{Authority, CertificateService, Limits};
use crate::serving::{Serving, ServingError};

/// The largest message that is read, in bytes. One that is larger than [`crate::request::MAX_CSR`] but not than this
/// gets a status that says so.
const MAX_MESSAGE: usize = 256 * 1024;
/// The most requests at a time on one connection; a relay has many callers behind one.
const MAX_STREAMS: u32 = 1000;
/// How often a silent connection is probed, and how long an answer may take.
const PROBE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// After this a connection is closed, so that callers spread over replicas anew (Istio's keepaliveMaxServerConnectionAge).
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(30 * 60);
/// How long open requests have to end at shutdown.
const DRAIN: Duration = Duration::from_secs(5);
/// The pause before a cluster that did not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Why the authority could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No root to sign with.
    #[error(transparent)]
    Root(#[from] RootError),
    /// No way to the cluster.
    #[error(transparent)]
    Cluster(#[from] kubernetes::client::ClientError),
    /// No keys to check tokens with.
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    /// Its own identity is not one.
    #[error("--namespace and --serviceAccount do not make an identity: {0}")]
    Identity(#[from] SpiffeError),
    /// No certificate to serve with.
    #[error(transparent)]
    Serving(#[from] ServingError),
    /// A port cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system does not tell a listener's address.
    #[error("cannot find out where the listener is: {0}")]
    Address(std::io::Error),
    /// The gRPC server broke.
    #[error("the certificate service ended: {0}")]
    Grpc(#[from] tonic::transport::Error),
    /// The monitoring server broke.
    #[error("the monitoring server ended: {0}")]
    Monitoring(std::io::Error),
    /// A part ended unasked.
    #[error("a task of the server that should run for ever has ended; the log says more")]
    Ended,
    /// A task panicked.
    #[error("a task of the server ended: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// A running authority.
#[derive(Debug)]
pub struct Ca {
    /// Where certificates are served.
    pub address: SocketAddr,
    /// Where `/metrics` and `/ready` are served.
    pub monitoring_address: SocketAddr,
    root_pem: String,
    tasks: JoinSet<Result<(), ServerError>>,
    shutdown: CancellationToken,
}

impl Ca {
    /// Opens the root and serves until `shutdown` is cancelled. `metrics` answers `/metrics`.
    ///
    /// # Errors
    /// The root, the key set or a port cannot be used: each message says what to do.
    pub async fn start(
        options: Options,
        metrics: Router,
        shutdown: CancellationToken,
    ) -> Result<Self, ServerError> {
        let cluster = match options.root_secret.is_some() || options.token_review {
            true => Some(kubernetes::client::connect(options.kubeconfig.as_deref()).await?),
            false => None,
        };
        let store = root_store(&options, cluster.as_ref());
        let root = open(&store, &shutdown).await?;
        metric::describe(root.validity().not_after);
        let root_pem = root.pem().to_owned();
        let root = Arc::new(ArcSwap::from_pointee(root));
        let serving = serving(&options, root.clone())?;
        let service = CertificateService::new(
            authority(&options, root.clone(), cluster.as_ref())?,
            Limits::default(),
        );
        let (tls, due) = serving.begin()?;
        let listener = bind(&options.listen, "--listen").await?;
        let monitoring = bind(&options.monitoring_addr, "--monitoringAddr").await?;
        let address = listener.local_addr().map_err(ServerError::Address)?;
        let monitoring_address = monitoring.local_addr().map_err(ServerError::Address)?;
        let mut tasks = JoinSet::new();
        let rotation = serving.keep_fresh(tls.clone(), due, shutdown.clone());
        tasks.spawn(async move {
            rotation.await;
            Ok(())
        });
        let interval = options.root_cert_check_interval;
        if let (Some(client), Some(_)) = (cluster, &options.root_secret) {
            let publishing = publish::keep(client, root.clone(), shutdown.clone());
            tasks.spawn(async move {
                publishing.await;
                Ok(())
            });
        }
        let renewal = keeper::keep(store, root, interval, shutdown.clone());
        tasks.spawn(async move {
            renewal.await;
            Ok(())
        });
        tasks.spawn(serve(service, listener, tls, shutdown.clone()));
        let router = metrics.route("/ready", get(|| async { "ready\n" }));
        let monitored = process::http::serve(monitoring, router, shutdown.clone());
        tasks.spawn(async move { monitored.await.map_err(ServerError::Monitoring) });
        tracing::info!(%address, %monitoring_address, trust_domain = %options.trust_domain, "serving certificates");
        Ok(Self {
            address,
            monitoring_address,
            root_pem,
            tasks,
            shutdown,
        })
    }

    /// The root certificate that clients must trust, as it was at the start; PEM.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// Waits until shutdown and the end of open requests, or until a part breaks, which ends the others too.
    ///
    /// # Errors
    /// What broke.
    pub async fn finished(mut self) -> Result<(), ServerError> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let ended = match ended {
                Ok(Ok(())) if !self.shutdown.is_cancelled() => Err(ServerError::Ended),
                Ok(ended) => ended,
                Err(error) => Err(error.into()),
            };
            self.shutdown.cancel();
            result = result.and(ended);
        }
        result
    }
}

fn serving(options: &Options, root: CurrentRoot) -> Result<Serving, ServerError> {
    let id = SpiffeId::new(
        options.trust_domain.clone(),
        &options.namespace,
        &options.service_account,
    )?;
    let subject = Subject {
        id,
        dns_names: options.served_names(),
    };
    Ok(Serving {
        root,
        subject,
        lifetime: options.server_cert_ttl,
    })
}

fn root_store(options: &Options, cluster: Option<&kube::Client>) -> RootStore {
    let renewal = Renewal {
        lifetime: options.root_cert_ttl,
        grace_percent: options.root_cert_grace_percent,
    };
    let trust_domain = options.trust_domain.clone();
    match (&options.root_secret, cluster) {
        (Some(name), Some(client)) => RootStore::Secret(Box::new(RootSecret {
            secrets: kube::Api::namespaced(client.clone(), &options.namespace),
            namespace: options.namespace.clone(),
            name: name.clone(),
            trust_domain,
            renewal,
        })),
        _ => RootStore::Directory(RootDirectory {
            path: options.data_dir.clone(),
            trust_domain,
            renewal,
        }),
    }
}

/// The root; an API server that does not answer yet is asked until it does.
async fn open(store: &RootStore, shutdown: &CancellationToken) -> Result<Root, ServerError> {
    loop {
        match store.open(SystemTime::now()).await {
            Err(error @ RootError::Cluster { .. }) if !shutdown.is_cancelled() => {
                tracing::warn!("no root yet, trying again in {ASK_AGAIN:?}: {error}");
                tokio::select! {
                    () = tokio::time::sleep(ASK_AGAIN) => {}
                    () = shutdown.cancelled() => return Err(error.into()),
                }
            }
            opened => return Ok(opened?),
        }
    }
}

/// Who says whose a token is.
fn tokens(
    options: &Options,
    cluster: Option<&kube::Client>,
) -> Result<Option<Arc<dyn Tokens>>, ServerError> {
    if let (true, Some(client)) = (options.token_review, cluster) {
        return Ok(Some(Arc::new(TokenReviews::new(client.clone()))));
    }
    let Some(path) = &options.jwks_file else {
        tracing::warn!(
            "neither --jwksFile nor --tokenReview: only callers with a client certificate are accepted"
        );
        return Ok(None);
    };
    let validator = Validator::from_jwks_file(path)?;
    Ok(Some(Arc::new(match &options.token_issuer {
        Some(issuer) => validator.with_issuer(issuer),
        None => validator,
    })))
}

fn authority(
    options: &Options,
    root: CurrentRoot,
    cluster: Option<&kube::Client>,
) -> Result<Authority, ServerError> {
    Ok(Authority {
        root,
        authenticator: Authenticator {
            trust_domain: options.trust_domain.clone(),
            tokens: tokens(options, cluster)?,
            audiences: options.token_audiences.clone(),
            trusted_forwarders: options.trusted_forwarders.clone(),
        },
        policy: Policy {
            trust_domain: options.trust_domain.clone(),
            trusted_node_accounts: options.trusted_node_accounts.iter().cloned().collect(),
            dns_names: options
                .dns_names
                .iter()
                .map(|of| (of.account.clone(), of.names.clone()))
                .collect(),
        },
        lifetimes: Lifetimes {
            default: options.workload_cert_ttl,
            max: options.max_workload_cert_ttl,
        },
    })
}

async fn serve(
    service: CertificateService,
    listener: TcpListener,
    tls: Arc<identity::tls::ServerTls>,
    shutdown: CancellationToken,
) -> Result<(), ServerError> {
    let service =
        IstioCertificateServiceServer::new(service).max_decoding_message_size(MAX_MESSAGE);
    let stopping = shutdown.clone();
    let served = Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .max_connection_age(MAX_CONNECTION_AGE)
        .http2_keepalive_interval(Some(PROBE.0))
        .http2_keepalive_timeout(Some(PROBE.1))
        .add_service(service)
        .serve_with_incoming_shutdown(incoming::accept(listener, tls), stopping.cancelled_owned());
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = served => Ok(served?),
        () = overdue => Ok(()),
    }
}
