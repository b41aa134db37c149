//! The greeter as its callers meet it.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use greeter_demo::client::{Load, run};
use greeter_demo::greeter::PodGreeter;
use greeter_demo::server::serve;
use greeter_demo::web::Web;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

struct Greeter {
    grpc: SocketAddr,
    http: SocketAddr,
    _stop: tokio_util::sync::DropGuard,
}

async fn start(print_metadata: bool) -> Greeter {
    let grpc = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (grpc_address, http_address) = (grpc.local_addr().unwrap(), http.local_addr().unwrap());
    let stop = CancellationToken::new();
    let greeter = PodGreeter {
        hostname: "pod-1".into(),
        print_metadata,
    };
    let web = Web::new(
        "pod-1",
        &format!("http://{http_address}/ping"),
        grpc_address.port(),
    );
    tokio::spawn(serve(grpc, http, greeter, web, stop.clone()));
    Greeter {
        grpc: grpc_address,
        http: http_address,
        _stop: stop.drop_guard(),
    }
}

async fn page(address: SocketAddr, path: &str) -> (u16, String) {
    let client: Client<_, Empty<axum::body::Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let response = client
        .get(format!("http://{address}{path}").parse().unwrap())
        .await
        .unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn load(target: SocketAddr) -> Load {
    Load {
        target: target.to_string(),
        name: "world".into(),
        requests: 20,
        concurrency: 4,
        connections: 2,
        timeout: Duration::from_secs(5),
        metadata: vec![],
    }
}

#[tokio::test]
async fn the_client_counts_every_answer_by_pod() {
    let greeter = start(false).await;
    let report = run(load(greeter.grpc)).await.unwrap();
    assert_eq!(report.answers, [("pod-1".to_owned(), 20)].into());
    assert_eq!(report.failed(), 0);
    assert!(report.latency_ms.is_some());
}

#[tokio::test]
async fn a_greeter_that_is_not_there_is_counted_as_errors_by_status() {
    let vacant = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = vacant.local_addr().unwrap();
    drop(vacant);
    let report = run(load(address)).await.unwrap();
    assert_eq!(report.errors.get("Unavailable").map(|e| e.count), Some(20));
}

#[tokio::test]
async fn the_pages_answer_as_the_applications_do() {
    let greeter = start(false).await;
    assert_eq!(page(greeter.http, "/").await, (200, "pod-1".into()));
    assert_eq!(page(greeter.http, "/ping").await, (200, "pong".into()));
    assert_eq!(page(greeter.http, "/service").await, (200, "200 OK".into()));
    assert_eq!(page(greeter.http, "/nowhere").await.0, 404);
}

#[tokio::test]
async fn grpc_client_greets_with_the_version_as_metadata() {
    let greeter = start(true).await;
    let (status, text) = page(greeter.http, "/grpc_client?name=127.0.0.1&version=200").await;
    assert_eq!(status, 200);
    assert!(
        text.starts_with("Greeting: hostname:pod-1, in:world, md:map[:authority:[127.0.0.1:"),
        "{text}"
    );
    assert!(text.contains(" version:[200]]"), "{text}");
}

#[tokio::test]
async fn grpc_client_says_what_failed_for_a_service_that_is_not_there() {
    let greeter = start(false).await;
    let (status, text) = page(greeter.http, "/grpc_client?name=nowhere.invalid").await;
    assert_eq!(status, 502, "{text}");
    assert!(text.starts_with("nowhere.invalid: "), "{text}");
}

#[tokio::test]
async fn grpc_client_refuses_a_name_that_is_no_host() {
    let greeter = start(false).await;
    let (status, text) = page(greeter.http, "/grpc_client?name=bad%20name").await;
    assert_eq!(status, 400, "{text}");
}

#[tokio::test]
async fn the_health_service_says_that_the_greeter_serves() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;
    let greeter = start(false).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", greeter.grpc)).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    for service in ["", "helloworld.Greeter"] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status.as_str_name(), "SERVING");
    }
}
