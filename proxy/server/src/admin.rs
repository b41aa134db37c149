//! The admin interface, as far as an agent and its users ask it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use control::Control;
use dataplane::DataPlane;
use stats::{
    ClusterManagerStat, Counter, ListenerManagerStat, ListenerStat, Metrics, Query, Registry,
    ServerStat,
};
use tokio_util::sync::CancellationToken;
use xds::TypeUrl;

/// What the pages show and do.
pub(crate) struct Admin {
    pub(crate) plane: DataPlane,
    pub(crate) control: Control,
    pub(crate) shutdown: CancellationToken,
    pub(crate) registry: Arc<Registry>,
    pub(crate) server: Metrics<ServerStat>,
    pub(crate) clusters: Metrics<ClusterManagerStat>,
    pub(crate) listeners: Metrics<ListenerManagerStat>,
    /// Of inbound and of outbound connections.
    pub(crate) connections: [Metrics<ListenerStat>; 2],
}

/// The pages.
pub(crate) fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/ready", get(ready))
        .route("/stats", get(stats_page))
        .route("/stats/prometheus", get(prometheus))
        .route("/drain_listeners", post(drain))
        .route("/quitquitquit", post(quit))
        .with_state(admin)
}

async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    if admin.is_live() {
        "LIVE\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "PRE_INITIALIZING\n").into_response()
    }
}

async fn stats_page(State(admin): State<Arc<Admin>>, RawQuery(query): RawQuery) -> Response {
    admin.stats(&query.unwrap_or_default())
}

async fn prometheus(State(admin): State<Arc<Admin>>, RawQuery(query): RawQuery) -> Response {
    let query = query
        .filter(|q| !q.is_empty())
        .map_or_else(String::new, |q| format!("{q}&"));
    admin.stats(&format!("{query}format=prometheus"))
}

async fn drain(State(admin): State<Arc<Admin>>, RawQuery(query): RawQuery) -> &'static str {
    let query = query.unwrap_or_default();
    admin
        .plane
        .drain(query.split('&').any(|word| word == "inboundonly"));
    "OK\n"
}

async fn quit(State(admin): State<Arc<Admin>>) -> &'static str {
    admin.shutdown.cancel();
    "OK\n"
}

impl Admin {
    /// Configuration of both kinds has come.
    fn is_live(&self) -> bool {
        let view = self.control.view();
        [TypeUrl::Cluster, TypeUrl::Listener]
            .into_iter()
            .all(|kind| {
                let counters = view.counters(kind);
                counters.update_success + counters.update_rejected > 0
            })
    }

    fn stats(&self, query: &str) -> Response {
        self.refresh();
        match Query::parse(query) {
            Ok(query) => {
                let snapshot = self.registry.snapshot();
                snapshot.render(&query).into_response()
            }
            Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
        }
    }

    /// Brings what is counted elsewhere up to date.
    fn refresh(&self) {
        let view = self.control.view();
        let thread = self.registry.control();
        let server = self.server.of(thread);
        server
            .gauge(ServerStat::State)
            .set(if self.is_live() { 0 } else { 2 });
        let (clusters, listeners) = (
            view.counters(TypeUrl::Cluster),
            view.counters(TypeUrl::Listener),
        );
        let of = self.clusters.of(thread);
        raise(
            of.counter(ClusterManagerStat::CdsUpdateSuccess),
            clusters.update_success,
        );
        raise(
            of.counter(ClusterManagerStat::CdsUpdateRejected),
            clusters.update_rejected,
        );
        let of = self.listeners.of(thread);
        raise(
            of.counter(ListenerManagerStat::LdsUpdateSuccess),
            listeners.update_success,
        );
        raise(
            of.counter(ListenerManagerStat::LdsUpdateRejected),
            listeners.update_rejected,
        );
        of.gauge(ListenerManagerStat::WorkersStarted).set(1);
        for (open, metrics) in self
            .plane
            .open_connections()
            .into_iter()
            .zip(&self.connections)
        {
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
