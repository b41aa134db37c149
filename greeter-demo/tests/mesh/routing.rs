//! The article's VirtualService: by header, by weight, and when it names what is not there.

use serde_json::Value;

use super::harness::{ISTIO_MESH, Mesh, Report, eventually};

const V1: &str = "k8s-combat-service-v1";
const V2: &str = "k8s-combat-service-v2";
const TARGET: &str = "k8s-combat-service-istio-mesh:50051";

/// The manifest's commented rule, in place of the rule by header.
fn weighted() -> String {
    let (_, virtual_service) = ISTIO_MESH.rsplit_once("---\n").expect("several documents");
    let (commented, _) = virtual_service
        .split_once("  # match version to other version")
        .expect("the second rule");
    commented
        .lines()
        .map(|line| line.strip_prefix('#').unwrap_or(line).to_owned() + "\n")
        .collect()
}

fn version(pod: &str) -> &str {
    pod.get(..V1.len()).unwrap_or(pod)
}

/// Requests with a `version` header, or without one.
fn greet(mesh: &Mesh, pod: &str, requests: &str, version: Option<&str>) -> Report {
    let header = version.map(|version| format!("version={version}"));
    let mut arguments = vec!["--requests", requests];
    arguments.extend(header.iter().flat_map(|header| ["--metadata", header]));
    arguments.push(TARGET);
    mesh.greet("default", pod, V1, &arguments)
}

/// Waits until requests with this header all reach one version.
fn reaches(mesh: &Mesh, pod: &str, header: Option<&str>, wanted: &str) {
    eventually(&format!("version {header:?} to reach {wanted}"), || {
        let report = greet(mesh, pod, "30", header);
        let all =
            report.answered() == 30 && report.answers.keys().all(|pod| version(pod) == wanted);
        if all {
            Ok(())
        } else {
            Err(format!("{report:?}"))
        }
    });
}

#[test]
fn requests_go_where_the_header_or_the_weights_say_and_a_missing_subset_breaks_only_its_own_route()
{
    routes_as_told(&Mesh::up_and_labelled("routing"));
}

#[test]
fn our_own_data_plane_routes_as_told_and_tells_what_it_was_told() {
    routes_as_told(&Mesh::up_on_our_own("routing-own").labelled());
}

fn routes_as_told(mesh: &Mesh) {
    let applied = mesh.applied(ISTIO_MESH);
    assert!(
        applied.contains("virtualservice.networking.istio.io/k8s-combat-service-vs created"),
        "{applied}"
    );
    let pod = mesh.ready("default", V1, 1, 2).remove(0);
    mesh.ready("default", V2, 1, 2);

    reaches(mesh, &pod, Some("100"), V1);
    reaches(mesh, &pod, Some("200"), V2);
    reaches(mesh, &pod, None, V1);

    mesh.applied(&weighted());
    eventually("the weights", || {
        let report = greet(mesh, &pod, "40", Some("100"));
        // Version 100 never reached v2 before.
        if report.answers.len() == 2 {
            Ok(())
        } else {
            Err(format!("{report:?}"))
        }
    });
    let report = greet(mesh, &pod, "400", None);
    assert_eq!((report.answered(), report.failed()), (400, 0), "{report:?}");
    let first: u64 = report
        .answers
        .iter()
        .filter(|(pod, _)| version(pod) == V1)
        .map(|(_, n)| n)
        .sum();
    // 40 of 400 are expected; the standard deviation is 6.
    assert!(
        (10..=70).contains(&first),
        "{first} of 400 reached v1: 10% were wanted"
    );
    assert_eq!(timeouts(mesh, &pod), ["5s"]);

    // One route's subset does not exist: its requests fail, saying so, and no others.
    let broken = ISTIO_MESH
        .rsplit_once("---\n")
        .expect("several documents")
        .1
        .replacen("            subset: v2", "            subset: v9", 2);
    mesh.applied(&broken[broken.find("apiVersion").unwrap_or(0)..]);
    eventually("requests for the missing subset to fail", || {
        let report = greet(mesh, &pod, "10", Some("200"));
        if report.failed() == 10 {
            Ok(())
        } else {
            Err(format!("{report:?}"))
        }
    });
    reaches(mesh, &pod, Some("100"), V1);
    reaches(mesh, &pod, None, V1);
}

/// The timeouts of the sidecar's routes to the greeter by weight, as its data plane tells them.
fn timeouts(mesh: &Mesh, pod: &str) -> Vec<String> {
    let dump = mesh.json(&[
        "exec",
        pod,
        "-c",
        "istio-proxy",
        "--",
        "/usr/local/bin/pilot-agent",
        "request",
        "GET",
        "config_dump",
    ]);
    let mut found = Vec::new();
    routes(&dump, &mut |route| {
        if route.get("weighted_clusters").is_some() {
            found.push(route["timeout"].as_str().unwrap_or_default().to_owned());
        }
    });
    found.dedup();
    found
}

/// Shows every `route` of a config dump to `see`.
fn routes(value: &Value, see: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "route" {
                    see(value);
                }
                routes(value, see);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| routes(item, see)),
        _ => {}
    }
}
