//! The demo application's other manifests: all three probes, asked through the sidecar, and a plain HTTP service.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use super::gateway::curl;
use super::harness::{Mesh, eventually};

const PROBES: &str = include_str!("../../manifests/probe.yaml");
const SERVICE: &str = include_str!("../../manifests/deployment-service.yaml");
const APP: &str = "k8s-combat-service";

#[test]
fn probes_are_answered_through_the_sidecar_where_only_mutual_tls_is_taken() {
    let mesh = Mesh::up_on_our_own("probes");
    mesh.applied(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: probe, labels: {istio-injection: enabled}}\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: probe}\nspec: {mtls: {mode: STRICT}}\n",
    );
    mesh.applied(PROBES);
    let pods = mesh.ready("probe", APP, 2, 2);
    let of = |name: &String| {
        let all = mesh.pods("probe", APP);
        all.into_iter().find(|pod| pod.name() == name)
    };
    // Each is asked every three seconds; three noes would end it.
    std::thread::sleep(std::time::Duration::from_secs(10));
    for name in &pods {
        let pod = of(name).expect("it is there");
        assert_eq!((pod.restarts(APP), pod.is_ready()), (0, true), "{name}");
    }
}

/// `port-forward`, ended when dropped.
struct Forward(Child);

impl Drop for Forward {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_plain_service_is_reached_by_port_forward() {
    let mesh = Mesh::up_on_our_own("service").labelled();
    mesh.applied(SERVICE);
    mesh.ready("default", APP, 2, 2);
    let mut command = mesh.command(&["port-forward", "service/k8s-combat-service", ":8081"]);
    let mut forward = Forward(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("LATEEN_BIN starts"),
    );
    let mut said = String::new();
    // Kept open: it has more to say.
    let mut output = BufReader::new(forward.0.stdout.take().expect("a pipe"));
    output.read_line(&mut said).expect("a line");
    // Forwarding from 127.0.0.1:40001 -> 8081
    let from = said.split_whitespace().nth(2).expect("where").to_owned();
    let url = format!("http://{from}/ping");
    let body = eventually("an answer", || match curl(&[&url])? {
        (200, body) => Ok(body),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(body, "pong");
}
