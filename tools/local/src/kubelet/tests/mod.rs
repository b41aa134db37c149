#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
//! The kubelet over a runtime that only remembers what it was asked.

mod fake;
mod status;

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::fake::Fake;
use super::image::Images;
use super::node::{Node, NodeParts};
use crate::object::{Key, has_condition, text};
use crate::store::Store;
use crate::token::Signer;

struct World {
    store: Arc<Store>,
    fake: Arc<Fake>,
    stop: CancellationToken,
    kubelet: tokio::task::JoinHandle<()>,
    state: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        process::crypto::install();
        let state = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::default());
        let fake = Arc::new(Fake::default());
        let mut images = Images::default();
        images.add("app", "/app.tar".into());
        let node = Arc::new(Node::new(NodeParts {
            name: "n".into(),
            store: Arc::clone(&store),
            runtime: Arc::clone(&fake) as Arc<dyn super::runtime::Runtime>,
            images,
            signer: Arc::new(Signer::generate().unwrap()),
            envoy: None,
            state: state.path().to_owned(),
            domain: "cluster.local".into(),
        }));
        let stop = CancellationToken::new();
        let kubelet = tokio::spawn(super::run(node, stop.clone()));
        Self {
            store,
            fake,
            stop,
            kubelet,
            state,
        }
    }

    fn pod(&self, spec: Value) -> Key {
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "default"}, "spec": spec});
        self.store.create(pod).unwrap();
        Key::core("Pod", "default", "p")
    }

    /// Waits until the pod (Null when it is gone) is as wanted.
    async fn until(&self, key: &Key, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut changed = self.store.subscribe();
        let waiting = async {
            loop {
                let pod = self
                    .store
                    .get(key)
                    .map_or(Value::Null, |pod| (*pod).clone());
                if wanted(&pod) {
                    return pod;
                }
                changed.changed().await.unwrap();
            }
        };
        // Hours of the paused clock: back-offs pass in no time.
        match tokio::time::timeout(Duration::from_secs(7200), waiting).await {
            Ok(pod) => pod,
            Err(_) => panic!("never: {:?}", self.store.get(key)),
        }
    }

    /// A path below the directory of the world's only pod.
    fn of_pod(&self, path: &str) -> std::path::PathBuf {
        let mut pods = std::fs::read_dir(self.state.path().join("pods")).unwrap();
        pods.next().unwrap().unwrap().path().join(path)
    }

    async fn down(self) {
        self.stop.cancel();
        self.kubelet.await.unwrap();
    }
}

fn is_ready(pod: &Value) -> bool {
    has_condition(pod, "Ready")
}

