//! Merging of metrics: scrapers are pointed at the agent, and the agent is told where the
//! application's own metrics are.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::annotations::{MERGE_METRICS, parse_bool};
use crate::mesh::Mesh;
use crate::pod;

const TARGETS: &str = "prometheus.istio.io/scrape-targets";

/// Where the application's metrics are, as the agent's `ISTIO_PROMETHEUS_ANNOTATIONS` has it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Scrape {
    #[serde(skip_serializing_if = "String::is_empty")]
    scrape: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    path: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    port: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    targets: Vec<Target>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Target {
    port: String,
    path: String,
}

/// Points the pod's scrape annotations at the agent, unless the pod or the mesh says no. A pod
/// whose annotations point there already stays as it is.
pub(crate) fn merge(pod: &mut Value, mesh: &Mesh, status_port: u16) {
    let annotations = pod::strings(pod, "annotations");
    let wanted = annotations.get(MERGE_METRICS).and_then(|v| parse_bool(v));
    let scraped = named(&annotations, "scrape").is_none_or(|v| parse_bool(v) == Some(true));
    if !wanted.unwrap_or(mesh.enable_prometheus_merge) || !scraped {
        return;
    }
    let port = status_port.to_string();
    if named(&annotations, "port") == Some(port.as_str()) {
        return;
    }
    let scrape = scrape_of(&annotations);
    if scrape != Scrape::default()
        && let Some(proxy) = pod::proxy_mut(pod)
        && let Ok(text) = serde_json::to_string(&scrape)
    {
        pod::set_env(proxy, "ISTIO_PROMETHEUS_ANNOTATIONS", &text);
    }
    clear(pod);
    for (key, value) in [
        ("prometheus.io/path", "/stats/prometheus"),
        ("prometheus.io/port", &port),
        ("prometheus.io/scrape", "true"),
    ] {
        pod::set_string(pod, "annotations", key, value);
    }
}

/// Removes what an earlier injection set.
pub(crate) fn forget(pod: &mut Value, status_port: u16) {
    let annotations = pod::strings(pod, "annotations");
    if named(&annotations, "port") == Some(status_port.to_string().as_str()) {
        clear(pod);
    }
}

fn clear(pod: &mut Value) {
    for name in ["path", "port", "scrape"] {
        for key in keys(name) {
            pod::remove_string(pod, "annotations", &key);
        }
    }
    pod::remove_string(pod, "annotations", TARGETS);
}

/// Scrapers read both spellings.
fn keys(name: &str) -> [String; 2] {
    [
        format!("prometheus.io/{name}"),
        format!("prometheus.io.{name}"),
    ]
}

fn named<'a>(annotations: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    let found = keys(name).into_iter().find_map(|k| annotations.get(&k));
    found.map(String::as_str)
}

fn scrape_of(annotations: &BTreeMap<String, String>) -> Scrape {
    let text = |name| named(annotations, name).unwrap_or_default().to_owned();
    let targets: Vec<Target> = annotations
        .get(TARGETS)
        .into_iter()
        .flat_map(|list| list.split(','))
        .filter_map(|target| {
            let (port, path) = target.trim().split_once(':')?;
            port.parse::<u16>().ok()?;
            Some(Target {
                port: port.to_owned(),
                path: path.to_owned(),
            })
        })
        .collect();
    let mut scrape = Scrape {
        scrape: text("scrape"),
        path: text("path"),
        port: text("port"),
        targets,
    };
    // Agents that know one target only take the first.
    if let (Some(first), "", "") = (
        scrape.targets.first(),
        scrape.port.as_str(),
        scrape.path.as_str(),
    ) {
        (scrape.port, scrape.path) = (first.port.clone(), first.path.clone());
    }
    scrape
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_applications_own_port_and_path_go_to_the_agent() {
        let mut pod = json!({
            "metadata": {"annotations": {
                "prometheus.io.port": "9090", "prometheus.io/path": "/m",
            }},
            "spec": {"containers": [{"name": "istio-proxy"}]},
        });
        merge(&mut pod, &Mesh::default(), 15020);
        assert_eq!(
            pod["spec"]["containers"][0]["env"][0]["value"],
            r#"{"path":"/m","port":"9090"}"#
        );
        assert_eq!(
            pod["metadata"]["annotations"],
            json!({
                "prometheus.io/path": "/stats/prometheus",
                "prometheus.io/port": "15020",
                "prometheus.io/scrape": "true",
            })
        );
        let once = pod.clone();
        merge(&mut pod, &Mesh::default(), 15020);
        assert_eq!(pod, once, "merging twice changes nothing");
    }

    #[test]
    fn a_pod_or_a_mesh_that_says_no_keeps_its_annotations() {
        let off = Mesh {
            enable_prometheus_merge: false,
            ..Mesh::default()
        };
        let plain = json!({"metadata": {"annotations": {"prometheus.io/port": "9090"}}});
        let mut pod = plain.clone();
        merge(&mut pod, &off, 15020);
        assert_eq!(pod, plain);
        let mut pod = json!({"metadata": {"annotations": {MERGE_METRICS: "false"}}});
        let before = pod.clone();
        merge(&mut pod, &Mesh::default(), 15020);
        assert_eq!(pod, before);
    }
}
