//! The agent put together: everything that serves the proxy runs until the proxy has ended.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bootstrap::Bootstrap;
use crate::certificate::keeper;
use crate::certificate::state::State;
use crate::envoy::admin::Admin;
use crate::envoy::reaper;
use crate::envoy::supervise::{self, Draining, StartError};
use crate::relay;
use crate::sds;
use crate::settings::Settings;
use crate::status::readiness::Readiness;
use crate::status::server::{self, Pod};

/// Why the agent ended without the proxy's having done so.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The status port cannot be opened.
    #[error(transparent)]
    Bind(#[from] process::http::BindError),
    /// A socket or file of the agent cannot be made.
    #[error("{path}: {source} (the directory must be writable for this user)")]
    File {
        /// The socket or file.
        path: String,
        /// What was met.
        source: io::Error,
    },
    /// The bootstrap cannot be written.
    #[error(transparent)]
    Bootstrap(#[from] process::fs::WriteError),
    /// The proxy does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// One of the agent's own services broke.
    #[error("{0}")]
    Service(String),
    /// The proxy cannot be waited for.
    #[error("cannot wait for the proxy: {0}")]
    Wait(#[from] io::Error),
}

/// Runs the agent and its proxy until `shutdown` is cancelled or the proxy ends. Returns the exit
/// code: 0 after a shutdown, else the proxy's. `metrics` renders the agent's own metrics.
///
/// # Errors
/// [`RunError`] says which part could not be started or broke. The proxy has ended then, too.
pub async fn run(
    settings: Settings,
    metrics: impl Fn() -> String + Send + Sync + 'static,
    shutdown: CancellationToken,
) -> Result<u8, RunError> {
    // The services outlive `shutdown`: the proxy needs them while it drains.
    let services_end = CancellationToken::new();
    let mut services: JoinSet<Result<(), String>> = JoinSet::new();

    let (state, certificate) = watch::channel(State::Waiting { problem: None });
    let external = sds::server::is_served(&settings.sds_socket).await;
    if external {
        tracing::info!(
            "{} is served already; using it for the workload's secrets",
            settings.sds_socket.display()
        );
    } else {
        let listener = bind(&settings.sds_socket)?;
        let serving = sds::server::serve(listener, certificate.clone(), services_end.clone());
        services.spawn(async { serving.await.map_err(|e| format!("secret discovery: {e}")) });
        let keeping = keeper::keep(settings.issuer.clone(), settings.grace, state);
        services.spawn(async {
            keeping.await;
            Ok(())
        });
    }

    let listener = bind(&settings.xds_socket)?;
    if settings.proxyless {
        open_to_all(&settings.xds_socket)?;
    }
    let relaying = relay::serve(
        listener,
        settings.pilot.clone(),
        certificate.clone(),
        services_end.clone(),
    );
    services.spawn(async {
        relaying
            .await
            .map_err(|e| format!("configuration relay: {e}"))
    });

    match &settings.output {
        Some(output) if external => tracing::error!(
            "OUTPUT_CERTS: nothing is written to {}: another agent serves the workload's secrets and keeps its key",
            output.directory.display()
        ),
        Some(output) => {
            let writing = output.clone().follow(certificate.clone());
            services.spawn(async {
                writing.await;
                Ok(())
            });
        }
        None => {}
    }

    let admin = (!settings.proxyless).then(|| Admin::new(settings.ports));
    let pod = Arc::new(Pod {
        readiness: Readiness {
            certificate: (!external).then_some(certificate),
            proxy: admin.clone(),
            grpc: settings.grpc.clone(),
            has_been_ready: std::sync::Arc::default(),
        },
        probers: settings.probers.clone(),
        probed: settings.probed,
        pages: settings.pages.clone(),
        proxy_metrics: admin
            .is_some()
            .then(|| format!("127.0.0.1:{}", settings.ports.prometheus)),
        agent_metrics: Box::new(metrics),
        shutdown: shutdown.clone(),
        drained: AtomicBool::new(false),
    });
    let address = std::net::SocketAddr::new(settings.listen, settings.ports.status).to_string();
    let listener = process::http::bind(&address, "ProxyConfig.statusPort").await?;
    let status = process::http::serve(listener, server::router(pod.clone()), services_end.clone());
    services.spawn(async { status.await.map_err(|e| format!("status port: {e}")) });

    if let Some(grpc) = &settings.grpc {
        let text = format!("{:#}", grpc.to_json(&settings.node, &settings.xds_socket));
        process::fs::write_atomic(&grpc.path, text.as_bytes())?;
    }
    let served = async {
        let Some(admin) = &admin else {
            return tokio::select! {
                () = shutdown.cancelled() => Ok::<u8, RunError>(0),
                Err(error) = reaper::collect_orphans(None) => Err(RunError::Service(format!("process 1: {error}"))),
            };
        };
        write_bootstrap(&settings)?;
        let child = supervise::start(&settings.proxy)?;
        let orphans = reaper::collect_orphans(child.id());
        let draining = || match pod.drained.load(Ordering::Relaxed) {
            true => Draining::Done,
            false => settings.draining,
        };
        tokio::select! {
            code = supervise::supervise(child, admin, shutdown.clone(), draining) => Ok(code?),
            Err(error) = orphans => Err(RunError::Service(format!("process 1: {error}"))),
        }
    };
    let code = tokio::select! {
        code = served => code?,
        problem = broken(&mut services) => return Err(RunError::Service(problem)),
    };
    services_end.cancel();
    let _ = std::fs::remove_file(&settings.xds_socket);
    if !external {
        let _ = std::fs::remove_file(&settings.sds_socket);
    }
    Ok(code)
}

/// Waits for a service to end before its time.
async fn broken(services: &mut JoinSet<Result<(), String>>) -> String {
    match services.join_next().await {
        Some(Ok(Err(problem))) => problem,
        Some(Err(error)) => error.to_string(),
        Some(Ok(Ok(()))) => "a service of the agent ended".to_owned(),
        None => std::future::pending().await,
    }
}

fn bind(path: &Path) -> Result<tokio::net::UnixListener, RunError> {
    sds::server::bind(path).map_err(|source| RunError::File {
        path: path.display().to_string(),
        source,
    })
}

/// The application that speaks xDS itself may run as anybody. What it is told is no secret in its own pod.
fn open_to_all(socket: &Path) -> Result<(), RunError> {
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o666)).map_err(|source| {
        RunError::File {
            path: socket.display().to_string(),
            source,
        }
    })
}

fn write_bootstrap(settings: &Settings) -> Result<(), RunError> {
    let bootstrap = Bootstrap {
        node: &settings.node,
        config: &settings.config,
        ports: settings.ports,
        listen: settings.listen,
        sds_socket: &settings.sds_socket,
        xds_socket: &settings.xds_socket,
        outlier_log: settings.outlier_log.as_deref(),
    };
    let text = format!("{:#}", bootstrap.to_json());
    Ok(process::fs::write_atomic(
        &settings.proxy.bootstrap,
        text.as_bytes(),
    )?)
}