#[tokio::test(start_paused = true)]
async fn init_containers_run_in_turn_and_a_sidecar_before_the_app() {
    let world = World::new();
    world.fake.exits("init", &[0]);
    let key = world.pod(json!({
        "initContainers": [{"name": "init", "image": "app"}, {"name": "proxy", "image": "app", "restartPolicy": "Always"}],
        "containers": [{"name": "main", "image": "app"}]}));
    let pod = world.until(&key, is_ready).await;
    assert_eq!(world.fake.started(), ["init", "proxy", "main"]);
    assert_eq!(pod["status"]["podIP"], "10.244.0.2");
    assert_eq!(
        pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"],
        0
    );
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn an_init_container_that_fails_is_run_again_until_it_succeeds() {
    let world = World::new();
    world.fake.exits("init", &[1, 1, 0]);
    let key = world.pod(json!({
        "initContainers": [{"name": "init", "image": "app"}],
        "containers": [{"name": "main", "image": "app"}]}));
    let pod = world.until(&key, is_ready).await;
    assert_eq!(world.fake.started(), ["init", "init", "init", "main"]);
    assert_eq!(pod["status"]["initContainerStatuses"][0]["restartCount"], 2);
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn a_container_that_crashes_is_started_again_with_back_off() {
    let world = World::new();
    world.fake.exits("main", &[3, 3]);
    let key = world.pod(json!({"containers": [{"name": "main", "image": "app"}]}));
    world
        .until(&key, |pod| {
            text(pod, "/status/containerStatuses/0/state/waiting/reason") == "CrashLoopBackOff"
        })
        .await;
    let pod = world.until(&key, is_ready).await;
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(status["restartCount"], 2);
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 3);
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_never_restarts_succeeds_or_fails() {
    let world = World::new();
    world.fake.exits("main", &[3]);
    let key = world
        .pod(json!({"restartPolicy": "Never", "containers": [{"name": "main", "image": "app"}]}));
    world
        .until(&key, |pod| text(pod, "/status/phase") == "Failed")
        .await;
    assert_eq!(world.fake.started(), ["main"]);
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_here_is_named_in_the_status() {
    let world = World::new();
    let key = world.pod(json!({"containers": [{"name": "main", "image": "nginx:1"}]}));
    let waiting = "/status/containerStatuses/0/state/waiting";
    let pod = world
        .until(&key, |pod| {
            text(pod, &format!("{waiting}/reason")) == "ErrImagePull"
        })
        .await;
    let message = text(&pod, &format!("{waiting}/message"));
    assert!(
        message.contains("\"nginx:1\"") && message.contains("--image"),
        "{message}"
    );
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_waits_for_a_config_map_and_starts_when_it_comes() {
    let world = World::new();
    let key = world.pod(json!({
        "containers": [{"name": "main", "image": "app"}],
        "volumes": [{"name": "root", "configMap": {"name": "istio-ca-root-cert"}}]}));
    let message = "/status/containerStatuses/0/state/waiting/message";
    world
        .until(&key, |pod| {
            text(pod, message).contains("istio-ca-root-cert")
        })
        .await;
    assert!(world.fake.started().is_empty());
    world
        .store
        .create(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "istio-ca-root-cert", "namespace": "default"}, "data": {"root-cert.pem": "x"}}))
        .unwrap();
    world.until(&key, is_ready).await;
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_ready_when_its_probe_says_so_and_a_failing_startup_probe_restarts_it() {
    let world = World::new();
    let probe = json!({"exec": {"command": ["check"]}, "periodSeconds": 1, "failureThreshold": 3});
    world.fake.answers(&[1, 1, 1, 0]);
    let key = world.pod(json!({"terminationGracePeriodSeconds": 1,
        "containers": [{"name": "main", "image": "app", "startupProbe": probe}]}));
    let pod = world.until(&key, is_ready).await;
    // Three noes ended the first run; the second run's first answer was a yes.
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 1);
    assert_eq!(
        world.fake.signals()[0],
        ("main".to_owned(), Signal::SIGTERM)
    );
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_ends_its_containers_first_and_its_sidecar_last() {
    let world = World::new();
    let key = world.pod(json!({
        "initContainers": [{"name": "proxy", "image": "app", "restartPolicy": "Always"}],
        "containers": [{"name": "main", "image": "app"}]}));
    world.until(&key, is_ready).await;
    world.store.delete(&key, None).unwrap();
    world.until(&key, Value::is_null).await;
    assert_eq!(
        world.fake.signals(),
        [
            ("main".to_owned(), Signal::SIGTERM),
            ("proxy".to_owned(), Signal::SIGTERM)
        ]
    );
    // Its address refuses those who have not heard of its end yet, and only then goes.
    assert_eq!(world.fake.pods(), 1);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(world.fake.pods(), 0);
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ignores_sigterm_is_killed_after_the_grace_period() {
    let world = World::new();
    world.fake.is_stubborn("main");
    let key = world.pod(json!({"containers": [{"name": "main", "image": "app"}]}));
    world.until(&key, is_ready).await;
    let asked = tokio::time::Instant::now();
    world.store.delete(&key, Some(7)).unwrap();
    world.until(&key, Value::is_null).await;
    assert!(asked.elapsed() >= Duration::from_secs(7));
    let signals: Vec<Signal> = world.fake.signals().into_iter().map(|(_, s)| s).collect();
    assert_eq!(signals, [Signal::SIGTERM, Signal::SIGKILL]);
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_starting_when_its_pod_is_deleted_does_not_stay() {
    let world = World::new();
    world.fake.is_slow_to_start("main", Duration::from_secs(5));
    let key = world.pod(json!({"containers": [{"name": "main", "image": "app"}]}));
    world
        .until(&key, |pod| !text(pod, "/status/podIP").is_empty())
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.store.delete(&key, None).unwrap();
    world.until(&key, Value::is_null).await;
    assert_eq!(world.fake.events(), ["start main", "SIGKILL main"]);
    let left = std::fs::read_dir(world.state.path().join("pods")).unwrap();
    assert_eq!(left.count(), 0);
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_follows_its_config_map_while_containers_are_still_to_start() {
    let world = World::new();
    let root = |pem: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "root", "namespace": "default"}, "data": {"pem": pem}})
    };
    world.store.create(root("first")).unwrap();
    // It never ends, so nothing after it starts.
    let key = world.pod(json!({
        "initContainers": [{"name": "init", "image": "app"}],
        "containers": [{"name": "main", "image": "app"}],
        "volumes": [{"name": "root", "configMap": {"name": "root"}}]}));
    let running = "/status/initContainerStatuses/0/state/running";
    world
        .until(&key, |pod| pod.pointer(running).is_some())
        .await;
    world.store.put(root("second")).unwrap();
    let file = world.of_pod("volumes/root/pem");
    let changed = async {
        while std::fs::read_to_string(&file).unwrap() != "second" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), changed)
        .await
        .unwrap();
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn of_a_container_that_crashes_again_and_again_two_logs_stay() {
    let world = World::new();
    world.fake.exits("main", &[1, 1, 1, 1]);
    let key = world.pod(json!({"containers": [{"name": "main", "image": "app"}]}));
    world.until(&key, is_ready).await;
    let mut logs: Vec<String> = std::fs::read_dir(world.of_pod("logs/main"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    logs.sort();
    assert_eq!(logs, ["3.log", "4.log"]);
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn a_pre_stop_hook_runs_before_sigterm() {
    let world = World::new();
    let key = world.pod(json!({"containers": [{"name": "main", "image": "app",
        "lifecycle": {"preStop": {"exec": {"command": ["drain"]}}}}]}));
    world.until(&key, is_ready).await;
    world.store.delete(&key, None).unwrap();
    world.until(&key, Value::is_null).await;
    assert_eq!(
        world.fake.events(),
        ["start main", "exec drain", "SIGTERM main"]
    );
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn when_the_kubelet_stops_every_pod_has_ended() {
    let world = World::new();
    let key = world.pod(json!({"containers": [{"name": "main", "image": "app"}]}));
    world.until(&key, is_ready).await;
    let fake = Arc::clone(&world.fake);
    world.down().await;
    assert_eq!(fake.pods(), 0);
    assert_eq!(fake.signals().len(), 1);
}

fn told(world: &World) -> Vec<String> {
    let events = world.store.events().list();
    events
        .iter()
        .map(|event| {
            let field = text(event, "/involvedObject/fieldPath");
            let (reason, message) = (text(event, "/reason"), text(event, "/message"));
            format!("{reason} {field}: {message}")
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_pods_life_is_told_in_the_kubelets_words() {
    let world = World::new();
    let key = world.pod(json!({"containers": [{"name": "main", "image": "app"}]}));
    world.until(&key, is_ready).await;
    world.store.delete(&key, Some(1)).unwrap();
    world.until(&key, Value::is_null).await;
    assert_eq!(
        told(&world),
        [
            "Scheduled : Successfully assigned default/p to n",
            "Pulled spec.containers{main}: Container image \"app\" already present on machine",
            "Created spec.containers{main}: Created container: main",
            "Started spec.containers{main}: Started container main",
            "Killing spec.containers{main}: Stopping container main",
        ]
    );
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn failed_probes_and_crashes_are_told_with_their_reason() {
    let world = World::new();
    world.fake.exits("main", &[1, 1, 1]);
    let key = world.pod(json!({"containers": [{"name": "main", "image": "app",
        "livenessProbe": {"exec": {"command": ["check"]}, "failureThreshold": 1}}]}));
    world
        .until(&key, |pod| {
            text(pod, "/status/containerStatuses/0/state/waiting/reason") == "CrashLoopBackOff"
        })
        .await;
    world.until(&key, is_ready).await;
    world.fake.answers(&[1]);
    world
        .until(&key, |pod| {
            pod["status"]["containerStatuses"][0]["restartCount"] == 4
        })
        .await;
    let told = told(&world);
    let uid = text(&world.store.get(&key).unwrap(), "/metadata/uid").to_owned();
    for expected in [
        format!(
            "BackOff spec.containers{{main}}: Back-off restarting failed container main in pod p_default({uid})"
        ),
        "Unhealthy spec.containers{main}: Liveness probe failed: command exited with 1".to_owned(),
        "Killing spec.containers{main}: Container main failed liveness probe, will be restarted"
            .to_owned(),
    ] {
        assert!(told.contains(&expected), "{expected}: {told:#?}");
    }
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_image_and_a_missing_volume_are_told() {
    let world = World::new();
    let key = world.pod(json!({"containers": [{"name": "main", "image": "nowhere"}],
        "volumes": [{"name": "v", "configMap": {"name": "late"}}]}));
    world
        .until(&key, |pod| {
            !text(pod, "/status/containerStatuses/0/state/waiting/message").is_empty()
        })
        .await;
    assert!(
        told(&world).contains(
            &"FailedMount : MountVolume.SetUp failed for volume \"v\" : configmap \"late\" not found"
                .to_owned()
        ),
        "{:#?}",
        told(&world)
    );
    world
        .store
        .create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late", "namespace": "default"}}))
        .unwrap();
    world
        .until(&key, |pod| {
            text(pod, "/status/containerStatuses/0/state/waiting/reason") == "ErrImagePull"
        })
        .await;
    let told = told(&world);
    assert!(
        told.iter()
            .any(|t| t
                .starts_with("Failed spec.containers{main}: Failed to pull image \"nowhere\": ")),
        "{told:#?}"
    );
    assert!(
        told.contains(&"Failed spec.containers{main}: Error: ErrImagePull".to_owned()),
        "{told:#?}"
    );
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn a_finished_pods_sidecars_end_and_it_has_succeeded() {
    let world = World::new();
    world.fake.exits("main", &[0]);
    let key = world.pod(json!({"restartPolicy": "Never",
        "initContainers": [
            {"name": "proxy", "image": "app", "restartPolicy": "Always"},
            {"name": "second", "image": "app", "restartPolicy": "Always"}],
        "containers": [{"name": "main", "image": "app"}]}));
    let pod = world
        .until(&key, |pod| {
            text(pod, "/status/phase") == "Succeeded"
                && pod["status"]["initContainerStatuses"][0]["state"]
                    .get("terminated")
                    .is_some()
        })
        .await;
    assert_eq!(pod["status"]["conditions"][2]["reason"], "PodCompleted");
    assert_eq!(
        world.fake.signals(),
        [
            ("second".to_owned(), Signal::SIGTERM),
            ("proxy".to_owned(), Signal::SIGTERM)
        ]
    );
    assert_eq!(
        world.fake.started(),
        ["proxy", "second", "main"],
        "nothing starts again"
    );
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_run_again_on_failure_keeps_its_sidecar_until_it_succeeds() {
    let world = World::new();
    world.fake.exits("main", &[1, 0]);
    let key = world.pod(json!({"restartPolicy": "OnFailure",
        "initContainers": [{"name": "proxy", "image": "app", "restartPolicy": "Always"}],
        "containers": [{"name": "main", "image": "app"}]}));
    world
        .until(&key, |pod| text(pod, "/status/phase") == "Succeeded")
        .await;
    world
        .until(&key, |pod| {
            pod["status"]["initContainerStatuses"][0]["state"]
                .get("terminated")
                .is_some()
        })
        .await;
    assert_eq!(world.fake.started(), ["proxy", "main", "main"]);
    world.down().await;
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ran_out_of_memory_says_so() {
    let world = World::new();
    world.fake.runs_out_of_memory("main");
    let key = world.pod(json!({"containers": [{"name": "main", "image": "app"}]}));
    let pod = world
        .until(&key, |pod| {
            pod["status"]["containerStatuses"][0]["restartCount"] == 1
        })
        .await;
    let last = &pod["status"]["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!(last["reason"], "OOMKilled");
    assert_eq!(last["exitCode"], 137);
    world.down().await;
}

/// A TLS server with a certificate that nobody signed, which answers one request after the other with `status`.
async fn https_server(status: &'static str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let made = rcgen::generate_simple_self_signed(["nobody".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /health HTTP/1.1\r\n"));
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn an_https_probe_asks_whoever_signed_the_certificate() {
    for (status, message) in [
        ("200 OK", None),
        (
            "503 Service Unavailable",
            Some("HTTP probe failed with statuscode: 503"),
        ),
    ] {
        let world = World::new();
        world.fake.serves(8443, https_server(status).await);
        let key = world.pod(json!({"containers": [{"name": "main", "image": "app",
            "readinessProbe": {"httpGet": {"path": "/health", "port": 8443, "scheme": "HTTPS"}, "periodSeconds": 1}}]}));
        match message {
            None => drop(world.until(&key, is_ready).await),
            Some(message) => {
                let wanted =
                    format!("Unhealthy spec.containers{{main}}: Readiness probe failed: {message}");
                while !told(&world).contains(&wanted) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        world.down().await;
    }
}

#[tokio::test]
async fn a_grpc_probe_asks_the_health_service_and_http_says_where_it_failed() {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("shop", tonic_health::ServingStatus::Serving)
        .await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener)),
    );
    let world = World::new();
    world.fake.serves(9000, port);
    let key = world.pod(json!({"containers": [{"name": "main", "image": "app",
        "readinessProbe": {"grpc": {"port": 9000, "service": "shop"}, "periodSeconds": 1}}]}));
    world.until(&key, is_ready).await;
    reporter
        .set_service_status("shop", tonic_health::ServingStatus::NotServing)
        .await;
    let told_wanted = "Unhealthy spec.containers{main}: Readiness probe failed: service unhealthy (responded with \"NOT_SERVING\")".to_owned();
    while !told(&world).contains(&told_wanted) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.down().await;

    let world = World::new();
    world.pod(json!({"containers": [{"name": "main", "image": "app",
        "readinessProbe": {"httpGet": {"path": "/x", "port": 1}, "periodSeconds": 1}}]}));
    let refused = "Unhealthy spec.containers{main}: Readiness probe failed: Get \"http://10.244.0.2:1/x\": dial tcp 10.244.0.2:1: connect: connection refused".to_owned();
    while !told(&world).contains(&refused) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.down().await;
}
