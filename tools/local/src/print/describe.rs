//! `describe`: namespace, pod, service, and any other object as name, labels, annotations and spec.

use serde_json::Value;

use super::table::render;
use crate::controller::endpoints::SERVICE_LABEL;
use crate::kubelet::container::{self, Role};
use crate::object::{integer, is_terminating, labels, list, name, namespace, strings, text};
use crate::store::apply::LAST_APPLIED;

/// Describes a Namespace.
pub fn describe_namespace(object: &Value) -> String {
    let mut lines = Lines::default();
    lines.field("Name", name(object));
    lines.map("Labels", &strings(object, "/metadata/labels"), "=");
    lines.map("Annotations", &annotations(object), ": ");
    lines.field("Status", text(object, "/status/phase"));
    lines.finish() + "\nNo resource quota.\n\nNo LimitRange resource.\n"
}

/// Describes a Service with the addresses of its slices.
pub fn describe_service(object: &Value, slices: &[Value]) -> String {
    let mut lines = Lines::default();
    head(&mut lines, object);
    let selector = strings(object, "/spec/selector");
    lines.field("Selector", &pairs(&selector, "="));
    lines.field("Type", text(object, "/spec/type"));
    lines.field("IP Family Policy", text(object, "/spec/ipFamilyPolicy"));
    lines.field("IP Families", text(object, "/spec/ipFamilies/0"));
    lines.field("IP", text(object, "/spec/clusterIP"));
    lines.field("IPs", text(object, "/spec/clusterIPs/0"));
    let mine: Vec<&Value> = slices
        .iter()
        .filter(|slice| labels(slice).get(SERVICE_LABEL).map(String::as_str) == Some(name(object)))
        .collect();
    for port in list(object, "/spec/ports") {
        let port_name = text(port, "/name");
        let number = integer(port, "/port").unwrap_or(0);
        let protocol = text(port, "/protocol");
        let shown = if port_name.is_empty() {
            "<unset>"
        } else {
            port_name
        };
        lines.field("Port", &format!("{shown}  {number}/{protocol}"));
        let target = port.get("targetPort").map_or(String::new(), |target| {
            target
                .as_str()
                .map_or_else(|| target.to_string(), str::to_owned)
        });
        lines.field("TargetPort", &format!("{target}/{protocol}"));
        lines.field("Endpoints", &endpoints(&mine, port_name));
    }
    lines.field("Session Affinity", text(object, "/spec/sessionAffinity"));
    lines.field(
        "Internal Traffic Policy",
        text(object, "/spec/internalTrafficPolicy"),
    );
    lines.finish() + "Events:  <none>\n"
}

fn endpoints(slices: &[&Value], port_name: &str) -> String {
    let mut all = Vec::new();
    for slice in slices {
        let port = list(slice, "/ports")
            .iter()
            .find(|port| text(port, "/name") == port_name)
            .and_then(|port| integer(port, "/port"));
        let Some(port) = port else { continue };
        for endpoint in list(slice, "/endpoints") {
            let ready = endpoint
                .pointer("/conditions/ready")
                .and_then(Value::as_bool)
                != Some(false);
            if ready {
                all.extend(
                    list(endpoint, "/addresses")
                        .iter()
                        .filter_map(Value::as_str)
                        .map(|address| format!("{address}:{port}")),
                );
            }
        }
    }
    match all.len() {
        0 => "<none>".to_owned(),
        1..=3 => all.join(","),
        more => format!(
            "{} + {} more...",
            all.get(..3).unwrap_or_default().join(","),
            more - 3
        ),
    }
}

