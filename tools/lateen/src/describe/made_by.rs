//! Which objects made what a proxy has for a service, by what its configuration says.

use local::object::{list, name, namespace, text};
use proxyconfig::dump::{ConfigDump, Origin, origin};
use serde_json::Value;

use super::service::host;

/// The DestinationRule of a service's port.
pub(super) fn destination_rule(dump: &ConfigDump, service: &Value, port: i64) -> Option<Origin> {
    let cluster = format!("outbound|{port}||{}", host(service));
    let clusters = dump.clusters().ok()?;
    let cluster = clusters
        .into_iter()
        .find(|one| text(one, "/name") == cluster)?;
    origin(cluster).filter(|origin| origin.kind == "destination-rule")
}

/// The VirtualService of a service's port.
pub(super) fn virtual_service(dump: &ConfigDump, service: &Value, port: i64) -> Option<Origin> {
    let host = host(service);
    let of_port = |configuration: &&Value| {
        let name = text(configuration, "/name");
        name == port.to_string()
            || name == format!("{host}:{port}")
            || name.starts_with("http.")
            || name.starts_with("https.")
    };
    let routes = dump.routes().ok()?;
    routes
        .into_iter()
        .filter(of_port)
        .flat_map(|configuration| list(configuration, "/virtual_hosts"))
        .flat_map(|virtual_host| {
            let routes = list(virtual_host, "/routes").iter();
            routes.filter(|route| leads_to(virtual_host, route, service, port))
        })
        .next()
        .and_then(origin)
        .filter(|origin| origin.kind == "virtual-service")
}

fn leads_to(virtual_host: &Value, route: &Value, service: &Value, port: i64) -> bool {
    let host = host(service);
    let mut domains = list(virtual_host, "/domains").iter();
    if domains.any(|domain| domain.as_str() == Some(&host)) {
        return true;
    }
    // A gateway's domains are its own, its clusters are the services'.
    let cluster = match text(route, "/route/cluster") {
        "" => text(route, "/route/weighted_clusters/clusters/0/name"),
        cluster => cluster,
    };
    cluster.starts_with(&format!("outbound|{port}|")) && cluster.ends_with(&format!("|{host}"))
}

/// The policies that requests to a pod's port are checked against, by name.
pub(super) fn policies(dump: &ConfigDump, port: i64) -> Vec<String> {
    let listeners = dump.listeners().unwrap_or_default();
    let inbound = listeners
        .into_iter()
        .find(|listener| text(listener, "/name") == "virtualInbound");
    let Some(inbound) = inbound else {
        return Vec::new();
    };
    let of_port = |chain: &&Value| {
        let wanted = chain.pointer("/filter_chain_match/destination_port");
        wanted.and_then(Value::as_i64) == Some(port)
    };
    let filters = list(inbound, "/filter_chains")
        .iter()
        .filter(of_port)
        .flat_map(|chain| list(chain, "/filters"))
        .flat_map(|filter| list(filter, "/typed_config/http_filters"));
    let mut names: Vec<String> = filters
        .filter(|filter| text(filter, "/name").starts_with("envoy.filters.http.rbac"))
        .filter_map(|filter| filter.pointer("/typed_config/rules/policies")?.as_object())
        .flat_map(|policies| policies.keys().cloned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What to say of an object that the proxy still names.
pub(super) fn stale(kind: &str, of: &Origin) -> String {
    format!(
        "WARNING: Proxy is stale; it references to non-existent {kind} {}.{}",
        of.name, of.namespace
    )
}

/// Whether two name the same service.
pub(super) fn is_service(object: &Value, wanted: &str, within: &str) -> bool {
    let (name, namespace) = (name(object), namespace(object));
    let mut parts = wanted.split('.');
    match (parts.next(), parts.next()) {
        (Some(short), None) => short == name && within == namespace,
        _ => {
            let whole = host(object);
            wanted == whole
                || wanted == format!("{name}.{namespace}")
                || wanted == format!("{name}.{namespace}.svc")
        }
    }
}
