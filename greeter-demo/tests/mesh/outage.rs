//! Parts of the mesh go away and come back while requests flow.

use std::time::{Duration, Instant};

use super::harness::{GREETER, ISTIO_MESH, Mesh, Pod, eventually};
use super::host;
use super::traffic::{EndsWith, Flow, Traffic};

const APP: &str = "k8s-combat-service";
const TARGET: &str = "k8s-combat-service:50051";
const SYSTEM: &str = "istio-system";

fn only(mut pods: Vec<Pod>) -> Result<Pod, String> {
    match (pods.len(), pods.pop()) {
        (1, Some(pod)) => Ok(pod),
        (count, _) => Err(format!("{count} pods")),
    }
}

/// Kills the program of the deployment's one container; returns once it was started again and is ready.
fn kill_and_see_it_return(mesh: &Mesh, namespace: &str, pod: &Pod, container: &str, program: &str) {
    let app = pod.0["metadata"]["labels"]["app"]
        .as_str()
        .unwrap_or_default();
    let before = pod.restarts(container);
    let pids = host::of_pod(pod.uid(), program);
    assert!(!pids.is_empty(), "{program} runs in {}", pod.name());
    pids.into_iter().for_each(host::kill);
    eventually(&format!("{program} to come back"), || {
        let pods = mesh.pods(namespace, app);
        let same = pods.iter().find(|now| now.uid() == pod.uid());
        let same = same.ok_or("the pod is gone")?;
        match same.restarts(container) {
            n if n > before && same.is_ready() => Ok(()),
            n => Err(format!("{n} restarts, {:?}", same.containers())),
        }
    });
}

/// Deletes the deployment's pod; returns once another one is ready.
fn delete_and_see_another(mesh: &Mesh, app: &str) {
    let before = only(mesh.pods(SYSTEM, app)).expect("one pod");
    mesh.ok(&["delete", "pod", before.name(), "-n", SYSTEM]);
    eventually(&format!("another {app}"), || {
        let now = only(mesh.pods(SYSTEM, app))?;
        if now.uid() != before.uid() && now.is_ready() {
            Ok(())
        } else {
            Err(format!("{} {:?}", now.name(), now.containers()))
        }
    });
}

#[test]
fn no_request_fails_while_the_pilot_and_the_ca_are_gone_and_changes_are_taken_up_afterwards() {
    outages(Mesh::up_and_labelled("outage"), Duration::ZERO);
}

#[test]
fn none_fails_on_our_own_data_plane_either_though_they_are_gone_for_minutes() {
    outages(Mesh::up_on_our_own("outage-own").labelled(), MINUTES);
}

/// How long nobody is there who could answer a proxy.
const MINUTES: Duration = Duration::from_secs(2 * 60);

/// Both parts at once are not there for so long.
fn gone(mesh: &Mesh, traffic: &Traffic<'_>, long: Duration) {
    let scaled = |replicas: &str, count: usize| {
        for app in ["istiod", "ca"] {
            let deployment = format!("deployment/{app}");
            mesh.ok(&["scale", &deployment, "--replicas", replicas, "-n", SYSTEM]);
        }
        for app in ["istiod", "ca"] {
            mesh.ready(SYSTEM, app, count, 1);
        }
    };
    scaled("0", 0);
    let end = Instant::now() + long;
    while Instant::now() < end {
        traffic.goes_on();
    }
    scaled("1", 1);
    traffic.goes_on();
}

fn outages(mesh: Mesh, long: Duration) {
    mesh.applied(GREETER);
    let pods = mesh.ready("default", APP, 3, 2);
    mesh.balanced(&pods[0], APP, TARGET, 3);
    let flow = Flow::default();
    let report = std::thread::scope(|scope| {
        let _ends = EndsWith(&flow);
        let traffic = Traffic::begin(scope, &flow, &mesh, &pods[0], APP, TARGET);
        for (app, container, program) in [("istiod", "discovery", "pilot"), ("ca", "ca", "ca")] {
            delete_and_see_another(&mesh, app);
            traffic.goes_on();
            let pod = only(mesh.pods(SYSTEM, app)).expect("one pod");
            kill_and_see_it_return(&mesh, SYSTEM, &pod, container, program);
            traffic.goes_on();
        }
        if !long.is_zero() {
            gone(&mesh, &traffic, long);
        }
        traffic.end()
    });
    assert_eq!(report.failed(), 0, "{report:?}");
    assert_eq!(report.answers.len(), 3, "{report:?}");

    // A pod that starts now gets its certificate from the new ca, and the others learn of it.
    mesh.ok(&["scale", "deployment/k8s-combat-service", "--replicas", "4"]);
    let pods = mesh.ready("default", APP, 4, 2);
    mesh.balanced(&pods[0], APP, TARGET, 4);
    // And so is configuration of a new kind.
    mesh.applied(ISTIO_MESH);
    mesh.ready("default", "k8s-combat-service-v2", 1, 2);
    eventually("the route by header", || {
        let arguments = [
            "--requests",
            "20",
            "--metadata",
            "version=200",
            "k8s-combat-service-istio-mesh:50051",
        ];
        let report = mesh.greet("default", &pods[0], APP, &arguments);
        let v2 = |pod: &String| pod.starts_with("k8s-combat-service-v2-");
        let all = report.answered() == 20 && report.answers.keys().all(v2);
        if all {
            Ok(())
        } else {
            Err(format!("{report:?}"))
        }
    });
}

