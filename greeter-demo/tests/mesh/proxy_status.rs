//! Whether sidecars have what they were sent, as `lateen proxy-status` shows it, and what else istioctl says of a mesh.

use super::harness::{GREETER, ISTIO_MESH, Mesh, eventually};

const APP: &str = "k8s-combat-service";
const HOST: &str = "k8s-combat-service.default.svc.cluster.local";

/// The words of the line that begins with this one.
fn line(table: &str, word: &str) -> Vec<String> {
    let line = table.lines().find(|line| line.starts_with(word));
    let line = line.unwrap_or_else(|| panic!("no {word} in:\n{table}"));
    line.split_whitespace().map(str::to_owned).collect()
}

/// Waits until a pod's line of `proxy-status -v 1` is as wanted; all that was printed.
fn status(mesh: &Mesh, pod: &str, what: &str, wanted: impl Fn(&str) -> bool) -> String {
    eventually(what, || {
        let text = mesh.proxy_status(&["-v", "1"]);
        let line = text.lines().find(|line| line.starts_with(pod));
        match line.is_some_and(&wanted) {
            true => Ok(text),
            false => Err(text),
        }
    })
}

/// Clusters, endpoints, listeners, routes.
fn is_synced(line: &str) -> bool {
    line.matches("SYNCED (").count() >= 4 && !line.contains("ERROR") && !line.contains("STALE")
}

#[test]
fn envoys_of_a_running_mesh_are_synced() {
    all_synced(&Mesh::up_and_labelled("synced"));
}

#[test]
fn our_own_data_planes_of_a_running_mesh_are_synced() {
    all_synced(&Mesh::up_on_our_own("synced-own").labelled());
}

