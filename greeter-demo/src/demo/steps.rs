//! The demonstration's steps, in order.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::access_log::{is_inbound, is_mutual_tls};
use super::command::{DemoError, Lateen};
use super::{Demo, Outcome, REPLICAS};
use crate::report::Report;

const DEPLOYMENT: &str = "k8s-combat-service";
const TARGET: &str = "k8s-combat-service:50051";
/// How long pods may take to become ready, and a balanced run to be seen.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(100);
/// Requests of a run that only looks whether all replicas answer yet.
const WINDOW: u64 = 30;

/// Runs the demonstration and removes what it started, also when it fails or is interrupted.
///
/// # Errors
/// [`DemoError`] says which step failed and why.
pub async fn run(demo: &Demo) -> Result<Outcome, DemoError> {
    let name = format!("demo-{}", std::process::id());
    let lateen = Lateen::new(demo.lateen.clone(), name.clone());
    let outcome = tokio::select! {
        outcome = steps(demo, &lateen) => outcome,
        () = interrupted() => Err(DemoError::Interrupted),
    };
    if demo.keep && outcome.is_ok() {
        let program = lateen.program();
        println!(
            "\nThe mesh stays up. To look around:\n\n  alias lateen-demo='sudo {program} local --name {name}'\n  lateen-demo get pods\n\nand to remove it:\n\n  lateen-demo down"
        );
        return outcome;
    }
    let removed = lateen.output(&["down"]).await;
    // The first error is the one that explains the other.
    let outcome = outcome?;
    removed?;
    println!("\nRemoved the mesh: no process, namespace, mount or file of it is left.");
    Ok(outcome)
}

async fn interrupted() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn steps(demo: &Demo, lateen: &Lateen) -> Result<Outcome, DemoError> {
    let manifest = demo.manifest.to_string_lossy().into_owned();
    let requests = demo.requests.to_string();
    lateen.up(&demo.images, demo.envoy.as_deref()).await?;

    println!("\n== Without a mesh ==");
    lateen.show(&["apply", "-f", &manifest]).await?;
    let pods = ready_pods(lateen, "1/1").await?;
    lateen.show(&["get", "pods"]).await?;
    let without_mesh = greet(lateen, first(&pods), &requests, Shown::Yes).await?;

    println!("\n== With the mesh ==");
    lateen
        .show(&["label", "namespace", "default", "istio-injection=enabled"])
        .await?;
    let restarted = Instant::now();
    lateen
        .show(&["rollout", "restart", &format!("deployment/{DEPLOYMENT}")])
        .await?;
    let seconds_to_first_balanced = first_balanced(lateen, restarted).await?;
    let pods = ready_pods(lateen, "2/2").await?;
    lateen.show(&["get", "pods"]).await?;
    let before = inbound_entries(lateen, &pods).await?;
    let with_mesh = greet(lateen, first(&pods), &requests, Shown::Yes).await?;
    let mtls = all_mutual_tls(lateen, &pods, &before, demo.requests).await?;

    println!("\n== The last request in each sidecar's access log ==");
    for pod in &pods {
        let log = sidecar_log(lateen, pod).await?;
        println!("\n$ lateen local logs {pod} -c istio-proxy | grep ' inbound|' | tail -n 1");
        match log.lines().rfind(|line| is_inbound(line)) {
            Some(line) => println!("{line}"),
            None => println!("(no request yet)"),
        }
    }
    let outcome = Outcome {
        without_mesh,
        with_mesh,
        mtls,
        seconds_to_first_balanced,
    };
    println!("\n== In short: one connection, {requests} requests ==\n\n{outcome}");
    Ok(outcome)
}

/// The deployment's pods that are not going away, with the READY column each has.
async fn pods(lateen: &Lateen) -> Result<Vec<(String, String)>, DemoError> {
    let list: Value = lateen.json(&["get", "pods", "-o", "json"]).await?;
    let items = list.get("items").and_then(Value::as_array);
    Ok(items
        .into_iter()
        .flatten()
        .filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none())
        .filter_map(|pod| {
            let name = pod.pointer("/metadata/name")?.as_str()?.to_owned();
            Some((name, readiness(pod)))
        })
        .collect())
}

