//! Parts of the mesh disagree about the time while requests flow.

use super::clock;
use super::harness::{GREETER, Mesh, eventually};
use super::host;
use super::traffic::{EndsWith, Flow, Traffic};

const APP: &str = "k8s-combat-service";
const TARGET: &str = "k8s-combat-service:50051";
const SYSTEM: &str = "istio-system";
const HOUR: i32 = 3600;

/// Every program of the application's pods.
const ALL: &str = "";

fn set(mesh: &Mesh, namespace: &str, app: &str, program: &str, ahead: i32) {
    let pids: Vec<i32> = mesh
        .pods(namespace, app)
        .iter()
        .flat_map(|pod| host::of_pod(pod.uid(), program))
        .collect();
    assert!(!pids.is_empty(), "{program} runs");
    pids.into_iter().for_each(|pid| clock::set(pid, ahead));
}

fn scale(mesh: &Mesh, replicas: usize) {
    let replicas = replicas.to_string();
    let deployment = format!("deployment/{APP}");
    mesh.ok(&["scale", &deployment, "--replicas", &replicas]);
}

#[test]
fn clocks_a_minute_apart_cost_nothing_and_an_hour_costs_new_pods_alone() {
    disagree(Mesh::up_and_labelled("skew"));
}

#[test]
fn the_same_holds_on_our_own_data_plane() {
    disagree(Mesh::up_on_our_own("skew-own").labelled());
}

fn disagree(mesh: Mesh) {
    mesh.applied(GREETER);
    let pods = mesh.ready("default", APP, 3, 2);
    mesh.balanced(&pods[0], APP, TARGET, 3);
    let flow = Flow::default();
    let report = std::thread::scope(|scope| {
        let _ends = EndsWith(&flow);
        let traffic = Traffic::begin(scope, &flow, &mesh, &pods[0], APP, TARGET);

        // The pods that are there believe it is a minute earlier than the ca, which gives the next one its certificate.
        set(&mesh, SYSTEM, "ca", "ca", 30);
        set(&mesh, SYSTEM, "istiod", "pilot", -20);
        set(&mesh, "default", APP, ALL, -30);
        traffic.goes_on();
        scale(&mesh, 4);
        mesh.ready("default", APP, 4, 2);
        set(&mesh, "default", APP, ALL, 0);
        set(&mesh, SYSTEM, "istiod", "pilot", 0);

        for (replicas, ahead, told) in
            [(5, HOUR, "compare the clocks"), (6, -HOUR, "not valid yet")]
        {
            set(&mesh, SYSTEM, "ca", "ca", ahead);
            scale(&mesh, replicas);
            eventually("the word about the clocks", || {
                let pods = mesh.pods("default", APP);
                let waiting = pods.iter().find(|pod| !pod.is_ready()).ok_or("all ready")?;
                let log = mesh.lateen(&["logs", waiting.name(), "-c", "istio-proxy"]);
                match log.stdout.contains(told) {
                    true => Ok(()),
                    false => Err(log.stdout),
                }
            });
            traffic.goes_on();
            set(&mesh, SYSTEM, "ca", "ca", 0);
            mesh.ready("default", APP, replicas, 2);
        }
        traffic.end()
    });
    assert_eq!(report.failed(), 0, "{report:?}");
    mesh.balanced(&pods[0], APP, TARGET, 6);
}