fn all_synced(mesh: &Mesh) {
    mesh.applied(GREETER);
    mesh.applied(ISTIO_MESH);
    for app in ["k8s-combat-service-v1", "k8s-combat-service-v2"] {
        mesh.ready("default", app, 1, 2);
    }
    let pods = mesh.ready("default", APP, 3, 2);
    mesh.balanced(&pods[0], APP, "k8s-combat-service:50051", 3);
    let pod = format!("{}.default", pods[0]);

    let wide = status(mesh, &pod, "SYNCED", is_synced);
    let heading = line(&wide, "NAME");
    assert_eq!(
        heading[..6],
        ["NAME", "CLUSTER", "CDS", "ECDS", "EDS", "LDS"]
    );
    let table = mesh.proxy_status(&[]);
    let heading = "NAME CLUSTER ISTIOD VERSION SUBSCRIBED TYPES";
    assert_eq!(line(&table, "NAME").join(" "), heading);
    let shown = line(&table, &pod);
    assert_eq!(shown[1], "Kubernetes");
    assert!(shown[2].starts_with("istiod-"), "{shown:?}");
    assert!(shown[5].starts_with("(CDS,LDS,EDS,RDS"), "{shown:?}");
    // Only of the namespace that is asked for.
    assert_eq!(mesh.proxy_status(&["-n", "nowhere"]).lines().count(), 1);
    let json = mesh.proxy_status(&["-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let proxies = json["resources"].as_array().expect("a list");
    assert!(
        proxies
            .iter()
            .any(|proxy| proxy["node"]["id"] == pod.as_str())
    );

    let compared = mesh.proxy_status(&[&pod]);
    assert!(
        compared.starts_with("Clusters Match\nListeners Match\nRoutes Match"),
        "{compared}"
    );

    let versions = mesh.shown("version", &[]);
    assert!(versions.starts_with("client version: "), "{versions}");
    assert!(versions.contains("\ncontrol plane version: "), "{versions}");
    let proxies = line(&versions, "data plane version:");
    assert!(versions.ends_with(" proxies)\n"), "{proxies:?}");

    described(mesh, &pod);
    same_roots(mesh, &pods);
}

fn described(mesh: &Mesh, pod: &str) {
    let text = mesh.shown("experimental describe", &["pod", pod]);
    let name = pod.trim_end_matches(".default");
    assert!(text.starts_with(&format!("Pod: {name}\n")), "{text}");
    for part in [
        "Service: k8s-combat-service\n",
        "50051/GRPC targets pod port 50051\n",
        "Effective PeerAuthentication:\n   Workload mTLS mode: PERMISSIVE\n",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    let service = ["service", "k8s-combat-service-istio-mesh"];
    let text = mesh.shown("x describe", &service);
    for part in [
        "DestinationRule: k8s-combat-service-ds for \"k8s-combat-service-istio-mesh\"\n",
        "VirtualService: k8s-combat-service-vs\n",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    // The same objects as columns.
    let host = "k8s-combat-service-istio-mesh.default.svc.cluster.local";
    let clusters = mesh.proxy_config(&["cluster", pod, "--fqdn", host, "--port", "50051"]);
    assert!(
        clusters.contains(" k8s-combat-service-ds.default\n"),
        "{clusters}"
    );
    let routes = mesh.proxy_config(&["route", pod, "--name", "50051"]);
    assert!(
        routes.contains(" k8s-combat-service-vs.default\n"),
        "{routes}"
    );
}

fn same_roots(mesh: &Mesh, pods: &[String]) {
    let said = mesh.proxy_config(&["rootca-compare", &pods[0], &pods[1]]);
    assert!(said.contains("have the identical ROOTCA"), "{said}");
    let all = mesh.proxy_config(&["all", &pods[0], "--with-headers"]);
    for part in [
        "BOOTSTRAP",
        "CLUSTER",
        "LISTENER",
        "ROUTE",
        "SECRET",
        "ENDPOINTS",
    ] {
        assert!(
            all.contains(&format!("------ {part} INFO ------\n")),
            "{all}"
        );
    }
    assert!(
        all.contains(&format!("cluster/outbound|50051||{HOST} ")),
        "{all}"
    );
    let versions = mesh.proxy_config(&["bootstrap", &pods[0], "-o", "short"]);
    assert!(versions.contains("Istio Version: "), "{versions}");
    let levels = mesh.proxy_config(&["log", "-l", "app=k8s-combat-service"]);
    assert_eq!(levels.matches(".default:\n").count(), 3, "{levels}");
}

/// A cookie of this name cannot be.
const NO_COOKIE: &str = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: sticky
spec:
  host: k8s-combat-service
  trafficPolicy:
    loadBalancer:
      consistentHash:
        httpCookie:
          name: a=b
          ttl: 0s
";

#[test]
fn what_our_own_data_plane_refuses_is_an_error_with_the_reason_and_nothing_is_lost() {
    let mesh = Mesh::up_on_our_own("refused-own").labelled();
    mesh.applied(GREETER);
    let pods = mesh.ready("default", APP, 3, 2);
    mesh.balanced(&pods[0], APP, "k8s-combat-service:50051", 3);
    let pod = format!("{}.default", pods[0]);
    mesh.applied(NO_COOKIE);
    let text = status(&mesh, &pod, "ERROR", |line| line.contains("ERROR ("));
    let refused = line(&text, &format!("{pod}: ")).join(" ");
    assert!(refused.contains(": RDS ERROR of 50051"), "{text}");
    assert!(refused.ends_with("is no name of a cookie"), "{text}");
    // It goes on with the routes that it had.
    mesh.balanced(&pods[0], APP, "k8s-combat-service:50051", 3);
    let compared = mesh.proxy_status(&[&pod]);
    assert!(compared.contains("Routes Don't Match"), "{compared}");
    mesh.ok(&["delete", "destinationrule", "sticky"]);
    status(&mesh, &pod, "SYNCED", is_synced);
}

/// No operator of access logs has this name.
const NO_FORMAT: &str = "
apiVersion: v1
kind: ConfigMap
metadata:
  name: istio
  namespace: istio-system
data:
  mesh: |
    accessLogFile: /dev/stdout
    accessLogFormat: '%NO_SUCH_THING%'
    defaultConfig:
      discoveryAddress: istiod.istio-system.svc:15012
";

#[test]
fn what_envoy_refuses_is_an_error_with_its_words_and_nothing_is_lost() {
    let mesh = Mesh::up_and_labelled("refused");
    mesh.applied(GREETER);
    let pods = mesh.ready("default", APP, 3, 2);
    mesh.balanced(&pods[0], APP, "k8s-combat-service:50051", 3);
    let pod = format!("{}.default", pods[0]);
    mesh.applied(NO_FORMAT);
    let text = status(&mesh, &pod, "ERROR", |line| line.contains("ERROR ("));
    let refused = line(&text, &format!("{pod}: ")).join(" ");
    assert!(refused.contains(": LDS ERROR of "), "{text}");
    assert!(refused.contains("NO_SUCH_THING"), "{text}");
    // It goes on with the listeners that it had.
    mesh.balanced(&pods[0], APP, "k8s-combat-service:50051", 3);
}
