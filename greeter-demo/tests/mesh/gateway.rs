//! The article's ingress gateway: from this machine, by `curl`, into the mesh.

use std::process::{Command, Stdio};

use super::harness::{ISTIO_MESH, Mesh, Ran, eventually};

const INGRESS: &str = include_str!("../../manifests/istio-ingress-gateway.yaml");
const SYSTEM: &str = "istio-system";
const HOST: &str = "www.service1.io";

/// The port of this machine that leads to a port of the gateway's Service.
fn node_port(mesh: &Mesh, port: u16) -> u16 {
    let service = mesh.json(&[
        "get",
        "service",
        "istio-ingressgateway",
        "-n",
        SYSTEM,
        "-o",
        "json",
    ]);
    let ports = service["spec"]["ports"].as_array().expect("ports");
    let found = ports
        .iter()
        .find(|of| of["port"] == port)
        .expect("the port");
    let number = found["nodePort"].as_u64().expect("a node port");
    u16::try_from(number).expect("a port")
}

/// What `curl` says: the status and the body.
pub(super) fn curl(arguments: &[&str]) -> Result<(u16, String), String> {
    let mut command = Command::new("curl");
    command
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "5",
            "--write-out",
            "\n%{http_code}",
        ])
        .args(arguments)
        .stdin(Stdio::null());
    let ran = Ran::by(&mut command);
    if ran.code != Some(0) {
        return Err(ran.stderr);
    }
    let (body, status) = ran.stdout.rsplit_once('\n').expect("the status");
    Ok((status.parse().expect("a number"), body.to_owned()))
}

fn eventually_answers(wanted: u16, arguments: &[&str]) -> String {
    eventually(&format!("{wanted} to {arguments:?}"), || {
        match curl(arguments)? {
            (status, body) if status == wanted => Ok(body),
            other => Err(format!("{other:?}")),
        }
    })
}

#[test]
fn requests_from_outside_reach_the_subset_by_host_and_no_other_host_is_known() {
    comes_in(
        &Mesh::up_on_our_own("gateway-own").labelled(),
        Sidecars::SeeRequests,
    );
}

#[test]
fn they_come_in_likewise_through_an_envoy() {
    comes_in(&Mesh::up_and_labelled("gateway"), Sidecars::SeeBytes);
}

/// What the sidecars behind the gateway see on a port of undeclared protocol.
#[derive(Clone, Copy, PartialEq)]
enum Sidecars {
    SeeRequests,
    /// An Envoy of upstream lacks Istio's ALPN filter, by which callers say that they speak HTTP.
    SeeBytes,
}

fn comes_in(mesh: &Mesh, sidecars: Sidecars) {
    mesh.applied(ISTIO_MESH);
    mesh.applied(INGRESS);
    for version in ["k8s-combat-service-v1", "k8s-combat-service-v2"] {
        mesh.ready("default", version, 1, 2);
    }
    let port = node_port(mesh, 80);
    let url = format!("http://127.0.0.1:{port}/ping");
    let host = format!("Host: {HOST}");
    assert_eq!(eventually_answers(200, &["--header", &host, &url]), "pong");
    for _ in 0..20 {
        let answer = curl(&["--header", &host, &url]);
        assert_eq!(answer, Ok((200, "pong".to_owned())));
    }
    assert_eq!(curl(&[&url]), Ok((404, String::new())));
    let health = format!("http://127.0.0.1:{}/healthz/ready", node_port(mesh, 15021));
    assert_eq!(curl(&[&health]).map(|(status, _)| status), Ok(200));

    // All went to the one subset, in mutual TLS, and each is in the gateway's log and in the sidecar's.
    let logged = |namespace: &str, app: &str, what: &[&str]| {
        let pods = mesh.pods(namespace, app);
        let logs = pods
            .iter()
            .map(|pod| mesh.ok(&["logs", pod.name(), "-n", namespace, "-c", "istio-proxy"]));
        let all: Vec<String> = logs.collect();
        let lines = all.iter().flat_map(|log| log.lines());
        lines
            .filter(|line| what.iter().all(|part| line.contains(part)))
            .count()
    };
    let host_of_service = "k8s-combat-service-istio-mesh.default.svc.cluster.local ";
    eventually("the log lines", || {
        let cluster = format!(" outbound|8081|v1|{host_of_service}");
        let server_name = format!(" outbound_.8081_.v1_.{host_of_service}");
        let out = logged(
            SYSTEM,
            "istio-ingressgateway",
            &["/ping", " 200 ", &cluster],
        );
        let v1 = logged(
            "default",
            "k8s-combat-service-v1",
            &["/ping", " 200 ", &server_name],
        );
        let v2 = logged("default", "k8s-combat-service-v2", &["/ping"]);
        match out >= 21 && v2 == 0 && (v1 == out || sidecars == Sidecars::SeeBytes) {
            true => Ok(()),
            false => Err(format!("{out} {v1} {v2}")),
        }
    });

    redirects_and_ends_tls(mesh, port);

    // A Gateway that goes takes its port with it.
    mesh.ok(&["delete", "gateway", "istio-ingress-gateway"]);
    eventually("the port to close", || {
        match curl(&["--header", &host, &url]) {
            Err(_) => Ok(()),
            Ok(answer) => Err(format!("{answer:?}")),
        }
    });
}

/// The same host in TLS with a certificate of its own, and in plaintext a redirection to that.
fn redirects_and_ends_tls(mesh: &Mesh, port: u16) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name).display().to_string();
    let (key, certificate) = (file("key.pem"), file("cert.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=service1",
            "-addext",
            &format!("subjectAltName=DNS:{HOST}"),
        ])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .expect("this test needs openssl");
    assert!(made.status.success(), "{made:?}");
    let base64 = |path: &str| {
        let encoded = Command::new("base64").args(["-w0", path]).output();
        String::from_utf8(encoded.expect("base64").stdout).expect("text")
    };
    mesh.applied(&format!(
        "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {{name: service1, namespace: {SYSTEM}}}\ndata: {{tls.crt: {}, tls.key: {}}}\n",
        base64(&certificate),
        base64(&key)
    ));
    mesh.applied(&format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: istio-ingress-gateway, namespace: default}}\nspec:\n  selector: {{istio: ingressgateway}}\n  servers:\n  - port: {{number: 80, name: http, protocol: HTTP}}\n    hosts: ['{HOST}']\n    tls: {{httpsRedirect: true}}\n  - port: {{number: 443, name: https, protocol: HTTPS}}\n    hosts: ['{HOST}']\n    tls: {{mode: SIMPLE, credentialName: service1}}\n"
    ));
    let secure = node_port(mesh, 443);
    let resolve = format!("{HOST}:{secure}:127.0.0.1");
    let url = format!("https://{HOST}:{secure}/ping");
    let body = eventually_answers(
        200,
        &["--cacert", &certificate, "--resolve", &resolve, &url],
    );
    assert_eq!(body, "pong");
    let other = format!("https://other.io:{secure}/ping");
    let resolve = format!("other.io:{secure}:127.0.0.1");
    let refused = curl(&["--insecure", "--resolve", &resolve, &other]);
    assert!(refused.is_err(), "a name that no server has: {refused:?}");
    let plain = format!("http://127.0.0.1:{port}/ping");
    let host = format!("Host: {HOST}");
    eventually_answers(301, &["--header", &host, &plain]);
}
