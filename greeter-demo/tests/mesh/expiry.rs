//! The root certificate nears its end, and passes it, while requests flow.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use ca::root::{Renewal, RootDirectory};

use super::harness::{GREETER, Mesh, eventually};
use super::traffic::{EndsWith, Flow, Traffic};

const APP: &str = "k8s-combat-service";
const TARGET: &str = "k8s-combat-service:50051";
const SYSTEM: &str = "istio-system";
/// What is left of the root when the test begins; renewed with a fifth of it to go.
const LEFT: Duration = Duration::from_secs(30);

/// Where the mesh's ca keeps its root, on this machine.
fn kept(mesh: &Mesh) -> RootDirectory {
    RootDirectory {
        path: PathBuf::from(format!("/run/lateen/{}/node/var/lib/lateen/ca", mesh.name)),
        trust_domain: "cluster.local".parse().expect("a trust domain"),
        renewal: Renewal::default(),
    }
}

/// Gives the root so little time as if it had been made years ago, and lets everything start with that.
fn age(mesh: &Mesh) -> SystemTime {
    let directory = kept(mesh);
    let root = directory.open(SystemTime::now()).expect("a root");
    let old = root.renewed(LEFT, SystemTime::now()).expect("an old form");
    for file in ["ca-cert.pem", "root-cert.pem"] {
        fs::write(directory.path.join(file), old.pem()).expect("the test is root");
    }
    for deployment in ["deployment/ca", "deployment/istiod"] {
        mesh.ok(&["rollout", "restart", deployment, "-n", SYSTEM]);
        mesh.ok(&["rollout", "status", deployment, "-n", SYSTEM]);
    }
    old.validity().not_after
}

#[test]
fn no_request_fails_as_the_root_nears_its_end_and_passes_it() {
    passes_its_end(&Mesh::up("expiry"));
}

#[test]
fn none_fails_on_our_own_data_plane_either_as_the_root_passes_its_end() {
    passes_its_end(&Mesh::up_on_our_own("expiry-own"));
}

fn passes_its_end(mesh: &Mesh) {
    mesh.ok(&["label", "namespace", "default", "istio-injection=enabled"]);
    let end = age(mesh);
    mesh.applied(GREETER);
    let pods = mesh.ready("default", APP, 3, 2);
    mesh.balanced(&pods[0], APP, TARGET, 3);
    assert!(SystemTime::now() < end, "too slow to see anything");
    let flow = Flow::default();
    let report = std::thread::scope(|scope| {
        let _ends = EndsWith(&flow);
        let traffic = Traffic::begin(scope, &flow, mesh, &pods[0], APP, TARGET);
        let limit = Instant::now() + LEFT + Duration::from_secs(10);
        while SystemTime::now() < end + Duration::from_secs(5) {
            assert!(Instant::now() < limit);
            traffic.goes_on();
        }
        traffic.end()
    });
    assert_eq!(report.failed(), 0, "{report:?}");
    assert_eq!(report.answers.len(), 3, "{report:?}");
    let now = kept(mesh).open(SystemTime::now()).expect("a root");
    assert!(now.validity().not_after > end + Duration::from_secs(3600));
    let map = mesh.json(&["get", "configmap", "istio-ca-root-cert", "-o", "json"]);
    assert_eq!(map["data"]["root-cert.pem"], now.pem());
    // Whoever starts now knows only the new form, those who run may know the old one.
    mesh.ok(&["scale", "deployment/k8s-combat-service", "--replicas", "4"]);
    mesh.ready("default", APP, 4, 2);
    eventually("all four to answer", || {
        let report = mesh.greet("default", &pods[0], APP, &["--requests", "60", TARGET]);
        match report.answers.len() == 4 && report.failed() == 0 {
            true => Ok(()),
            false => Err(format!("{report:?}")),
        }
    });
}
