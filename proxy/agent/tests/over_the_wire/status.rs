use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agent::bootstrap::Ports;
use agent::certificate::state::State;
use agent::envoy::admin::Admin;
use agent::fetch::{self, Fetched, Limits};
use agent::status::application_metrics::Page;
use agent::status::probers;
use agent::status::readiness::Readiness;
use agent::status::server::{self, Pod};
use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use http::Method;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::certificate::{issued, keep};
use crate::support::Plane;

const READY: &str = "cluster_manager.cds.update_success: 1\n\
    listener_manager.lds.update_success: 1\n\
    listener_manager.workers_started: 1\nserver.state: 0\n";

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(process::http::serve(
        listener,
        router,
        CancellationToken::new(),
    ));
    address
}

/// A proxy whose admin interface says `stats`, with one metric of its own.
async fn proxy(stats: &'static str) -> SocketAddr {
    let router = Router::new()
        .route("/stats", get(move || async move { stats }))
        .route("/stats/prometheus", get(|| async { "envoy_up 1\n" }))
        .route("/drain_listeners", post(|| async { "OK" }));
    serve(router).await
}

async fn pod(stats: &'static str, change: impl FnOnce(&mut Pod)) -> (SocketAddr, Arc<Pod>) {
    let proxy = proxy(stats).await;
    let mut pod = Pod {
        readiness: Readiness {
            certificate: None,
            proxy: Some(Admin::new(Ports {
                admin: proxy.port(),
                status: 0,
                readiness: 0,
                prometheus: 0,
            })),
            grpc: None,
            has_been_ready: std::sync::Arc::default(),
        },
        probers: probers::Probers::new(),
        probed: [127, 0, 0, 1].into(),
        pages: Vec::new(),
        proxy_metrics: Some(proxy.to_string()),
        agent_metrics: Box::new(|| "agent_up 1\n".to_owned()),
        shutdown: CancellationToken::new(),
        drained: AtomicBool::new(false),
    };
    change(&mut pod);
    let pod = Arc::new(pod);
    (serve(server::router(pod.clone())).await, pod)
}

async fn ask(method: Method, address: SocketAddr, path: &str) -> Fetched {
    let address = address.to_string();
    let request = fetch::request(method, &address, path, Bytes::new());
    let limits = Limits {
        body: 32 << 20,
        time: Duration::from_secs(30),
    };
    fetch::plain(address.as_str(), request, limits)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_pod_is_ready_when_its_proxy_is_live_and_configured() {
    let (address, _) = pod(READY, |_| {}).await;
    assert_eq!(
        ask(Method::GET, address, "/healthz/ready").await.status,
        200
    );
    let (address, _) = pod("server.state: 2\n", |_| {}).await;
    let answer = ask(Method::GET, address, "/healthz/ready").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("clusters not received"));
}

#[tokio::test]
async fn without_a_certificate_the_pod_is_not_ready_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let mut plane = Plane::down().await;
    let mut state = keep(&plane, directory.path());
    let watched: watch::Receiver<State> = state.clone();
    let (address, _) = pod(READY, |pod| pod.readiness.certificate = Some(watched)).await;
    let answer = ask(Method::GET, address, "/healthz/ready").await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.text().contains("no certificate yet"),
        "{}",
        answer.text()
    );
    plane.start().await;
    let issued = issued(&mut state).await;
    assert_eq!(
        ask(Method::GET, address, "/healthz/ready").await.status,
        200
    );
    let page = ask(Method::GET, address, "/debug/certificate").await.text();
    assert!(
        page.contains(&issued.fingerprint) && !page.contains("PRIVATE KEY"),
        "{page}"
    );
}

