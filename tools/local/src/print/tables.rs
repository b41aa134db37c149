//! Which columns each kind has.

use serde_json::Value;
use time::OffsetDateTime;

use super::pods;
use super::table::render;
use crate::object::{age, has_condition, integer, list, name, namespace, strings, text};

/// The table of `objects`, all of one `kind`. `prefix` (`pod/`) goes before names where several kinds are shown.
pub fn table(
    kind: &str,
    objects: &[Value],
    with_namespace: bool,
    wide: bool,
    prefix: &str,
    now: OffsetDateTime,
) -> String {
    render(&rows(kind, objects, with_namespace, wide, prefix, now))
}

/// The table's rows, headings first.
pub fn rows(
    kind: &str,
    objects: &[Value],
    with_namespace: bool,
    wide: bool,
    prefix: &str,
    now: OffsetDateTime,
) -> Vec<Vec<String>> {
    if kind == "Event" {
        return super::events::rows(objects, with_namespace, wide, now);
    }
    let (headings, extra) = headings(kind);
    let mut first: Vec<String> = Vec::new();
    if with_namespace {
        first.push("NAMESPACE".to_owned());
    }
    first.extend(headings.iter().map(|heading| (*heading).to_owned()));
    if wide {
        first.extend(extra.iter().map(|heading| (*heading).to_owned()));
    }
    let mut rows = vec![first];
    for object in objects {
        let mut row = Vec::new();
        if with_namespace {
            row.push(namespace(object).to_owned());
        }
        row.push(format!("{prefix}{}", name(object)));
        let (cells, more) = cells(kind, object, now);
        row.extend(cells);
        if wide {
            row.extend(more);
        }
        rows.push(row);
    }
    rows
}

type Headings = (&'static [&'static str], &'static [&'static str]);

fn headings(kind: &str) -> Headings {
    match kind {
        "Pod" => (
            &["NAME", "READY", "STATUS", "RESTARTS", "AGE"],
            &["IP", "NODE", "NOMINATED NODE", "READINESS GATES"],
        ),
        "Service" => (
            &[
                "NAME",
                "TYPE",
                "CLUSTER-IP",
                "EXTERNAL-IP",
                "PORT(S)",
                "AGE",
            ],
            &["SELECTOR"],
        ),
        "Deployment" => (
            &["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"],
            &["CONTAINERS", "IMAGES", "SELECTOR"],
        ),
        "ReplicaSet" => (
            &["NAME", "DESIRED", "CURRENT", "READY", "AGE"],
            &["CONTAINERS", "IMAGES", "SELECTOR"],
        ),
        "Job" => (
            &["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"],
            &["CONTAINERS", "IMAGES", "SELECTOR"],
        ),
        "Namespace" => (&["NAME", "STATUS", "AGE"], &[]),
        "Node" => (
            &["NAME", "STATUS", "ROLES", "AGE", "VERSION"],
            &["INTERNAL-IP", "EXTERNAL-IP"],
        ),
        "EndpointSlice" => (&["NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"], &[]),
        "ConfigMap" => (&["NAME", "DATA", "AGE"], &[]),
        "Secret" => (&["NAME", "TYPE", "DATA", "AGE"], &[]),
        "ServiceAccount" => (&["NAME", "SECRETS", "AGE"], &[]),
        "VirtualService" => (&["NAME", "GATEWAYS", "HOSTS", "AGE"], &[]),
        "DestinationRule" => (&["NAME", "HOST", "AGE"], &[]),
        "PeerAuthentication" => (&["NAME", "MODE", "AGE"], &[]),
        _ => (&["NAME", "AGE"], &[]),
    }
}

