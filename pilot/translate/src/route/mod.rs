//! Route configurations: which request goes to which cluster.

mod action;
mod condition;
mod fault;
mod header;
mod retry;

pub(crate) use action::limit_grpc_calls;
pub(crate) use header::{
    is_name as header_is_name, is_value as header_is_value, may_change as header_is_changeable,
};

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::route::v3::{
    Decorator, DirectResponseAction, Route, RouteAction, RouteConfiguration, RouteMatch,
    VirtualHost, route::Action, route_action::ClusterSpecifier, route_match::PathSpecifier,
};
use resources::istio::virtual_service::HttpRoute;
use resources::mesh_config::OutboundMode;

use crate::cluster::{policy::Rule, visible};
use crate::model::NamespacedName;
use crate::model::config::{MESH, VirtualService, exported, gateway_named};
use crate::model::protocol::Protocol;
use crate::model::service::{Resolution, Service};
use crate::names::{self, Upstream};
use crate::origin;
use crate::proxy::ProxyClass;
use crate::snapshot::reads::Reads;
use crate::wire::{bool_value, duration, u32_value};

const DEFAULT: &str = "default";
/// The largest body that a route may answer with, in bytes.
const MAX_BODY: u32 = 1024 * 1024;

/// The route configuration of a name: `PORT` for all services on an HTTP port, `HOST:PORT` for one
/// service whose protocol is found out.
pub(crate) fn configuration(
    name: &str,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> Option<RouteConfiguration> {
    if let Some((host, port)) = names::host_and_port(name) {
        return of_one_service(name, &Upstream::new(port, "", host), class, reads);
    }
    let port: u16 = name.parse().ok()?;
    let mut services: Vec<&Arc<Service>> = Vec::new();
    for service in reads.services_on(port)?.values() {
        let http = service
            .port(port)
            .is_some_and(|p| p.protocol.is_http() || p.protocol == Protocol::Auto);
        if http && visible(service, class, reads) {
            services.push(service);
        }
    }
    services.sort_by(|a, b| (a.created, &a.key).cmp(&(b.created, &b.key)));
    let mut taken = BTreeSet::new();
    let mut hosts: Vec<VirtualHost> = Vec::new();
    for service in services {
        // A domain in two virtual hosts would make the proxy refuse all of them.
        let domains: Vec<String> = domains(service, class)
            .into_iter()
            .filter(|domain| taken.insert(domain.clone()))
            .collect();
        if !domains.is_empty() {
            hosts.push(virtual_host(service, port, domains, class, reads));
        }
    }
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    hosts.push(unknown_hosts(reads));
    Some(RouteConfiguration {
        ignore_port_in_host_matching: true,
        ..base(name, hosts)
    })
}

/// The routes of one service's port, whatever host the request names.
pub(crate) fn of_one_service(
    name: &str,
    upstream: &Upstream<'_>,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> Option<RouteConfiguration> {
    let service = reads.service_at(upstream.host)?;
    service.port(upstream.port)?;
    if !visible(service, class, reads) {
        return None;
    }
    let host = virtual_host(service, upstream.port, vec!["*".to_owned()], class, reads);
    Some(base(name, vec![host]))
}

pub(crate) fn base(name: &str, virtual_hosts: Vec<VirtualHost>) -> RouteConfiguration {
    RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts,
        // Routes and clusters come apart: one without the other answers 503, it is not refused.
        validate_clusters: bool_value(false),
        max_direct_response_body_size_bytes: u32_value(MAX_BODY),
        ..Default::default()
    }
}

/// The single route of an inbound chain.
pub(crate) fn inbound(
    cluster: &str,
    virtual_host: &str,
    operation: &str,
    grpc: bool,
) -> RouteConfiguration {
    let action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        timeout: duration(Duration::ZERO),
        max_stream_duration: Some(unlimited_stream()),
        retry_policy: (!grpc).then(retry::inbound),
        ..Default::default()
    };
    let route = Route {
        decorator: decorator(operation),
        ..everything(DEFAULT, Action::Route(action))
    };
    let host = VirtualHost {
        name: virtual_host.to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![route],
        ..Default::default()
    };
    RouteConfiguration {
        name: cluster.to_owned(),
        virtual_hosts: vec![host],
        validate_clusters: bool_value(false),
        ..Default::default()
    }
}

fn unlimited_stream() -> envoy_types::pb::envoy::config::route::v3::route_action::MaxStreamDuration
{
    envoy_types::pb::envoy::config::route::v3::route_action::MaxStreamDuration {
        max_stream_duration: duration(Duration::ZERO),
        grpc_timeout_header_max: duration(Duration::ZERO),
        ..Default::default()
    }
}

