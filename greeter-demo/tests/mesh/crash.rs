//! A proxy that ends again and again.

use super::harness::{GREETER, Mesh, eventually};
use super::host;
use super::traffic::{EndsWith, Flow, Traffic};

const APP: &str = "k8s-combat-service";
const TARGET: &str = "k8s-combat-service:50051";

/// The greeter with a setting that its proxies refuse, which then end.
fn with_a_broken_proxy() -> String {
    let template = "    metadata:\n      labels:";
    let annotated = "    metadata:\n      annotations:\n        proxy.istio.io/config: '{\"proxyMetadata\": {\"SECRET_TTL\": \"soon\"}}'\n      labels:";
    assert_eq!(GREETER.matches(template).count(), 1, "its pod template");
    GREETER.replace(template, annotated)
}

#[test]
fn a_version_whose_proxy_crashes_is_not_rolled_out_and_says_why_and_costs_nothing() {
    let mesh = Mesh::up_on_our_own("crash").labelled();
    mesh.applied(GREETER);
    let pods = mesh.ready("default", APP, 3, 2);
    mesh.balanced(&pods[0], APP, TARGET, 3);
    let flow = Flow::default();
    let report = std::thread::scope(|scope| {
        let _ends = EndsWith(&flow);
        let traffic = Traffic::begin(scope, &flow, &mesh, &pods[0], APP, TARGET);
        mesh.applied(&with_a_broken_proxy());
        let crashing = eventually("the new pod's proxy to crash", || {
            let shown = mesh.ok(&["get", "pods"]);
            let line = shown
                .lines()
                .find(|line| line.contains("Init:CrashLoopBackOff"));
            line.and_then(|line| line.split_whitespace().next())
                .map(str::to_owned)
                .ok_or(shown.clone())
        });
        let log = mesh.ok(&["logs", &crashing, "-c", "istio-proxy"]);
        assert!(log.contains("SECRET_TTL") || log.contains("soon"), "{log}");
        traffic.goes_on();
        // The others are there still, and none of them has got less ready.
        let now = mesh.pods("default", APP);
        let former = now
            .iter()
            .filter(|pod| pods.iter().any(|p| p == pod.name()));
        assert!(former.clone().count() == 3 && former.clone().all(|pod| pod.is_ready()));
        mesh.applied(GREETER);
        let after = mesh.ready("default", APP, 3, 2);
        assert!(!after.contains(&crashing), "{after:?}");
        traffic.goes_on();
        traffic.end()
    });
    assert_eq!(report.failed(), 0, "{report:?}");
}

#[test]
fn a_proxy_that_is_killed_again_and_again_costs_its_own_pod_and_no_other() {
    let mesh = Mesh::up_on_our_own("killed-proxy").labelled();
    mesh.applied(GREETER);
    let pods = mesh.ready("default", APP, 3, 2);
    mesh.balanced(&pods[0], APP, TARGET, 3);
    let flow = Flow::default();
    let report = std::thread::scope(|scope| {
        let _ends = EndsWith(&flow);
        let traffic = Traffic::begin(scope, &flow, &mesh, &pods[0], APP, TARGET);
        let victim = |name: &str| {
            let all = mesh.pods("default", APP);
            all.into_iter().find(|pod| pod.name() == name)
        };
        let uid = victim(&pods[1]).expect("it is there").uid().to_owned();
        for _ in 0..3 {
            let proxies = eventually("its proxy to run", || {
                match host::of_pod(&uid, "pilot-agent") {
                    pids if pids.is_empty() => Err("none".to_owned()),
                    pids => Ok(pids),
                }
            });
            proxies.into_iter().for_each(host::kill);
            traffic.goes_on();
        }
        let waiting = eventually("its proxy to wait", || {
            let shown = mesh.ok(&["get", "pods", &pods[1]]);
            match shown.contains("CrashLoopBackOff") {
                true => Ok(shown),
                false => Err(shown),
            }
        });
        assert!(waiting.contains("1/2"), "{waiting}");
        traffic.goes_on();
        let back = mesh.ready("default", APP, 3, 2);
        assert!(back.contains(&pods[1]), "{back:?}");
        traffic.end()
    });
    // Four at a time are under way, each may meet the dead proxy once a kill before its caller knows.
    assert!(report.failed() <= 12, "{report:?}");
    mesh.balanced(&pods[0], APP, TARGET, 3);
}