/// The cells after the name, and those of `-o wide`.
fn cells(kind: &str, object: &Value, now: OffsetDateTime) -> (Vec<String>, Vec<String>) {
    let age = age::since(text(object, "/metadata/creationTimestamp"), now);
    let number = |pointer: &str| integer(object, pointer).unwrap_or(0).to_string();
    let none = || "<none>".to_owned();
    let or_none = |text: &str| {
        if text.is_empty() {
            none()
        } else {
            text.to_owned()
        }
    };
    match kind {
        "Pod" => {
            let summary = pods::summary(object, now);
            (
                vec![summary.ready, summary.status, summary.restarts, age],
                vec![
                    or_none(text(object, "/status/podIP")),
                    or_none(text(object, "/spec/nodeName")),
                    none(),
                    none(),
                ],
            )
        }
        "Service" => service(object, age),
        "Deployment" => {
            let (containers, images) = template(object);
            let wanted = integer(object, "/spec/replicas").unwrap_or(1);
            (
                vec![
                    format!("{}/{wanted}", number("/status/readyReplicas")),
                    number("/status/updatedReplicas"),
                    number("/status/availableReplicas"),
                    age,
                ],
                vec![containers, images, selector(object)],
            )
        }
        "ReplicaSet" => {
            let (containers, images) = template(object);
            (
                vec![
                    number("/spec/replicas"),
                    number("/status/replicas"),
                    number("/status/readyReplicas"),
                    age,
                ],
                vec![containers, images, selector(object)],
            )
        }
        "Job" => {
            let (containers, images) = template(object);
            (
                vec![
                    job_status(object),
                    completions(object),
                    duration(object, now),
                    age,
                ],
                vec![containers, images, selector(object)],
            )
        }
        "Namespace" => (vec![text(object, "/status/phase").to_owned(), age], vec![]),
        "Node" => {
            let ready = if has_condition(object, "Ready") {
                "Ready"
            } else {
                "NotReady"
            };
            let ip = text(object, "/status/addresses/0/address");
            let version = text(object, "/status/nodeInfo/kubeletVersion");
            (
                vec![ready.to_owned(), none(), age, version.to_owned()],
                vec![or_none(ip), none()],
            )
        }
        "EndpointSlice" => {
            let ports = joined(
                list(object, "/ports")
                    .iter()
                    .filter_map(|p| Some(p.get("port")?.to_string())),
            );
            let addresses = list(object, "/endpoints")
                .iter()
                .flat_map(|endpoint| list(endpoint, "/addresses"))
                .filter_map(|address| address.as_str().map(str::to_owned));
            let unset = || "<unset>".to_owned();
            (
                vec![
                    text(object, "/addressType").to_owned(),
                    if ports.is_empty() { unset() } else { ports },
                    match shortened(addresses.collect()) {
                        text if text.is_empty() => unset(),
                        text => text,
                    },
                    age,
                ],
                vec![],
            )
        }
        "ConfigMap" => {
            let count = strings(object, "/data").len() + strings(object, "/binaryData").len();
            (vec![count.to_string(), age], vec![])
        }
        "Secret" => {
            let kind = match text(object, "/type") {
                "" => "Opaque",
                kind => kind,
            };
            let count = strings(object, "/data").len() + strings(object, "/stringData").len();
            (vec![kind.to_owned(), count.to_string(), age], vec![])
        }
        "ServiceAccount" => (
            vec![list(object, "/secrets").len().to_string(), age],
            vec![],
        ),
        "VirtualService" => (
            vec![
                compact(object, "/spec/gateways"),
                compact(object, "/spec/hosts"),
                age,
            ],
            vec![],
        ),
        "DestinationRule" => (vec![text(object, "/spec/host").to_owned(), age], vec![]),
        "PeerAuthentication" => (
            vec![text(object, "/spec/mtls/mode").to_owned(), age],
            vec![],
        ),
        _ => (vec![age], vec![]),
    }
}

fn job_status(job: &Value) -> String {
    let named = [
        ("Complete", "Complete"),
        ("Failed", "Failed"),
        ("FailureTarget", "FailureTarget"),
        ("SuccessCriteriaMet", "SuccessCriteriaMet"),
        ("Suspended", "Suspended"),
    ];
    if !text(job, "/metadata/deletionTimestamp").is_empty() {
        return "Terminating".to_owned();
    }
    named
        .iter()
        .find(|(condition, _)| has_condition(job, condition))
        .map_or("Running", |(_, shown)| shown)
        .to_owned()
}

