//! Pods are replaced, and killed, while requests flow from a pod that stays.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::harness::{GREETER, Mesh, Report, eventually};
use super::host;
use super::traffic::{EndsWith, Flow, Traffic};

const APP: &str = "k8s-combat-service";
const TARGET: &str = "k8s-combat-service:50051";

/// A pod that only asks.
const CALLER: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: caller
  namespace: default
  labels:
    app: caller
spec:
  containers:
    - name: client
      image: crossoverjie/k8s-combat:istio
";

/// What became of the requests while something happened.
fn during(mesh: &Mesh, event: impl FnOnce(&Mesh, &[String])) -> Report {
    mesh.applied(GREETER);
    mesh.applied(CALLER);
    let pods = mesh.ready("default", APP, 3, 2);
    mesh.ready("default", "caller", 1, 2);
    mesh.balanced("caller", "client", TARGET, 3);
    let flow = Flow::default();
    std::thread::scope(|scope| {
        let _ends = EndsWith(&flow);
        let traffic = Traffic::begin(scope, &flow, mesh, "caller", "client", TARGET);
        event(mesh, &pods);
        traffic.goes_on();
        traffic.end()
    })
}

/// An Envoy loses what has come since it was drained when its agent ends it, a request in about every second run.
#[test]
fn a_rolling_restart_loses_no_request() {
    let mesh = Mesh::up_on_our_own("rollout").labelled();
    let report = during(&mesh, |mesh, before| {
        mesh.ok(&["rollout", "restart", "deployment/k8s-combat-service"]);
        mesh.ok(&["rollout", "status", "deployment/k8s-combat-service"]);
        eventually("the former pods to be gone", || {
            let now = mesh.ready("default", APP, 3, 2);
            match now.iter().any(|pod| before.contains(pod)) {
                true => Err(format!("{now:?}")),
                false => Ok(()),
            }
        });
    });
    let troubled = mesh.troubled("caller");
    assert_eq!(report.failed(), 0, "{report:?}\n{}", troubled.join("\n"));
    assert!(report.answers.len() > 3, "former and new pods: {report:?}");
}

#[test]
fn a_pod_killed_with_its_sidecar_costs_a_handful_of_requests_on_envoy() {
    kills(&Mesh::up_and_labelled("sigkill"));
}

#[test]
fn a_pod_killed_with_its_sidecar_costs_no_more_on_our_own_data_plane() {
    kills(&Mesh::up_on_our_own("sigkill-own").labelled());
}

fn kills(mesh: &Mesh) {
    let report = during(mesh, |mesh, pods| {
        let find = || {
            let all = mesh.pods("default", APP);
            all.into_iter().find(|pod| pod.name() == pods[0])
        };
        let victim = find().expect("it is there");
        // An Envoy is a process of its own, our data plane is the agent's.
        let processes = ["greeter", "pilot-agent", "envoy"].map(|p| host::of_pod(victim.uid(), p));
        assert!(!processes[0].is_empty() && !processes[1].is_empty());
        for pid in processes.concat() {
            // Some end with those before them.
            let _ended = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        eventually("the pod to come back", || {
            let now = find().ok_or("it is gone")?;
            match now.restarts(APP) > victim.restarts(APP) && now.is_ready() {
                true => Ok(()),
                false => Err(format!("{:?}", now.containers())),
            }
        });
    });
    // Four requests are under way at a time, on three pods: those on the dead one, and those that meet it before its
    // caller knows.
    assert!(report.failed() <= 8, "{report:?}");
}