/// Describes a Pod.
pub fn describe_pod(object: &Value) -> String {
    let mut lines = Lines::default();
    head_of_pod(&mut lines, object);
    let mut out = lines.finish();
    for (title, init) in [("Init Containers:", true), ("Containers:", false)] {
        let group: Vec<&Value> = container::all(object)
            .into_iter()
            .filter(|(role, _)| (*role != Role::App) == init)
            .map(|(_, container)| container)
            .collect();
        if group.is_empty() {
            continue;
        }
        out.push_str(title);
        out.push('\n');
        for container in group {
            out.push_str(&one_container(object, container, init));
        }
    }
    out.push_str("Conditions:\n");
    let mut rows = vec![vec!["  Type".to_owned(), "Status".to_owned()]];
    rows.extend(list(object, "/status/conditions").iter().map(|condition| {
        vec![
            format!("  {}", text(condition, "/type")),
            text(condition, "/status").to_owned(),
        ]
    }));
    out.push_str(&render(&rows));
    out.push_str("Volumes:\n");
    for volume in list(object, "/spec/volumes") {
        let kind = volume
            .as_object()
            .and_then(|map| map.keys().find(|key| key.as_str() != "name"))
            .cloned()
            .unwrap_or_default();
        out.push_str(&format!(
            "  {}:\n    Type:  {kind}\n",
            text(volume, "/name")
        ));
    }
    out + "Events:  <none>\n"
}

fn head_of_pod(lines: &mut Lines, object: &Value) {
    lines.field("Name", name(object));
    lines.field("Namespace", namespace(object));
    lines.field("Service Account", text(object, "/spec/serviceAccountName"));
    lines.field(
        "Node",
        &format!(
            "{}/{}",
            text(object, "/spec/nodeName"),
            text(object, "/status/hostIP")
        ),
    );
    lines.field("Start Time", text(object, "/status/startTime"));
    lines.map("Labels", &strings(object, "/metadata/labels"), "=");
    lines.map("Annotations", &annotations(object), ": ");
    let status = if is_terminating(object) {
        "Terminating"
    } else {
        text(object, "/status/phase")
    };
    lines.field("Status", status);
    lines.field("IP", text(object, "/status/podIP"));
    if let Some(owner) = list(object, "/metadata/ownerReferences").first() {
        lines.field(
            "Controlled By",
            &format!("{}/{}", text(owner, "/kind"), text(owner, "/name")),
        );
    }
}

fn one_container(pod: &Value, container: &Value, init: bool) -> String {
    let container_name = text(container, "/name");
    let statuses = if init {
        "/status/initContainerStatuses"
    } else {
        "/status/containerStatuses"
    };
    let status = list(pod, statuses)
        .iter()
        .find(|status| text(status, "/name") == container_name)
        .cloned()
        .unwrap_or_default();
    let mut lines = Lines::default();
    lines.field("Container ID", text(&status, "/containerID"));
    lines.field("Image", text(container, "/image"));
    lines.field("Image ID", text(&status, "/imageID"));
    let ports: Vec<String> = list(container, "/ports")
        .iter()
        .map(|port| {
            format!(
                "{}/{}",
                integer(port, "/containerPort").unwrap_or(0),
                text(port, "/protocol")
            )
        })
        .collect();
    lines.field(
        if ports.len() > 1 { "Ports" } else { "Port" },
        &or_none(ports.join(", ")),
    );
    for (title, field) in [("State", "/state"), ("Last State", "/lastState")] {
        let Some(state) = status.pointer(field).and_then(Value::as_object) else {
            continue;
        };
        let Some((kind, detail)) = state.iter().next() else {
            continue;
        };
        let mut chars = kind.chars();
        let capital: String = chars
            .next()
            .map(|first| first.to_ascii_uppercase())
            .into_iter()
            .chain(chars)
            .collect();
        lines.field(title, &capital);
        for (label, pointer) in [
            ("  Reason", "/reason"),
            ("  Message", "/message"),
            ("  Started", "/startedAt"),
            ("  Finished", "/finishedAt"),
        ] {
            if !text(detail, pointer).is_empty() {
                lines.field(label, text(detail, pointer));
            }
        }
        if let Some(code) = integer(detail, "/exitCode") {
            lines.field("  Exit Code", &code.to_string());
        }
    }
    let ready = status.get("ready").and_then(Value::as_bool) == Some(true);
    lines.field("Ready", if ready { "True" } else { "False" });
    lines.field(
        "Restart Count",
        &integer(&status, "/restartCount").unwrap_or(0).to_string(),
    );
    let body: String = lines
        .finish()
        .lines()
        .map(|line| format!("    {line}\n"))
        .collect();
    format!("  {container_name}:\n{body}")
}

