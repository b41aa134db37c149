//! The routes of the agent's port.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;

use super::application_metrics::{self, Page};
use super::probers::Probers;
use super::readiness::Readiness;
use super::{merge, probe};

/// What the routes answer from.
pub struct Pod {
    /// Readiness of the pod.
    pub readiness: Readiness,
    /// The application's probes.
    pub probers: Probers,
    /// Where the application answers probes.
    pub probed: IpAddr,
    /// The application's metrics.
    pub pages: Vec<Page>,
    /// `127.0.0.1:port` of the proxy's own metrics; none without a proxy.
    pub proxy_metrics: Option<String>,
    /// Renders the agent's own metrics.
    pub agent_metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Cancelled to end the agent.
    pub shutdown: CancellationToken,
    /// Set once draining was asked for.
    pub drained: AtomicBool,
}

impl fmt::Debug for Pod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pod")
            .field("readiness", &self.readiness)
            .field("probers", &self.probers)
            .field("pages", &self.pages)
            .finish_non_exhaustive()
    }
}

/// The agent's routes.
pub fn router(pod: Arc<Pod>) -> Router {
    let mut router = Router::new()
        .route("/healthz/ready", get(ready))
        .route("/stats/prometheus", get(metrics))
        .route("/quitquitquit", post(quit))
        .route("/drain", post(drain))
        .route("/debug/certificate", get(certificate));
    // Only the probes that exist are routes: any other path is simply not found.
    for path in pod.probers.keys().filter(|path| is_probe_path(path)) {
        router = router.route(path, get(probed));
    }
    router.with_state(pod)
}

/// `/app-health/<container>/<kind>` or `/app-lifecycle/<container>/<kind>`. What is not so cannot
/// have come from injection, and could collide with other routes.
fn is_probe_path(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let known = match parts.as_slice() {
        ["", "app-health", container, "livez" | "readyz" | "startupz"]
        | ["", "app-lifecycle", container, "prestopz" | "poststartz"] => {
            !container.is_empty() && !container.contains(['{', '}', '*', ':'])
        }
        _ => false,
    };
    if !known {
        tracing::warn!("ISTIO_KUBE_APP_PROBERS: {path:?} is not the path of a probe; left out");
    }
    known
}

async fn ready(State(pod): State<Arc<Pod>>) -> Response {
    match pod.readiness.check_or_wait().await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(reason) => {
            tracing::debug!("not ready: {reason}");
            (StatusCode::SERVICE_UNAVAILABLE, reason).into_response()
        }
    }
}

async fn metrics(State(pod): State<Arc<Pod>>) -> Response {
    let mut merged = String::new();
    merge::append(&mut merged, &(pod.agent_metrics)());
    if let Some(proxy) = &pod.proxy_metrics {
        match application_metrics::scrape(proxy, "/stats/prometheus").await {
            Ok(page) => merge::append(&mut merged, &page),
            Err(problem) => missing(&problem, "envoy"),
        }
    }
    for page in &pod.pages {
        let address = format!("localhost:{}", page.port);
        match application_metrics::scrape(&address, &page.path).await {
            Ok(page) => merge::append(&mut merged, &page),
            Err(problem) => missing(&problem, "application"),
        }
    }
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, merged).into_response()
}

/// A page that cannot be had costs only itself.
fn missing(problem: &str, source: &'static str) {
    metrics::counter!("istio_agent_scrape_failures_total", "type" => source).increment(1);
    tracing::warn!("metrics of the {source} are left out: {problem}");
}

async fn probed(State(pod): State<Arc<Pod>>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(prober) = pod.probers.get(uri.path()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let verdict = probe::run(prober, pod.probed, &headers).await;
    let mut response = (verdict.status, verdict.body).into_response();
    if let Some(kind) = verdict.content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}

async fn quit(State(pod): State<Arc<Pod>>, ConnectInfo(peer): ConnectInfo<SocketAddr>) -> Response {
    if let Some(refusal) = refuse_remote(peer) {
        return refusal;
    }
    tracing::info!("asked to quit");
    pod.shutdown.cancel();
    (StatusCode::OK, "OK").into_response()
}

async fn drain(
    State(pod): State<Arc<Pod>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Response {
    if let Some(refusal) = refuse_remote(peer) {
        return refusal;
    }
    tracing::info!("asked to drain");
    let Some(proxy) = &pod.readiness.proxy else {
        let text = "there is no proxy to drain: the application speaks xDS itself";
        return (StatusCode::OK, text).into_response();
    };
    match proxy.drain(false).await {
        Ok(()) => {
            pod.drained.store(true, Ordering::Relaxed);
            (StatusCode::OK, "OK").into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn certificate(
    State(pod): State<Arc<Pod>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Response {
    if let Some(refusal) = refuse_remote(peer) {
        return refusal;
    }
    let text = match &pod.readiness.certificate {
        Some(state) => {
            let state = state.borrow().clone().at(SystemTime::now());
            let print = state.usable().map_or("-", |issued| &*issued.fingerprint);
            format!("{state}\nsha256 {print}\n")
        }
        None => "another agent serves the workload's secrets\n".to_owned(),
    };
    text.into_response()
}

fn refuse_remote(peer: SocketAddr) -> Option<Response> {
    let local = peer.ip().to_canonical().is_loopback();
    (!local).then(|| {
        let text = "only processes of the pod itself may ask for this";
        (StatusCode::FORBIDDEN, text).into_response()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pod_itself_may_quit_or_drain() {
        let from = |ip: &str| {
            let ip = ip.parse().unwrap_or(IpAddr::from([192, 0, 2, 1]));
            refuse_remote(SocketAddr::new(ip, 1)).map(|refusal| refusal.status())
        };
        assert_eq!(from("127.0.0.1"), None);
        assert_eq!(from("::1"), None);
        assert_eq!(from("::ffff:127.0.0.1"), None);
        assert_eq!(from("10.0.0.9"), Some(StatusCode::FORBIDDEN));
        assert_eq!(from("::ffff:10.0.0.9"), Some(StatusCode::FORBIDDEN));
    }

    #[test]
    fn only_paths_of_probes_become_routes() {
        assert!(is_probe_path("/app-health/hello/livez"));
        assert!(is_probe_path("/app-lifecycle/hello/prestopz"));
        for path in [
            "/healthz/ready",
            "/app-health//livez",
            "/app-health/{*x}/livez",
            "/app-health/a/b",
        ] {
            assert!(!is_probe_path(path), "{path}");
        }
    }
}
