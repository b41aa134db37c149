//! The admin interface: Envoy's pages as an agent, istioctl and people ask for them.

mod answer;
mod certs;
mod clusters;
mod config_dump;
mod listeners;
mod logging;
mod memory;
mod page;
mod parameters;
mod runtime;
mod server_info;
mod stamp;
mod statistics;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use control::{Control, Initialization, View};
use dataplane::DataPlane;
use serde_json::Value;
use stats::{Form, Registry};
use tokio_util::sync::CancellationToken;

use crate::command_line::Arguments;

use logging::Loggers;
use page::Page;
use parameters::Parameters;
use statistics::Statistics;

/// What the pages show and do.
pub(crate) struct Admin {
    pub(crate) plane: DataPlane,
    control: Control,
    shutdown: CancellationToken,
    statistics: Statistics,
    /// The bootstrap file.
    bootstrap: Value,
    /// The command line, as `/server_info` shows it.
    options: Value,
    started: SystemTime,
    /// `/healthcheck/fail` was asked for.
    failing: AtomicBool,
    /// Workers have taken the first graph: their sockets listen.
    listening: AtomicBool,
    loggers: Loggers,
}

/// What the process is doing (`envoy.admin.v3.ServerInfo.State`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerState {
    /// It has its first configuration whole, and its workers have it.
    Live,
    /// It is to look as if it failed health checks.
    Draining,
    /// Clusters of the first configuration have not come or wait for something.
    PreInitializing,
    /// Listeners of the first configuration have not come or wait for something.
    Initializing,
}

impl ServerState {
    fn name(self) -> &'static str {
        match self {
            ServerState::Live => "LIVE",
            ServerState::Draining => "DRAINING",
            ServerState::PreInitializing => "PRE_INITIALIZING",
            ServerState::Initializing => "INITIALIZING",
        }
    }

    /// Its number in the enum, which `server.state` shows.
    fn number(self) -> u64 {
        match self {
            ServerState::Live => 0,
            ServerState::Draining => 1,
            ServerState::PreInitializing => 2,
            ServerState::Initializing => 3,
        }
    }
}

/// The pages.
pub(crate) fn router(admin: Arc<Admin>) -> Router {
    Router::new().fallback(serve).with_state(admin)
}

async fn serve(State(admin): State<Arc<Admin>>, method: Method, uri: Uri) -> Response {
    let Some(entry) = page::find(&merged(uri.path())) else {
        let text = format!("invalid path. {}", page::help());
        return answer::refused(StatusCode::NOT_FOUND, text);
    };
    if entry.changes && method != Method::POST {
        let text = format!("Method {method} not allowed, POST required.");
        return answer::refused(StatusCode::METHOD_NOT_ALLOWED, text);
    }
    let query = uri.query().unwrap_or_default();
    let parameters = Parameters::parse(query);
    match entry.page {
        Page::Home => answer::html(page::home()),
        Page::Help => answer::text(page::help()),
        Page::Certs => certs::page(&admin),
        Page::Clusters => clusters::page(&admin, &parameters).await,
        Page::ConfigDump => config_dump::page(&admin, &parameters),
        Page::DrainListeners => {
            admin.plane.drain(parameters.has("inboundonly"));
            answer::text("OK\n")
        }
        Page::HealthcheckFail => admin.fail(true),
        Page::HealthcheckOk => admin.fail(false),
        Page::HotRestartVersion => answer::text("disabled\n"),
        Page::Listeners => listeners::page(&admin, &parameters),
        Page::Logging => logging::page(&admin.loggers, &parameters),
        Page::Memory => memory::page(),
        Page::QuitQuitQuit => {
            admin.shutdown.cancel();
            answer::text("OK\n")
        }
        Page::Ready => {
            let state = admin.state();
            let text = format!("{}\n", state.name());
            match state {
                ServerState::Live => answer::text(text),
                _ => answer::refused(StatusCode::SERVICE_UNAVAILABLE, text),
            }
        }
        Page::ResetCounters => {
            admin.statistics.reset();
            answer::text("OK\n")
        }
        Page::Runtime => runtime::page(&admin.bootstrap),
        Page::RuntimeModify => answer::refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "runtime values have no effect in this data plane",
        ),
        Page::ServerInfo => server_info::page(&admin),
        Page::Stats => admin.stats(query, Form::Text),
        Page::Prometheus => admin.stats(query, Form::Prometheus),
    }
}

/// A path with runs of slashes as one, as Envoy reads it.
fn merged(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !merged.ends_with('/') {
            merged.push(c);
        }
    }
    merged
}

impl Admin {
    pub(crate) fn new(
        plane: DataPlane,
        control: Control,
        registry: Arc<Registry>,
        bootstrap: Value,
        arguments: &Arguments,
        shutdown: CancellationToken,
    ) -> Self {
        Admin {
            plane,
            control,
            shutdown,
            statistics: Statistics::new(registry),
            bootstrap,
            options: server_info::options(arguments),
            started: SystemTime::now(),
            failing: AtomicBool::new(false),
            listening: AtomicBool::new(false),
            loggers: Loggers::new(&arguments.log_level),
        }
    }

    fn fail(&self, failing: bool) -> Response {
        self.failing.store(failing, Ordering::Relaxed);
        answer::text("OK\n")
    }

    /// Workers listen.
    pub(crate) fn is_listening(&self) {
        self.listening.store(true, Ordering::Relaxed);
    }

    /// Live from the first configuration on, whatever comes later.
    pub(crate) fn state(&self) -> ServerState {
        if self.failing.load(Ordering::Relaxed) {
            return ServerState::Draining;
        }
        match self.control.look(View::initialization) {
            Initialization::Clusters => ServerState::PreInitializing,
            Initialization::Listeners => ServerState::Initializing,
            Initialization::Done if !self.listening.load(Ordering::Relaxed) => {
                ServerState::Initializing
            }
            Initialization::Done => ServerState::Live,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_slashes_are_one() {
        assert_eq!(merged("//stats///prometheus"), "/stats/prometheus");
        assert_eq!(merged("/stats/"), "/stats/");
    }
}