fn completions(job: &Value) -> String {
    let succeeded = integer(job, "/status/succeeded").unwrap_or(0);
    match integer(job, "/spec/completions") {
        Some(completions) => format!("{succeeded}/{completions}"),
        // A work queue has as many as find something.
        None => match integer(job, "/spec/parallelism").unwrap_or(1) {
            ..=1 => format!("{succeeded}/1"),
            parallelism => format!("{succeeded}/1 of {parallelism}"),
        },
    }
}

fn duration(job: &Value, now: OffsetDateTime) -> String {
    let Some(started) = age::parse(text(job, "/status/startTime")) else {
        return String::new();
    };
    let ended = age::parse(text(job, "/status/completionTime")).unwrap_or(now);
    age::human((ended - started).whole_seconds())
}

fn service(object: &Value, age: String) -> (Vec<String>, Vec<String>) {
    let kind = text(object, "/spec/type");
    let address = match (kind, text(object, "/spec/clusterIP")) {
        ("ExternalName", _) | (_, "") => "<none>",
        (_, address) => address,
    };
    let mut balancer = joined(
        list(object, "/status/loadBalancer/ingress")
            .iter()
            .map(|ingress| match text(ingress, "/ip") {
                "" => text(ingress, "/hostname").to_owned(),
                ip => ip.to_owned(),
            }),
    );
    if balancer.is_empty() {
        balancer.push_str("<pending>");
    }
    let external = match kind {
        "ExternalName" => text(object, "/spec/externalName"),
        "LoadBalancer" => balancer.as_str(),
        _ => "<none>",
    };
    let ports = joined(list(object, "/spec/ports").iter().map(|port| {
        let number = integer(port, "/port").unwrap_or(0);
        let protocol = text(port, "/protocol");
        match integer(port, "/nodePort") {
            Some(node) => format!("{number}:{node}/{protocol}"),
            None => format!("{number}/{protocol}"),
        }
    }));
    let ports = if ports.is_empty() {
        "<none>".to_owned()
    } else {
        ports
    };
    let selector = pairs(&strings(object, "/spec/selector"));
    (
        vec![
            kind.to_owned(),
            address.to_owned(),
            external.to_owned(),
            ports,
            age,
        ],
        vec![selector],
    )
}

fn joined(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(",")
}

/// At most three, then how many more.
fn shortened(all: Vec<String>) -> String {
    let shown = joined(all.iter().take(3).cloned());
    match all.len() {
        0..=3 => shown,
        more => format!("{shown} + {} more...", more - 3),
    }
}

