//! From a command line to a running data plane.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use agent::node::ISTIO_VERSION;
use control::{Options, SystemResolver};
use dataplane::{DataPlane, Telemetry};
use process::http;
use serde_json::{Map, Value};
use stats::Registry;
use stats::istio::Workload;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin};
use crate::bootstrap::{Bootstrap, BootstrapError};
use crate::command_line::Arguments;
use crate::fixed;

/// The data plane does not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bootstrap cannot be used.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The admin address is taken.
    #[error(transparent)]
    Bind(#[from] http::BindError),
    /// Threads or sockets cannot be made.
    #[error("the data plane cannot start: {0}")]
    Start(io::Error),
    /// The host's resolvers cannot be read.
    #[error("/etc/resolv.conf: {0}")]
    Resolver(String),
    /// The admin interface broke.
    #[error("the admin interface: {0}")]
    Admin(io::Error),
}

/// How long requests that are under way at the end have; the agent waits longer before it kills.
const LEAVE: Duration = Duration::from_secs(3);

/// Runs until `shutdown`, and then until no request is under way. Whoever ends the proxy drains it first, as Envoy's agent
/// does.
///
/// # Errors
/// [`RunError`] says what could not be started.
pub async fn run(arguments: &Arguments, shutdown: CancellationToken) -> Result<(), RunError> {
    let bootstrap = Bootstrap::read(&arguments.config_path)?;
    let workers = arguments.workers();
    let registry = Arc::new(Registry::new(workers as usize, ISTIO_VERSION));
    let own = workload(&bootstrap.node.metadata);
    let telemetry = Arc::new(Telemetry::new(registry.clone(), own, &bootstrap.node.id));
    let plane = DataPlane::start(workers, &telemetry).map_err(RunError::Start)?;
    let updates = fixed::updates(&bootstrap);
    let (local, updates_from_here) = mpsc::channel(updates.len().max(1));
    for update in updates {
        // There is room for all of them.
        let _ = local.try_send(update);
    }
    let options = Options {
        node: control::node(&bootstrap.node),
        configuration: control::unix(bootstrap.configuration),
        secrets: control::unix(bootstrap.secrets),
        resolver: Arc::new(SystemResolver::new().map_err(RunError::Resolver)?),
        local: Some(updates_from_here),
    };
    let control = control::start(options, shutdown.clone()).map_err(RunError::Start)?;
    let mut graphs = control.graph.clone();
    let admin = Arc::new(Admin::new(
        plane,
        control,
        registry,
        bootstrap.file,
        arguments,
        shutdown.clone(),
    ));
    let listener = http::bind(&bootstrap.admin.to_string(), "admin.address").await?;
    let serving = http::serve(listener, admin::router(admin.clone()), shutdown.clone());
    let mut listening = false;
    let publishing = async {
        while graphs.changed().await.is_ok() {
            let graph = graphs.borrow_and_update().clone();
            admin.plane.publish(&graph);
            if !std::mem::replace(&mut listening, true) {
                let admin = admin.clone();
                tokio::task::spawn_blocking(move || {
                    // A worker answers after it has taken what was published before.
                    let _ = admin.plane.report();
                    admin.is_listening();
                });
            }
        }
        // The control thread ends with `shutdown` alone.
        shutdown.cancelled().await;
    };
    let ended = tokio::select! {
        // It ends with `shutdown` too, and then nothing is wrong.
        served = serving => served.map_err(RunError::Admin),
        () = publishing => Ok(()),
        () = shutdown.cancelled() => Ok(()),
    };
    // Nothing runs here any more that must not wait.
    admin.plane.leave(LEAVE);
    ended
}

/// The workload that a node's metadata describes, as Istio's metrics label it.
fn workload(metadata: &Map<String, Value>) -> Workload {
    fn text(value: Option<&Value>) -> &str {
        value.and_then(Value::as_str).unwrap_or_default()
    }
    let label = |key: &str| text(metadata.get("LABELS").and_then(|labels| labels.get(key)));
    let or = |first: &str, second: &str| -> Box<str> {
        if first.is_empty() { second } else { first }.into()
    };
    let name = text(metadata.get("WORKLOAD_NAME"));
    let app = or(label("app"), label("app.kubernetes.io/name"));
    let version = or(label("version"), label("app.kubernetes.io/version"));
    Workload {
        workload: name.into(),
        namespace: text(metadata.get("NAMESPACE")).into(),
        cluster: text(metadata.get("CLUSTER_ID")).into(),
        canonical_service: or(
            label("service.istio.io/canonical-name"),
            if app.is_empty() { name } else { &app },
        ),
        canonical_revision: or(
            label("service.istio.io/canonical-revision"),
            if version.is_empty() {
                "latest"
            } else {
                &version
            },
        ),
        app,
        version,
        principal: Box::default(),
    }
}

impl Arguments {
    /// How the program logs.
    #[must_use]
    pub fn log(&self) -> process::logging::LogArgs {
        process::logging::LogArgs {
            log_output_level: format!("default:{}", self.level()),
            log_as_json: false,
        }
    }
}