/// Describes an object of any other kind.
pub fn describe_other(object: &Value) -> String {
    let mut lines = Lines::default();
    head(&mut lines, object);
    lines.field("API Version", text(object, "/apiVersion"));
    lines.field("Kind", text(object, "/kind"));
    let mut out = lines.finish();
    for field in ["spec", "data", "status"] {
        let Some(value) = object.get(field) else {
            continue;
        };
        let body = serde_saphyr::to_string(value).unwrap_or_default();
        out.push_str(&format!("{field}:\n"));
        out.extend(body.lines().map(|line| format!("  {line}\n")));
    }
    out
}

fn head(lines: &mut Lines, object: &Value) {
    lines.field("Name", name(object));
    if !namespace(object).is_empty() {
        lines.field("Namespace", namespace(object));
    }
    lines.map("Labels", &strings(object, "/metadata/labels"), "=");
    lines.map("Annotations", &annotations(object), ": ");
}

/// What was applied is left out, as kubectl does.
fn annotations(object: &Value) -> std::collections::BTreeMap<String, String> {
    let mut annotations = strings(object, "/metadata/annotations");
    annotations.remove(LAST_APPLIED);
    annotations
}

fn pairs(map: &std::collections::BTreeMap<String, String>, sign: &str) -> String {
    let all: Vec<String> = map.iter().map(|(k, v)| format!("{k}{sign}{v}")).collect();
    or_none(all.join(","))
}

fn or_none(text: String) -> String {
    if text.is_empty() {
        "<none>".to_owned()
    } else {
        text
    }
}

/// `Label:   value` lines, values in one column.
#[derive(Default)]
struct Lines(Vec<(String, String)>);

impl Lines {
    fn field(&mut self, label: &str, value: &str) {
        self.0.push((format!("{label}:"), value.to_owned()));
    }

    /// One entry a line, the label before the first.
    fn map(&mut self, label: &str, map: &std::collections::BTreeMap<String, String>, sign: &str) {
        if map.is_empty() {
            return self.field(label, "<none>");
        }
        for (index, (key, value)) in map.iter().enumerate() {
            let label = match index {
                0 => format!("{label}:"),
                _ => String::new(),
            };
            self.0.push((label, format!("{key}{sign}{value}")));
        }
    }

    fn finish(self) -> String {
        let width = self
            .0
            .iter()
            .map(|(label, _)| label.len())
            .max()
            .unwrap_or(0)
            + 2;
        self.0
            .iter()
            .map(|(label, value)| {
                let line = format!("{label:width$}{value}");
                format!("{}\n", line.trim_end())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_namespace_is_described_as_in_the_article() {
        let object = json!({"metadata": {"name": "default", "labels": {
            "istio-injection": "enabled", "kubernetes.io/metadata.name": "default"}},
            "status": {"phase": "Active"}});
        assert_eq!(
            describe_namespace(&object),
            "Name:         default\n\
             Labels:       istio-injection=enabled\n\
             \x20             kubernetes.io/metadata.name=default\n\
             Annotations:  <none>\n\
             Status:       Active\n\
             \n\
             No resource quota.\n\
             \n\
             No LimitRange resource.\n"
        );
    }

    #[test]
    fn a_service_shows_its_ready_endpoints() {
        let service = json!({"metadata": {"name": "web", "namespace": "default"},
            "spec": {"ports": [{"name": "app", "port": 80, "targetPort": 8081, "protocol": "TCP"}]}});
        let slice = json!({"metadata": {"labels": {SERVICE_LABEL: "web"}}, "ports": [{"name": "app", "port": 8081}],
            "endpoints": [{"addresses": ["10.244.0.5"], "conditions": {"ready": true}},
                          {"addresses": ["10.244.0.6"], "conditions": {"ready": false}}]});
        let text = describe_service(&service, &[slice]);
        assert!(
            text.contains("Endpoints:                10.244.0.5:8081\n"),
            "{text}"
        );
    }

    #[test]
    fn a_waiting_container_says_why() {
        let pod = json!({"metadata": {"name": "p", "namespace": "default"},
            "spec": {"containers": [{"name": "app", "image": "x:1"}]},
            "status": {"phase": "Pending", "containerStatuses": [{"name": "app",
                "state": {"waiting": {"reason": "ErrImagePull", "message": "image \"x:1\" is not on this machine"}}}]}});
        let text = describe_pod(&pod);
        assert!(
            text.contains("Reason:") && text.contains("image \"x:1\" is not on this machine"),
            "{text}"
        );
    }
}
