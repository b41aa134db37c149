//! A real cluster, any that KUBECONFIG names: the pilot reads it as the account of the manifests, and
//! the way to the API server is cut while things change. Needs kubectl, and an image that runs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod mesh;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use mesh::Pilot;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const ROLES: &str = include_str!("../../manifests/base/pilot-rbac.yaml");

/// Runs kubectl; what it wrote.
fn kubectl(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("kubectl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl must be installed to run these tests with");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// A namespace of the test's own, gone with it.
struct Namespace(String);

impl Namespace {
    fn new(name: &str) -> Self {
        let name = format!("lateen-{name}-{}", std::process::id());
        kubectl(&["create", "namespace", &name], "");
        Self(name)
    }

    fn apply(&self, objects: &Value) {
        kubectl(&["apply", "-n", &self.0, "-f", "-"], &objects.to_string());
    }

    /// The addresses of the pods that are ready.
    fn addresses(&self) -> BTreeSet<String> {
        let pods = kubectl(&["get", "pods", "-n", &self.0, "-o", "json"], "");
        let pods: Value = serde_json::from_str(&pods).unwrap();
        let ready = |pod: &&Value| {
            let conditions = pod["status"]["conditions"].as_array();
            let mut all = conditions.into_iter().flatten();
            pod["metadata"]["deletionTimestamp"].is_null()
                && all.any(|c| c["type"] == "Ready" && c["status"] == "True")
        };
        let all = pods["items"].as_array().unwrap().iter().filter(ready);
        all.map(|pod| pod["status"]["podIP"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let delete = ["delete", "namespace", &self.0, "--wait=false"];
        let _ = Command::new("kubectl").args(delete).output();
    }
}

/// A way to the API server that can be cut.
struct Way {
    port: u16,
    to: String,
    open: Option<tokio::task::JoinHandle<()>>,
}

impl Way {
    async fn open(to: &str) -> Self {
        let mut way = Self {
            port: 0,
            to: to.to_owned(),
            open: None,
        };
        way.mend().await;
        way
    }

    async fn mend(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.port = listener.local_addr().unwrap().port();
        let to = self.to.clone();
        self.open = Some(tokio::spawn(async move {
            // Dropped with the task, and every connection with it.
            let mut connections = JoinSet::new();
            while let Ok((mut from, _)) = listener.accept().await {
                let to = to.clone();
                connections.spawn(async move {
                    let mut to = TcpStream::connect(to).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                });
            }
        }));
    }

    fn cut(&mut self) {
        self.open.take().unwrap().abort();
    }
}

/// The pilot with the account and the roles of the manifests, over a way that can be cut.
struct Reading {
    way: Way,
    pilot: Pilot,
    _directory: tempfile::TempDir,
}

impl Reading {
    async fn start() -> Self {
        process::crypto::install();
        let root =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}});
        kubectl(&["apply", "-f", "-"], &root.to_string());
        kubectl(&["apply", "-f", "-"], ROLES);
        let directory = tempfile::tempdir().unwrap();
        let view = kubectl(
            &[
                "config",
                "view",
                "--raw",
                "--minify",
                "--flatten",
                "-o",
                "json",
            ],
            "",
        );
        let mut config: Value = serde_json::from_str(&view).unwrap();
        let cluster = &mut config["clusters"][0]["cluster"];
        let server = cluster["server"]
            .as_str()
            .unwrap()
            .trim_start_matches("https://")
            .to_owned();
        let (host, _) = server
            .rsplit_once(':')
            .expect("the API server's address has a port");
        let way = Way::open(&server).await;
        cluster["server"] = json!(format!("https://127.0.0.1:{}", way.port));
        cluster["tls-server-name"] = json!(host.trim_matches(['[', ']']));
        let token = kubectl(&["create", "token", "istiod", "-n", "istio-system"], "");
        config["users"][0]["user"] = json!({"token": token.trim()});
        let path = write(directory.path(), &config);
        let pilot = Pilot::start_with("", &["--kubeconfig", path.to_str().unwrap()]).await;
        Self {
            way,
            pilot,
            _directory: directory,
        }
    }

    /// Waits until the addresses behind the host are these.
    async fn serves(&self, host: &str, addresses: &BTreeSet<String>) {
        let wanted = |page: &Value| behind(page, host) == *addresses;
        self.pilot.page("/debug/endpointShardz", wanted).await;
    }

    async fn addresses(&self, host: &str) -> BTreeSet<String> {
        behind(
            &self.pilot.page("/debug/endpointShardz", |_| true).await,
            host,
        )
    }

    async fn problems(&self) -> String {
        self.pilot.get("/debug/problems").await
    }
}

