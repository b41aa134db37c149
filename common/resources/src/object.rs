//! Objects as typed values. What cannot be typed is refused with the field's path; a field that the
//! kind does not have is a warning that names it.

mod parse;

use std::fmt;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::istio::{DestinationRule, Gateway, PeerAuthentication, VirtualService};

/// The kinds that the mesh reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Core `Namespace`.
    Namespace,
    /// Core `Node`.
    Node,
    /// Core `ConfigMap`.
    ConfigMap,
    /// Core `Secret`.
    Secret,
    /// Core `Service`.
    Service,
    /// Core `Pod`.
    Pod,
    /// `discovery.k8s.io` `EndpointSlice`.
    EndpointSlice,
    /// `networking.istio.io` `VirtualService`.
    VirtualService,
    /// `networking.istio.io` `DestinationRule`.
    DestinationRule,
    /// `networking.istio.io` `Gateway`.
    Gateway,
    /// `security.istio.io` `PeerAuthentication`.
    PeerAuthentication,
    /// Any other kind: nothing is known of it.
    Unsupported,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Names one object: kind, namespace (empty for kinds without one), name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The kind.
    pub kind: Kind,
    /// The namespace; empty for kinds that live in none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// An object of a kind that the mesh reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// A namespace; its labels and annotations matter.
    Namespace(Box<Namespace>),
    /// A machine; its topology labels matter.
    Node(Box<Node>),
    /// A config map, such as the mesh's own configuration.
    ConfigMap(Box<ConfigMap>),
    /// A secret.
    Secret(Box<Secret>),
    /// A service.
    Service(Box<Service>),
    /// A pod.
    Pod(Box<Pod>),
    /// Some of the endpoints of a service.
    EndpointSlice(Box<EndpointSlice>),
    /// Routes of a host.
    VirtualService(Box<VirtualService>),
    /// Policy towards a host.
    DestinationRule(Box<DestinationRule>),
    /// What a gateway opens.
    Gateway(Box<Gateway>),
    /// Whether workloads take plaintext.
    PeerAuthentication(Box<PeerAuthentication>),
    /// A kind that the mesh does not read.
    Unsupported(Unsupported),
}

/// What is known of an object of a kind that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// The namespace; empty for none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Object {
    /// The object's kind.
    pub fn kind(&self) -> Kind {
        match self {
            Object::Namespace(_) => Kind::Namespace,
            Object::Node(_) => Kind::Node,
            Object::ConfigMap(_) => Kind::ConfigMap,
            Object::Secret(_) => Kind::Secret,
            Object::Service(_) => Kind::Service,
            Object::Pod(_) => Kind::Pod,
            Object::EndpointSlice(_) => Kind::EndpointSlice,
            Object::VirtualService(_) => Kind::VirtualService,
            Object::DestinationRule(_) => Kind::DestinationRule,
            Object::Gateway(_) => Kind::Gateway,
            Object::PeerAuthentication(_) => Kind::PeerAuthentication,
            Object::Unsupported(_) => Kind::Unsupported,
        }
    }

    /// The Kubernetes metadata, where the kind is read.
    pub fn metadata(&self) -> Option<&ObjectMeta> {
        Some(match self {
            Object::Namespace(o) => &o.metadata,
            Object::Node(o) => &o.metadata,
            Object::ConfigMap(o) => &o.metadata,
            Object::Secret(o) => &o.metadata,
            Object::Service(o) => &o.metadata,
            Object::Pod(o) => &o.metadata,
            Object::EndpointSlice(o) => &o.metadata,
            Object::VirtualService(o) => &o.metadata,
            Object::DestinationRule(o) => &o.metadata,
            Object::Gateway(o) => &o.metadata,
            Object::PeerAuthentication(o) => &o.metadata,
            Object::Unsupported(_) => return None,
        })
    }

    /// The object's key.
    pub fn key(&self) -> ObjectKey {
        let (namespace, name) = match self {
            Object::Unsupported(o) => (o.namespace.clone(), o.name.clone()),
            other => other.metadata().map_or_else(Default::default, |m| {
                (
                    m.namespace.clone().unwrap_or_default(),
                    m.name.clone().unwrap_or_default(),
                )
            }),
        };
        ObjectKey {
            kind: self.kind(),
            namespace,
            name,
        }
    }
}
