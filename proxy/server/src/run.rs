//! From a command line to a running data plane.

use std::io;
use std::sync::Arc;

use control::{Options, SystemResolver};
use dataplane::DataPlane;
use process::http;
use stats::Registry;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin};
use crate::bootstrap::{Bootstrap, BootstrapError};
use crate::command_line::Arguments;
use crate::fixed;

/// What Istio's listeners for redirected connections are called in statistics, inbound first.
const LISTENERS: [&str; 2] = ["0.0.0.0_15006", "0.0.0.0_15001"];

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

/// Runs until `shutdown`. Requests under way then are cut: whoever ends the proxy drains it first, as Envoy's agent does.
///
/// # Errors
/// [`RunError`] says what could not be started.
pub async fn run(arguments: &Arguments, shutdown: CancellationToken) -> Result<(), RunError> {
    let bootstrap = Bootstrap::read(&arguments.config_path)?;
    let workers = arguments.workers();
    let plane = DataPlane::start(workers).map_err(RunError::Start)?;
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
    let registry = Registry::new(workers as usize, env!("CARGO_PKG_VERSION"));
    let admin = Arc::new(Admin {
        server: registry.metrics("server"),
        clusters: registry.metrics("cluster_manager"),
        listeners: registry.metrics("listener_manager"),
        connections: LISTENERS.map(|name| registry.metrics(name)),
        plane,
        control,
        shutdown: shutdown.clone(),
        registry,
    });
    let listener = http::bind(&bootstrap.admin.to_string(), "admin.address").await?;
    let serving = http::serve(listener, admin::router(admin.clone()), shutdown.clone());
    let publishing = async {
        while graphs.changed().await.is_ok() {
            let graph = graphs.borrow_and_update().clone();
            admin.plane.publish(&graph);
        }
        // The control thread ends with `shutdown` alone.
        shutdown.cancelled().await;
    };
    tokio::select! {
        served = serving => served.map_err(RunError::Admin),
        () = publishing => Ok(()),
        () = shutdown.cancelled() => Ok(()),
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