fn everything(name: &str, action: Action) -> Route {
    let all = RouteMatch {
        path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
        ..Default::default()
    };
    Route {
        name: name.to_owned(),
        r#match: Some(all),
        action: Some(action),
        ..Default::default()
    }
}

fn decorator(operation: &str) -> Option<Decorator> {
    Some(Decorator {
        operation: operation.to_owned(),
        ..Default::default()
    })
}

/// Requests to hosts that no service has.
fn unknown_hosts(reads: &mut Reads<'_>) -> VirtualHost {
    let (name, action) = match reads.mesh().outbound_traffic_policy.mode {
        OutboundMode::AllowAny => (
            "allow_any",
            Action::Route(RouteAction {
                cluster_specifier: Some(ClusterSpecifier::Cluster(names::PASSTHROUGH.to_owned())),
                timeout: duration(Duration::ZERO),
                ..Default::default()
            }),
        ),
        OutboundMode::RegistryOnly => (
            "block_all",
            Action::DirectResponse(DirectResponseAction {
                status: 502,
                ..Default::default()
            }),
        ),
    };
    VirtualHost {
        name: name.to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![everything(name, action)],
        include_request_attempt_count: true,
        ..Default::default()
    }
}

fn domains(service: &Service, class: &ProxyClass) -> Vec<String> {
    let names = names::service_names(&service.key, &service.host, &class.namespace);
    let mut all = names.clone();
    if service.resolution == Resolution::Passthrough {
        all.extend(names.iter().map(|name| format!("*.{name}")));
    }
    all.extend(service.vips.iter().map(|ip| match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }));
    all
}

fn virtual_host(
    service: &Arc<Service>,
    port: u16,
    domains: Vec<String>,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> VirtualHost {
    let operation = format!("{}:{port}", service.host);
    let context = Context {
        port,
        operation: Some(format!("{operation}/*")),
        class,
        place: Place::Mesh,
    };
    let mut routes = match applicable(service, class, reads) {
        Some(config) => context.routes(config, reads),
        None => vec![context.plain(service, reads)],
    };
    routes.truncate(MAX_ROUTES);
    VirtualHost {
        name: operation,
        domains,
        routes,
        include_request_attempt_count: true,
        ..Default::default()
    }
}

/// More than this in one virtual host are beyond any use and would only cost memory.
pub(crate) const MAX_ROUTES: usize = 10_000;

/// The VirtualService that counts for a host: the oldest one for sidecars that is seen from here
/// and says anything about requests.
fn applicable<'a>(
    service: &Service,
    class: &ProxyClass,
    reads: &mut Reads<'a>,
) -> Option<&'a Arc<VirtualService>> {
    let all = reads.virtual_services(&service.host);
    if all.is_empty() {
        return None;
    }
    let defaults = &reads.mesh().default_virtual_service_export_to;
    all.into_iter().find(|config| {
        let spec = &config.spec;
        is_for_mesh(spec)
            && !spec.http.is_empty()
            && exported(
                &spec.export_to,
                defaults,
                &config.key.namespace,
                &class.namespace,
            )
    })
}

/// Whether sidecars heed a VirtualService at all.
pub(crate) fn is_for_mesh(spec: &resources::istio::virtual_service::VirtualServiceSpec) -> bool {
    let of_routes = || {
        spec.http
            .iter()
            .flat_map(|r| &r.matches)
            .any(|m| m.gateways.iter().any(|g| g == MESH))
    };
    spec.gateways.is_empty() || spec.gateways.iter().any(|g| g == MESH) || of_routes()
}

/// Whose routes are wanted of a VirtualService.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'c> {
    /// Those of sidecars.
    Mesh,
    /// Those of one of these Gateways.
    Gateways(&'c [NamespacedName]),
}

impl Place<'_> {
    /// Whether a list of gateways, in an object of this namespace, speaks of it.
    fn is_in(self, gateways: &[String], namespace: &str) -> bool {
        match self {
            Place::Mesh => gateways.is_empty() || gateways.iter().any(|g| g == MESH),
            Place::Gateways(all) => gateways
                .iter()
                .any(|name| all.contains(&gateway_named(name, namespace))),
        }
    }
}

/// What all routes of a virtual host share.
pub(crate) struct Context<'c> {
    /// The port that is called.
    pub(crate) port: u16,
    /// What spans are named after; none names them after the destination.
    pub(crate) operation: Option<String>,
    pub(crate) class: &'c ProxyClass,
    pub(crate) place: Place<'c>,
}