#[tokio::test]
async fn metrics_of_agent_proxy_and_application_are_one_page() {
    let application = serve(Router::new().route("/m", get(|| async { "app_up 1\n# EOF" }))).await;
    let (address, _) = pod(READY, |pod| {
        pod.pages = vec![Page {
            port: application.port().to_string(),
            path: "/m".into(),
        }];
    })
    .await;
    let page = ask(Method::GET, address, "/stats/prometheus").await.text();
    assert_eq!(page, "agent_up 1\nenvoy_up 1\napp_up 1\n");
}

#[tokio::test]
async fn an_application_with_too_many_metrics_costs_only_its_own() {
    let large = Bytes::from(vec![b'x'; (10 << 20) + 1]);
    let router = Router::new().route("/m", get(move || async move { large }));
    let application = serve(router).await;
    let (address, _) = pod(READY, |pod| {
        pod.pages = vec![Page {
            port: application.port().to_string(),
            path: "/m".into(),
        }];
    })
    .await;
    let page = ask(Method::GET, address, "/stats/prometheus").await.text();
    assert_eq!(page, "agent_up 1\nenvoy_up 1\n");
}

#[tokio::test]
async fn http_probes_reach_the_application_with_their_headers_and_a_bounded_answer() {
    let router = Router::new().route(
        "/live",
        get(|headers: http::HeaderMap, uri: http::Uri| async move {
            let named = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
            let seen = format!("{uri} {:?} {:?} ", named("a"), named("user-agent"));
            (http::StatusCode::ACCEPTED, seen + &"x".repeat(20_000))
        }),
    );
    let port = serve(router).await.port();
    let json = format!(
        r#"{{"/app-health/c/livez":{{"httpGet":{{"path":"/live?x=1","port":{port},"httpHeaders":[{{"name":"A","value":"b"}}]}}}}}}"#
    );
    let (address, _) = pod(READY, |pod| pod.probers = probers::parse(&json).unwrap()).await;
    let answer = ask(Method::GET, address, "/app-health/c/livez").await;
    assert_eq!(answer.status, 202);
    assert!(
        answer.text().starts_with("/live?x=1 Some(\"b\")"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.body.len(), 10 << 10);
    assert_eq!(
        ask(Method::GET, address, "/app-health/c/readyz")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn tcp_and_grpc_probes_tell_the_healthy_from_the_dead() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let alive = listener.local_addr().unwrap().port();
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("greeter", tonic_health::ServingStatus::NotServing)
        .await;
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(health)
            .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)),
    );
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = closed.local_addr().unwrap().port();
    drop(closed);
    let json = format!(
        r#"{{"/app-health/a/livez":{{"tcpSocket":{{"port":{alive}}}}},
            "/app-health/b/livez":{{"tcpSocket":{{"port":{dead}}}}},
            "/app-health/c/livez":{{"grpc":{{"port":{alive}}}}},
            "/app-health/d/livez":{{"grpc":{{"port":{alive},"service":"greeter"}}}},
            "/app-health/e/livez":{{"grpc":{{"port":{dead}}}}}}}"#
    );
    let (address, _) = pod(READY, |pod| pod.probers = probers::parse(&json).unwrap()).await;
    let mut statuses = Vec::new();
    for container in ["a", "b", "c", "d", "e"] {
        let path = format!("/app-health/{container}/livez");
        statuses.push(ask(Method::GET, address, &path).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 500, 200, 500, 500]);
}

#[tokio::test]
async fn quitting_takes_a_post() {
    let (address, pod) = pod(READY, |_| {}).await;
    assert_eq!(ask(Method::GET, address, "/quitquitquit").await.status, 405);
    assert!(!pod.shutdown.is_cancelled());
    assert_eq!(
        ask(Method::POST, address, "/quitquitquit").await.status,
        200
    );
    assert!(pod.shutdown.is_cancelled());
}

#[tokio::test]
async fn draining_is_passed_on_to_the_proxy_and_remembered() {
    let (address, pod) = pod(READY, |_| {}).await;
    assert_eq!(ask(Method::POST, address, "/drain").await.status, 200);
    assert!(pod.drained.load(Ordering::Relaxed));
}
