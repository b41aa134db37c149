//! `describe service`.

use serde_json::Value;
use time::OffsetDateTime;

use super::super::tabs::align;
use super::{events, head, pairs, plain};
use crate::controller::endpoints::SERVICE_LABEL;
use crate::object::{integer, labels, list, name, strings, text};

/// Describes a Service with the addresses of its slices.
pub fn describe_service(
    object: &Value,
    slices: &[Value],
    events: &[Value],
    now: OffsetDateTime,
) -> String {
    let mut out = String::new();
    head(&mut out, object);
    let mut field = |title: &str, value: &str| out.push_str(&format!("{title}:\t{value}\n"));
    field("Selector", &pairs(&strings(object, "/spec/selector")));
    field("Type", text(object, "/spec/type"));
    field("IP Family Policy", text(object, "/spec/ipFamilyPolicy"));
    field("IP Families", text(object, "/spec/ipFamilies/0"));
    field("IP", text(object, "/spec/clusterIP"));
    field("IPs", text(object, "/spec/clusterIPs/0"));
    if !text(object, "/spec/externalName").is_empty() {
        field("External Name", text(object, "/spec/externalName"));
    }
    let ingress: Vec<&str> = list(object, "/status/loadBalancer/ingress")
        .iter()
        .map(|ingress| match text(ingress, "/ip") {
            "" => text(ingress, "/hostname"),
            ip => ip,
        })
        .collect();
    if !ingress.is_empty() {
        field("LoadBalancer Ingress", &ingress.join(", "));
    }
    let mine: Vec<&Value> = slices
        .iter()
        .filter(|slice| labels(slice).get(SERVICE_LABEL).map(String::as_str) == Some(name(object)))
        .collect();
    for port in list(object, "/spec/ports") {
        let port_name = text(port, "/name");
        let number = integer(port, "/port").unwrap_or(0);
        let protocol = text(port, "/protocol");
        let shown = match port_name {
            "" => "<unset>",
            name => name,
        };
        field("Port", &format!("{shown}\t{number}/{protocol}"));
        let target = port.get("targetPort").map(plain).unwrap_or_default();
        field("TargetPort", &format!("{target}/{protocol}"));
        if let Some(node_port) = integer(port, "/nodePort") {
            field("NodePort", &format!("{shown}\t{node_port}/{protocol}"));
        }
        field("Endpoints", &endpoints(&mine, port_name));
    }
    field("Session Affinity", text(object, "/spec/sessionAffinity"));
    if !text(object, "/spec/externalTrafficPolicy").is_empty() {
        let policy = text(object, "/spec/externalTrafficPolicy");
        field("External Traffic Policy", policy);
    }
    let policy = text(object, "/spec/internalTrafficPolicy");
    field("Internal Traffic Policy", policy);
    events::table(&mut out, events, now);
    align(&out)
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
