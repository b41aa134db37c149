//! The webhook's process: HTTPS for the API server, HTTP for metrics, files followed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ca_client::Serving;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::admission::ReviewError;
use super::bundle;
use super::certificate::{self, CertificateError};
use super::files::{self, ReadError};
use super::options::Options;
use super::review::{self, Outcome};
use super::validate;
use crate::error::SettingsError;
use crate::settings::Settings;

/// The largest request, in bytes: a pod is at most 1.5 MiB, and an update carries two.
const MAX_BODY: usize = 4 * 1024 * 1024;
/// The most connections at a time. API servers keep a few each.
const MAX_CONNECTIONS: usize = 1024;
/// How long requests under way may take after a stop was asked for.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// The longest time between a connection's begin and its request's headers (HTTP/1).
const HEADER_TIME: Duration = Duration::from_secs(10);

/// The webhook cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Values or mesh config are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The certificate is wrong.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The trust domain or the service account cannot be part of an identity.
    #[error("no identity to ask the ca for: {0}")]
    Identity(#[from] identity::spiffe::SpiffeError),
    /// No way to the cluster.
    #[error(transparent)]
    Cluster(#[from] kubernetes::client::ClientError),
    /// A port cannot be had.
    #[error(transparent)]
    Bind(#[from] process::http::BindError),
    /// The address of a socket cannot be told.
    #[error("cannot tell the address of a listening socket: {0}")]
    Io(#[from] std::io::Error),
}

/// A running webhook.
#[derive(Debug)]
pub struct Injector {
    /// Where the webhook listens.
    pub address: SocketAddr,
    /// Where metrics and readiness are.
    pub monitoring: SocketAddr,
    tasks: TaskTracker,
}

impl Injector {
    /// Reads the files, opens the ports and serves until `shutdown`. `metrics` is the router of
    /// the process's metrics.
    ///
    /// # Errors
    /// [`ServeError`]: the process cannot do its work; say so and end it.
    pub async fn start(
        options: Options,
        metrics: Router,
        shutdown: CancellationToken,
    ) -> Result<Self, ServeError> {
        let configured: Vec<_> = [&options.inject_config, &options.mesh_config]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let contents = configured
            .iter()
            .map(|path| files::read(path))
            .collect::<Result<Vec<_>, _>>()?;
        let parse = {
            let (values, mesh) = (options.inject_config.clone(), options.mesh_config.clone());
            move |contents: &[String]| -> Result<Settings, SettingsError> {
                let mut settings = Settings::default();
                let mut contents = contents.iter();
                if let (Some(path), Some(text)) = (&values, values.as_ref().and(contents.next())) {
                    settings.add_values(text, &path.display().to_string())?;
                }
                if let (Some(path), Some(text)) = (&mesh, mesh.as_ref().and(contents.next())) {
                    settings.add_mesh_config(text, &path.display().to_string())?;
                }
                Ok(settings)
            }
        };
        let settings = Arc::new(ArcSwap::from_pointee(parse(&contents)?));

        let tasks = TaskTracker::new();
        let trust_domain = settings.load().mesh.trust_domain.clone();
        let certificate = certificate::keep(&options, &trust_domain, &tasks, &shutdown)?;
        let webhook = process::http::bind(&format!(":{}", options.port), "--port").await?;
        let monitoring = process::http::bind(&options.monitoring_addr, "--monitoringAddr").await?;
        let (address, monitoring_address) = (webhook.local_addr()?, monitoring.local_addr()?);
        tasks.spawn(serve(
            webhook,
            certificate.clone(),
            router(settings.clone()),
            shutdown.clone(),
        ));
        let ready = metrics.route("/ready", get(move || readiness(certificate.clone())));
        let stopped = shutdown.clone();
        tasks.spawn(async move {
            if let Err(error) = process::http::serve(monitoring, ready, stopped).await {
                tracing::error!(%error, "metrics are not served any more");
            }
        });
        let stop = shutdown.clone();
        tasks.spawn(files::watch(
            configured,
            contents,
            shutdown,
            move |contents| match parse(contents) {
                Ok(new) => {
                    settings.store(Arc::new(new));
                    tracing::info!("the settings are replaced");
                }
                Err(error) => tracing::warn!(%error, "the last good settings go on"),
            },
        ));
        if let Some(name) = options.webhook_config_name {
            let client = kubernetes::client::connect(options.kubeconfig.as_deref()).await?;
            tasks.spawn(bundle::keep(client, name, options.ca_root_file, stop));
        }
        tasks.close();
        Ok(Self {
            address,
            monitoring: monitoring_address,
            tasks,
        })
    }

    /// Waits until everything has ended, which it does after `shutdown`.
    pub async fn finished(self) {
        self.tasks.wait().await;
    }
}

fn router(settings: Arc<ArcSwap<Settings>>) -> Router {
    Router::new()
        .route("/inject", post(inject_plain))
        .route("/inject/{*rest}", post(inject_for))
        .route("/validate", post(validated))
        .route("/ready", get(|| async { "ok" }))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(settings)
}

async fn inject_plain(state: State<Arc<ArcSwap<Settings>>>, body: Bytes) -> Response {
    injected(&state.load(), "", &body)
}

async fn inject_for(
    state: State<Arc<ArcSwap<Settings>>>,
    Path(rest): Path<String>,
    body: Bytes,
) -> Response {
    injected(&state.load(), &rest, &body)
}

fn injected(settings: &Settings, path: &str, body: &[u8]) -> Response {
    let started = Instant::now();
    metrics::counter!("sidecar_injection_requests_total").increment(1);
    let response = match answered(body, |review| review::answer(review, path, settings)) {
        Ok((answer, outcome)) => {
            match outcome {
                Outcome::Injected => {
                    metrics::counter!("sidecar_injection_success_total").increment(1);
                }
                Outcome::Skipped => metrics::counter!("sidecar_injection_skip_total").increment(1),
                Outcome::Refused(message) => {
                    metrics::counter!("sidecar_injection_failure_total").increment(1);
                    tracing::warn!("{message}");
                }
            }
            Json(answer).into_response()
        }
        Err(message) => {
            metrics::counter!("sidecar_injection_failure_total").increment(1);
            (StatusCode::BAD_REQUEST, message).into_response()
        }
    };
    metrics::histogram!("sidecar_injection_time_seconds").record(started.elapsed());
    response
}

/// Metrics have Istio's names, so that its dashboards show them.
async fn validated(body: Bytes) -> Response {
    match answered(&body, validate::answer) {
        Ok((answer, verdict)) => {
            let resource = verdict.kind.unwrap_or_else(|| "other".to_owned());
            let labels = [("resource", resource)];
            match verdict.refused {
                None => metrics::counter!("galley_validation_passed", &labels).increment(1),
                Some(message) => {
                    metrics::counter!("galley_validation_failed", &labels).increment(1);
                    tracing::info!("{message}");
                }
            }
            Json(answer).into_response()
        }
        Err(message) => {
            metrics::counter!("galley_validation_http_error", "status" => "400").increment(1);
            (StatusCode::BAD_REQUEST, message).into_response()
        }
    }
}

fn answered<T>(
    body: &[u8],
    answer: impl FnOnce(&Value) -> Result<T, ReviewError>,
) -> Result<T, String> {
    let review = serde_json::from_slice::<Value>(body)
        .map_err(|error| format!("the request is not JSON: {error}"))?;
    answer(&review).map_err(|error| error.to_string())
}

/// Ready once there is a certificate to serve with.
async fn readiness(certificate: Serving) -> (StatusCode, &'static str) {
    match certificate.borrow().is_some() {
        true => (StatusCode::OK, "ok"),
        false => (
            StatusCode::SERVICE_UNAVAILABLE,
            "waits for a certificate from the ca",
        ),
    }
}

async fn serve(
    listener: TcpListener,
    mut certificate: Serving,
    router: Router,
    shutdown: CancellationToken,
) {
    let first = tokio::select! {
        () = shutdown.cancelled() => return,
        first = certificate.wait_for(Option::is_some) => first.ok().and_then(|tls| tls.clone()),
    };
    let Some(tls) = first else { return };
    let mut connections = identity::incoming::accept(listener, tls);
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let open = TaskTracker::new();
    loop {
        let permit = tokio::select! {
            () = shutdown.cancelled() => break,
            permit = permits.clone().acquire_owned() => permit,
        };
        let connection = tokio::select! {
            () = shutdown.cancelled() => break,
            connection = connections.next() => connection,
        };
        let (Ok(permit), Some(connection)) = (permit, connection) else {
            break;
        };
        let Ok(connection) = connection else { continue };
        let service = TowerToHyperService::new(router.clone());
        let stopping = shutdown.clone();
        open.spawn(async move {
            let _permit = permit;
            let mut builder = Builder::new(TokioExecutor::new());
            builder
                .http1()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIME);
            let served = builder.serve_connection(TokioIo::new(connection), service);
            tokio::pin!(served);
            let ended = tokio::select! {
                ended = served.as_mut() => ended,
                () = stopping.cancelled() => {
                    served.as_mut().graceful_shutdown();
                    served.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
    open.close();
    if tokio::time::timeout(DRAIN_TIME, open.wait()).await.is_err() {
        tracing::warn!("connections were still open after {DRAIN_TIME:?}");
    }
}
