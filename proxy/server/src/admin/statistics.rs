//! `/stats`: what is counted, brought up to date where it is counted elsewhere.

use std::sync::Arc;
use std::time::SystemTime;

use axum::http::StatusCode;
use axum::response::Response;
use control::{Counters, View};
use stats::{
    ClusterManagerStat, Counter, Form, ListenerManagerStat, ListenerStat, Metrics, Query, Registry,
    ServerStat,
};
use xds::TypeUrl;

use super::memory::Memory;
use super::{Admin, ServerState, answer, certs};

/// What Istio's listeners for redirected connections are called in statistics, inbound first.
const LISTENERS: [&str; 2] = ["0.0.0.0_15006", "0.0.0.0_15001"];

/// Metrics of the control thread.
pub(crate) struct Statistics {
    registry: Arc<Registry>,
    server: Metrics<ServerStat>,
    clusters: Metrics<ClusterManagerStat>,
    listeners: Metrics<ListenerManagerStat>,
    /// Of inbound and of outbound connections.
    connections: [Metrics<ListenerStat>; 2],
}

impl Statistics {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Statistics {
            server: registry.metrics(""),
            clusters: registry.metrics(""),
            listeners: registry.metrics(""),
            connections: LISTENERS.map(|name| registry.metrics(name)),
            registry,
        }
    }

    /// Sets counters to zero.
    pub(crate) fn reset(&self) {
        self.registry.reset_counters();
    }
}

/// What of the configuration is shown in statistics.
struct Configuration {
    clusters: Counters,
    listeners: Counters,
    notes: usize,
    /// The first end of a certificate in use.
    first_end: Option<SystemTime>,
}

impl Configuration {
    fn of(view: &View) -> Self {
        Configuration {
            clusters: view.counters(TypeUrl::Cluster),
            listeners: view.counters(TypeUrl::Listener),
            notes: view.notes(),
            first_end: certs::first_end(view),
        }
    }
}

impl Admin {
    /// `form` counts where the query names none.
    pub(crate) fn stats(&self, query: &str, form: Form) -> Response {
        match Query::parse_for(query, form) {
            Ok(query) => {
                self.refresh();
                let body = self.statistics.registry.snapshot().render(&query);
                match query.form {
                    Form::Json => answer::json_text(body),
                    Form::Text | Form::Prometheus => answer::text(body),
                }
            }
            Err(error) => answer::refused(StatusCode::BAD_REQUEST, format!("{error}\n")),
        }
    }

    fn refresh(&self) {
        let configuration = self.control.look(Configuration::of);
        let statistics = &self.statistics;
        let thread = statistics.registry.control();
        let now = SystemTime::now();
        let memory = Memory::now();
        let open = self.plane.open_connections();
        let state = self.state();
        let days = configuration.first_end.map_or(0, |end| {
            end.duration_since(now).unwrap_or_default().as_secs() / 86_400
        });
        let uptime = now.duration_since(self.started).unwrap_or_default();
        let server = statistics.server.of(thread);
        for (gauge, value) in [
            (ServerStat::State, state.number()),
            (ServerStat::Live, u64::from(state == ServerState::Live)),
            (ServerStat::Uptime, uptime.as_secs()),
            (
                ServerStat::Concurrency,
                self.options
                    .get("concurrency")
                    .and_then(serde_json::Value::as_u64)
                    .unwrap_or_default(),
            ),
            (ServerStat::MemoryAllocated, memory.own),
            (ServerStat::MemoryPhysicalSize, memory.resident),
            (ServerStat::TotalConnections, open.iter().sum()),
            (ServerStat::DaysUntilFirstCertExpiring, days),
            (
                ServerStat::ConfigurationNotes,
                configuration.notes.try_into().unwrap_or(u64::MAX),
            ),
        ] {
            server.gauge(gauge).set(value);
        }
        let of = statistics.clusters.of(thread);
        let came = configuration.clusters;
        raise(
            of.counter(ClusterManagerStat::CdsUpdateSuccess),
            came.update_success,
        );
        raise(
            of.counter(ClusterManagerStat::CdsUpdateRejected),
            came.update_rejected,
        );
        let of = statistics.listeners.of(thread);
        let came = configuration.listeners;
        raise(
            of.counter(ListenerManagerStat::LdsUpdateSuccess),
            came.update_success,
        );
        raise(
            of.counter(ListenerManagerStat::LdsUpdateRejected),
            came.update_rejected,
        );
        of.gauge(ListenerManagerStat::WorkersStarted).set(1);
        for (open, metrics) in open.into_iter().zip(&statistics.connections) {
            metrics
                .of(thread)
                .gauge(ListenerStat::DownstreamCxActive)
                .set(open);
        }
    }
}

/// Brings a counter to what was counted elsewhere.
fn raise(counter: Counter<'_>, total: u64) {
    counter.add(total.saturating_sub(counter.value()));
}
