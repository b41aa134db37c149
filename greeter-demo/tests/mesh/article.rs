//! The article's story, and what kubectl would print on the way.

use super::harness::{GREETER, Mesh, Report};

const APP: &str = "k8s-combat-service";
const TARGET: &str = "k8s-combat-service:50051";

fn columns(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn header(text: &str) -> Vec<&str> {
    columns(text.lines().next().unwrap_or_default())
}

fn over_one_connection(mesh: &Mesh, pod: &str) -> Report {
    let arguments = ["--requests", "90", "--connections", "1", TARGET];
    let report = mesh.greet("default", pod, APP, &arguments);
    assert_eq!((report.answered(), report.failed()), (90, 0), "{report:?}");
    report
}

#[test]
fn one_connection_stays_on_one_pod_until_the_namespace_is_labelled_and_the_pods_restarted() {
    story(Mesh::up("article"));
}

#[test]
fn the_same_happens_on_our_own_data_plane() {
    story(Mesh::up_on_our_own("article-own"));
}

fn story(mesh: Mesh) {
    let applied = mesh.applied(GREETER);
    assert_eq!(
        applied,
        "deployment.apps/k8s-combat-service created\nservice/k8s-combat-service created\n"
    );
    let pods = mesh.ready("default", APP, 3, 1);
    let alone = over_one_connection(&mesh, &pods[0]);
    assert_eq!(alone.answers.len(), 1, "{alone:?}");

    let labelled = mesh.ok(&["label", "namespace", "default", "istio-injection=enabled"]);
    assert_eq!(labelled, "namespace/default labeled\n");
    let restarted = mesh.ok(&["rollout", "restart", "deployment/k8s-combat-service"]);
    assert_eq!(restarted, "deployment.apps/k8s-combat-service restarted\n");
    let status = mesh.ok(&["rollout", "status", "deployment/k8s-combat-service"]);
    assert!(status.contains("successfully rolled out"), "{status}");

    let pods = mesh.ready("default", APP, 3, 2);
    let spread = over_one_connection(&mesh, &pods[0]);
    assert_eq!(
        spread.answers.keys().collect::<Vec<_>>(),
        pods.iter().collect::<Vec<_>>(),
        "every pod answers"
    );

    // Every request reached its pod over the mesh's mutual TLS: the log names the server name that only
    // another sidecar asks for.
    for pod in &pods {
        let entries = super::harness::eventually("the sidecar's log", || {
            let entries = mesh.inbound(pod);
            let wanted = spread.answers[pod];
            match entries.len() as u64 {
                logged if logged == wanted => Ok(entries),
                logged => Err(format!("{logged} of {wanted} entries")),
            }
        });
        for entry in entries {
            assert!(
                entry.contains(
                    r#"] "POST /helloworld.Greeter/SayHello HTTP/2" 200 - via_upstream - "-" "#
                ) && entry.ends_with(
                    " outbound_.50051_._.k8s-combat-service.default.svc.cluster.local default"
                ),
                "{entry}"
            );
        }
    }
    prints_as_kubectl_does(&mesh, &pods);
}

fn prints_as_kubectl_does(mesh: &Mesh, pods: &[String]) {
    let table = mesh.ok(&["get", "pods"]);
    assert_eq!(
        header(&table),
        ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    );
    for pod in pods {
        let row = table.lines().find(|line| line.starts_with(pod.as_str()));
        let row = columns(row.unwrap_or_else(|| panic!("{pod} in {table}")));
        assert_eq!(row[1..4], ["2/2", "Running", "0"], "{table}");
    }

    let described = mesh.ok(&["describe", "namespace", "default"]);
    let lines: Vec<Vec<&str>> = described.lines().map(columns).collect();
    assert!(lines.contains(&vec!["Name:", "default"]), "{described}");
    assert!(lines.contains(&vec!["Status:", "Active"]), "{described}");
    assert!(described.contains("istio-injection=enabled"), "{described}");

    let wide = mesh.ok(&["get", "services", "-o", "wide"]);
    assert_eq!(
        header(&wide),
        [
            "NAME",
            "TYPE",
            "CLUSTER-IP",
            "EXTERNAL-IP",
            "PORT(S)",
            "AGE",
            "SELECTOR"
        ]
    );
    let row = wide.lines().find(|line| line.starts_with(APP));
    let row = columns(row.unwrap_or_else(|| panic!("{APP} in {wide}")));
    assert_eq!(row[1], "ClusterIP");
    assert_eq!(row[3..5], ["<none>", "8081/TCP,50051/TCP"]);
    assert_eq!(row[6], "app=k8s-combat-service");

    let yaml = mesh.ok(&["get", "services", "-o", "yaml"]);
    for line in [
        "apiVersion: v1",
        "kind: List",
        "    clusterIP: ",
        "      appProtocol: grpc",
    ] {
        assert!(yaml.lines().any(|l| l.contains(line)), "{line:?} in {yaml}");
    }
    assert!(yaml.contains(row[2]), "its address in {yaml}");
}
