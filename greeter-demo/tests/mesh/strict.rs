//! PeerAuthentication STRICT.

use super::harness::{GREETER, Mesh, Report, eventually};

const APP: &str = "k8s-combat-service";
const TARGET: &str = "k8s-combat-service.default:50051";
const STRICT: &str = "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: default
spec:
  mtls:
    mode: STRICT
";

/// A pod that has a client and no sidecar.
const OUTSIDER: &str = "
apiVersion: v1
kind: Namespace
metadata:
  name: outside
---
apiVersion: v1
kind: Pod
metadata:
  name: outsider
  namespace: outside
  labels:
    app: outsider
spec:
  containers:
    - name: client
      image: crossoverjie/k8s-combat:istio
";

fn from_outside(mesh: &Mesh) -> Report {
    mesh.greet(
        "outside",
        "outsider",
        "client",
        &["--requests", "10", TARGET],
    )
}

#[test]
fn strict_mutual_tls_refuses_a_pod_outside_the_mesh_and_serves_those_inside() {
    refuses_outside_serves_inside(Mesh::up_and_labelled("strict"));
}

#[test]
fn strict_mutual_tls_does_the_same_on_our_own_data_plane() {
    refuses_outside_serves_inside(Mesh::up_on_our_own("strict-own").labelled());
}

fn refuses_outside_serves_inside(mesh: Mesh) {
    mesh.applied(GREETER);
    mesh.applied(OUTSIDER);
    let pods = mesh.ready("default", APP, 3, 2);
    mesh.ready("outside", "outsider", 1, 1);

    eventually("plain text to be served while nothing forbids it", || {
        let report = from_outside(&mesh);
        if report.answered() == 10 {
            Ok(())
        } else {
            Err(format!("{report:?}"))
        }
    });
    mesh.balanced(&pods[0], APP, TARGET, 3);
    mesh.applied(STRICT);
    eventually("the outsider to be refused", || {
        let report = from_outside(&mesh);
        if report.failed() == 10 {
            Ok(())
        } else {
            Err(format!("{report:?}"))
        }
    });
    let inside = mesh.greet("default", &pods[0], APP, &["--requests", "60", TARGET]);
    assert_eq!(
        (inside.failed(), inside.answers.len()),
        (0, 3),
        "{inside:?}"
    );

    mesh.ok(&["delete", "peerauthentication", "default"]);
    eventually("plain text to be served again", || {
        let report = from_outside(&mesh);
        if report.answered() == 10 {
            Ok(())
        } else {
            Err(format!("{report:?}"))
        }
    });
}
