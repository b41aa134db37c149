//! What a sidecar has, as `lateen proxy-config` shows it: the same of an Envoy and of our own data plane.

use super::harness::{GREETER, Mesh};

const APP: &str = "k8s-combat-service";
const HOST: &str = "k8s-combat-service.default.svc.cluster.local";

/// The words of the first line that has this one.
fn line(table: &str, word: &str) -> Vec<String> {
    let line = table.lines().find(|line| line.contains(word));
    let line = line.unwrap_or_else(|| panic!("no {word} in:\n{table}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn an_envoys_configuration_is_shown() {
    shown(&Mesh::up_and_labelled("shown"));
}

#[test]
fn our_own_data_planes_configuration_is_shown() {
    shown(&Mesh::up_on_our_own("shown-own").labelled());
}

fn shown(mesh: &Mesh) {
    mesh.applied(GREETER);
    let pods = mesh.ready("default", APP, 3, 2);
    mesh.balanced(&pods[0], APP, "k8s-combat-service:50051", 3);
    let pod = format!("{}.default", pods[0]);

    let clusters = mesh.proxy_config(&["cluster", &pod]);
    let heading = "SERVICE FQDN PORT SUBSET DIRECTION TYPE DESTINATION RULE";
    assert_eq!(line(&clusters, "SERVICE FQDN").join(" "), heading);
    let expected = [HOST, "50051", "-", "outbound", "EDS"];
    let port = mesh.proxy_config(&["cluster", &pod, "--port", "50051", "--fqdn", HOST]);
    assert_eq!(line(&port, HOST), expected);
    let expected = ["BlackHoleCluster", "-", "-", "-", "STATIC"];
    assert_eq!(line(&clusters, "BlackHoleCluster"), expected);

    let listeners = mesh.proxy_config(&["listener", &pod, "--port", "15001"]);
    let expected = ["0.0.0.0", "15001", "ALL", "PassthroughCluster"];
    assert_eq!(line(&listeners, "ALL"), expected);
    let listeners = mesh.proxy_config(&["l", &pod, "--port", "15006"]);
    assert!(listeners.contains("Addr: *:50051"), "{listeners}");
    assert!(
        listeners.contains("Cluster: inbound|50051||"),
        "{listeners}"
    );

    let routes = mesh.proxy_config(&["route", "deployment/k8s-combat-service", "--name", "50051"]);
    let route = line(&routes, HOST);
    assert_eq!(route[..2], ["50051", &format!("{HOST}:50051")]);
    assert!(routes.contains(" /* "), "{routes}");

    let cluster = format!("outbound|50051||{HOST}");
    let endpoints = mesh.proxy_config(&["endpoint", &pod, "--cluster", &cluster]);
    let healthy = endpoints.lines().filter(|line| line.contains("HEALTHY"));
    assert_eq!(healthy.count(), 3, "{endpoints}");

    let secrets = mesh.proxy_config(&["secret", &pod]);
    let leaf = line(&secrets, "Chain");
    assert_eq!(leaf[..5], ["default", "Cert", "Chain", "ACTIVE", "true"]);
    assert_eq!(line(&secrets, "ROOTCA")[1..4], ["CA", "ACTIVE", "true"]);
    // Private keys stay where they are.
    let whole = mesh.proxy_config(&["secret", &pod, "-o", "json"]);
    assert!(!whole.contains("PRIVATE KEY"), "{whole}");

    let levels = mesh.proxy_config(&["log", &pod, "--level", "http:debug"]);
    assert!(levels.starts_with(&format!("{pod}:\n")), "{levels}");
    assert_eq!(line(&levels, " http:"), ["http:", "debug"]);
    let levels = mesh.proxy_config(&["log", &pod, "--reset"]);
    assert_eq!(line(&levels, " http:"), ["http:", "warning"]);

    let bootstrap = mesh.proxy_config(&["bootstrap", &pod, "-o", "yaml"]);
    assert!(bootstrap.contains("sidecar~"), "{bootstrap}");
}
