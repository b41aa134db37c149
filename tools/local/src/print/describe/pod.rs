//! `describe pod`.

use serde_json::Value;
use time::OffsetDateTime;

use super::super::tabs::align;
use super::{annotations, containers, events, map, or_none, time_of, volumes};
use crate::object::{age, integer, is_terminating, list, name, namespace, strings, text};

/// Describes a Pod.
pub fn describe_pod(pod: &Value, events: &[Value], now: OffsetDateTime) -> String {
    let mut out = String::new();
    head(&mut out, pod, now);
    for (title, field, statuses) in [
        (
            "Init Containers",
            "/spec/initContainers",
            "/status/initContainerStatuses",
        ),
        (
            "Containers",
            "/spec/containers",
            "/status/containerStatuses",
        ),
    ] {
        let own = list(pod, field);
        if !own.is_empty() {
            containers::write(&mut out, "", title, own, list(pod, statuses), Some(pod));
        }
    }
    let conditions = list(pod, "/status/conditions");
    if !conditions.is_empty() {
        out.push_str("Conditions:\n  Type\tStatus\n");
    }
    for condition in conditions {
        let (kind, status) = (text(condition, "/type"), text(condition, "/status"));
        out.push_str(&format!("  {kind} \t{status} \n"));
    }
    volumes::write(&mut out, "", list(pod, "/spec/volumes"));
    let quality = or_none(text(pod, "/status/qosClass").to_owned());
    out.push_str(&format!("QoS Class:\t{quality}\n"));
    let nodes = strings(pod, "/spec/nodeSelector");
    map(&mut out, "", "Node-Selectors", &nodes);
    out.push_str("Tolerations:\t<none>\n");
    events::table(&mut out, events, now);
    align(&out)
}

fn head(out: &mut String, pod: &Value, now: OffsetDateTime) {
    let mut field = |title: &str, value: &str| out.push_str(&format!("{title}:\t{value}\n"));
    field("Name", name(pod));
    field("Namespace", namespace(pod));
    let priority = integer(pod, "/spec/priority").unwrap_or(0);
    field("Priority", &priority.to_string());
    field("Service Account", text(pod, "/spec/serviceAccountName"));
    let (node, ip) = (text(pod, "/spec/nodeName"), text(pod, "/status/hostIP"));
    field("Node", &format!("{node}/{ip}"));
    let started = text(pod, "/status/startTime");
    if !started.is_empty() {
        field("Start Time", &time_of(started));
    }
    map(out, "", "Labels", &strings(pod, "/metadata/labels"));
    annotations(out, "", pod);
    let mut field = |title: &str, value: &str| out.push_str(&format!("{title}:\t{value}\n"));
    if is_terminating(pod) {
        let lasts = age::since(text(pod, "/metadata/deletionTimestamp"), now);
        field("Status", &format!("Terminating (lasts {lasts})"));
        let grace = integer(pod, "/metadata/deletionGracePeriodSeconds").unwrap_or(0);
        field("Termination Grace Period", &format!("{grace}s"));
    } else {
        field("Status", text(pod, "/status/phase"));
    }
    let address = text(pod, "/status/podIP");
    field("IP", address);
    match address {
        "" => field("IPs", "<none>"),
        address => out.push_str(&format!("IPs:\n  IP:\t{address}\n")),
    }
    if let Some(owner) = list(pod, "/metadata/ownerReferences").first() {
        let (kind, name) = (text(owner, "/kind"), text(owner, "/name"));
        out.push_str(&format!("Controlled By:\t{kind}/{name}\n"));
    }
}
