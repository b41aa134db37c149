//! From the mesh's objects to xDS resources, without I/O, clock or global state.
//!
//! A [`Snapshot`] is the world at one moment. A [`Translator`] answers which resources a [`Proxy`]
//! gets in it, and computes only what changed. What cannot be honoured is said by [`check`].

mod check;
mod cluster;
mod endpoint;
mod gateway;
mod grpc;
mod listener;
mod model;
mod names;
mod origin;
mod proxy;
mod route;
mod snapshot;
mod translator;
mod wire;

use std::sync::Arc;

use xds::{Resource, TypeUrl};

pub use check::{Conflicts, check, conflicts};
pub use model::{Locality, NamespacedName};
pub use proxy::{Interception, NodeError, Proxy, ProxyClass, Role};
pub use snapshot::{
    Attributes, Change, EndpointShards, RegisteredPort, RegisteredService, Settings, ShardEndpoint,
    ShardLocality, Shards, Snapshot,
};
pub use translator::{Subscription, Translator};

use proxy::Inbound;
use snapshot::reads::Reads;

/// The names of a kind that a class of proxies may have, apart from their inbound side.
fn outbound_names(kind: TypeUrl, class: &ProxyClass, reads: &mut Reads<'_>) -> Vec<Arc<str>> {
    match (class.role, kind) {
        (Role::Grpc, _) => Vec::new(),
        (_, TypeUrl::Cluster) => cluster::names(class, reads),
        (Role::Sidecar, TypeUrl::Listener) => listener::names(class, reads),
        (Role::Router, TypeUrl::Listener) => gateway::names(class, reads),
        _ => Vec::new(),
    }
}

/// The names of a kind for the inbound side of a proxy.
fn inbound_names(
    kind: TypeUrl,
    class: &ProxyClass,
    inbound: &Inbound,
    reads: &mut Reads<'_>,
) -> Vec<Arc<str>> {
    match (class.role, kind) {
        (Role::Sidecar, TypeUrl::Cluster) => cluster::inbound_names(class, inbound, reads),
        (Role::Sidecar, TypeUrl::Listener) => vec![listener::VIRTUAL_INBOUND.into()],
        _ => Vec::new(),
    }
}

/// One resource, or nothing where nothing stands behind the name.
fn outbound_resource(
    kind: TypeUrl,
    name: &Arc<str>,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> Option<Resource> {
    let body = match (class.role, kind) {
        (Role::Grpc, TypeUrl::Listener) => wire::encode(kind, &grpc::listener(name, class, reads)?),
        (Role::Grpc, TypeUrl::Route) => wire::encode(kind, &grpc::route(name, class, reads)?),
        (Role::Grpc, TypeUrl::Cluster) => wire::encode(kind, &grpc::cluster(name, class, reads)?),
        (_, TypeUrl::Cluster) => wire::encode(kind, &cluster::outbound(name, class, reads)?),
        (_, TypeUrl::Endpoints) => wire::encode(kind, &endpoint::assignment(name, class, reads)?),
        (Role::Sidecar, TypeUrl::Listener) => {
            wire::encode(kind, &listener::outbound(name, class, reads)?)
        }
        (Role::Router, TypeUrl::Listener) => {
            wire::encode(kind, &gateway::listener(name, class, reads)?)
        }
        (Role::Router, TypeUrl::Route) => {
            wire::encode(kind, &gateway::configuration(name, class, reads)?)
        }
        (_, TypeUrl::Route) => wire::encode(kind, &route::configuration(name, class, reads)?),
        (Role::Router, TypeUrl::Secret) => {
            wire::encode(kind, &gateway::secret(name, class, reads)?)
        }
        (_, TypeUrl::Secret) => return None,
    };
    Some(Resource::new(kind, Arc::clone(name), body))
}

/// One resource of the inbound side.
fn inbound_resource(
    kind: TypeUrl,
    name: &Arc<str>,
    class: &ProxyClass,
    inbound: &Inbound,
    reads: &mut Reads<'_>,
) -> Option<Resource> {
    let body = match (class.role, kind) {
        (Role::Sidecar, TypeUrl::Cluster) => {
            wire::encode(kind, &cluster::inbound(name, class, inbound, reads)?)
        }
        (Role::Sidecar, TypeUrl::Listener) => {
            wire::encode(kind, &listener::inbound(class, inbound, reads)?)
        }
        _ => return None,
    };
    Some(Resource::new(kind, Arc::clone(name), body))
}