#[test]
fn pods_wait_for_an_injector_that_is_gone_and_nobody_else_does() {
    const INJECTOR: &str = "istio-sidecar-injector";
    let mesh = Mesh::up_on_our_own("outage-injector").labelled();
    mesh.applied(GREETER);
    let pods = mesh.ready("default", APP, 3, 2);
    mesh.balanced(&pods[0], APP, TARGET, 3);
    let flow = Flow::default();
    let report = std::thread::scope(|scope| {
        let _ends = EndsWith(&flow);
        let traffic = Traffic::begin(scope, &flow, &mesh, &pods[0], APP, TARGET);
        // Killed, it is back before anybody noticed.
        let injector = only(mesh.pods(SYSTEM, INJECTOR)).expect("one pod");
        kill_and_see_it_return(&mesh, SYSTEM, &injector, "injector", "injector");
        traffic.goes_on();

        let scaled = |deployment: &str, replicas: &str, namespace: &str| {
            let deployment = format!("deployment/{deployment}");
            mesh.ok(&[
                "scale",
                &deployment,
                "--replicas",
                replicas,
                "-n",
                namespace,
            ]);
        };
        scaled(INJECTOR, "0", SYSTEM);
        mesh.ready(SYSTEM, INJECTOR, 0, 1);
        scaled(APP, "5", "default");
        eventually("the word about the webhook", || {
            let events = mesh.ok(&["get", "events"]);
            let said = "Error creating: Internal error occurred: failed calling webhook \
                        \"namespace.sidecar-injector.istio.io\"";
            let told = events.lines().find(|event| event.contains(said));
            told.map(drop).ok_or(events.clone())
        });
        // What no webhook selects is made meanwhile.
        mesh.applied(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: meanwhile}, data: {a: b}}",
        );
        assert_eq!(mesh.pods("default", APP).len(), 3);
        traffic.goes_on();

        scaled(INJECTOR, "1", SYSTEM);
        mesh.ready(SYSTEM, INJECTOR, 1, 1);
        mesh.ready("default", APP, 5, 2);
        traffic.goes_on();
        traffic.end()
    });
    assert_eq!(report.failed(), 0, "{report:?}");
    mesh.balanced(&pods[0], APP, TARGET, 5);
}

#[test]
fn traffic_goes_on_when_a_greeter_is_killed_and_the_replica_comes_back() {
    survives_a_killed_greeter(&Mesh::up_and_labelled("killed"));
}

#[test]
fn it_goes_on_likewise_on_our_own_data_plane() {
    survives_a_killed_greeter(&Mesh::up_on_our_own("killed-own").labelled());
}

fn survives_a_killed_greeter(mesh: &Mesh) {
    mesh.applied(GREETER);
    let pods = mesh.ready("default", APP, 3, 2);
    mesh.balanced(&pods[0], APP, TARGET, 3);
    let flow = Flow::default();
    let report = std::thread::scope(|scope| {
        let _ends = EndsWith(&flow);
        let traffic = Traffic::begin(scope, &flow, mesh, &pods[0], APP, TARGET);
        let victims = mesh.pods("default", APP);
        let victim = victims
            .iter()
            .find(|pod| pod.name() == pods[1])
            .expect("it is there");
        kill_and_see_it_return(mesh, "default", victim, APP, "greeter");
        traffic.goes_on();
        traffic.end()
    });
    // Four at a time are under way, each may be tried on the dying pod before that is known.
    assert!(report.failed() * 50 < report.answered(), "{report:?}");

    mesh.balanced(&pods[0], APP, TARGET, 3);
}