fn compact(object: &Value, pointer: &str) -> String {
    object
        .pointer(pointer)
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn template(object: &Value) -> (String, String) {
    let containers = list(object, "/spec/template/spec/containers");
    let column = |field: &str| joined(containers.iter().map(|c| text(c, field).to_owned()));
    (column("/name"), column("/image"))
}

fn selector(object: &Value) -> String {
    pairs(&strings(object, "/spec/selector/matchLabels"))
}

fn pairs(map: &std::collections::BTreeMap<String, String>) -> String {
    if map.is_empty() {
        return "<none>".to_owned();
    }
    joined(map.iter().map(|(key, value)| format!("{key}={value}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn now() -> OffsetDateTime {
        age::parse("2023-11-14T22:13:20Z").unwrap()
    }

    #[test]
    fn services_print_as_kubectl_prints_them() {
        let service = json!({"metadata": {"name": "k8s-combat-service", "namespace": "default",
                "creationTimestamp": "2023-11-14T22:12:20Z"},
            "spec": {"type": "ClusterIP", "clusterIP": "10.96.204.13", "selector": {"app": "k8s-combat-service"},
                "ports": [{"port": 8081, "protocol": "TCP"}, {"port": 50051, "protocol": "TCP"}]}});
        assert_eq!(
            table("Service", &[service], false, true, "", now()),
            "NAME                 TYPE        CLUSTER-IP     EXTERNAL-IP   PORT(S)              AGE   SELECTOR\n\
             k8s-combat-service   ClusterIP   10.96.204.13   <none>        8081/TCP,50051/TCP   60s   app=k8s-combat-service\n"
        );
    }

    #[test]
    fn deployments_and_namespaces_print_as_kubectl_prints_them() {
        let deployment = json!({"metadata": {"name": "web", "namespace": "default",
                "creationTimestamp": "2023-11-14T22:03:20Z"},
            "spec": {"replicas": 3}, "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2}});
        assert_eq!(
            table("Deployment", &[deployment], true, false, "", now()),
            "NAMESPACE   NAME   READY   UP-TO-DATE   AVAILABLE   AGE\n\
             default     web    2/3     3            2           10m\n"
        );
        let namespace = json!({"metadata": {"name": "default", "creationTimestamp": "2023-11-14T22:13:15Z"},
            "status": {"phase": "Active"}});
        assert_eq!(
            table("Namespace", &[namespace], false, false, "namespace/", now()),
            "NAME                STATUS   AGE\nnamespace/default   Active   5s\n"
        );
    }

    #[test]
    fn jobs_print_as_kubectl_prints_them() {
        let job = json!({"metadata": {"name": "sums", "creationTimestamp": "2023-11-14T22:12:20Z"},
            "spec": {"completions": 3}, "status": {"succeeded": 3, "startTime": "2023-11-14T22:12:20Z",
                "completionTime": "2023-11-14T22:12:32Z",
                "conditions": [{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]}});
        let queue = json!({"metadata": {"name": "q", "creationTimestamp": "2023-11-14T22:12:20Z"},
            "spec": {"parallelism": 2}, "status": {"startTime": "2023-11-14T22:13:10Z"}});
        assert_eq!(
            table("Job", &[job, queue], false, false, "", now()),
            "NAME   STATUS     COMPLETIONS   DURATION   AGE\n\
             sums   Complete   3/3           12s        60s\n\
             q      Running    0/1 of 2      10s        60s\n"
        );
    }

    #[test]
    fn events_print_as_kubectl_prints_them() {
        let event = json!({"metadata": {"name": "p.1", "namespace": "default"},
            "type": "Warning", "reason": "BackOff", "message": "Back-off\n", "count": 3,
            "source": {"component": "kubelet", "host": "n"},
            "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{app}"},
            "firstTimestamp": "2023-11-14T22:12:20Z", "lastTimestamp": "2023-11-14T22:13:15Z"});
        assert_eq!(
            table(
                "Event",
                std::slice::from_ref(&event),
                true,
                false,
                "",
                now()
            ),
            "NAMESPACE   LAST SEEN   TYPE      REASON    OBJECT   MESSAGE\n\
             default     5s          Warning   BackOff   pod/p    Back-off\n"
        );
        assert_eq!(
            table("Event", &[event], false, true, "", now()),
            "LAST SEEN   TYPE      REASON    OBJECT   SUBOBJECT              SOURCE       MESSAGE    FIRST SEEN   COUNT   NAME\n\
             5s          Warning   BackOff   pod/p    spec.containers{app}   kubelet, n   Back-off   60s          3       p.1\n"
        );
    }

    #[test]
    fn a_load_balancer_shows_where_it_is_reached() {
        let service = |status: Value| {
            json!({"metadata": {"name": "g", "creationTimestamp": "2023-11-14T22:12:20Z"},
            "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.9", "ports": [{"port": 80, "nodePort": 31380, "protocol": "TCP"}]},
            "status": status})
        };
        let lines = |status| table("Service", &[service(status)], false, false, "", now());
        assert!(
            lines(json!({})).contains("LoadBalancer   10.96.0.9    <pending>     80:31380/TCP")
        );
        let status = json!({"loadBalancer": {"ingress": [{"hostname": "localhost"}]}});
        assert!(lines(status).contains("LoadBalancer   10.96.0.9    localhost     80:31380/TCP"));
    }

    #[test]
    fn more_than_three_endpoints_are_counted() {
        let addresses: Vec<Value> = (1..6)
            .map(|n| json!({"addresses": [format!("10.0.0.{n}")]}))
            .collect();
        let slice = json!({"metadata": {"name": "s", "creationTimestamp": "2023-11-14T22:13:15Z"},
            "addressType": "IPv4", "ports": [{"port": 80}], "endpoints": addresses});
        let text = table("EndpointSlice", &[slice], false, false, "", now());
        assert!(
            text.contains("10.0.0.1,10.0.0.2,10.0.0.3 + 2 more..."),
            "{text}"
        );
    }
}
