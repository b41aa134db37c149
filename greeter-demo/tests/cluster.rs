//! The article on a real Kubernetes cluster, by kubectl: install, label, deploy, 2/2, balanced, the access log, routes; and
//! the injector gone and back. KUBECONFIG names the cluster, which must be able to pull the images of the manifests; the
//! test installs the mesh and takes it away again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

const SYSTEM: &str = "istio-system";
const NAMESPACE: &str = "lateen-article";
const APP: &str = "k8s-combat-service";
const PATIENCE: Duration = Duration::from_secs(120);

/// What it printed, and whether it succeeded.
fn kubectl(arguments: &[&str]) -> (bool, String) {
    let output = Command::new("kubectl")
        .args(arguments)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("kubectl is installed");
    let printed = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&printed).into_owned(),
    )
}

fn ok(arguments: &[&str]) -> String {
    let (success, printed) = kubectl(arguments);
    assert!(success, "kubectl {}: {printed}", arguments.join(" "));
    printed
}

fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(seen) => assert!(Instant::now() < deadline, "waited for {what}; last: {seen}"),
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn rolled_out(namespace: &str, deployment: &str) {
    let deployment = format!("deployment/{deployment}");
    ok(&[
        "rollout",
        "status",
        &deployment,
        "-n",
        namespace,
        "--timeout=120s",
    ]);
}

/// The application's pods, by whether all their containers are ready, with how many these are.
fn pods(app: &str) -> Vec<(String, usize, bool)> {
    let label = format!("app={app}");
    let printed = ok(&["get", "pods", "-n", NAMESPACE, "-l", &label, "-o", "json"]);
    let list: Value = serde_json::from_str(&printed).expect("kubectl prints JSON");
    let pods = list["items"].as_array().cloned().unwrap_or_default();
    pods.iter()
        .map(|pod| {
            // A native sidecar is among the init containers, one that has ended is not running.
            let statuses = ["containerStatuses", "initContainerStatuses"]
                .into_iter()
                .filter_map(|list| pod["status"][list].as_array())
                .flatten()
                .filter(|status| status["state"].get("terminated").is_none());
            let ready: Vec<bool> = statuses.map(|status| status["ready"] == true).collect();
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            (name.to_owned(), ready.len(), ready.iter().all(|one| *one))
        })
        .collect()
}

fn ready(app: &str, replicas: usize) -> Vec<String> {
    eventually(&format!("{replicas} pods of {app}, 2/2"), || {
        let pods = pods(app);
        let all = pods
            .iter()
            .all(|(_, containers, ready)| *containers == 2 && *ready);
        match all && pods.len() == replicas {
            true => Ok(pods.into_iter().map(|(name, ..)| name).collect()),
            false => Err(format!("{pods:?}")),
        }
    })
}

/// Who answered, by the client's table, and its last line.
fn greet(pod: &str, arguments: &[&str]) -> (BTreeMap<String, u64>, String) {
    let mut command = vec![
        "exec",
        pod,
        "-n",
        NAMESPACE,
        "-c",
        APP,
        "--",
        "/usr/local/bin/greeter-client",
    ];
    command.extend(arguments);
    let (_, printed) = kubectl(&command);
    let answers = printed
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
        })
        .filter(|(pod, _)| pod.starts_with(APP))
        .collect();
    (answers, printed)
}

fn balanced(pods: &[String]) {
    eventually("requests on all pods", || {
        let (answers, printed) = greet(&pods[0], &["--requests", "300", &format!("{APP}:50051")]);
        let spread = answers
            .values()
            .all(|answers| *answers >= 300 / pods.len() as u64 / 3);
        let whole = printed.contains("300 answers, 0 errors");
        match spread && whole && answers.len() == pods.len() {
            true => Ok(()),
            false => Err(printed),
        }
    });
}

/// Takes away what the test made, however it ends.
struct Installed;

impl Drop for Installed {
    fn drop(&mut self) {
        // The webhook first: nobody must wait for an injector that goes.
        let webhook = "mutatingwebhookconfiguration/istio-sidecar-injector";
        for arguments in [
            &["delete", "namespace", NAMESPACE, "--ignore-not-found"][..],
            &["delete", webhook, "--ignore-not-found"],
            &[
                "delete",
                "-k",
                "manifests/profiles/demo",
                "--ignore-not-found",
            ],
        ] {
            let (success, printed) = kubectl(arguments);
            if !success {
                eprintln!("{printed}");
            }
        }
    }
}

#[test]
fn the_article_runs_as_written() {
    let _installed = Installed;
    ok(&["apply", "-k", "manifests/profiles/demo"]);
    for deployment in [
        "ca",
        "istiod",
        "istio-sidecar-injector",
        "istio-ingressgateway",
    ] {
        rolled_out(SYSTEM, deployment);
    }
    ok(&["create", "namespace", NAMESPACE]);
    ok(&["label", "namespace", NAMESPACE, "istio-injection=enabled"]);
    let article = "greeter-demo/manifests/deployment-istio.yaml";
    ok(&["apply", "-n", NAMESPACE, "-f", article]);
    let greeters = ready(APP, 3);
    balanced(&greeters);
    let log = ok(&["logs", &greeters[0], "-n", NAMESPACE, "-c", "istio-proxy"]);
    let line = "\"POST /helloworld.Greeter/SayHello HTTP/2\" 200 - via_upstream - \"-\"";
    assert!(log.contains(line), "{log}");

    // Applied again, nothing that runs is disturbed, the webhooks' roots included.
    ok(&["apply", "-k", "manifests/profiles/demo"]);
    ok(&[
        "apply",
        "-n",
        NAMESPACE,
        "-f",
        "greeter-demo/manifests/istio-mesh.yaml",
    ]);
    for version in ["v1", "v2"] {
        let app = format!("{APP}-{version}");
        rolled_out(NAMESPACE, &app);
        eventually(&format!("the route to {version}"), || {
            let metadata = if version == "v1" {
                "version=100"
            } else {
                "version=200"
            };
            let target = format!("{APP}-istio-mesh:50051");
            let arguments = ["--requests", "20", "--metadata", metadata, &target];
            let (answers, printed) = greet(&greeters[0], &arguments);
            let routed = answers.keys().all(|pod| pod.starts_with(&app));
            match routed && printed.contains("20 answers, 0 errors") {
                true => Ok(()),
                false => Err(printed),
            }
        });
    }

    // Without the injector no pod of the namespace is made, with it they come.
    let injector = "deployment/istio-sidecar-injector";
    ok(&["scale", injector, "-n", SYSTEM, "--replicas=0"]);
    eventually("the injector to go", || {
        let left = ok(&[
            "get",
            "endpointslices",
            "-n",
            SYSTEM,
            "-l",
            "kubernetes.io/service-name=istio-sidecar-injector",
            "-o",
            "jsonpath={.items[*].endpoints[*].addresses}",
        ]);
        left.is_empty().then_some(()).ok_or(left)
    });
    let greeter = format!("deployment/{APP}");
    ok(&["scale", &greeter, "-n", NAMESPACE, "--replicas=4"]);
    eventually("the word about the webhook", || {
        let events = ok(&["get", "events", "-n", NAMESPACE]);
        let said = "failed calling webhook \"namespace.sidecar-injector.istio.io\"";
        events.contains(said).then_some(()).ok_or(events)
    });
    assert_eq!(pods(APP).len(), 3);
    ok(&["scale", injector, "-n", SYSTEM, "--replicas=1"]);
    rolled_out(SYSTEM, "istio-sidecar-injector");
    // A ReplicaSet that was refused waits longer each time.
    balanced(&ready(APP, 4));
}