fn behind(page: &Value, host: &str) -> BTreeSet<String> {
    let shards = page[host].as_object().into_iter().flat_map(|h| h.values());
    let endpoints = shards
        .filter_map(|shard| shard["Shards"].as_object())
        .flat_map(|shards| shards.values())
        .filter_map(Value::as_array)
        .flatten();
    let healthy = endpoints.filter(|endpoint| endpoint["HealthStatus"] == 1);
    healthy
        .map(|e| e["Addresses"][0].as_str().unwrap().to_owned())
        .collect()
}

fn write(directory: &Path, config: &Value) -> PathBuf {
    let path = directory.join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

/// The greeter of the manifests, so many.
fn greeter(replicas: u32) -> Value {
    let image = std::env::var("LATEEN_CLUSTER_IMAGE");
    let image = image.unwrap_or_else(|_| "crossoverjie/k8s-combat:istio".to_owned());
    let labels = json!({"app": "greeter"});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "greeter"}, "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "greeter", "image": image, "ports": [{"containerPort": 50051}]}],
            }},
        }},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "greeter"}, "spec": {
            "selector": labels, "ports": [{"name": "grpc", "port": 50051}],
        }},
    ]})
}

impl Namespace {
    /// Waits until so many pods are ready.
    async fn ready(&self, pods: usize) -> BTreeSet<String> {
        for _ in 0..120 {
            let addresses = self.addresses();
            if addresses.len() == pods {
                return addresses;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        panic!(
            "not {pods} pods: {}",
            kubectl(&["get", "pods", "-n", &self.0], "")
        );
    }
}

#[tokio::test]
async fn pods_behind_a_service_are_followed_with_the_roles_of_the_manifests_alone() {
    let namespace = Namespace::new("pods");
    let host = format!("greeter.{}.svc.cluster.local", namespace.0);
    namespace.apply(&greeter(2));
    let reading = Reading::start().await;
    let two = namespace.ready(2).await;
    reading.serves(&host, &two).await;
    namespace.apply(&greeter(3));
    let three = namespace.ready(3).await;
    reading.serves(&host, &three).await;
    kubectl(&["delete", "service", "greeter", "-n", &namespace.0], "");
    reading.serves(&host, &BTreeSet::new()).await;
}

#[tokio::test]
async fn an_api_server_out_of_reach_takes_no_endpoint_away_and_what_changed_meanwhile_is_found() {
    let namespace = Namespace::new("outage");
    let host = format!("greeter.{}.svc.cluster.local", namespace.0);
    namespace.apply(&greeter(2));
    let two = namespace.ready(2).await;
    let mut reading = Reading::start().await;
    reading.serves(&host, &two).await;
    reading.way.cut();
    namespace.apply(&greeter(1));
    let one = namespace.ready(1).await;
    for _ in 0..20 {
        assert_eq!(reading.addresses(&host).await, two);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(reading.pilot.get("/ready").await, "ready\n");
    reading.way.mend().await;
    reading.serves(&host, &one).await;
}

#[tokio::test]
async fn a_definition_installed_later_is_found_and_one_bad_object_hides_no_other() {
    let crd = "virtualservices.networking.istio.io";
    let installed = kubectl(&["get", "customresourcedefinitions", "-o", "name"], "").contains(crd);
    let namespace = Namespace::new("routes");
    let reading = Reading::start().await;
    if !installed {
        let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": crd},
            "spec": {
                "group": "networking.istio.io", "scope": "Namespaced",
                "names": {"kind": "VirtualService", "plural": "virtualservices", "singular": "virtualservice"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": open}}],
            },
        });
        kubectl(&["apply", "-f", "-"], &definition.to_string());
        kubectl(
            &[
                "wait",
                "--for=condition=Established",
                "--timeout=60s",
                "crd",
                crd,
            ],
            "",
        );
    }
    let route = |name: &str, http: Value| {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": name},
            "spec": {"hosts": ["greeter"], "http": http},
        })
    };
    namespace.apply(&route("bad", json!([{"name": "leads-nowhere"}])));
    namespace.apply(&route(
        "good",
        json!([{"route": [{"destination": {"host": "greeter"}}]}]),
    ));
    let named = |page: &Value, name: &str| {
        let all = page.as_array().unwrap().iter();
        let mut names = all.filter(|o| o["metadata"]["namespace"] == namespace.0.as_str());
        names.any(|o| o["metadata"]["name"] == name)
    };
    let both = |page: &Value| named(page, "good") && named(page, "bad");
    reading.pilot.page("/debug/configz", both).await;
    let problems = reading.problems().await;
    let bad = format!("VirtualService {}/bad", namespace.0);
    assert!(problems.contains(&bad), "{problems}");
    assert!(!problems.contains(&format!("VirtualService {}/good: needs", namespace.0)));
    if !installed {
        kubectl(&["delete", "customresourcedefinition", crd], "");
        let gone = |page: &Value| !named(page, "good") && !named(page, "bad");
        reading.pilot.page("/debug/configz", gone).await;
    }
}
