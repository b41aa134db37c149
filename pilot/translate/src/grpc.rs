//! What gRPC libraries that speak xDS ask for by name: a listener per target, one route
//! configuration, clusters and endpoints, with nothing that they would refuse.

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::listener::v3::{ApiListener, Listener};
use envoy_types::pb::envoy::config::route::v3::{RouteConfiguration, route::Action};

use crate::cluster;
use crate::listener::manager;
use crate::model::NamespacedName;
use crate::model::host;
use crate::names::{Upstream, host_and_port};
use crate::proxy::ProxyClass;
use crate::route;
use crate::snapshot::reads::Reads;
use crate::wire::any;

/// The listener for a target `HOST:PORT`, where the host may be shortened as in DNS.
pub(crate) fn listener(name: &str, class: &ProxyClass, reads: &mut Reads<'_>) -> Option<Listener> {
    let (written, port) = host_and_port(name)?;
    let service = reads.service(&called(written, class, reads)?)?;
    service.port(port)?;
    if !cluster::visible(service, class, reads) {
        return None;
    }
    let route = Upstream::new(port, "", &service.host).cluster();
    Some(Listener {
        name: name.to_owned(),
        api_listener: Some(ApiListener {
            api_listener: Some(any(&manager::for_grpc(&route))),
        }),
        ..Default::default()
    })
}

/// The service that a caller in the class's namespace means by a name.
fn called(written: &str, class: &ProxyClass, reads: &Reads<'_>) -> Option<NamespacedName> {
    let domain = &reads.settings().domain;
    let parts: Vec<&str> = written.split('.').collect();
    match parts.as_slice() {
        [name] => Some(NamespacedName::new(&class.namespace, name)),
        [name, namespace] | [name, namespace, "svc"] => Some(NamespacedName::new(namespace, name)),
        _ => host::service_of(written, domain),
    }
}

/// The routes of `outbound|PORT||HOST`.
pub(crate) fn route(
    name: &str,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> Option<RouteConfiguration> {
    let upstream = Upstream::parse(name)?;
    let mut made = route::of_one_service(name, &upstream, class, reads)?;
    for host in &mut made.virtual_hosts {
        host.include_request_attempt_count = false;
        for route in &mut host.routes {
            route.decorator = None;
            route.typed_per_filter_config.clear();
            if let Some(Action::Route(action)) = &mut route.action {
                action.request_mirror_policies.clear();
                route::limit_grpc_calls(action);
                if let Some(retry) = &mut action.retry_policy {
                    retry.retry_host_predicate.clear();
                    retry.host_selection_retry_max_attempts = 0;
                }
            }
        }
    }
    Some(made)
}

/// The cluster of `outbound|PORT|SUBSET|HOST`.
pub(crate) fn cluster(name: &str, class: &ProxyClass, reads: &mut Reads<'_>) -> Option<Cluster> {
    cluster::for_grpc(name, class, reads)
}
