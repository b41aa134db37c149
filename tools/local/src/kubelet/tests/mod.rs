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