impl Context<'_> {
    /// Everything to the service, where nobody said anything else.
    fn plain(&self, service: &Service, reads: &mut Reads<'_>) -> Route {
        let upstream = Upstream::new(self.port, "", &service.host);
        let rule = Rule::of(service, self.class, reads);
        let hash = action::hash_policies(&rule.policy("", self.port));
        let mut action = RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster(upstream.cluster())),
            timeout: duration(Duration::ZERO),
            retry_policy: Some(retry::default(hash.is_empty())),
            hash_policy: hash,
            ..Default::default()
        };
        action::cap_grpc_timeout(&mut action);
        Route {
            decorator: self.decorator(&action.cluster_specifier),
            ..everything(DEFAULT, Action::Route(action))
        }
    }

    pub(crate) fn routes(&self, config: &VirtualService, reads: &mut Reads<'_>) -> Vec<Route> {
        let mut routes = Vec::new();
        for http in &config.spec.http {
            let Some(template) = self.template(config, http, reads) else {
                continue;
            };
            if http.matches.is_empty() {
                if !self
                    .place
                    .is_in(&config.spec.gateways, &config.key.namespace)
                {
                    continue;
                }
                routes.push(everything_like(template));
                break;
            }
            for on in &http.matches {
                let gateways = if on.gateways.is_empty() {
                    &config.spec.gateways
                } else {
                    &on.gateways
                };
                let here = self.place.is_in(gateways, &config.key.namespace)
                    && on.port.is_none_or(|port| port == self.port)
                    && self.class.is_selected(&on.source_labels)
                    && (on.source_namespace.is_empty()
                        || *on.source_namespace == *self.class.namespace);
                let Some(conditions) = condition::route_match(on).filter(|_| here) else {
                    continue;
                };
                let catch_all = condition::is_everything(&conditions);
                let mut route = template.clone();
                if !on.name.is_empty() {
                    route.name = format!("{}.{}", route.name, on.name);
                }
                route.stat_prefix.clone_from(&on.stat_prefix);
                route.r#match = Some(conditions);
                routes.push(route);
                if catch_all {
                    return routes;
                }
            }
        }
        routes
    }

    fn decorator(&self, to: &Option<ClusterSpecifier>) -> Option<Decorator> {
        if let Some(operation) = &self.operation {
            return decorator(operation);
        }
        let cluster = match to.as_ref()? {
            ClusterSpecifier::Cluster(name) => name,
            ClusterSpecifier::WeightedClusters(all) => &all.clusters.first()?.name,
            _ => return None,
        };
        let Upstream { host, port, .. } = Upstream::parse(cluster)?;
        decorator(&format!("{host}:{port}/*"))
    }

    /// The route but for its conditions; nothing where it cannot be said to a proxy.
    fn template(
        &self,
        config: &VirtualService,
        http: &HttpRoute,
        reads: &mut Reads<'_>,
    ) -> Option<Route> {
        let name = if http.name.is_empty() {
            DEFAULT
        } else {
            &http.name
        };
        let action = action::action(http, &config.key.namespace, self.port, self.class, reads)?;
        let mut route = Route {
            name: name.to_owned(),
            decorator: match &action {
                Action::Route(to) => self.decorator(&to.cluster_specifier),
                _ => self.operation.as_deref().and_then(decorator),
            },
            action: Some(action),
            typed_per_filter_config: fault::per_filter(http),
            metadata: Some(origin::metadata(origin::Kind::VirtualService, &config.key)),
            ..Default::default()
        };
        if let Some(headers) = &http.headers {
            let (add, remove) = header::operations(headers.request.as_ref());
            route.request_headers_to_add = add;
            route.request_headers_to_remove = remove;
            let (add, remove) = header::operations(headers.response.as_ref());
            route.response_headers_to_add = add;
            route.response_headers_to_remove = remove;
        }
        Some(route)
    }
}

/// Whether a route takes every request.
pub(crate) fn takes_everything(route: &Route) -> bool {
    route.r#match.as_ref().is_some_and(condition::is_everything)
}

fn everything_like(route: Route) -> Route {
    let all = RouteMatch {
        path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
        ..Default::default()
    };
    Route {
        r#match: Some(all),
        ..route
    }
}

/// Whether a proxy takes a regular expression.
pub(crate) fn regex_is_taken(regex: &str) -> bool {
    condition::expression(regex).is_some()
}
