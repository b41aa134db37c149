//! The routes of a gateway: those of the VirtualServices that name its Gateways, for the hosts that these have.

use std::collections::BTreeMap;
use std::sync::Arc;

use envoy_types::pb::envoy::config::route::v3::{
    RouteConfiguration, VirtualHost, virtual_host::TlsRequirementType,
};

use super::{Protocol, Server, servers};
use crate::model::NamespacedName;
use crate::model::config::{VirtualService, exported};
use crate::proxy::ProxyClass;
use crate::route::{self, Context, Place};
use crate::snapshot::reads::Reads;

/// The route configuration of a name: `http.PORT` for all plain servers of a port,
/// `https.PORT.NAME.GATEWAY.NAMESPACE` for one server.
pub(crate) fn configuration(
    name: &str,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> Option<RouteConfiguration> {
    let found: Vec<Server<'_>> = servers(class, reads)
        .into_iter()
        .flat_map(|((port, _), servers)| servers.into_iter().map(move |s| (port, s)))
        .filter(|(_, server)| matches!(server.protocol, Protocol::Http | Protocol::Https))
        .filter(|(port, server)| server.route_name(*port) == name)
        .map(|(_, server)| server)
        .collect();
    let port = found.first()?.port;
    let mut hosts: BTreeMap<String, Host<'_>> = BTreeMap::new();
    for server in &found {
        collect(server, &mut hosts, class, reads);
    }
    let mut made: Vec<VirtualHost> = hosts
        .into_iter()
        .map(|(host, of)| virtual_host(&host, port, &of, class, reads))
        .collect();
    if made.is_empty() {
        // Without a route every request is answered with 404.
        made.push(VirtualHost {
            name: format!("blackhole:{port}"),
            domains: vec!["*".to_owned()],
            ..Default::default()
        });
    }
    Some(RouteConfiguration {
        ignore_port_in_host_matching: true,
        ..route::base(name, made)
    })
}

/// What is known of a host on one port.
#[derive(Default)]
struct Host<'a> {
    /// Whose routes it has, oldest first, each with the gateways by which it came.
    configs: Vec<(&'a Arc<VirtualService>, Vec<NamespacedName>)>,
    /// A server redirects its plaintext requests.
    redirects: bool,
}

fn collect<'a>(
    server: &Server<'_>,
    hosts: &mut BTreeMap<String, Host<'a>>,
    class: &ProxyClass,
    reads: &mut Reads<'a>,
) {
    let redirects = server.protocol == Protocol::Http
        && server
            .spec
            .tls
            .as_ref()
            .is_some_and(|tls| tls.https_redirect);
    let defaults = &reads.mesh().default_virtual_service_export_to;
    let gateway = &server.gateway.key;
    for config in reads.virtual_services_of(gateway) {
        let seen = exported(
            &config.spec.export_to,
            defaults,
            &config.key.namespace,
            &class.namespace,
        );
        if !seen || config.spec.http.is_empty() {
            continue;
        }
        for host in common_hosts(server, config) {
            let of = hosts.entry(host).or_default();
            of.redirects |= redirects;
            match of.configs.iter_mut().find(|(c, _)| Arc::ptr_eq(c, config)) {
                Some((_, gateways)) => gateways.push(gateway.clone()),
                None => of.configs.push((config, vec![gateway.clone()])),
            }
        }
    }
    if redirects {
        for host in server.hosts() {
            hosts.entry(host.to_owned()).or_default().redirects = true;
        }
    }
}

/// The hosts that a VirtualService has in common with a server that lets its namespace in; of two that overlap, the more
/// specific one.
fn common_hosts(server: &Server<'_>, config: &VirtualService) -> Vec<String> {
    let mut common = Vec::new();
    for allowed in &server.spec.hosts {
        let (namespace, allowed) = allowed.split_once('/').unwrap_or(("*", allowed));
        let let_in = match namespace {
            "*" => true,
            "." => config.key.namespace == server.gateway.key.namespace,
            named => *config.key.namespace == *named,
        };
        if !let_in {
            continue;
        }
        let allowed = allowed.to_ascii_lowercase();
        for host in &config.hosts {
            if covers(&allowed, host) {
                common.push(host.clone());
            } else if covers(host, &allowed) {
                common.push(allowed.clone());
            }
        }
    }
    common.sort();
    common.dedup();
    common
}

/// Whether a pattern (`*`, `*.DOMAIN` or a name) has every name that another has.
fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.len() >= pattern.len() && host.ends_with(suffix) || host == pattern,
        None => pattern == host,
    }
}

fn virtual_host(
    host: &str,
    port: u16,
    of: &Host<'_>,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> VirtualHost {
    let mut routes = Vec::new();
    for (config, gateways) in &of.configs {
        let context = Context {
            port,
            operation: None,
            class,
            place: Place::Gateways(gateways),
        };
        routes.extend(context.routes(config, reads));
    }
    // One that takes everything must not hide what another object says of some requests.
    routes.sort_by_key(route::takes_everything);
    routes.truncate(route::MAX_ROUTES);
    let require_tls = match of.redirects {
        true => TlsRequirementType::All,
        false => TlsRequirementType::None,
    };
    VirtualHost {
        name: format!("{host}:{port}"),
        domains: vec![host.to_owned()],
        routes,
        require_tls: require_tls.into(),
        include_request_attempt_count: true,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_pattern_covers_what_it_is_wider_than() {
        for (pattern, host, whole) in [
            ("*", "a.io", true),
            ("*", "*.io", true),
            ("*.io", "a.io", true),
            ("*.io", "*.a.io", true),
            ("*.io", ".io", false),
            ("*.a.io", "*.io", false),
            ("a.io", "a.io", true),
            ("a.io", "b.io", false),
            ("*.io", "aio", false),
        ] {
            assert_eq!(covers(pattern, host), whole, "{pattern} {host}");
        }
    }
}