/// `READY/CONTAINERS`, native sidecars counted, as kubectl shows it.
fn readiness(pod: &Value) -> String {
    let array = |path: &str| {
        pod.pointer(path)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let sidecars: Vec<&Value> = array("/spec/initContainers")
        .filter(|c| c.get("restartPolicy").and_then(Value::as_str) == Some("Always"))
        .filter_map(|c| c.get("name"))
        .collect();
    let total = array("/spec/containers").count() + sidecars.len();
    let ready = array("/status/containerStatuses")
        .chain(
            array("/status/initContainerStatuses")
                .filter(|s| s.get("name").is_some_and(|n| sidecars.contains(&n))),
        )
        .filter(|s| s.get("ready").and_then(Value::as_bool) == Some(true))
        .count();
    format!("{ready}/{total}")
}

/// Waits until exactly the wanted replicas are there and each shows `ready`.
async fn ready_pods(lateen: &Lateen, ready: &str) -> Result<Vec<String>, DemoError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let pods = pods(lateen).await?;
        if pods.len() == REPLICAS && pods.iter().all(|(_, r)| r == ready) {
            return Ok(pods.into_iter().map(|(name, _)| name).collect());
        }
        if Instant::now() > deadline {
            let seen: Vec<String> = pods.iter().map(|(n, r)| format!("{n} {r}")).collect();
            return Err(timeout(&format!(
                "{REPLICAS} pods {ready}; there are: {}",
                seen.join(", ")
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Seconds from `start` to the end of the first short run that every replica had a part in.
async fn first_balanced(lateen: &Lateen, start: Instant) -> Result<f64, DemoError> {
    loop {
        if start.elapsed() > PATIENCE {
            return Err(timeout("a run that all replicas answer"));
        }
        let pods = pods(lateen).await?;
        let meshed = pods.iter().find(|(_, ready)| ready == "2/2");
        if let Some((pod, _)) = meshed {
            let window = greet(lateen, pod, &WINDOW.to_string(), Shown::No).await;
            // The pods without a sidecar are balanced to as well until they are replaced: they do not count.
            let balanced = |answers: &BTreeMap<String, u64>| {
                let answered = |(name, ready): &&(String, String)| {
                    ready == "2/2" && answers.contains_key(name)
                };
                pods.iter().filter(answered).count() >= REPLICAS
            };
            // Pods come and go at this point: a failed run only means "not yet".
            if window.is_ok_and(|answers| balanced(&answers)) {
                return Ok(start.elapsed().as_secs_f64());
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

enum Shown {
    Yes,
    No,
}

/// Sends `requests` over one connection from inside `pod`.
async fn greet(
    lateen: &Lateen,
    pod: &str,
    requests: &str,
    shown: Shown,
) -> Result<BTreeMap<String, u64>, DemoError> {
    let client = "/usr/local/bin/greeter-client";
    let words = [
        "exec",
        pod,
        "-c",
        DEPLOYMENT,
        "--",
        client,
        "--requests",
        requests,
        "--connections",
        "1",
        TARGET,
    ];
    if matches!(shown, Shown::Yes) {
        println!("\n$ lateen local {}", words.join(" "));
    }
    let mut with_json = words.to_vec();
    with_json.push("--json");
    let report: Report = lateen.json(&with_json).await?;
    if matches!(shown, Shown::Yes) {
        println!("{report}");
    }
    Ok(report.answers)
}

async fn sidecar_log(lateen: &Lateen, pod: &str) -> Result<String, DemoError> {
    lateen.output(&["logs", pod, "-c", "istio-proxy"]).await
}

/// How many inbound entries each sidecar has logged so far.
async fn inbound_entries(
    lateen: &Lateen,
    pods: &[String],
) -> Result<BTreeMap<String, usize>, DemoError> {
    let mut counts = BTreeMap::new();
    for pod in pods {
        let log = sidecar_log(lateen, pod).await?;
        let entries = log.lines().filter(|line| is_inbound(line)).count();
        counts.insert(pod.clone(), entries);
    }
    Ok(counts)
}

/// Whether all `requests` after `before` are in the inbound logs, each over mutual TLS. Envoy writes
/// its log within a second or so: it is waited for.
async fn all_mutual_tls(
    lateen: &Lateen,
    pods: &[String],
    before: &BTreeMap<String, usize>,
    requests: u64,
) -> Result<bool, DemoError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut logged = 0;
        let mut mutual = 0;
        for pod in pods {
            let log = sidecar_log(lateen, pod).await?;
            let skipped = before.get(pod).copied().unwrap_or(0);
            for line in log.lines().filter(|l| is_inbound(l)).skip(skipped) {
                logged += 1;
                mutual += u64::from(is_mutual_tls(line));
            }
        }
        if logged >= requests {
            return Ok(mutual == logged);
        }
        if Instant::now() > deadline {
            return Err(timeout(&format!(
                "{requests} entries in the sidecars' access logs; {logged} are there"
            )));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn first(pods: &[String]) -> &str {
    pods.first().map_or("", String::as_str)
}

fn timeout(what: &str) -> DemoError {
    DemoError::Timeout {
        what: what.to_owned(),
        seconds: PATIENCE.as_secs(),
    }
}
