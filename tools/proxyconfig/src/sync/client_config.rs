//! What became of what proxies were sent, as `envoy.service.status.v3` writes it.

use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;

use super::{OfType, Proxy};
use crate::dump::text;

/// A pilot's proxies as istioctl's `-o json` shows them: a response of `envoy.service.status.v3.ClientConfig`s. With
/// `each`, every resource is an entry of its own, too, with its name, version and status.
pub fn json(proxies: &[Proxy], identifier: &Value, each: bool) -> Value {
    let resources: Vec<Value> = proxies.iter().map(|proxy| config(proxy, each)).collect();
    json!({
        "resources": resources,
        "typeUrl": "istio.io/debug/syncz",
        "controlPlane": {"identifier": identifier.to_string()},
    })
}

fn config(proxy: &Proxy, each: bool) -> Value {
    let mut configs = Vec::new();
    for one in &proxy.types {
        let sent = one.sent.and_then(|sent| sent.format(&Rfc3339).ok());
        let mut entry = Map::new();
        entry.insert("typeUrl".to_owned(), json!(one.type_url));
        let status = one.status.as_str().replace(' ', "_");
        entry.insert("configStatus".to_owned(), json!(status));
        if let Some(sent) = &sent {
            entry.insert("lastUpdated".to_owned(), json!(sent));
        }
        if let Some(error) = &one.error {
            let state = json!({"lastUpdateAttempt": sent, "details": error});
            entry.insert("errorState".to_owned(), state);
        }
        configs.push(Value::Object(entry));
        if each {
            configs.extend(
                one.resources
                    .iter()
                    .map(|resource| client_side(one, resource)),
            );
        }
    }
    json!({
        "@type": "type.googleapis.com/envoy.service.status.v3.ClientConfig",
        "node": {
            "id": proxy.name,
            "metadata": {
                "CLUSTER_ID": proxy.cluster,
                "ISTIO_VERSION": proxy.version,
                "NAMESPACE": proxy.namespace(),
            },
        },
        "genericXdsConfigs": configs,
    })
}

/// One resource, by what the client said to it (`envoy.admin.v3.ClientResourceStatus`).
fn client_side(of: &OfType, resource: &Value) -> Value {
    let version = text(resource, "/version");
    let status = match text(resource, "/status") {
        "rejected" => "NACKED",
        "acked" if version.is_empty() => "DOES_NOT_EXIST",
        "acked" => "ACKED",
        // Sent and not answered, or refused with others: what is in use is not known.
        _ => "REQUESTED",
    };
    json!({
        "typeUrl": of.type_url,
        "name": text(resource, "/name"),
        "versionInfo": version,
        "clientStatus": status,
    })
}
